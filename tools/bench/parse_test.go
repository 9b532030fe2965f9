package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glovebox/api"
)

const mountinfo = `31 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
36 23 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,hugetlb
37 23 0:32 / /proc rw - proc proc rw
`

func TestCgroups(t *testing.T) {
	v1, v2, found := strings.Cut(mountinfo, "\n")
	if !found {
		t.Fatal("no lines")
	}
	for _, c := range []struct{ text, want string }{
		{mountinfo, "hybrid (version 1 with a version 2 beside it)"}, {v1, "version 1"}, {v2, "version 2"}, {"", "none"}, {" - ", "none"},
	} {
		if got := cgroupLayout(c.text); got != c.want {
			t.Errorf("of %q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestCPUModel(t *testing.T) {
	if got := cpuModel("processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\n"); got != "Some CPU @ 2 GHz" {
		t.Errorf("%q", got)
	}
	if got := cpuModel("processor\t: 0\n"); !strings.HasPrefix(got, "an unnamed ") {
		t.Errorf("%q", got)
	}
}

func TestProcessorTime(t *testing.T) {
	if got, err := busyOf("cpu  100 10 50 9999 8888 20 20 7 0 0"); err != nil || got != 2000 {
		t.Errorf("%v, %v; want 2000 ms of 200 ticks, without idling and steal", got, err)
	}
	if got, err := cpuOf("12 (a ) b) S 1 12 12 0 -1 4194304 100 200 0 0 1 2 3 4 20 0 1 0 99\n"); err != nil || got != 100 {
		t.Errorf("%v, %v; want 100 ms of 1+2+3+4 ticks", got, err)
	}
	for _, garbage := range []string{"", "cpu", "cpu a b c d e f g", ")", "1 (x) S"} {
		if _, err := busyOf(garbage); err == nil {
			t.Errorf("/proc/stat %q is taken", garbage)
		}
		if _, err := cpuOf(garbage); err == nil {
			t.Errorf("/proc/PID/stat %q is taken", garbage)
		}
	}
}

func TestSumMetric(t *testing.T) {
	const text = `# HELP glovebox_pool_boxes Boxes.
glovebox_pool_boxes{runtime="runc",state="waiting"} 3
glovebox_pool_boxes{runtime="runc",state="warmed"} 2
glovebox_pool_boxes{runtime="crun",state="waiting"} 4
glovebox_pool_boxes_total 99
glovebox_boxes 7
`
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
		ok     bool
	}{
		{"glovebox_pool_boxes", []string{`state="waiting"`}, 7, true},
		{"glovebox_pool_boxes", []string{`state="waiting"`, `runtime="runc"`}, 3, true},
		{"glovebox_pool_boxes", nil, 9, true},
		{"glovebox_boxes", nil, 7, true},
		{"glovebox_nothing", nil, 0, false},
	} {
		if got, ok := sumMetric(text, c.name, c.labels...); got != c.want || ok != c.ok {
			t.Errorf("%s %v: %v, %v", c.name, c.labels, got, ok)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, good := range [][]string{{}, {"--only", "cold,mixed"}, {"--scale", "0.1"}, {"--short"}} {
		if _, err := parseOptions(good, &bytes.Buffer{}); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][]string{{"--only", "cold,mixd"}, {"--targets", "oci+rnc"}, {"--scale", "0"}, {"--scale", "-1"}, {"--scale", "NaN"}, {"more"}, {"--unknown"}} {
		if got := run(t.Context(), bad, &bytes.Buffer{}, &bytes.Buffer{}); got != 2 {
			t.Errorf("%v: status %d", bad, got)
		}
	}
	o := options{only: "cold, mixed", targets: "oci+runc"}
	if !o.asks("mixed") || o.asks("warm") || !o.takes("oci+runc") || o.takes("docker+runc") {
		t.Error("what was asked for is not what is taken")
	}
}

func TestEveryTargetIsFound(t *testing.T) {
	targets, _ := findTargets(t.Context())
	var names []string
	for _, target := range targets {
		names = append(names, target.String())
	}
	if diff := cmp.Diff(targetNames, names); diff != "" {
		t.Error(diff)
	}
}

// A row that cannot be asked is in the table, with the reason.
func TestNoRowIsLeftOut(t *testing.T) {
	b := &bench{options: options{scale: 1}, progress: &bytes.Buffer{}}
	rows := b.run(t.Context(), []target{{driver: driverOCI, kind: "runc", missing: "none of it here"}})
	if len(rows) != len(questions) {
		t.Fatalf("%d rows of %d questions", len(rows), len(questions))
	}
	for _, r := range rows {
		if r.Skipped != "none of it here" || r.Failed != "" || len(r.Figures) != 0 {
			t.Errorf("%+v", r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range b.run(ctx, []target{{driver: driverOCI, kind: "runc"}}) {
		if r.Skipped == "" {
			t.Errorf("%+v: the run was cut short", r)
		}
	}
}

func TestMixedIsTwoPercentHostile(t *testing.T) {
	friendly, hostile := friendly(), hostile()
	seen := map[string]int{}
	for i := range 10000 {
		seen[mixedOf(i, friendly, hostile).name]++
	}
	var bad int
	for _, k := range hostile {
		if seen[k.name] == 0 {
			t.Errorf("%s is never run", k.name)
		}
		bad += seen[k.name]
	}
	if bad != 200 {
		t.Errorf("%d of 10,000 are hostile", bad)
	}
	for _, k := range friendly {
		if seen[k.name] == 0 {
			t.Errorf("%s is never run", k.name)
		}
	}
	for _, k := range slices.Concat(friendly, hostile) {
		if (k.code == api.Success) != (k.output != "") {
			t.Errorf("%s ends with %s, and gives %q", k.name, k.code, k.output)
		}
	}
}

func TestCount(t *testing.T) {
	var done atomic.Int64
	n, err := count(t.Context(), 50*time.Millisecond, 3, func(ctx context.Context, _ int) error {
		done.Add(1)
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	})
	if err != nil || n == 0 || int64(n) > done.Load() {
		t.Errorf("%d of %d, %v", n, done.Load(), err)
	}
	broken := errors.New("broken")
	if _, err := count(t.Context(), time.Hour, 3, func(context.Context, int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the first error does not end it: %v", err)
	}
}
