package main

import (
	"bytes"
	"encoding/json"
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

// TestSmoke runs the whole bench on one target, with the fewest rounds: every row gives figures that can be, and none fails. What
// they are on a machine that does other things says nothing, and nothing is asked of it.
func TestSmoke(t *testing.T) {
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

	dir := t.TempDir()
	glovebox := filepath.Join(dir, "glovebox")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", glovebox, "glovebox/cmd/glovebox")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"--short", "--targets", "oci+runc", "--glovebox", glovebox, "--out", dir}, &stdout, &stderr)
	t.Logf("%s", stdout.Bytes())
	if status != 0 {
		t.Errorf("status %d:\n%s", status, stderr.Bytes())
	}
	body, err := os.ReadFile(filepath.Join(dir, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != len(questions) || !r.Complete || r.Machine.Cores == 0 || len(r.Versions) < 3 {
		t.Fatalf("the report is not whole: %s", body)
	}
	pooled, err := hasPool(t.Context(), glovebox)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range r.Rows {
		if wants := pooled || !questions[i].needsPool; (r.Skipped == "") != wants || (wants && len(r.Figures) == 0) {
			t.Errorf("%s: skipped %q, with %d figures", r.ID, r.Skipped, len(r.Figures))
		}
		for _, f := range r.Figures {
			mayBeNothing := f.Goal != nil && !f.Goal.OfRatio && f.Goal.Bound == 0
			if f.N < 1 || f.Ours < 0 || (f.Ours == 0 && !mayBeNothing) || (mayBeNothing && f.Ours != 0) {
				t.Errorf("%s: %+v", r.ID, f)
			}
		}
	}
}
