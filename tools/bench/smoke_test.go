package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"glovebox/tools/toolstest"
)

// TestSmoke runs the whole bench on one target, with the fewest rounds: every row gives figures that can be, and none fails. What
// they are on a machine that does other things says nothing, and nothing is asked of it.
func TestSmoke(t *testing.T) {
	glovebox, dir := toolstest.Glovebox(t), t.TempDir()
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
