package control_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/control"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/probeimage"
	"glovebox/internal/probe/probetest"
	"glovebox/internal/probe/script"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
)

// TestEveryProbeSucceedsWithoutItsLayers is the negative control of the whole audit: a probe that nothing lets succeed
// proves nothing by being stopped.
func TestEveryProbeSucceedsWithoutItsLayers(t *testing.T) {
	c := newController(t)
	probes := slices.Concat(native.Probes(), script.Probes())
	report := probe.NewReport(probes)
	start := time.Now()
	if err := c.Control(t.Context(), probes, report.AddControl); err != nil {
		t.Fatal(err)
	}
	counts := map[probe.ControlResult]int{}
	for _, row := range report.Rows {
		if len(row.Controls) == 0 {
			t.Errorf("%s has no control", row.ID)
		}
		for _, made := range row.Controls {
			counts[made.Result]++
			if made.Result == probe.NotRun && made.Why == "" {
				t.Errorf("%s is not run, and nothing says why", row.ID)
			}
		}
		if row.Verdict == probe.Failed {
			for _, made := range row.Controls {
				if len(made.Lifted) > 1 || len(row.Controls) == 1 {
					t.Errorf("%s, without %s: still stopped: %s", row.ID, strings.Join(made.Lifted, ", "), made.Why)
				}
			}
		}
	}
	for _, row := range report.Rows {
		for _, made := range row.Controls {
			if kept := slices.DeleteFunc(slices.Clone(row.Layers), func(l string) bool { return slices.Contains(made.Lifted, l) || l == sandbox.LayerGVisor }); len(kept) == 1 && made.Result == probe.Succeeded {
				t.Errorf("%s: %s alone does not stop it", row.ID, kept[0])
			}
		}
	}
	// Nor does it prove anything that a script is stopped in a box that is of no use.
	// That the controller refuses what breaks the protocol is no answer that a probe takes, and one that a control does.
	denied := func(a probe.Attempt) bool {
		return a.Denial != "" || strings.HasPrefix(a.Got, string(api.SecurityError)+": ProtocolError")
	}
	for _, row := range report.Rows {
		for _, made := range row.Controls {
			if row.Family == probe.Script && made.Result == probe.StillStopped && !slices.ContainsFunc(made.Attempts, denied) {
				t.Errorf("%s, without %s: nothing came back that is a denial: %s", row.ID, strings.Join(made.Lifted, ", "), made.Why)
			}
		}
	}
	t.Logf("%v in %v", counts, time.Since(start).Round(time.Millisecond))
	for _, single := range report.SingleLayers {
		slices.Sort(single.Probes)
		t.Logf("%s alone: %s", single.Layer, strings.Join(single.Probes, " "))
	}
	holdSecurityPage(t, report)
	for _, place := range []string{"/run", "/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		own := fmt.Sprintf("glovebox-control-%d-*", os.Getpid()) // others may make controls at the same time
		if left, _ := filepath.Glob(filepath.Join(place, own)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func newController(t *testing.T) *control.Controller {
	t.Helper()
	image, err := probeimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	runner, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	runc, err := oci.FindRuntime(context.Background(), sandbox.KindRunc, oci.SearchDirs())
	testenv.Need(t, testenv.Runc, err)
	if os.Geteuid() != 0 {
		testenv.Missing(t, testenv.Runc, "a control needs root")
	}
	return &control.Controller{
		Image: image, Runner: runner, Runtime: runc, Spec: sandbox.Sealed(image.BinaryDigest(), "runc"),
		Target: probetest.OCI(t, sandbox.KindRunc, image),
	}
}

// holdSecurityPage holds the table of what hangs on one layer to what the controls showed, both ways.
func holdSecurityPage(t *testing.T, report *probe.Report) {
	t.Helper()
	page, err := os.ReadFile("../../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "### What hangs on one layer\n")
	if !found {
		t.Fatal("SECURITY.md has no section on what hangs on one layer")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, id := range regexp.MustCompile("`([a-z.-]+)`").FindAllStringSubmatch(cells[1], -1) {
			told[id[1]] = strings.TrimSpace(cells[2])
		}
	}
	shown := map[string]string{}
	for _, single := range report.SingleLayers {
		for _, id := range single.Probes {
			shown[id] = single.Layer
		}
	}
	if !maps.Equal(told, shown) {
		t.Errorf("SECURITY.md tells %v, and the controls show %v", told, shown)
	}
}
