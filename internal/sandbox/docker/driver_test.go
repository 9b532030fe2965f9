package docker

import (
	"context"
	"testing"
	"time"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/testenv"
	"glovebox/internal/testenv/hybrid"
)

// needDaemon skips the test by name where no daemon answers or it lacks the runtime.
func needDaemon(t *testing.T, runtime string) Info {
	t.Helper()
	info, err := Probe(t.Context())
	testenv.Need(t, testenv.Docker, err)
	if _, ok := info.Runtime(runtime); !ok {
		testenv.Missing(t, testenv.Thing(sandbox.RuntimeKind(runtime)), "the Docker daemon does not know the runtime "+runtime)
	}
	return info
}

// newDriver returns a driver on the real daemon, and removes its image at the end unless it is the
// embedded one.
func newDriver(t *testing.T, stateDir, runtime string, image *runnerimage.Image) *Driver {
	t.Helper()
	state, err := sandbox.OpenState(stateDir)
	if err != nil {
		t.Fatal(err)
	}
	noteOwner(t, state)
	d, err := New(t.Context(), Config{Image: image, State: state, Runtime: runtime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		removeImage(ctx, t, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestDriverWithRunc(t *testing.T)  { conform(t, "runc") }
func TestDriverWithRunsc(t *testing.T) { conform(t, "runsc") }

func TestDriverWithCrun(t *testing.T) {
	needDaemon(t, "crun")
	testenv.Need(t, testenv.Crun, hybrid.Yield()) // the daemon's crun looks at the same cgroups
	conform(t, "crun")
}

func conform(t *testing.T, runtime string) {
	needDaemon(t, runtime)
	drivertest.Run(t, drivertest.Harness{
		Driver: driverName,
		New: func(t *testing.T, stateDir string, image *runnerimage.Image) (sandbox.Driver, sandbox.Spec) {
			d := newDriver(t, stateDir, runtime, image)
			return d, d.Spec()
		},
		Runner: func(t *testing.T) *runnerimage.Image {
			image, err := runnerimage.Embedded()
			testenv.Need(t, testenv.Runner, err)
			return image
		},
		LeftBehind: leftBehind,
		NoBombs:    sandbox.RuntimeKind(runtime) == sandbox.KindCrun, // without a daemon crun passes them
	})
}
