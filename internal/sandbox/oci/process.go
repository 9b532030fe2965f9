package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
)

// A process is a child of ours that we did not start: the runtime did, and left it to us when it went
// (this process is a subreaper). It stays a zombie, and its pid its own, until it is reaped here.
type process struct {
	pid  int
	done chan struct{} // closed when it has been reaped

	// Set before done is closed.
	exit sandbox.Exit
	err  error

	mu    sync.Mutex
	pidfd *os.File // nil once closed
}

// watch begins to wait for a child of ours. No thread waits with it: a pidfd is readable when its
// process has ended.
func watch(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("oci: pidfd of process %d: %w", pid, err)
	}
	p := &process{pid: pid, done: make(chan struct{}), pidfd: os.NewFile(uintptr(fd), "pidfd")}
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		_ = p.pidfd.Close()
		return nil, fmt.Errorf("oci: pidfd of process %d: %w", pid, err)
	}
	watched.Store(pid, nil)
	go p.await(conn.Read)
	return p, nil
}

// watched are the processes that somebody waits for.
var watched sync.Map

// await reaps the process: that one, and never any other child, since os/exec waits for its own.
func (p *process) await(whenReadable func(func(uintptr) bool) error) {
	defer close(p.done)
	defer watched.Delete(p.pid)
	var status unix.WaitStatus
	err := whenReadable(func(uintptr) bool {
		var pid int
		for {
			pid, p.err = unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
			if !errors.Is(p.err, unix.EINTR) {
				return p.err != nil || pid == p.pid
			}
		}
	})
	p.err = errors.Join(p.err, err)
	switch {
	case status.Signaled():
		p.exit = sandbox.Exit{Signal: int(status.Signal())}
	case status.Exited():
		p.exit = sandbox.Exit{Status: status.ExitStatus()}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.pidfd.Close()
	p.pidfd = nil
}

// kill sends SIGKILL. It does nothing to a process that has been reaped.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd == nil {
		return
	}
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
}

// wait blocks until the process has ended, or ctx has.
func (p *process) wait(ctx context.Context) (sandbox.Exit, error) {
	select {
	case <-p.done:
		if p.err != nil {
			return sandbox.Exit{}, fmt.Errorf("oci: wait for process %d: %w", p.pid, p.err)
		}
		return p.exit, nil
	case <-ctx.Done():
		return sandbox.Exit{}, context.Cause(ctx)
	}
}

// reapGroup kills and reaps the children of ours in a process group: what a runtime that was killed
// halfway has left to us. While a child is in it, the group's number is nobody else's.
func reapGroup(pgid int) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-pgid, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR), pid > 0:
			continue
		case err != nil:
			return // none left
		}
		_ = unix.Kill(-pgid, unix.SIGKILL)
		for {
			if _, err := unix.Wait4(-pgid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
}

// reapForgotten reaps the helpers of gVisor's that ended before they were seen in the box's cgroup, where the dead are not listed:
// children of ours that have ended, begun no earlier than the runtime that left them, leaders of sessions of their own, as no
// child is that os/exec waits for here, and that nobody waits for.
func reapForgotten(since uint64) {
	reapZombies(func(pid, session int, start uint64) bool { return session == pid && start >= since })
}

// reapCopies reaps the copies that crun makes of itself to start boxes that are detached (see awaitCopy), whichever box's they were: they
// ended before anybody saw them, are in a session that another has begun, and nobody waits for them. A box's process begins its own.
func reapCopies() {
	ours, err := unix.Getsid(0)
	if err != nil {
		return
	}
	reapZombies(func(pid, session int, _ uint64) bool { return session != pid && session != ours })
}

// reapZombies reaps children of ours that have ended, that nobody waits for and that are told by their session and by when they began.
func reapZombies(which func(pid, session int, start uint64) bool) {
	for _, pid := range children() {
		if _, known := watched.Load(pid); known {
			continue
		}
		state, parent, start := stat(pid)
		if session, err := unix.Getsid(pid); err != nil || state != 'Z' || parent != os.Getpid() || !which(pid, session, start) {
			continue
		}
		var status unix.WaitStatus
		_, _ = unix.Wait4(pid, &status, unix.WNOHANG, nil)
	}
}

// children returns our children, whichever of our threads the kernel has given them to. One that ends meanwhile may hide another, which is there
// the next time.
func children() (pids []int) {
	lists, _ := filepath.Glob("/proc/self/task/[0-9]*/children") // the pattern is ours
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may have ended
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if len(lists) > 0 {
		return pids
	}
	entries, _ := os.ReadDir("/proc") // this kernel does not list them
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && isChild(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// A sighting names one process for ever, as a pid alone does not.
type sighting struct {
	pid   int
	start uint64 // in clock ticks since boot
}

// noteProcess adds a process of a box to its file of processes. Who sweeps the box may be the one to whom
// the kernel gave the processes of its dead owner, and then has to reap them.
func noteProcess(path string, pid int) error {
	_, _, start := stat(pid)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d %d\n", pid, start)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	return nil
}

// inherited returns the noted processes that have become children of this one.
func inherited(path string) []sighting {
	notes, err := os.ReadFile(path)
	if err != nil {
		return nil // none was started
	}
	var ours []sighting
	for line := range bytes.Lines(notes) {
		var s sighting
		if _, err := fmt.Sscanf(string(line), "%d %d", &s.pid, &s.start); err != nil {
			continue // cut off, as its writer was
		}
		if _, parent, start := stat(s.pid); parent == os.Getpid() && start == s.start {
			ours = append(ours, s)
		}
	}
	return ours
}

// isChild reports whether a process is a child of this one.
func isChild(pid int) bool {
	_, parent, _ := stat(pid)
	return parent == os.Getpid()
}

// childrenNaming returns our children whose command lines hold a name.
func childrenNaming(name string) (pids []int) {
	for _, pid := range children() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && bytes.Contains(line, []byte(name)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// hasEnded reports whether a child that has not been reaped runs no more.
func hasEnded(pid int) bool {
	state, _, _ := stat(pid)
	return state == 0 || state == 'Z' || state == 'X'
}

// stat reads a process's state, its parent and when it started from /proc/PID/stat; zeros where there is no
// such process.
func stat(pid int) (state byte, parent int, start uint64) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, 0
	}
	// The name, which is the second field, may hold anything: fields are counted from the third.
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	const stateAt, parentAt, startAt = 0, 1, 19
	if len(fields) <= startAt {
		return 0, 0, 0
	}
	parent, _ = strconv.Atoi(fields[parentAt])
	start, _ = strconv.ParseUint(fields[startAt], 10, 64)
	return fields[stateAt][0], parent, start
}
