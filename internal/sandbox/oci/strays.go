package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// endRuntimes ends every runtime that still works on a box of a dead owner, told by the runtime's own state directory
// on its command line. Most die with the owner; crun leaves its caller's session and parent before it makes anything,
// and would go on making the cgroup and the files of a box behind the back of the sweep that has removed them. ctx
// bounds it.
func endRuntimes(ctx context.Context, root string) error {
	for {
		pids, err := workingOn(root)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := endRuntime(ctx, pid, root); err != nil {
				return err
			}
		}
	}
}

func endRuntime(ctx context.Context, pid int, root string) error {
	if isChild(pid) {
		return reapInherited(ctx, sighting{pid: pid})
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("oci: pidfd of process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	// The number may have been given to another process before it was opened, and cannot be now.
	if !worksOn(pid, root) {
		return nil
	}
	_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	for {
		const aMoment = 10 // milliseconds
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, aMoment); n > 0 && err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("oci: process %d lives on: %w", pid, context.Cause(ctx))
		}
	}
}

// workingOn returns the processes that have a runtime's state directory among their arguments.
func workingOn(root string) (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("oci: %w", err)
	}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && worksOn(pid, root) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// worksOn is false for what has ended: a zombie has no command line.
func worksOn(pid int, root string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(line, []byte{0}), func(arg []byte) bool { return string(arg) == root })
}
