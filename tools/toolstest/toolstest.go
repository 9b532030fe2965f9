// Package toolstest builds what the tools drive, for their tests.
package toolstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"glovebox/image/lib"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
)

// Glovebox builds the program that makes boxes on runc, and returns its path. Where boxes cannot be made so, or tests are to be short,
// the test is skipped, or fails as [testenv.Need] says.
func Glovebox(t *testing.T) string {
	t.Helper()
	return build(t)
}

// RacingGlovebox builds it with the race detector, where there is a C compiler, which that needs.
func RacingGlovebox(t *testing.T) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		t.Logf("there is no C compiler, and no race detector: %v", err)
		return build(t)
	}
	t.Setenv("CGO_ENABLED", "1")
	return build(t, "-race")
}

func build(t *testing.T, flags ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("makes hundreds of boxes")
	}
	testenv.Need(t, testenv.Libs, lib.Available())
	_, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	if os.Geteuid() != 0 {
		testenv.Missing(t, testenv.Runc, "only root makes boxes here")
	}
	_, err = oci.FindRuntime(t.Context(), sandbox.KindRunc, oci.SearchDirs())
	testenv.Need(t, testenv.Runc, err)
	path := filepath.Join(t.TempDir(), "glovebox")
	args := append(append([]string{"build"}, flags...), "-o", path, "glovebox/cmd/glovebox")
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
