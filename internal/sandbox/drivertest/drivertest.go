// Package drivertest is the contract of a [sandbox.Driver] as a test suite, and an in-memory fake that
// passes it.
//
// A driver's own tests call [Run] once for each runtime that they find. The cases hold what every driver
// promises, whatever is below it; what is one driver's own stands in that driver's tests. Most of
// the cases are native: the image is a runner made for the suite (hostile/), so that what a case finds
// is the box's doing, and not the engine's.
package drivertest

import (
	"testing"
	"time"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

// A Harness is what the suite must know of a driver.
type Harness struct {
	// Driver is the name under which the driver's boxes are claimed and reported.
	Driver string
	// New returns a driver that runs the image and keeps its state in the directory, which need not
	// exist, and the Spec of a sealed box for it. It may be called several times with one directory.
	New func(t *testing.T, stateDir string, image *runnerimage.Image) (sandbox.Driver, sandbox.Spec)
	// Runner returns the image of the real runner, or skips the test by name where this build has
	// none. The cases that need an engine call it.
	Runner func(t *testing.T) *runnerimage.Image
	// LeftBehind lists what is still there of any box of the state directory: containers, processes,
	// cgroups, mounts, files. The suite asks when every box has been destroyed.
	LeftBehind func(t *testing.T, stateDir string) []string
	// Slack is granted beyond the promised 0.5 s to a kill, for a slow machine; mostly 0.
	Slack time.Duration
	// Fake is true for a driver that runs no code: cases that only a kernel can answer are left out.
	Fake bool
	// NoBombs leaves out the bombs, in which half of the suite's time goes: for one more runtime under a driver, where
	// they pass on that runtime under another driver.
	NoBombs bool

	test string // the name of the test that called Run
}

// Run runs the suite. It may be called from a subtest, but not from two at once in one test: a case
// starts the test binary again, with -test.run for the calling test alone, to see what becomes of
// boxes whose owner was killed. In that process Run is that owner.
func Run(t *testing.T, h Harness) {
	h.test = t.Name()
	if childAsked() {
		h.beChild(t)
		return
	}
	t.Run("life", h.testLife)
	t.Run("waiting", h.testWaiting)
	t.Run("sweep", h.testSweep)
	t.Run("native", h.testNative)
	t.Run("hostile", h.testHostile)
	t.Run("limits", h.testLimits)
	t.Run("scripts", h.testScripts)
	t.Run("ended by others", h.testEndedByOthers)
	if !h.NoBombs {
		t.Run("bombs", h.testBombs)
	}
	t.Run("soak", h.testSoak)
}
