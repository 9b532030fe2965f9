package oci

import (
	"log/slog"
	"path/filepath"
	"testing"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/testenv"
)

// TestConformance runs the contract of a driver on every runtime that this machine has.
func TestConformance(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		rootfsDir := filepath.Join(newDir(t), "rootfs")
		drivertest.Run(t, drivertest.Harness{
			Driver: driverName,
			New: func(t *testing.T, stateDir string, image *runnerimage.Image) (sandbox.Driver, sandbox.Spec) {
				state, err := sandbox.OpenState(stateDir)
				if err != nil {
					t.Fatal(err)
				}
				driver, err := New(Config{Image: image, State: state, Runtime: runtime, Log: slog.New(slog.DiscardHandler),
					RootfsDir: rootfsDir})
				if err != nil {
					t.Fatal(err)
				}
				return driver, sealed(image, runtime)
			},
			Runner: func(t *testing.T) *runnerimage.Image {
				image, err := runnerimage.Embedded()
				testenv.Need(t, testenv.Runner, err)
				return image
			},
			LeftBehind: func(t *testing.T, stateDir string) []string { return leftBehind(t, stateDir, rootfsDir) },
		})
	})
}
