package docker

import (
	"testing"
	"time"

	"glovebox/api"
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
				if c.counts && (result.Usage.CPUMs <= 0 && code != "echo" || result.Usage.PeakMemoryBytes <= 0) { // an echo may be over before the kernel has counted it
					t.Errorf("%s: it cost nothing: %+v", code, result.Usage)
				}
				t.Logf("%s: %s after %v, %+v", code, result.ResultCode, time.Since(began), result.Usage)
			}
		})
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
		"runsc":         {{Name: "runc"}, {Name: OurRunc}, {Name: "runsc", Path: "/r", Args: []string{ociSeccomp}}},
		OurRunc:         {{Name: "runc"}, {Name: OurRunc}, {Name: "runsc", Path: "/r"}},
		"the-default":   {{Name: "runc"}, {Name: "the-default"}},
		"my-gvisor-kvm": {{Name: "runc"}, {Name: "my-gvisor-kvm", Path: "/r", Args: []string{ociSeccomp}}},
	} {
		if got := (Info{Runtimes: runtimes, DefaultRuntime: "the-default"}).BestRuntime(); got != want {
			t.Errorf("of %v: %s, want %s", runtimes, got, want)
		}
	}
}
