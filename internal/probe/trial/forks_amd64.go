package trial

import "golang.org/x/sys/unix"

// forks reports whether a call may return twice whatever its arguments are.
func forks(number uintptr) bool { return number == unix.SYS_FORK || number == unix.SYS_VFORK }
