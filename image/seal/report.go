package seal

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"glovebox/internal/procfs"
	"glovebox/internal/protocol"
)

// Observe looks at what the seal takes away the means to look at, or would hide: what the runtime has put in force. It
// is called before anything of package os is, which would open descriptors that are not foreign. What the box does not
// let it see is left out, and refused by whoever misses it; without /proc/self/status there is nothing to tell.
func Observe() (protocol.Ready, error) {
	r := protocol.Ready{
		Version: protocol.Version, FDs: foreignFDs(), UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(),
		Env: []string{}, Rlimits: rlimits(),
	}
	if groups, err := unix.Getgroups(); err == nil {
		for _, group := range groups {
			// A runtime may name the group itself once more; any other is one too many.
			if group != r.GID {
				r.Groups++
			}
		}
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		r.Env = append(r.Env, name)
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		r.Hostname = unix.ByteSliceToString(uts.Nodename[:])
	}
	status, err := procfs.ReadStatus(procfs.Self)
	if err != nil {
		return protocol.Ready{}, fmt.Errorf("seal: %w", err)
	}
	r.Given = protocol.Given{NoNewPrivs: status.NoNewPrivs, Seccomp: status.Seccomp, SeccompFilters: status.SeccompFilters}
	tell(&r, status)
	r.Interfaces, _ = procfs.Interfaces(procfs.Self)
	r.Mounts, _ = procfs.Mounts(procfs.Self)
	r.Namespaces, _ = procfs.Namespaces(procfs.Self)
	r.UIDMap, r.GIDMap, _ = procfs.IDMaps(procfs.Self)
	r.Proc = procNames()
	return r, nil
}

// rlimits reads the limits that the runtime specification knows.
func rlimits() []protocol.Rlimit {
	var limits []protocol.Rlimit
	for _, known := range procfs.Rlimits {
		var l unix.Rlimit
		if err := unix.Prlimit(0, known.Resource, nil, &l); err == nil { // else this kernel has none of that name
			limits = append(limits, protocol.Rlimit{Type: known.Name, Soft: l.Cur, Hard: l.Max})
		}
	}
	return limits
}

// procNames lists what stands in /proc beside processes.
func procNames() []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			names = append(names, entry.Name())
		}
	}
	return names
}

// tell puts a status into a report.
func tell(r *protocol.Ready, s procfs.Status) {
	r.NoNewPrivs, r.Seccomp, r.SeccompFilters = s.NoNewPrivs, s.Seccomp, s.SeccompFilters
	r.CapEff, r.CapPrm, r.CapBnd, r.CapInh, r.CapAmb = s.CapEff, s.CapPrm, s.CapBnd, s.CapInh, s.CapAmb
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

// openStatus opens /proc/self/status, which stays open to be reread: nothing opens after the seal.
func openStatus() (int, error) {
	fd, err := unix.Open(procfs.Self+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("seal: status: %w", err)
	}
	return fd, nil
}

// readStatus rereads it, after the seal.
func readStatus(r *protocol.Ready, fd int) error {
	var buffer [8 << 10]byte
	n, err := unix.Pread(fd, buffer[:], 0)
	if err != nil {
		return fmt.Errorf("seal: status: %w", err)
	}
	status, err := procfs.ParseStatus(buffer[:n])
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	tell(r, status)
	return nil
}
