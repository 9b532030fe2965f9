package sandbox

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestOwner(t *testing.T) {
	me, err := ThisOwner()
	if err != nil {
		t.Fatal(err)
	}
	if !me.Alive() {
		t.Error("this process takes itself for dead")
	}
	back, err := ParseOwner(me.String())
	if err != nil || back != me {
		t.Errorf("%q came back as %+v, %v", me.String(), back, err)
	}
	reused, rebooted := me, me
	reused.Start++
	rebooted.Boot = "another boot"
	if reused.Alive() {
		t.Error("a process with a reused pid is taken for its owner")
	}
	if rebooted.Alive() {
		t.Error("an owner survives a reboot")
	}
}

func TestParseOwner(t *testing.T) {
	for _, bad := range []string{"", "a/b", "a/x/1", "a/1/x", "a/1/-1", "a/1/1/1/1", "/"} {
		if owner, err := ParseOwner(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, owner)
		}
	}
}

// A process that was killed and not yet waited for has ended: its boxes are orphans.
func TestZombieOwnerIsDead(t *testing.T) {
	sleep := exec.Command("sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	waited := false
	defer func() {
		if !waited {
			_ = sleep.Process.Kill()
			_ = sleep.Wait()
		}
	}()
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	start, err := startTime(sleep.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := ThisOwner()
	if err != nil {
		t.Fatal(err)
	}
	owner.Boot, owner.PID, owner.Start = boot, sleep.Process.Pid, start
	if !owner.Alive() {
		t.Fatal("a running process is taken for dead")
	}
	if err := sleep.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for owner.Alive() {
		if time.Now().After(deadline) {
			t.Fatal("a zombie is taken for alive")
		}
		<-time.After(time.Millisecond)
	}
	waited = true
	_ = sleep.Wait()
	if owner.Alive() {
		t.Error("a process that is gone is taken for alive")
	}
}

func TestStartTimeOfOddNames(t *testing.T) {
	// The kernel's name of a process may hold anything: it is set here by the name of the file.
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	odd := dir + "/a) Z 1 ("
	if err := os.Symlink(self, odd); err != nil {
		t.Fatal(err)
	}
	process := exec.Command(odd, "-test.run=^$", "-test.v")
	process.Env = append(os.Environ(), envClaimChild+"=wait")
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = process.Wait()
	}()
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if start, err := startTime(process.Process.Pid); err != nil || start == 0 {
		t.Errorf("start %d, %v", start, err)
	}
}
