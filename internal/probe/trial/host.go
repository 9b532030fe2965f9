//go:build linux

package trial

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// touch writes to each page of a mebibyte that was mapped.
func touch(address uintptr) {
	page := *(*unsafe.Pointer)(unsafe.Pointer(&address)) // memory that the Go runtime does not know
	for range 1 << 20 / 4096 {
		*(*byte)(page) = 1
		page = unsafe.Add(page, 4096)
	}
}

// What a box could learn of its host, or say to it, by other ways.
func init() {
	register(map[string]func(*T){
		"host.name": func(t *T) {
			t.try("the host's name", func() (string, error) {
				var names unix.Utsname
				if err := unix.Uname(&names); err != nil {
					return "", err
				}
				name := unix.ByteSliceToString(names.Nodename[:])
				if name != t.trial.Args["host"] {
					return "", contained("it is called %q", name)
				}
				return name, nil
			})
		},
		"host.set-name": func(t *T) { t.call("sethostname", nil, unix.SYS_SETHOSTNAME, pointer(text("probe")), 5) },
		"host.load": func(t *T) {
			for _, path := range []string{"/proc/loadavg", "/proc/uptime", "/proc/stat", "/proc/meminfo", "/proc/diskstats", "/proc/interrupts",
				"/proc/version", "/proc/cmdline", "/proc/pressure/cpu"} {
				t.read(path)
			}
		},
		"host.cgroup-path": func(t *T) {
			t.try("a path in /proc/self/cgroup", func() (string, error) {
				table, err := readFile("/proc/self/cgroup")
				if err != nil {
					return "", err
				}
				for line := range strings.Lines(table) {
					fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
					if len(fields) == 3 && fields[2] != "/" {
						return fields[2], nil
					}
				}
				return "", contained("each is /")
			})
		},
		"host.shared-memory": func(t *T) {
			t.try("a System V segment of the host's", func() (string, error) {
				got, errno := raw(unix.SYS_SHMGET, shmKey, 4096, 0)
				if errno != 0 {
					return "", errno
				}
				return fmt.Sprintf("segment %d", got), nil
			})
			t.rows("/proc/sysvipc/shm", 1)
		},
		"host.semaphores": func(t *T) {
			t.call("semget, a new set", func(id uintptr) { _, _ = raw(unix.SYS_SEMCTL, id, 0, 0 /* IPC_RMID */) },
				unix.SYS_SEMGET, 0, 1, 0o600)
		},
		"host.messages": func(t *T) {
			t.call("msgget, a new queue", func(id uintptr) { _, _ = raw(unix.SYS_MSGCTL, id, 0 /* IPC_RMID */, 0) }, unix.SYS_MSGGET, 0, 0o600)
		},
		"tty.inject": func(t *T) {
			char := &[1]byte{'x'}
			for fd := range 3 {
				t.call(fmt.Sprintf("TIOCSTI on descriptor %d", fd), nil, unix.SYS_IOCTL, uintptr(fd), unix.TIOCSTI, pointer(char))
			}
		},
		"tty.controlling": func(t *T) {
			for _, path := range []string{"/dev/tty", "/dev/console", "/dev/ptmx"} {
				t.try("open "+path, func() (string, error) {
					fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
					if err == nil {
						_ = unix.Close(fd)
					}
					return "opened", err
				})
			}
		},
		"tty.standard-streams": func(t *T) {
			t.try("a standard stream that is no pipe", func() (string, error) {
				for fd := range 3 {
					var s unix.Stat_t
					if err := unix.Fstat(fd, &s); err != nil {
						return "", err
					}
					if s.Mode&unix.S_IFMT == unix.S_IFCHR {
						return fmt.Sprintf("descriptor %d is a device", fd), nil
					}
				}
				return "", contained("none is a device")
			})
		},
		"memory.other-box": func(t *T) {
			t.try("a mark of the neighbour's in fresh memory", func() (string, error) {
				mark := []byte(t.trial.Args["mark"])
				const size = 16 << 20
				got, errno := raw(unix.SYS_MMAP, 0, size, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, bad, 0)
				if errno != 0 {
					return "", errno
				}
				fresh := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&got))), size)
				if len(mark) > 0 && bytes.Contains(fresh, mark) {
					return "it is there", nil
				}
				for i := range fresh {
					if fresh[i] != 0 {
						return fmt.Sprintf("byte %d is not 0", i), nil
					}
				}
				return "", contained("16 MiB of zeros")
			})
		},
		"neighbour.wait": func(t *T) { // holds a mark in its memory until its time is up
			mark := []byte(t.trial.Args["mark"])
			t.within(time.Hour, "hold "+string(mark), func() (string, error) { select {} })
		},
	})
}
