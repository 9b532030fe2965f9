//go:build linux

package trial

import (
	"fmt"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	register(map[string]func(*T){
		"limits.processes": func(t *T) {
			t.try("100 threads beyond its own", func() (string, error) {
				for n := range 100 {
					// Each thread ends at once, and counts until then; those that stay would need a stack each. A denied
					// clone is what is looked for.
					if errno := errnoOf(forking(unix.SYS_CLONE, threadFlags, 0, 0, 0, 0)); errno != 0 {
						return "", fmt.Errorf("after %d: %w", n, errno)
					}
				}
				return "", contained("each was one thread, and ended")
			})
		},
		"limits.thread-bomb": func(t *T) {
			most := t.number("threads", 100)
			t.within(8*time.Second, fmt.Sprintf("%d threads that stay", most), func() (string, error) {
				end := time.After(6 * time.Second)
				// A thread that cannot be made ends the program, as the Go runtime has it: the audit sees the end.
				ready := make(chan struct{})
				for range most {
					go func() {
						runtime.LockOSThread()
						ready <- struct{}{}
						select {}
					}()
				}
				for n := range most {
					select {
					case <-ready:
					case <-end:
						return "", contained("it came to %d in 6 s", n)
					}
				}
				return "all of them live", nil
			})
		},
		"limits.fork-bomb": func(t *T) {
			t.try("64 processes", func() (string, error) {
				for n := range 64 {
					if errno := errnoOf(forking(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0)); errno != 0 {
						return "", fmt.Errorf("after %d: %w", n, errno)
					}
				}
				return "64 processes", nil
			})
		},
		"limits.descriptors": func(t *T) {
			most := t.number("descriptors", 64)
			t.try(fmt.Sprintf("%d descriptors", most), func() (string, error) {
				var open []int
				defer func() {
					for _, fd := range open {
						_ = unix.Close(fd)
					}
				}()
				for range most {
					fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
					if err != nil {
						return "", fmt.Errorf("after %d: %w", len(open), err)
					}
					open = append(open, fd)
				}
				return "all of them are open", nil
			})
		},
		"limits.raise": func(t *T) {
			t.try("RLIMIT_NOFILE of 4096", func() (string, error) {
				return "raised", unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4096, Max: 4096}, nil)
			})
		},
		"limits.inotify": func(t *T) { t.call("inotify_init1", closeFD, unix.SYS_INOTIFY_INIT1, unix.IN_CLOEXEC) },
		"limits.memory-lock": func(t *T) {
			page := new([8192]byte)
			t.call("mlock", func(uintptr) { _, _ = raw(unix.SYS_MUNLOCK, pointer(page), 4096) }, unix.SYS_MLOCK, pointer(page), 4096)
		},
		"limits.message-queues": func(t *T) {
			t.call("mq_open", closeFD, unix.SYS_MQ_OPEN, pointer(text("glovebox-probe")), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600, 0)
		},
		"limits.async-io": func(t *T) {
			context := new(uint64)
			t.call("io_setup", func(uintptr) { _, _ = raw(unix.SYS_IO_DESTROY, uintptr(*context)) }, unix.SYS_IO_SETUP, 1, pointer(context))
		},
		"limits.timers": func(t *T) {
			id := new(int32)
			t.call("timer_create", func(uintptr) { _, _ = raw(unix.SYS_TIMER_DELETE, uintptr(*id)) },
				unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, 0, pointer(id))
		},
		"limits.file-size": func(t *T) { t.hardLimit("Max file size") },
		"limits.core":      func(t *T) { t.hardLimit("Max core file size") },
		"limits.memory": func(t *T) {
			most := t.number("mib", 256)
			t.within(20*time.Second, fmt.Sprintf("%d MiB", most), func() (string, error) {
				for range most {
					got, errno := raw(unix.SYS_MMAP, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, bad, 0)
					if errno != 0 {
						return "", errno
					}
					touch(got)
				}
				return "all of it is there", nil
			})
		},
		"limits.processor": func(t *T) {
			// What it was given is counted outside: gVisor's own clock of a process counts what it waits for, too.
			t.within(5*time.Second, "two threads busy for a second", func() (string, error) {
				burn(2, time.Second)
				return "", contained("counted outside")
			})
		},
		"limits.kill": func(t *T) {
			// Whoever will not go: it ignores what can be ignored, and never comes back.
			t.within(time.Minute, "live on, deaf to signals", func() (string, error) {
				signal.Ignore()
				until := time.Now().Add(time.Duration(t.number("seconds", 20)) * time.Second)
				for time.Now().Before(until) {
				}
				return "it was let live", nil
			})
		},
		"limits.output": func(t *T) {
			t.within(15*time.Second, "8 MiB to standard output", func() (string, error) {
				noise := []byte(strings.Repeat("A", 64<<10))
				for range 128 {
					if _, err := unix.Write(1, noise); err != nil {
						return "", err
					}
				}
				return "all of it was taken", nil
			})
		},
		"beat": func(t *T) { // a neighbour, whose regularity is watched
			end := time.Now().Add(time.Duration(t.number("ms", 1000)) * time.Millisecond)
			t.within(time.Minute, "beat", func() (string, error) {
				var longest time.Duration
				for last := time.Now(); last.Before(end); {
					time.Sleep(5 * time.Millisecond)
					now := time.Now()
					longest, last = max(longest, now.Sub(last)), now
				}
				return strconv.FormatInt(longest.Milliseconds(), 10), nil
			})
		},
	})
}

// hardLimit reads a limit from /proc: anything but 0 is one too large.
func (t *T) hardLimit(name string) {
	t.try(name+" other than 0", func() (string, error) {
		table, err := readFile("/proc/self/limits")
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(table) {
			if rest, ok := strings.CutPrefix(line, name); ok {
				if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == "0" {
					return "", contained("it is 0")
				}
				return strings.TrimSpace(rest), nil
			}
		}
		return "", fmt.Errorf("%s is not in the table", name)
	})
}

func (t *T) number(name string, usual int) int {
	if n, err := strconv.Atoi(t.trial.Args[name]); err == nil {
		return n
	}
	return usual
}

// burn keeps threads busy.
func burn(threads int, d time.Duration) {
	until := time.Now().Add(d)
	done := make(chan struct{})
	for range threads {
		go func() {
			for time.Now().Before(until) {
			}
			done <- struct{}{}
		}()
	}
	for range threads {
		<-done
	}
}
