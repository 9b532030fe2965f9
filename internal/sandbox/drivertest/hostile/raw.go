//go:build linux

package main

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forkBomb tries to start processes, and returns how many it could start and what stopped it. A
// child makes raw system calls and nothing else: the Go runtime in it is broken.
func forkBomb(most int) map[string]any {
	for n := range most {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return map[string]any{"forked": n, "stopped": errno.Error()}
		}
		if pid == 0 {
			for {
				syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
			}
		}
	}
	return map[string]any{"forked": most}
}

// threads starts threads until the runtime dies of it or there are enough.
func threads(most int) int {
	for range most {
		go func() {
			runtime.LockOSThread()
			sleepForEver()
		}()
	}
	time.Sleep(200 * time.Millisecond)
	return most
}

// forbidden makes system calls that a box has no use for, and names those that did not fail. A
// profile may kill for them: they stand in an order of their own.
func forbidden() []string {
	did := []string{}
	try := func(name string, number uintptr, args ...uintptr) {
		args = append(args, 0, 0, 0, 0, 0, 0)
		if got, _, errno := syscall.RawSyscall6(number, args[0], args[1], args[2], args[3], args[4], args[5]); errno == 0 {
			did = append(did, name)
			_ = got
		}
	}
	root, _ := unix.BytePtrFromString("/")
	tmpfs, _ := unix.BytePtrFromString("tmpfs")
	at := func(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }
	try("socket inet", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0)
	try("socket unix", unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0)
	try("socket netlink", unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0)
	try("socket packet", unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0)
	try("socket vsock", unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	try("unshare user", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
	try("mount", unix.SYS_MOUNT, at(tmpfs), at(root), at(tmpfs))
	try("chroot", unix.SYS_CHROOT, at(root))
	try("ptrace", unix.SYS_PTRACE, unix.PTRACE_TRACEME)
	try("keyctl", unix.SYS_KEYCTL, 0, ^uintptr(2), 1) // the session's keyring, made where there is none
	try("memfd_create", unix.SYS_MEMFD_CREATE, at(root))
	try("userfaultfd", unix.SYS_USERFAULTFD)
	try("setuid 0", unix.SYS_SETUID, 0)
	runtime.KeepAlive(root)
	runtime.KeepAlive(tmpfs)
	return did
}
