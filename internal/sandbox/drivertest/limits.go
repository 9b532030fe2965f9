package drivertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// testLimits holds that what was asked for is in force, as a hostile process finds it.
func (h Harness) testLimits(t *testing.T) {
	f := h.hostile(t)
	t.Run("cpu", f.testCPU)
	end := f.bystander(t)
	for _, c := range limitCases(sandbox.RuntimeKind(f.spec.Runtime)) {
		t.Run(c.Name, func(t *testing.T) {
			if h.Fake {
				t.Skip("a fake has no kernel")
			}
			f.play(t, c)
		})
	}
	t.Run("fork bomb without seccomp", f.testForkBomb)
	end()
	t.Run("what a box sees", f.testProbe)
	t.Run("what a box sees without seccomp", f.withoutSeccomp().testProbe)
}

// withoutSeccomp takes the profile away: what is below must hold alone.
func (f *fixture) withoutSeccomp() *fixture {
	bare := *f
	bare.spec.Seccomp = nil
	return &bare
}

func limitCases(kind sandbox.Kind) []Case {
	threads := []api.ResultCode{api.RuntimeError, api.SecurityError, api.MemoryLimit, api.Timeout}
	if kind == sandbox.KindRunsc {
		// They are threads of gVisor's own kernel, which the box's memory bounds; the cgroup bounds those that it has on the
		// host. On a slow machine the time is up before there are so many.
		threads = append(threads, api.Success)
	}
	return []Case{
		{Name: "fork", Code: "fork 2000", Want: []api.ResultCode{api.Success, api.SecurityError}, FirstLog: "fork 2000", InTime: true,
			Check: func(t *testing.T, r api.Result) {
				var got struct{ Forked int }
				if r.Success && (json.Unmarshal(r.Output, &got) != nil || got.Forked > 0) {
					t.Errorf("it started processes: %s", r.Output)
				}
			}},
		{Name: "threads", Code: "threads 4000", Want: threads,
			FirstLog: "threads 4000", TimeoutSeconds: 5, InTime: true},
		{Name: "forbidden system calls", Code: "forbidden", Want: []api.ResultCode{api.Success, api.SecurityError}, Output: "[]",
			FirstLog: "forbidden", InTime: true},
	}
}

// testCPU measures what a box with half a processor really gets, with two threads that want all.
func (f *fixture) testCPU(t *testing.T) {
	const share = 0.5
	idle := f.play(t, Case{Code: "echo", CPUs: share, Want: success})
	busy := f.play(t, Case{Code: "burn 2s", CPUs: share, Want: success})
	got := (busy.Usage.CPUMs - idle.Usage.CPUMs) / busy.ExecutionTimeMs
	// A period's quota may be used at both ends of the measure.
	if got > share*1.3 {
		t.Errorf("a box with %v processors used %.2f of one (%v ms of CPU in %v ms)", share, got, busy.Usage.CPUMs, busy.ExecutionTimeMs)
	}
	if got < share/5 {
		t.Errorf("a busy box used %.2f of a processor: the counter does not count", got)
	}
}

// testForkBomb takes the seccomp profile away: the cgroup's limit on processes must hold alone.
func (f *fixture) testForkBomb(t *testing.T) {
	if f.Fake {
		t.Skip("a fake has no kernel")
	}
	result := f.withoutSeccomp().play(t, Case{Code: "fork 1200", Want: []api.ResultCode{api.Success, api.RuntimeError, api.MemoryLimit, api.Timeout},
		FirstLog: "fork 1200", TimeoutSeconds: 10, InTime: true})
	var got struct{ Forked int }
	if result.Success && (json.Unmarshal(result.Output, &got) != nil || got.Forked >= 1200) {
		t.Errorf("nothing stopped it: %s", result.Output)
	}
	t.Logf("%s %s", result.ResultCode, result.Output)
}

// findings is what the hostile runner's probe tells.
type findings struct {
	Root, Readable, Writable, Interfaces, Cgroups, Devices []string
	Processes                                              []int
	Routes                                                 int
	FDs                                                    map[string]string
	Rlimits                                                map[string]uint64
}

func (f *fixture) testProbe(t *testing.T) {
	if f.Fake {
		t.Skip("a fake has no kernel")
	}
	result := f.play(t, Case{Code: "probe", Want: success, FirstLog: "probe"})
	var found findings
	if err := json.Unmarshal(result.Output, &found); err != nil {
		t.Fatal(err)
	}
	t.Logf("it finds %s", result.Output)
	for _, fault := range found.faults(f.spec) {
		t.Error(fault)
	}
}

// faults names everything that a sealed box should not show.
func (f findings) faults(spec sandbox.Spec) (faults []string) {
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	// Docker's own, which cannot be had otherwise, are /.dockerenv and three files in /etc.
	inRoot := []string{"runner", "proc", "dev", "sys", "etc", ".dockerenv"}
	var readable []string
	if sandbox.RuntimeKind(spec.Runtime) == sandbox.KindRunsc {
		// gVisor has an empty /tmp of its own, and its kernel's command line, not the host's.
		inRoot, readable = append(inRoot, "tmp"), append(readable, "/proc/cmdline")
	}
	for _, name := range f.Root {
		fault(!slices.Contains(inRoot, name), "the root holds %q", name)
	}
	for _, path := range f.Readable {
		fault(!slices.Contains(readable, path), "it can read %q", path)
	}
	fault(len(f.Writable) > 0, "it can write to %q", f.Writable)
	for _, name := range f.Interfaces {
		fault(name != "lo", "it sees the network interface %q", name)
	}
	fault(f.Routes > 0, "it has %d routes", f.Routes)
	fault(!slices.Equal(f.Processes, []int{1}), "it sees the processes %v", f.Processes)
	for fd, target := range f.FDs {
		own := strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/proc/")
		fault(!own, "it holds the descriptor %s: %s", fd, target)
	}
	for _, limit := range spec.Rlimits {
		got, there := f.Rlimits[limit.Type]
		fault(there && got != limit.Value, "%s is %d, want %d", limit.Type, got, limit.Value)
	}
	for _, path := range f.Cgroups {
		fault(path != "/", "it sees the host's cgroup path %q", path)
	}
	return faults
}
