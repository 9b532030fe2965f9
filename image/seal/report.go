package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Report is what a process sees of its own confinement. Everything but the fields read from
// /proc/self/status was observed before the seal, the rest after it.
type Report struct {
	UID, GID, Groups int
	PID              int
	NoNewPrivs       bool
	Seccomp          int // the mode; 2 is filter
	SeccompFilters   int // -1 where the kernel does not tell
	// The capability sets, a bit each.
	CapEff, CapPrm, CapBnd, CapInh, CapAmb uint64
	FDs                                    []string // open beyond 0, 1 and 2, before the Go runtime's own
	Env                                    []string // names
	Hostname                               string
	Interfaces                             []string // network interfaces
	RootWritable                           bool
}

// observe looks at what the seal takes away the means to look at.
func observe() Report {
	r := Report{UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid()}
	if groups, err := unix.Getgroups(); err == nil {
		for _, group := range groups {
			// A runtime may name the group itself once more; any other is one too many.
			if group != r.GID {
				r.Groups++
			}
		}
	}
	r.FDs = foreignFDs()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		r.Env = append(r.Env, name)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		r.Hostname = unix.ByteSliceToString(uts.Nodename[:])
	}
	r.Interfaces = interfaces()
	r.RootWritable = rootWritable()
	return r
}

// rootWritable reads how the root is mounted. To ask by access(2) would not do: a process that lacks the
// permission is told of that first. What cannot be read counts as writable: the box is refused.
func rootWritable() bool {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return true
	}
	return !rootReadOnly(string(mounts))
}

// rootReadOnly looks for the last mount on / in a mountinfo: it lies over those before it. A mount is
// read-only by its own options, or by those of its file system.
func rootReadOnly(mountinfo string) bool {
	const mountPoint, options = 4, 5
	readOnly := false
	for line := range strings.Lines(mountinfo) {
		// Optional fields stand between the mount's options and " - ", the type, the source and the
		// file system's options.
		mount, fileSystem, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if len(fields) <= options || fields[mountPoint] != "/" {
			continue
		}
		super := strings.Fields(fileSystem)
		readOnly = hasOption(fields[options], "ro") || len(super) > 2 && hasOption(super[2], "ro")
	}
	return readOnly
}

func hasOption(options, name string) bool {
	return slices.Contains(strings.Split(options, ","), name)
}

// foreignFDs lists what is open beyond 0, 1 and 2. It runs before the Go runtime has opened anything, and
// opens by hand: package os would have it open its epoll. A list that cannot be had is told as one foreign descriptor: the box is refused.
func foreignFDs() []string {
	const dir = "/proc/self/fd"
	list, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = unix.Close(list) }()
	var names []string
	var buffer [4 << 10]byte
	for {
		n, err := unix.Getdents(list, buffer[:])
		if err != nil {
			return []string{err.Error()}
		}
		if n <= 0 {
			break
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
	var open []string
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && (fd <= 2 || fd == list) {
			continue
		}
		target, _ := os.Readlink(dir + "/" + name)
		open = append(open, name+": "+target)
	}
	return open
}

// interfaces reads the names of the network interfaces, without a socket.
func interfaces() []string {
	table, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(table)) {
		// The two lines of heading have no colon.
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// openStatus opens /proc/self/status, which stays open to be reread: nothing opens after the seal.
func openStatus() (int, error) {
	fd, err := unix.Open("/proc/self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("seal: status: %w", err)
	}
	return fd, nil
}

func (r *Report) readStatus(fd int) error {
	var buffer [8 << 10]byte
	n, err := unix.Pread(fd, buffer[:], 0)
	if err != nil {
		return fmt.Errorf("seal: status: %w", err)
	}
	r.SeccompFilters = -1
	number := func(value string, base int) uint64 {
		n, parseErr := strconv.ParseUint(value, base, 64)
		err = errors.Join(err, parseErr)
		return n
	}
	for line := range bytes.Lines(buffer[:n]) {
		key, value, _ := strings.Cut(string(bytes.TrimSpace(line)), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "NoNewPrivs":
			r.NoNewPrivs = value == "1"
		case "Seccomp":
			r.Seccomp = int(number(value, 10))
		case "Seccomp_filters":
			r.SeccompFilters = int(number(value, 10))
		case "CapEff":
			r.CapEff = number(value, 16)
		case "CapPrm":
			r.CapPrm = number(value, 16)
		case "CapBnd":
			r.CapBnd = number(value, 16)
		case "CapInh":
			r.CapInh = number(value, 16)
		case "CapAmb":
			r.CapAmb = number(value, 16)
		}
	}
	if err != nil {
		return fmt.Errorf("seal: status: %w", err)
	}
	return nil
}
