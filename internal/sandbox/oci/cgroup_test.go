package oci

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/testenv"
)

// fakeGroup is a cgroup of plain files. Version 1 has a directory for each controller.
func fakeGroup(t *testing.T, v2 bool, files map[string]string) group {
	t.Helper()
	root := t.TempDir()
	g := group{name: groupPrefix + "id"}
	if v2 {
		g.unified, g.all = root, []string{root}
	} else {
		g.v1 = map[string]string{}
		for _, controller := range needed {
			g.v1[controller] = filepath.Join(root, controller)
			g.all = append(g.all, g.v1[controller])
		}
	}
	for name, content := range files {
		dir := filepath.Join(root, g.name)
		if !v2 {
			controller, rest, _ := strings.Cut(name, "/")
			dir, name = filepath.Join(root, controller, g.name), rest
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

var verifyBounds = bounds{memory: 128 * api.MiB, cpuQuota: 50_000, pids: 64}

// verify compares what a fake holds for process 7 with the bounds.
func verify(g group, want bounds) error {
	got, err := g.inForce(7)
	if err != nil {
		return err
	}
	return sandbox.Compare(got.Checks(sandbox.Overhead{PIDs: int(want.pids)},
		sandbox.Limits{MemoryBytes: want.memory, CPUs: float64(want.cpuQuota) / cpuPeriod}))
}

// inForce are the files of a cgroup as they should be.
func inForce(v2 bool) map[string]string {
	memory := strconv.Itoa(128 * api.MiB)
	if v2 {
		return map[string]string{"memory.max": memory, "memory.swap.max": "0", "cpu.max": "50000 100000", "pids.max": "64",
			"cgroup.procs": "7\n8"}
	}
	return map[string]string{
		"memory/memory.limit_in_bytes": memory, "memory/memory.memsw.limit_in_bytes": memory,
		"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000", "pids/pids.max": "64",
		"memory/cgroup.procs": "7", "cpu/cgroup.procs": "8\n7", "cpuacct/cgroup.procs": "7", "pids/cgroup.procs": "7",
	}
}

func TestVerifyTakesWhatIsInForce(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		if err := verify(fakeGroup(t, v2, inForce(v2)), verifyBounds); err != nil {
			t.Errorf("version 2 %v: %v", v2, err)
		}
	}
}

// TestVerifyRefusesALimitThatWasDropped is gvisor#13777: a limit that is declared and not in force.
func TestVerifyRefusesALimitThatWasDropped(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		for name := range inForce(v2) {
			files := inForce(v2)
			files[name] = "max"
			if err := verify(fakeGroup(t, v2, files), verifyBounds); err == nil {
				t.Errorf("version 2 %v: %s is not in force, and was taken", v2, name)
			}
			if isSwapFile(filepath.Base(name)) {
				continue
			}
			files = inForce(v2)
			delete(files, name)
			if err := verify(fakeGroup(t, v2, files), verifyBounds); err == nil {
				t.Errorf("version 2 %v: %s is missing, and was taken", v2, name)
			}
		}
	}
}

func TestVerifyWithoutSwapAccountingAsksForAHostWithoutSwap(t *testing.T) {
	files := inForce(false)
	delete(files, "memory/memory.memsw.limit_in_bytes")
	err := verify(fakeGroup(t, false, files), verifyBounds)
	if want := checkNoSwap(); (err == nil) != (want == nil) || err != nil && !errors.Is(err, errSwap) {
		t.Errorf("%v, on a host of which is said: %v", err, want)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name  string
		v2    bool
		files map[string]string
		want  sandbox.Usage
		fails bool
	}{
		{"v1", false, map[string]string{
			"cpuacct/cpuacct.usage": "5000000", "memory/memory.max_usage_in_bytes": "4096", "memory/memory.failcnt": "0",
			"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
		}, sandbox.Usage{CPU: 5 * time.Millisecond, PeakMemoryBytes: 4096, Final: true}, false},
		{"v1 out of memory", false, map[string]string{
			"cpuacct/cpuacct.usage": "1", "memory/memory.max_usage_in_bytes": "8192", "memory/memory.failcnt": "12",
			"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
		}, sandbox.Usage{CPU: 1, PeakMemoryBytes: 8192, OOMKilled: true, MemoryAtLimit: true, Final: true}, false},
		{"v1 without counters", false, map[string]string{"cpuacct/cpuacct.usage": "1"}, sandbox.Usage{}, true},
		{"v1 with garbage", false, map[string]string{"cpuacct/cpuacct.usage": "x"}, sandbox.Usage{}, true},
		{"v2", true, map[string]string{
			"cpu.stat": "usage_usec 5000\nuser_usec 1", "memory.peak": "4096", "memory.events": "low 0\nmax 0\noom 0\noom_kill 0",
		}, sandbox.Usage{CPU: 5 * time.Millisecond, PeakMemoryBytes: 4096, Final: true}, false},
		{"v2 out of memory", true, map[string]string{
			"cpu.stat": "usage_usec 5000", "memory.peak": "4096", "memory.events": "max 3\noom 1\noom_kill 1\noom_group_kill 1",
		}, sandbox.Usage{CPU: 5 * time.Millisecond, PeakMemoryBytes: 4096, OOMKilled: true, MemoryAtLimit: true, Final: true}, false},
		{"v2 before 5.19", true, map[string]string{"cpu.stat": "usage_usec 5000", "memory.events": "max 0\noom_kill 0", "memory.current": "2048"},
			sandbox.Usage{CPU: 5 * time.Millisecond, PeakMemoryBytes: 2048, Final: true}, false},
		{"v2 without counters", true, nil, sandbox.Usage{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := fakeGroup(t, c.v2, c.files).usage()
			if (err != nil) != c.fails || !c.fails && got != c.want {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestKillAndRemoveOfWhatIsNotThere(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		g := fakeGroup(t, v2, nil)
		if err := g.kill(context.Background()); err != nil {
			t.Errorf("kill: %v", err)
		}
		if err := g.remove(context.Background()); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
}

func TestBoundsAreThoseThatTheKernelKeeps(t *testing.T) {
	page := int64(os.Getpagesize())
	spec := sandbox.Spec{Overhead: sandbox.Overhead{MemoryBytes: 3*page + 1, PIDs: 9}}
	got := boundsOf(spec.Overhead, sandbox.Limits{MemoryBytes: page, CPUs: 1.5})
	if want := (bounds{memory: 5 * page, cpuQuota: 150_000, pids: 9}); got != want {
		t.Errorf("%+v, want %+v: a limit that is not whole pages is read back as another", got, want)
	}
}

func TestMembersAreThoseOfEveryHierarchyAndOfWhatIsInIt(t *testing.T) {
	g := fakeGroup(t, false, map[string]string{"memory/cgroup.procs": "7\n8", "pids/cgroup.procs": "9", "cpu/cgroup.procs": ""})
	for dir, pids := range map[string]string{"inner": "10", "inner/most": "11\n7"} {
		dir = filepath.Join(g.dir(g.v1["cpu"]), dir)
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pids), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := g.members()
	if want := map[int]bool{7: true, 8: true, 9: true, 10: true, 11: true}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// With the runtime's own pid in its place, gVisor's kernel was taken out of its box's cgroup in one start of fifty.
func TestHurryMovesNobody(t *testing.T) {
	h, err := findHierarchies()
	testenv.Need(t, testenv.Runc, err)
	where := func() map[string]string {
		groups := map[string]string{}
		tasks, err := filepath.Glob("/proc/self/task/*/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			if text, err := os.ReadFile(task); err == nil { // else the thread has ended
				groups[task] = string(text)
			}
		}
		return groups
	}
	before := where()
	for range 20 {
		h.hurry()
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for task, now := range where() {
		if was, ok := before[task]; ok && now != was || now != string(own) {
			t.Errorf("%s was in\n%sand is in\n%s", task, was, now)
		}
	}
}
