package oci

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/testenv"
)

// TestConformance runs the contract of a driver on every runtime that this machine has.
func TestConformance(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		rootfsOf := func(stateDir string) string { return stateDir + "-rootfs" }
		drivertest.Run(t, drivertest.Harness{
			Driver: driverName,
			New: func(t *testing.T, stateDir string, image *runnerimage.Image) (sandbox.Driver, sandbox.Spec) {
				makePassable(t, stateDir)
				state, err := sandbox.OpenState(stateDir)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { // testing cannot, without root: nobody may write to its directories
					if err := removeAll(rootfsOf(stateDir)); err != nil {
						t.Error(err)
					}
				})
				driver, err := New(Config{Image: image, State: state, Runtime: runtime, Log: slog.New(slog.DiscardHandler),
					RootfsDir: rootfsOf(stateDir)})
				if err != nil {
					t.Fatal(err)
				}
				return driver, driver.Spec()
			},
			Runner: func(t *testing.T) *runnerimage.Image {
				image, err := runnerimage.Embedded()
				testenv.Need(t, testenv.Runner, err)
				return image
			},
			LeftBehind: func(t *testing.T, stateDir string) []string { return leftBehind(t, stateDir, rootfsOf(stateDir)) },
			Slack:      slack(t),
		})
	})
}

// slack is what GLOVEBOX_TEST_SLACK grants: a processor that is emulated (scripts/vm.sh) is slow.
func slack(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("GLOVEBOX_TEST_SLACK")
	if text == "" {
		return 0
	}
	slack, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return slack
}

// makePassable lets boxes in a user namespace pass through the directories that testing has made: their
// root file system lies beside the state directory, and goes with the suite's directory.
func makePassable(t *testing.T, stateDir string) {
	t.Helper()
	for dir := filepath.Dir(stateDir); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
