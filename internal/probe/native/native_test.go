package native_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/probeimage"
	"glovebox/internal/probe/trial"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
	"glovebox/internal/testenv/hybrid"
)

// helpers are trials that are no probe by themselves: they are a neighbour's.
var helpers = []string{"beat", "neighbour.wait"}

// without are probes that need no trial of their own.
var without = []string{"limits.neighbour-latency"}

func TestEveryProbeHasATrialAndTheOtherWayRound(t *testing.T) {
	ids := trial.IDs()
	seen := map[string]bool{}
	for _, p := range native.Probes() {
		if seen[p.ID] {
			t.Errorf("two probes are %s", p.ID)
		}
		seen[p.ID] = true
		if !slices.Contains(ids, p.ID) && !slices.Contains(without, p.ID) {
			t.Errorf("%s has no trial", p.ID)
		}
		if p.Claim == "" || p.Reference == "" || len(p.Layers) == 0 || len(p.Expect.Denials) == 0 || p.Deadline <= 0 || p.Family != probe.Native {
			t.Errorf("%s is not whole: %+v", p.ID, p)
		}
	}
	for _, id := range ids {
		if !seen[id] && !slices.Contains(helpers, id) {
			t.Errorf("the trial %s is no probe's", id)
		}
	}
	if len(seen) < 80 {
		t.Errorf("%d native probes, fewer than 80", len(seen))
	}
}

// image is the probe's, and needs `make probe`.
func image(t *testing.T) *runnerimage.Image {
	t.Helper()
	image, err := probeimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	return image
}

// audit tries every native probe on a target, and tells of each that does not hold.
func audit(t *testing.T, target probe.Target, probes []probe.Probe) {
	t.Helper()
	report := probe.NewReport(probes)
	start := time.Now()
	err := native.Runner{}.Run(t.Context(), target, probes, report.AddOutcome)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d probes in %v", len(probes), time.Since(start).Round(time.Millisecond))
	for _, row := range report.Rows {
		want := len(probe.Native.Stages())
		if len(row.Outcomes) < want && row.Verdict != probe.NotApplicable {
			t.Errorf("%s: %d outcomes, want %d", row.ID, len(row.Outcomes), want)
		}
		for _, o := range row.Outcomes {
			if !o.Verdict.OK() {
				t.Errorf("%s, %s: %s: %s", o.Probe, o.Stage, o.Verdict, o.Why)
			}
		}
	}
}

func TestWithoutADaemon(t *testing.T) {
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
		t.Run(string(kind), func(t *testing.T) {
			driver, name := newOCI(t, kind)
			audit(t, probe.Target{Pair: probe.Pair{Driver: "oci", Runtime: name}, Driver: driver, Spec: driver.Spec()}, native.Probes())
		})
	}
}

func newOCI(t *testing.T, kind sandbox.Kind) (*oci.Driver, string) {
	t.Helper()
	if kind == sandbox.KindCrun {
		testenv.Need(t, testenv.Crun, hybrid.Yield())
	}
	found, err := oci.FindRuntime(t.Context(), kind, oci.SearchDirs())
	testenv.Need(t, testenv.Thing(kind), err)
	testenv.Need(t, testenv.Thing(kind), oci.CheckHost(found))
	driver, err := oci.New(oci.Config{Image: image(t), State: state(t), Runtime: found, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return driver, string(found.Kind)
}

// state is a state directory whose path boxes in a user namespace may pass through.
func state(t *testing.T) *sandbox.State {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	for parent := filepath.Dir(dir); parent != filepath.Clean(os.TempDir()) && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	state, err := sandbox.OpenState(dir)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// serve and run hold a driver of the runner's image, and no Spec has it make a box of another: not even of the probe's.
func TestTheRunnersDriverMakesNoBoxOfTheProbe(t *testing.T) {
	runner, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	probes := image(t)
	refused := func(t *testing.T, driver sandbox.Driver, spec sandbox.Spec, id string) {
		t.Helper()
		spec.ImageID = id
		_, err := driver.Create(t.Context(), spec, sandbox.LimitsOf(api.Request{}.WithDefaults()))
		var unsupported *sandbox.UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Field != "ImageID" {
			t.Errorf("%v, want a refusal of ImageID", err)
		}
	}
	t.Run("oci", func(t *testing.T) {
		found, err := oci.FindRuntime(t.Context(), sandbox.KindRunc, oci.SearchDirs())
		testenv.Need(t, testenv.Runc, err)
		testenv.Need(t, testenv.Runc, oci.CheckHost(found))
		driver, err := oci.New(oci.Config{Image: runner, State: state(t), Runtime: found, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, driver, driver.Spec(), probes.BinaryDigest())
	})
	t.Run("docker", func(t *testing.T) {
		info, err := docker.Probe(t.Context())
		testenv.Need(t, testenv.Docker, err)
		driver, err := docker.New(t.Context(), docker.Config{Image: runner, State: state(t), Runtime: info.DefaultRuntime})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = driver.Close() }()
		refused(t, driver, driver.Spec(), probes.ID())
	})
}

func TestWithDocker(t *testing.T) {
	for _, name := range []string{"runc", "crun", "runsc"} {
		t.Run(name, func(t *testing.T) {
			info, err := docker.Probe(t.Context())
			testenv.Need(t, testenv.Docker, err)
			if _, ok := info.Runtime(name); !ok {
				testenv.Missing(t, testenv.Thing(name), "the Docker daemon does not know the runtime "+name)
			}
			if name == "crun" {
				testenv.Need(t, testenv.Crun, hybrid.Yield())
			}
			driver, err := docker.New(t.Context(), docker.Config{Image: image(t), State: state(t), Runtime: name})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := driver.Close(); err != nil {
					t.Error(err)
				}
			})
			audit(t, probe.Target{Pair: probe.Pair{Driver: "docker", Runtime: name}, Driver: driver, Spec: driver.Spec()}, native.Probes())
		})
	}
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}
