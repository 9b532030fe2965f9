package docker

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// startBox starts a box, and returns its container too.
func startBox(t *testing.T, d *Driver) (*box, sandbox.Box) {
	t.Helper()
	id, err := newID()
	if err != nil {
		t.Fatal(err)
	}
	claim, err := d.state.Claim(id, driverName, d.Spec().UIDs)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{driver: d, claim: claim, name: containerName(id), exited: make(chan struct{}), waited: make(chan struct{}), gone: make(chan struct{}), asked: make(chan struct{})}
	t.Cleanup(func() {
		if err := b.Remove(contextForCleanup(t)); err != nil {
			t.Error(err)
		}
	})
	opened, err := b.create(t.Context(), d.Spec(), testLimits())
	if err != nil {
		t.Fatal(err)
	}
	return b, opened
}

func forEachDockerRuntime(t *testing.T, test func(t *testing.T, runtime string)) {
	for _, runtime := range []string{"runc", "runsc"} {
		t.Run(runtime, func(t *testing.T) {
			needDaemon(t, runtime)
			test(t, runtime)
		})
	}
}

// TestLimitOfARunningBox raises and lowers what a box has: in the cgroup, where it is within one of ours, and by the
// daemon's leave elsewhere.
func TestLimitOfARunningBox(t *testing.T) {
	forEachDockerRuntime(t, func(t *testing.T, runtime string) {
		for _, held := range []bool{true, false} {
			t.Run(map[bool]string{true: "held", false: "by the daemon"}[held], func(t *testing.T) {
				d := newDriver(t, t.TempDir()+"/state", runtime, drivertest.HostileImage(t, drivertest.Honest))
				if !held {
					d.info.CgroupDriver = "systemd" // whose cgroups are not ours to make
				} else if !d.holds() {
					t.Skip("needs cgroups of our own")
				}
				b, _ := startBox(t, d)
				for _, mib := range []int64{128, 256, 32, 512, 16} {
					limits := sandbox.Limits{MemoryBytes: mib * api.MiB, CPUs: float64(mib) / 512, Timeout: time.Second}
					_, err := b.Limit(t.Context(), limits)
					if !held && runtime == "runsc" && err != nil {
						t.Skip("the daemon cannot update a box of runsc's, and says so: ", err)
					}
					if err != nil {
						t.Fatalf("%d MiB: %v", mib, err)
					}
					if b.pid == 0 {
						continue
					}
					got, err := d.cgroups.limitsOf(func(controller string) (string, error) { return d.cgroups.of(b.pid, controller) })
					if want := mib*api.MiB + d.Spec().Overhead.MemoryBytes; err != nil || got.memory != want || got.swap > 0 || got.cpus != limits.CPUs {
						t.Errorf("%d MiB: %+v, %v", mib, got, err)
					}
				}
				if err := b.Kill(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Limit(t.Context(), testLimits()); err == nil && held {
					t.Error("a dead box was limited")
				}
			})
		}
	})
}

func TestWeightOfARunningBox(t *testing.T) {
	forEachDockerRuntime(t, func(t *testing.T, runtime string) {
		d := newDriver(t, t.TempDir()+"/state", runtime, drivertest.HostileImage(t, drivertest.Honest))
		if !d.holds() {
			t.Skip("needs cgroups of our own")
		}
		b, _ := startBox(t, d)
		for _, idle := range []bool{true, true, false} {
			if err := b.Weight(t.Context(), idle); err != nil {
				t.Errorf("idle %v: %v", idle, err)
			}
		}
		held := b.meter
		b.meter = &meter{box: b}
		err := b.Weight(t.Context(), true)
		b.meter = held // whose cgroup is removed with the box
		if err == nil {
			t.Error("a cgroup of the daemon's was given a weight")
		}
		if err := b.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		file, most := "cpu.shares", "262144"
		if d.cgroups.v2 {
			file, most = "cpu.weight", "10000"
		}
		if got, err := d.cgroups.group(held.hold.path).Read("cpu", file); err != nil || got != most {
			t.Errorf("%s of what was killed is %q, %v; want %s", file, got, err, most)
		}
	})
}

// What takes all memory is seen to, by the cgroup around the box, at the limit of the hand-over.
func TestAJobDiesAtTheLimitOfItsHandOver(t *testing.T) {
	needDaemon(t, "runc")
	d := newDriver(t, t.TempDir()+"/state", "runc", drivertest.HostileImage(t, drivertest.Honest))
	b, opened := startBox(t, d)
	if _, err := b.Limit(t.Context(), sandbox.Limits{MemoryBytes: 8 * api.MiB, CPUs: 1, Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	result, err := opened.Run(t.Context(), request("alloc 1000"), nil)
	if most := 8*api.MiB + d.Spec().Overhead.MemoryBytes; err != nil || result.ResultCode != api.MemoryLimit || result.Usage.PeakMemoryBytes > most {
		t.Errorf("%s %+v %+v, %v", result.ResultCode, result.Error, result.Usage, err)
	}
}

// TestLimitFindsWhatWasDropped: what a file takes and does not keep is found, whichever it is.
func TestLimitFindsWhatWasDropped(t *testing.T) {
	p, err := translate(testSpec("runc"), testLimits(), testInfo(), testImage, testBox())
	if err != nil {
		t.Fatal(err)
	}
	host := p.options.HostConfig
	limit := func(fsys *cgroupFS) error {
		h := &hold{fs: fsys, path: "/around"}
		return errors.Join(h.limit("/around/box", host.Memory, host.NanoCPUs), h.check(host.Memory),
			judgeIn(limitsIn(fsys, func(string) (string, error) { return "/around/box", nil })))
	}
	for _, v2 := range []bool{false, true} {
		fixed, changed := map[string]string{"pids/around/box/pids.max": "64"}, []string{
			"memory/around/memory.limit_in_bytes", "memory/around/box/memory.limit_in_bytes", "memory/around/box/memory.memsw.limit_in_bytes",
			"cpu/around/box/cpu.cfs_quota_us", "cpu/around/box/cpu.cfs_period_us",
		}
		if v2 {
			fixed = map[string]string{"around/box/pids.max": "64", "around/box/memory.current": "1", "around/box/memory.swap.max": "0"}
			changed = []string{"around/box/memory.max", "around/box/cpu.max"}
		}
		files := maps.Clone(fixed)
		for _, name := range changed {
			files[name] = "1"
		}
		if err := limit(tree(t, v2, files)); err != nil {
			t.Errorf("version 2 %v, with every limit kept: %v", v2, err)
		}
		for _, name := range changed {
			fsys := tree(t, v2, files)
			keepNothing(t, fsys, name)
			if err := limit(fsys); err == nil {
				t.Errorf("version 2 %v: %s keeps nothing, and was taken", v2, name)
			}
		}
		if v2 {
			files["around/box/memory.current"] = strconv.FormatInt(host.Memory+1, 10)
			if err := limit(tree(t, v2, files)); err == nil {
				t.Error("a box that holds more than the limit would be killed by it")
			}
		}
	}
}

// judgeIn is judge for limits of a cgroup that holds nobody.
func judgeIn(got *sandbox.Cgroup, err error) error {
	if got != nil {
		got.Holds = true
	}
	return judge(got, err)
}

// keepNothing has a file of a tree take what is written, and forget it.
func keepNothing(t *testing.T, fsys *cgroupFS, name string) {
	t.Helper()
	root := fsys.all[0].mount
	if !fsys.v2 {
		root = filepath.Dir(root)
	}
	path := filepath.Join(root, name)
	if err := errors.Join(os.Remove(path), os.Symlink(os.DevNull, path)); err != nil {
		t.Fatal(err)
	}
}

func TestWeightFindsWhatWasDropped(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		for _, file := range []string{"cpu.idle", map[bool]string{false: "cpu.shares", true: "cpu.weight"}[v2]} {
			name := map[bool]string{false: "cpu/box/" + file, true: "box/" + file}[v2]
			h := &hold{fs: tree(t, v2, map[string]string{name: ""}), path: "/box"}
			if err := h.weigh(true); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			keepNothing(t, h.fs, name)
			if err := h.weigh(true); err == nil {
				t.Errorf("%s keeps nothing, and was taken", name)
			}
		}
	}
}
