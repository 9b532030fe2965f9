package drivertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// testEndedByOthers has somebody on the host end boxes: an administrator, a daemon that stops, a host that shuts down. What they
// ask for politely is not heard, and what they kill is told to be nobody's fault in the box.
func (h Harness) testEndedByOthers(t *testing.T) {
	if h.Fake {
		t.Skip("a fake has no process")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may signal a box's process")
	}
	f := h.open(t, h.Runner(t))
	t.Run("asked to", f.testAskedToEnd)
	t.Run("killed", f.testKilledByOthers)
}

// busy is a script that tells that it runs, and goes on.
const busy = "console.log('busy'); for (;;);"

func (f *fixture) testAskedToEnd(t *testing.T) {
	if sandbox.RuntimeKind(f.spec.Runtime) == sandbox.KindRunsc {
		t.Skip("its processes on the host are gVisor's own")
	}
	_, result, err := f.signalled(t, Case{Code: busy, TimeoutSeconds: 2}, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	if err != nil || result.ResultCode != api.Timeout {
		t.Errorf("a box that was asked to end: %s (%+v), %v; want TIMEOUT", result.ResultCode, result.Error, err)
	}
}

func (f *fixture) testKilledByOthers(t *testing.T) {
	box, result, err := f.signalled(t, Case{Code: busy, TimeoutSeconds: 30}, syscall.SIGKILL)
	var killed *sandbox.KilledError
	if !errors.As(err, &killed) {
		t.Errorf("a box that another killed: %s (%+v), %v; want an error that says so", result.ResultCode, result.Error, err)
	}
	destroy(t, box)
}

// signalled runs a case, and once it has logged something sends signals to every process of its box.
func (f *fixture) signalled(t *testing.T, c Case, signals ...syscall.Signal) (sandbox.Box, api.Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	box := f.create(t, sandbox.LimitsOf(c.request()))
	_, ours := f.claimed(t)
	if len(ours) != 1 {
		t.Fatalf("one box holds the claims %q", ours)
	}
	sent := false
	result, err := box.Run(ctx, c.request(), func(api.Log) {
		if sent {
			return
		}
		sent = true
		for _, pid := range processesOf(t, ours[0]) {
			for _, signal := range signals {
				if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
					t.Errorf("signal %d to process %d: %v", signal, pid, err)
				}
			}
		}
	})
	if !sent {
		t.Error("it logged nothing")
	}
	return box, result, err
}

// processesOf returns the processes in the cgroup of a box.
func processesOf(t *testing.T, box string) (pids []int) {
	t.Helper()
	paths, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, path := range paths {
		body, _ := os.ReadFile(path) // it may have gone
		inIt := func(line string) bool { return strings.Contains(line, "-"+box) }
		if !slices.ContainsFunc(strings.Split(string(body), "\n"), inIt) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Errorf("no process is in a cgroup of box %s", box)
	}
	return pids
}
