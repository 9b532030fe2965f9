// Package probetest finds the drivers and runtimes of the machine that tests run on, and tries probes there.
package probetest

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"glovebox/internal/probe"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
	"glovebox/internal/testenv/hybrid"
)

// OCI returns a target without a daemon, whose boxes hold the image. What the machine has not got ends the test as
// package testenv says.
func OCI(t *testing.T, kind sandbox.Kind, image *runnerimage.Image) probe.Target {
	t.Helper()
	if kind == sandbox.KindCrun {
		testenv.Need(t, testenv.Crun, hybrid.Yield())
	}
	found, err := oci.FindRuntime(t.Context(), kind, oci.SearchDirs())
	testenv.Need(t, testenv.Thing(kind), err)
	testenv.Need(t, testenv.Thing(kind), oci.CheckHost(found))
	driver, err := oci.New(oci.Config{Image: image, State: State(t), Runtime: found, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return probe.Target{Pair: probe.Pair{Driver: "oci", Runtime: string(found.Kind)}, Driver: driver, Spec: driver.Spec()}
}

// Docker returns a target of the daemon's, by the name of a runtime that it knows.
func Docker(t *testing.T, name string, image *runnerimage.Image) probe.Target {
	t.Helper()
	info, err := docker.Probe(t.Context())
	testenv.Need(t, testenv.Docker, err)
	if _, ok := info.Runtime(name); !ok {
		testenv.Missing(t, testenv.Thing(name), "the Docker daemon does not know the runtime "+name)
	}
	if name == "crun" {
		testenv.Need(t, testenv.Crun, hybrid.Yield())
	}
	driver, err := docker.New(t.Context(), docker.Config{Image: image, State: State(t), Runtime: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			t.Error(err)
		}
	})
	return probe.Target{Pair: probe.Pair{Driver: "docker", Runtime: name}, Driver: driver, Spec: driver.Spec()}
}

// State is a state directory whose path boxes in a user namespace may pass through.
func State(t *testing.T) *sandbox.State {
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

// Audit tries a runner's probes on a target, and tells of each that does not hold.
func Audit(t *testing.T, runner probe.Runner, target probe.Target, probes []probe.Probe) {
	t.Helper()
	report := probe.NewReport(probes)
	start := time.Now()
	if err := runner.Run(t.Context(), target, probes, report.AddOutcome); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d probes in %v", len(probes), time.Since(start).Round(time.Millisecond))
	for _, row := range report.Rows {
		if len(row.Outcomes) < len(row.Family.Stages()) && row.Verdict != probe.NotApplicable {
			t.Errorf("%s: %d outcomes, want %d", row.ID, len(row.Outcomes), len(row.Family.Stages()))
		}
		for _, o := range row.Outcomes {
			if !o.Verdict.OK() {
				t.Errorf("%s, %s: %s: %s", o.Probe, o.Stage, o.Verdict, o.Why)
			}
			t.Logf("%-30s %-14s %6.0f ms, %d attempts", o.Probe, o.Verdict, o.DurationMs, len(o.Attempts))
		}
	}
}
