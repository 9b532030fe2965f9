//go:build linux

package trial

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func init() { register(map[string]func(*T){"syscall.sweep": sweep}) }

// sweep makes the system calls whose numbers its argument lists, each with arguments that do no harm where it is
// allowed. An answer other than ENOSYS or EPERM says that it was.
func sweep(t *T) {
	t.reuse = true
	for text := range strings.SplitSeq(t.trial.Args["numbers"], ",") {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			continue
		}
		t.within(sweepLimit, text, func() (string, error) {
			errno := harmless(uintptr(number))
			if errno == unix.ENOSYS || errno == unix.EPERM || errno == trapped {
				return "", errno
			}
			return nameOf(errno), nil
		})
	}
}

// sweepLimit bounds one call of a sweep: a few wait for what never comes, and have been made.
const sweepLimit = 2 * time.Second

// bad is an argument that is no descriptor, no pointer, no size and no process.
const bad = ^uintptr(0)

// harmless makes one call and returns its error, 0 where it has none. Most calls get nothing but bad arguments, and so
// fail in the kernel's own checks. The others are those that take none, do not return, or answer as a filter does.
func harmless(number uintptr) syscall.Errno {
	var word uint32
	var errno syscall.Errno
	switch number {
	case unix.SYS_FUTEX:
		_, errno = raw(number, pointer(&word), 1 /* FUTEX_WAKE */, 0)
	case unix.SYS_MMAP:
		var got uintptr
		got, errno = raw(number, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, bad, 0)
		if errno == 0 {
			_, _ = raw(unix.SYS_MUNMAP, got, 4096)
		}
	case unix.SYS_CLONE:
		errno = errnoOf(forking(number, threadFlags, 0, 0, 0, 0))
	case unix.SYS_RT_SIGRETURN:
		// By itself it would crash. A handler returns by it: were it denied, this thread would not go on.
		_, errno = raw(unix.SYS_TGKILL, uintptr(unix.Getpid()), uintptr(unix.Gettid()), uintptr(unix.SIGURG))
	case unix.SYS_EXIT_GROUP:
		_, errno = raw(number, 77)
	case unix.SYS_PERSONALITY:
		_, errno = raw(number, 0xffffffff) // asks
	case unix.SYS_SYSLOG:
		_, errno = raw(number, bad, 0, 0)
	case unix.SYS_ADJTIMEX, unix.SYS_UMASK, unix.SYS_SYNC, unix.SYS_VHANGUP:
		_, errno = raw(number, 0)
	default:
		if forks(number) {
			return errnoOf(forking(number, bad, bad, bad, bad, bad))
		}
		_, errno = raw(number, bad, bad, bad, bad, bad, bad)
	}
	return errno
}

// threadFlags are those with which the Go runtime makes a thread.
const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD

// errnoOf reads the value that a system call leaves in its register.
func errnoOf(value uintptr) syscall.Errno {
	const most = 4095
	if value > ^uintptr(most) {
		return syscall.Errno(-value)
	}
	return 0
}

// answer is an attempt's outcome from such a value.
func answer(value uintptr) (string, error) {
	if errno := errnoOf(value); errno != 0 {
		return "", errno
	}
	return fmt.Sprintf("returned %d", value), nil
}
