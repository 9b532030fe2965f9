package oci

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A helper of gVisor's that ended before the box's cgroup was looked at stayed a zombie for as long as its controller lived.
func TestAHelperThatWasForgottenIsReaped(t *testing.T) {
	end := func(setsid bool) int {
		command := exec.Command("/proc/self/exe", "-test.run=^$")
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: setsid}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		var info unix.Siginfo // it has ended, and is not reaped
		if err := unix.Waitid(unix.P_PID, command.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
		return command.Process.Pid
	}
	forgotten, ours := end(true), end(false)
	_, _, began := stat(forgotten)
	reapForgotten(began + 1<<40)
	if state, _, _ := stat(forgotten); state != 'Z' {
		t.Errorf("one that began before is %q", state)
	}
	reapForgotten(began)
	if _, err := os.Stat("/proc/" + strconv.Itoa(forgotten)); err == nil {
		t.Error("it is still there")
	}
	if state, _, _ := stat(ours); state != 'Z' {
		t.Errorf("a child that somebody else waits for is %q", state)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(ours, &status, 0, nil); err != nil {
		t.Error(err)
	}
}
