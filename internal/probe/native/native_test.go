package native_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/probeimage"
	"glovebox/internal/probe/probetest"
	"glovebox/internal/probe/trial"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/testenv"
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

func TestWithoutADaemon(t *testing.T) {
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
		t.Run(string(kind), func(t *testing.T) {
			probetest.Audit(t, native.Runner{}, probetest.OCI(t, kind, image(t)), native.Probes())
		})
	}
}

// serve and run hold a driver of the runner's image, and no Spec has it make a box of another: not even of the probe's.
func TestTheRunnersDriverMakesNoBoxOfTheProbe(t *testing.T) {
	runner, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	probes := image(t)
	refused := func(t *testing.T, target probe.Target, id string) {
		t.Helper()
		target.Spec.ImageID = id
		_, err := target.Driver.Create(t.Context(), target.Spec, sandbox.LimitsOf(api.Request{}.WithDefaults()))
		var unsupported *sandbox.UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Field != "ImageID" {
			t.Errorf("%v, want a refusal of ImageID", err)
		}
	}
	t.Run("oci", func(t *testing.T) {
		refused(t, probetest.OCI(t, sandbox.KindRunc, runner), probes.BinaryDigest())
	})
	t.Run("docker", func(t *testing.T) {
		refused(t, probetest.Docker(t, "runc", runner), probes.ID())
	})
}

func TestWithDocker(t *testing.T) {
	for _, name := range []string{"runc", "crun", "runsc"} {
		t.Run(name, func(t *testing.T) {
			probetest.Audit(t, native.Runner{}, probetest.Docker(t, name, image(t)), native.Probes())
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
