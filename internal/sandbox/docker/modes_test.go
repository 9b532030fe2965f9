package docker

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// A driver that has no cgroup of its own around a box's, or that cannot see the cgroups at all, counts,
// judges and kills all the same.
func TestWithoutAHold(t *testing.T) {
	for name, c := range map[string]struct {
		weaken func(*Driver)
		counts bool
	}{
		"the box's own cgroup": {func(d *Driver) { d.info.CgroupDriver = "systemd" }, true},
		"the daemon's word":    {func(d *Driver) { d.cgroups = nil }, false}, // who is busy says nothing
	} {
		t.Run(name, func(t *testing.T) {
			needDaemon(t, "runc")
			stateDir := t.TempDir() + "/state"
			d := newDriver(t, stateDir, "runc", drivertest.HostileImage(t, drivertest.Honest))
			c.weaken(d)
			for code, want := range map[string]api.ResultCode{
				"alloc 1000": api.MemoryLimit, "hang": api.Timeout, "echo": api.Success,
			} {
				box := createBox(t, d)
				began := time.Now()
				result, err := box.Run(t.Context(), request(code), nil)
				if err != nil {
					t.Fatal(err)
				}
				if result.ResultCode != want {
					t.Errorf("%s: got %s %+v, want %s", code, result.ResultCode, result.Error, want)
				}
				// What dies by itself may take along what came since it was last looked at, and an echo is over before the kernel has counted it.
				if c.counts && (result.Usage.CPUMs <= 0 && code == "hang" || result.Usage.PeakMemoryBytes <= 0) {
					t.Errorf("%s: it cost nothing: %+v", code, result.Usage)
				}
				t.Logf("%s: %s after %v, %+v", code, result.ResultCode, time.Since(began), result.Usage)
			}
		})
	}
}

// A box that ran out of memory had often cost nothing where its cgroup is the daemon's, which removes it, and was quicker than who looked.
func TestCountersAreReadWhileTheyAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := tree(t, true, map[string]string{"box/cpu.stat": "usage_usec 1000\n", "box/memory.peak": "4096\n", "box/memory.events": "max 0\noom_kill 0\n"})
		m := &meter{box: &box{driver: &Driver{cgroups: fsys}, gone: make(chan struct{})}, leaf: "/box"}
		go m.watch()
		time.Sleep(watchEvery)
		synctest.Wait()
		if err := os.RemoveAll(filepath.Join(fsys.all[0].mount, "box")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(watchEvery)
		synctest.Wait()
		if want := (sandbox.Usage{CPU: time.Millisecond, PeakMemoryBytes: 4096}); m.last != want {
			t.Errorf("%+v, want %+v", m.last, want)
		}
		close(m.box.gone)
	})
}

// That the kernel did not kill a box is known where it is looked at once more between its death and its cgroup's end.
func TestCountersOfTheDeadAreFinal(t *testing.T) {
	for _, quick := range []bool{true, false} {
		fsys := tree(t, true, map[string]string{"box/cpu.stat": "usage_usec 1000\n", "box/memory.peak": "4096\n", "box/memory.events": "max 0\noom_kill 0\n"})
		m := &meter{box: &box{driver: &Driver{cgroups: fsys}}, leaf: "/box"}
		if m.glance(); m.last.Final {
			t.Error("who lives may still run out of memory")
		}
		if !quick {
			if err := os.RemoveAll(filepath.Join(fsys.all[0].mount, "box")); err != nil {
				t.Fatal(err)
			}
		}
		if m.died(); m.last.Final != quick || m.last.CPU != time.Millisecond {
			t.Errorf("looked at in time %v: %+v", quick, m.last)
		}
	}
}

func TestWarningsSayWhatIsWeaker(t *testing.T) {
	d := &Driver{runtime: "runc", version: "1.4.0", cgroups: &cgroupFS{}}
	if got := d.Warnings(); len(got) > 0 {
		t.Errorf("nothing is weaker, and it warns %q", got)
	}
	d = &Driver{runtime: "runc", version: "1.1.5+ds1", info: Info{Runtimes: []Runtime{{Name: "runsc", Path: "/r"}}}}
	if got := d.Warnings(); len(got) != 3 {
		t.Errorf("an old runtime, unseen limits and a gVisor that heeds no profile: %q", got)
	}
}

func TestBestRuntime(t *testing.T) {
	for want, runtimes := range map[string][]Runtime{
		"runsc":       {{Name: "runc"}, {Name: OurRunc}, {Name: "runsc", Path: "/r", Args: []string{ociSeccomp}}},
		OurRunc:       {{Name: "runc"}, {Name: OurRunc}, {Name: "runsc", Path: "/r"}},
		"the-default": {{Name: "runc"}, {Name: "the-default"}},
		"bare-runsc": {{Name: "runsc", Path: "/r", Args: []string{ociSeccomp}},
			{Name: "bare-runsc", Path: "/r", Args: []string{ociSeccomp, directFS + "=false"}}},
		"my-gvisor-kvm": {{Name: "runc"}, {Name: "my-gvisor-kvm", Path: "/r", Args: []string{ociSeccomp}}},
	} {
		if got := (Info{Runtimes: runtimes, DefaultRuntime: "the-default"}).BestRuntime(); got != want {
			t.Errorf("of %v: %s, want %s", runtimes, got, want)
		}
	}
}
