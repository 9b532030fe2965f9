package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"glovebox/internal/runnerimage"
)

// A floor is what no container can be cheaper than: clone with six new namespaces, chroot into the boxes' own root file system,
// and exec of the same runner with the same job. It has no cgroup, no seccomp profile and no mounts of its own.
//
// It lives on one operating system thread with a mount namespace of its own, in which /proc is mounted on the root file system,
// since the runner looks at itself there. The thread is never given back, and lives as long as the program: the kernel takes the
// end of a thread for the end of the parent of whatever was started on it before. The program's end takes the mounts along.
type floor struct {
	asks    chan struct{}
	answers chan floorAnswer
}

type floorAnswer struct {
	turn turn
	err  error
}

// newFloor unpacks the runner into a directory of its own in dir, and starts the thread.
func newFloor(dir string) (*floor, error) {
	rootfs, err := unpackRunner(dir)
	if err != nil {
		return nil, err
	}
	f := &floor{asks: make(chan struct{}), answers: make(chan floorAnswer)}
	ready := make(chan error)
	go f.live(rootfs, ready)
	return f, <-ready
}

// unpackRunner makes a root file system as a box has it. The runner is the one that this program was built with, as the
// server's is that of its own build.
func unpackRunner(dir string) (rootfs string, err error) {
	image, err := runnerimage.Embedded()
	if err != nil {
		return "", err
	}
	if rootfs, err = os.MkdirTemp(dir, "floor-"); err != nil {
		return "", err
	}
	for _, name := range []string{"proc", "dev"} {
		if err := os.Mkdir(filepath.Join(rootfs, name), 0o555); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(rootfs, 0o755); err != nil {
		return "", err
	}
	return rootfs, os.WriteFile(filepath.Join(rootfs, "runner"), image.Binary(), 0o555)
}

func (f *floor) live(rootfs string, ready chan<- error) {
	runtime.LockOSThread() // and never unlocked
	err := mountFloor(rootfs)
	ready <- err
	for range f.asks { // for ever
		t, err := floorTurn(rootfs)
		f.answers <- floorAnswer{t, err}
	}
}

func mountFloor(rootfs string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("the floor's mount namespace: %w", err)
	}
	// What is mounted here stays here, and what the host unmounts goes here too.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("the floor's mounts: %w", err)
	}
	if err := unix.Mount("proc", filepath.Join(rootfs, "proc"), "proc", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("the floor's /proc: %w", err)
	}
	return nil
}

func (f *floor) turn(ctx context.Context) (turn, error) {
	select {
	case f.asks <- struct{}{}:
		answer := <-f.answers
		return answer.turn, answer.err
	case <-ctx.Done():
		return turn{}, context.Cause(ctx)
	}
}

// nobody is the id that the floor's runner has.
const nobody = 65534

// floorTurn counts what its thread spends too: to make a process is the parent's work.
func floorTurn(rootfs string) (turn, error) {
	before, err := threadCPU()
	if err != nil {
		return turn{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), turnLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/runner")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP,
		Chroot:     rootfs, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL,
	}
	t, err := converse(cmd)
	if err != nil {
		return t, err
	}
	after, err := threadCPU()
	t.cpu += after - before
	return t, err
}

// threadCPU is the calling thread's processor time, in milliseconds.
func threadCPU() (float64, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &usage); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6, nil
}
