package docker

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pidfd stands for one process, also after its number has been given to another.
type pidfd struct {
	pid int
	fd  int // -1: there was no such process any more
}

func openPidfd(pid int) (pidfd, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return pidfd{pid: pid, fd: -1}, nil
	case err != nil:
		return pidfd{}, fmt.Errorf("docker: pidfd of process %d: %w", pid, err)
	}
	return pidfd{pid: pid, fd: fd}, nil
}

func (p pidfd) close() {
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
	}
}

// ended reports whether the process is dead, a zombie included.
func (p pidfd) ended() bool {
	if p.fd < 0 {
		return true
	}
	poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n == 1
}

// await calls then once the process has ended, on a goroutine of its own, unless stop is closed first.
// It takes over the pidfd.
func (p pidfd) await(stop <-chan struct{}, then func()) error {
	if p.fd < 0 {
		go then()
		return nil
	}
	return await(p.fd, func(int) bool { return p.ended() }, stop, then)
}

// await calls then once is says so, on a goroutine of its own, unless stop is closed first; is looks at
// the descriptor whenever something has happened there. It takes over the descriptor, and closes it
// when both are done with.
func await(fd int, is func(fd int) bool, stop <-chan struct{}, then func()) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return errors.Join(fmt.Errorf("docker: watch: %w", err), unix.Close(fd))
	}
	file := os.NewFile(uintptr(fd), "watched") // the Go runtime polls it: no thread waits
	conn, err := file.SyscallConn()
	if err != nil {
		return errors.Join(fmt.Errorf("docker: watch: %w", err), file.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if conn.Read(func(fd uintptr) bool { return is(int(fd)) }) == nil {
			then()
		}
	}()
	go func() {
		select {
		case <-ended:
		case <-stop:
			_ = file.SetReadDeadline(time.Now())
			<-ended // then may be using the descriptor
		}
		_ = file.Close()
	}()
	return nil
}

// openReader opens another reading end of the pipe that is the process's descriptor; ok is false where
// it is none.
func openReader(pid, descriptor int) (fd int, ok bool) {
	path := fmt.Sprintf("/proc/%d/fd/%d", pid, descriptor)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, false
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		_ = unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// hungUp reports whether nobody holds the writing end of a pipe any more. Nothing is read from it.
func hungUp(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n == 1 && poll[0].Revents&unix.POLLHUP != 0
}

// pidfdInfo is the kernel's struct pidfd_info, as far as its first version goes.
type pidfdInfo struct {
	mask     uint64
	cgroup   uint64
	ids      [11]uint32 // pid, tgid, ppid and the eight ids of a user and a group
	exitCode int32
}

const (
	pidfdGetInfo  = 0xC040FF0B // _IOWR(0xFF, 11, 64 bytes)
	pidfdInfoExit = 1 << 3
)

// exit tells how an ended process ended, also once somebody else has reaped it. Linux before 6.15
// does not know: then ok is false.
func (p pidfd) exit() (status unix.WaitStatus, ok bool) {
	if p.fd < 0 {
		return 0, false
	}
	info := pidfdInfo{mask: pidfdInfoExit}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), pidfdGetInfo, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || info.mask&pidfdInfoExit == 0 {
		return 0, false
	}
	return unix.WaitStatus(info.exitCode), true
}

// reaped waits until the ended process has been reaped, and tells how it ended; ok is false where the
// kernel does not say, or another knows it first (first is closed).
func (p pidfd) reaped(first <-chan struct{}) (status unix.WaitStatus, ok bool) {
	const pause, most = 2 * time.Millisecond, 500 // a second: its parent is there to reap it
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range most {
		if status, ok = p.exit(); ok {
			return status, true
		}
		select {
		case <-first:
			return 0, false
		case <-tick.C:
		}
	}
	return 0, false
}

// kill sends SIGKILL. Killing what has ended is no error.
func (p pidfd) kill() error {
	if p.fd < 0 {
		return nil
	}
	if err := unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("docker: kill of process %d: %w", p.pid, err)
	}
	return nil
}
