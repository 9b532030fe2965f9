// Package seal is how the runner shuts itself in, before it reads a byte of a job: resource limits,
// no_new_privs, and a seccomp filter of its own that is tighter than the one its runtime was given.
// What it then reports of itself is what the controller holds against the Spec.
package seal

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"glovebox/internal/protocol"
)

// Seal shuts the process in and returns what it sees of its own confinement. It is called once, first
// of all, with no goroutine of ours running: what the Go runtime needs later (its epoll and its eventfd)
// is opened here, since nothing can be opened afterwards. On an error the process must end.
func Seal() (protocol.Ready, error) {
	report, err := Observe()
	if err != nil {
		return protocol.Ready{}, err
	}
	// The first timer makes the Go runtime open its epoll and its eventfd.
	<-time.NewTimer(time.Nanosecond).C
	status, err := openStatus()
	if err != nil {
		return protocol.Ready{}, err
	}
	if err := setLimits(); err != nil {
		return protocol.Ready{}, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return protocol.Ready{}, fmt.Errorf("seal: no_new_privs: %w", err)
	}
	if err := loadFilter(); err != nil {
		return protocol.Ready{}, err
	}
	if err := readStatus(&report, status); err != nil {
		return protocol.Ready{}, err
	}
	return report, nil
}

// limits are what the process sets for itself, whatever its runtime has set: the same, or less.
var limits = [...]struct {
	resource int
	value    uint64
}{
	{unix.RLIMIT_CORE, 0},
	{unix.RLIMIT_NOFILE, 16},
	{unix.RLIMIT_FSIZE, 0},
	{unix.RLIMIT_MEMLOCK, 0},
	{unix.RLIMIT_MSGQUEUE, 0},
}

func setLimits() error {
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Prlimit(0, l.resource, nil, &now); err != nil {
			return fmt.Errorf("seal: rlimit %d: %w", l.resource, err)
		}
		if now.Max <= l.value && now.Cur <= l.value {
			continue
		}
		value := min(l.value, now.Max)
		if err := unix.Prlimit(0, l.resource, &unix.Rlimit{Cur: value, Max: value}, nil); err != nil {
			return fmt.Errorf("seal: rlimit %d: %w", l.resource, err)
		}
	}
	return nil
}

// loadFilter puts the filter in force for every thread at once: a Go process has several before main.
func loadFilter() error {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// TSYNC returns the id of a thread that could not follow.
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(&program)
	if errno != 0 {
		return fmt.Errorf("seal: seccomp: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("seal: seccomp: thread %d could not follow", thread)
	}
	return nil
}
