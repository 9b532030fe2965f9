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
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "glovebox/cmd/glovebox")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
