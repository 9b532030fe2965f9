//go:build linux

package trial

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pointer is a value's address as an argument. The value neither moves nor goes any more: a trial is small, and its
// program short-lived.
func pointer[V any](v *V) uintptr {
	kept.Lock()
	defer kept.Unlock()
	kept.values = append(kept.values, unsafe.Pointer(v))
	return uintptr(unsafe.Pointer(v))
}

var kept struct {
	sync.Mutex
	values []unsafe.Pointer
}

// text is a string as C has it.
func text(s string) *byte {
	p, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	return p
}

// What the kernel offers beyond files, sockets and processes.
func init() {
	register(map[string]func(*T){
		"kernel.io-uring": func(t *T) {
			params := new([120]byte)
			t.call("io_uring_setup", closeFD, unix.SYS_IO_URING_SETUP, 1, pointer(params))
		},
		"kernel.bpf": func(t *T) {
			attr := &[4]uint32{2 /* BPF_MAP_TYPE_ARRAY */, 4, 4, 1}
			t.call("bpf, a map", closeFD, unix.SYS_BPF, 0, pointer(attr), 16)
		},
		"kernel.userfaultfd": func(t *T) {
			const userModeOnly = 1
			t.call("userfaultfd", closeFD, unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userModeOnly)
		},
		"kernel.keyrings": func(t *T) {
			const sessionKeyring = ^uintptr(2) // -3
			t.call("keyctl, the session's keyring", nil, unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, sessionKeyring, 0)
			kind, name := text("user"), text("glovebox-probe")
			t.call("add_key", nil, unix.SYS_ADD_KEY, pointer(kind), pointer(name), pointer(name), 1, sessionKeyring)
		},
		"kernel.perf-events": func(t *T) {
			attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
				Config: unix.PERF_COUNT_SW_CPU_CLOCK, Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv | unix.PerfBitDisabled}
			t.call("perf_event_open", closeFD, unix.SYS_PERF_EVENT_OPEN, pointer(attr), 0, bad, bad, 0)
		},
		"kernel.modules": func(t *T) {
			empty := text("")
			t.call("init_module", nil, unix.SYS_INIT_MODULE, pointer(empty), 0, pointer(empty))
			t.call("finit_module", nil, unix.SYS_FINIT_MODULE, bad, pointer(empty), 0)
			t.call("delete_module", nil, unix.SYS_DELETE_MODULE, pointer(empty), unix.O_NONBLOCK)
		},
		"kernel.kexec": func(t *T) { t.call("kexec_load", nil, unix.SYS_KEXEC_LOAD, 0, 0, 0, bad) },
		"kernel.reboot": func(t *T) {
			t.call("reboot with no magic number", nil, unix.SYS_REBOOT, 0, 0, 0)
		},
		"kernel.swap": func(t *T) {
			path := text("/")
			t.call("swapon", nil, unix.SYS_SWAPON, pointer(path), 0)
		},
		"kernel.accounting": func(t *T) { t.call("acct, off", nil, unix.SYS_ACCT, 0) },
		"kernel.quotas": func(t *T) {
			const sync = 0x800001 << 8
			t.call("quotactl, to sync", nil, unix.SYS_QUOTACTL, sync, 0, 0, 0)
		},
		"kernel.log": func(t *T) {
			t.try("syslog, to read", func() (string, error) {
				var buffer [256]byte
				n, errno := raw(unix.SYS_SYSLOG, 3 /* SYSLOG_ACTION_READ_ALL */, pointer(&buffer), uintptr(len(buffer)))
				if errno != 0 {
					return "", errno
				}
				return string(buffer[:min(int(n), 80)]), nil
			})
			t.read("/dev/kmsg")
			t.read("/proc/kmsg")
		},
		"kernel.clock": func(t *T) {
			state := new(unix.Timex)
			t.call("adjtimex, to read", nil, unix.SYS_ADJTIMEX, pointer(state))
		},
		"kernel.clock-set": func(t *T) {
			t.call("clock_settime with no time", nil, unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME, 0)
		},
		"kernel.personality": func(t *T) {
			t.call("personality, to ask", nil, unix.SYS_PERSONALITY, 0xffffffff)
		},
		"kernel.seccomp-remove": func(t *T) {
			// No call takes a filter away: what could be asked for is strict mode off, which the kernel refuses too.
			t.call("prctl, no filter", nil, unix.SYS_PRCTL, unix.PR_SET_SECCOMP, 0, 0)
		},
		"kernel.splice": func(t *T) {
			t.try("tee between two pipes", func() (string, error) {
				var from, to [2]int
				if err := unix.Pipe2(from[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
					return "", err
				}
				defer closeBoth(from)
				if err := unix.Pipe2(to[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
					return "", err
				}
				defer closeBoth(to)
				_, _ = unix.Write(from[1], []byte("x"))
				n, err := unix.Tee(from[0], to[1], 1, 0)
				return count(int(n), "byte"), err
			})
			t.try("vmsplice to standard output", func() (string, error) {
				_, errno := raw(unix.SYS_VMSPLICE, bad, 0, 0, 0)
				if errno == unix.EBADF { // it was made, and missed its descriptor
					return "made", nil
				}
				return "", errno
			})
		},
	})
}

func closeBoth(fds [2]int) { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) }
