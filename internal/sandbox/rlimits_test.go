package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSplitRlimits(t *testing.T) {
	all := []Rlimit{{"RLIMIT_CORE", 0}, {"RLIMIT_NOFILE", 7}, {"RLIMIT_FSIZE", 9}, {"RLIMIT_MEMLOCK", 1}}
	for _, kind := range []Kind{KindRunc, KindRunsc, KindOther} {
		if early, late := SplitRlimits(kind, all); !slices.Equal(early, all) || len(late) > 0 {
			t.Errorf("%s: %v and %v", kind, early, late)
		}
	}
	early, late := SplitRlimits(KindCrun, all)
	if !slices.Equal(early, []Rlimit{all[0], all[3]}) || !slices.Equal(late, []Rlimit{all[1], all[2]}) {
		t.Errorf("crun: %v and %v", early, late)
	}
	if all[1].Type != "RLIMIT_NOFILE" {
		t.Error("the caller's list was changed")
	}
}

func TestTightenRlimits(t *testing.T) {
	const inf = unix.RLIM_INFINITY
	for name, c := range map[string]struct{ own, want unix.Rlimit }{
		"a wide one":          {unix.Rlimit{Cur: 40, Max: 50}, unix.Rlimit{Cur: 32, Max: 32}},
		"a wide hard one":     {unix.Rlimit{Cur: 5, Max: 50}, unix.Rlimit{Cur: 32, Max: 32}},
		"the very same":       {unix.Rlimit{Cur: 32, Max: 32}, unix.Rlimit{Cur: 32, Max: 32}},
		"one that is tighter": {unix.Rlimit{Cur: 5, Max: 6}, unix.Rlimit{Cur: 5, Max: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			// A runner that was quicker than the driver has sealed itself with a tighter limit: that was widened
			// again, or, where we may not widen it, the box was refused.
			cmd := exec.CommandContext(t.Context(), "sleep", "60")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
			if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, &c.own, nil); err != nil {
				t.Fatal(err)
			}
			if err := TightenRlimits(cmd.Process.Pid, os.Getuid(), []Rlimit{{"RLIMIT_NOFILE", 32}, {"RLIMIT_FSIZE", inf}}); err != nil {
				t.Fatal(err)
			}
			var now unix.Rlimit
			if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &now); err != nil || now != c.want {
				t.Errorf("%+v, %v; want %+v", now, err, c.want)
			}
		})
	}
	if err := TightenRlimits(1, 0, []Rlimit{{"RLIMIT_CORE", 0}}); err == nil {
		t.Error("a limit that is not late was taken")
	}
}

// Root without CAP_SYS_RESOURCE, as this may be, may not touch the limits of another user's process.
func TestTightenRlimitsOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a process of another user's")
	}
	const id = 1_879_048_777
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := TightenRlimits(cmd.Process.Pid, id, []Rlimit{{"RLIMIT_NOFILE", 9}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil || !regexp.MustCompile(`Max open files +9 +9 `).Match(limits) {
		t.Errorf("%v: %s", err, limits)
	}
	// Each thread is its old self.
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, thread := range threads {
		if status, err := os.ReadFile(thread); err == nil && strings.Contains(string(status), strconv.Itoa(id)) {
			t.Errorf("%s", status)
		}
	}
}
