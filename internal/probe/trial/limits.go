//go:build linux

package trial

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	register(map[string]func(*T){
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
				return "", contained("%d ms by its own clock", burn(2, time.Second).Milliseconds())
			})
		},
		"limits.kill": func(t *T) {
			// Whoever will not go: it ignores what can be ignored, and never comes back.
			t.within(time.Minute, "live on, deaf to signals", func() (string, error) {
				until := time.Now().Add(time.Duration(t.number("seconds", 20)) * time.Second)
				for time.Now().Before(until) {
				}
				return "it was let live", nil
			})
		},
		"beat": func(t *T) { // a neighbour, whose regularity is watched
			end := time.Now().Add(time.Duration(t.number("ms", 1000)) * time.Millisecond)
			t.within(time.Minute, "beat", func() (string, error) {
				var longest time.Duration
				for last := time.Now(); last.Before(end); {
					<-time.After(5 * time.Millisecond)
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

// burn keeps threads busy, and returns the processor time that the process says it was given.
func burn(threads int, d time.Duration) time.Duration {
	start, until := processorTime(), time.Now().Add(d)
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
	return processorTime() - start
}

func processorTime() time.Duration {
	var spent unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &spent); err != nil {
		return 0
	}
	return time.Duration(spent.Nano())
}
