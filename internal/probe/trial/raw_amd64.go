package trial

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forking makes a system call that may return twice. The child ends at once.
func forking(number, a1, a2, a3, a4, a5 uintptr) uintptr

// foreign makes a call without arguments by the 32-bit ABI (int 0x80).
func foreign(number uintptr) uintptr

func trapAddresses() (handler, restorer uintptr)

// HandleTraps has a trapped system call fail with an errno of its own. gVisor traps where other runtimes kill; without
// a handler the program would end of each. It is called before the seal.
func HandleTraps() error {
	const siginfo, onstack, nodefer, restorer = 0x4, 0x08000000, 0x40000000, 0x04000000
	var action struct{ handler, flags, restorer, mask uintptr }
	action.handler, action.restorer = trapAddresses()
	action.flags = siginfo | onstack | nodefer | restorer
	if _, errno := raw(unix.SYS_RT_SIGACTION, uintptr(syscall.SIGSYS), uintptr(unsafe.Pointer(&action)), 0, 8); errno != 0 {
		return fmt.Errorf("trial: handler of SIGSYS: %w", errno)
	}
	return nil
}

const x32 = 0x40000000

func init() {
	register(map[string]func(*T){
		"abi.int80": func(t *T) {
			const getpid = 20
			t.try("getpid by int 0x80", func() (string, error) { return answer(foreign(getpid)) })
		},
		"abi.x32": func(t *T) {
			t.call("getpid of x32", nil, x32|unix.SYS_GETPID)
			t.call("ioctl of x32", nil, x32|514, 0, unix.TCGETS, 0)
		},
		"process.fork": func(t *T) {
			t.try("fork", func() (string, error) { return answer(forking(unix.SYS_FORK, 0, 0, 0, 0, 0)) })
		},
		"process.vfork": func(t *T) {
			t.try("vfork", func() (string, error) { return answer(forking(unix.SYS_VFORK, 0, 0, 0, 0, 0)) })
		},
		"kernel.io-ports": func(t *T) {
			t.call("iopl 0", nil, unix.SYS_IOPL, 0)
			t.call("ioperm", nil, unix.SYS_IOPERM, 0x80, 1, 0)
		},
		"kernel.modify-ldt": func(t *T) {
			var buffer [64]byte
			t.call("modify_ldt, to read", nil, unix.SYS_MODIFY_LDT, 0, pointer(&buffer[0]), 64)
		},
	})
}
