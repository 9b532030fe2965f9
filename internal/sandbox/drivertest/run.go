package drivertest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

// A fixture is one driver on one state directory, with what was made in it.
type fixture struct {
	Harness
	stateDir string
	driver   sandbox.Driver
	spec     sandbox.Spec
}

// open makes a driver for the image on a state directory of its own. When the test ends, nothing may
// be left behind.
func (h Harness) open(t *testing.T, image *runnerimage.Image) *fixture {
	t.Helper()
	return h.openIn(t, filepath.Join(t.TempDir(), "state"), image)
}

func (h Harness) openIn(t *testing.T, stateDir string, image *runnerimage.Image) *fixture {
	t.Helper()
	driver, spec := h.New(t, stateDir, image)
	f := &fixture{Harness: h, stateDir: stateDir, driver: driver, spec: spec}
	t.Cleanup(func() {
		if left := h.LeftBehind(t, stateDir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	return f
}

// hostile makes a driver whose image is the hostile runner.
func (h Harness) hostile(t *testing.T) *fixture {
	t.Helper()
	return h.open(t, HostileImage(t, Honest))
}

// create makes a box that is destroyed when the test ends, if not before.
func (f *fixture) create(t *testing.T, limits sandbox.Limits) sandbox.Box {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	box, err := f.driver.Create(ctx, f.spec, limits)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() { destroy(t, box) })
	return box
}

// destroy destroys the box, also when the test's own context has ended.
func destroy(t *testing.T, box sandbox.Box) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := box.Destroy(ctx); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

// play runs a case in a box of its own, destroys it and returns the result.
func (f *fixture) play(t *testing.T, c Case) api.Result {
	t.Helper()
	result, took := f.playOnce(t, c)
	c.check(t, result)
	if c.InTime {
		f.checkTime(t, c, result, took)
	}
	return result
}

// playAll runs the cases, some at a time: most of their time is waiting, and boxes that live side by
// side must not notice it.
func (f *fixture) playAll(t *testing.T, cases []Case) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f.play(t, c)
		})
	}
}

func (f *fixture) playOnce(t *testing.T, c Case) (api.Result, time.Duration) {
	t.Helper()
	request := c.request()
	box := f.create(t, sandbox.LimitsOf(request))
	defer destroy(t, box)
	started := time.Now()
	result, err := box.Run(t.Context(), request, nil)
	if err != nil {
		t.Fatalf("%s: Run: %v", c.label(), err)
	}
	return result, time.Since(started)
}

// tries is how often a case may be late. A machine that is busy with something else is late now and
// then; a kill that comes too late always is.
const tries = 3

func (f *fixture) checkTime(t *testing.T, c Case, result api.Result, took time.Duration) {
	t.Helper()
	limits := sandbox.LimitsOf(c.request())
	most := limits.Timeout + graceBeyondLimit + f.Slack
	for try := 1; ; try++ {
		script := time.Duration(result.ExecutionTimeMs * float64(time.Millisecond))
		if script <= most && took <= most+graceBeyondLimit {
			return
		}
		if try == tries {
			t.Errorf("%s: ended after %v (Run took %v), want within %v", c.label(), script, took, most)
			return
		}
		t.Logf("%s: ended after %v (Run took %v), want within %v: once more", c.label(), script, took, most)
		result, took = f.playOnce(t, c)
	}
}
