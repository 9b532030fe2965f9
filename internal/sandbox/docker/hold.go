package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

// A hold is a cgroup of ours around a container's. Docker removes the container's own as soon as it
// has died, and with it every counter; ours stays, and counts what is below it.
type hold struct {
	fs   *cgroupFS
	path string // from the root

	oom *os.File // v1: the eventfd that counts the times that memory ran out
	saw bool     // it did; only usage reads and writes it, under its caller's lock
}

// holdMargin is what our cgroup's limit on v1 lies below the container's. There the kernel tells of
// memory that ran out only to the cgroup whose limit it was: this way it is ours. The margin is
// larger than any single charge that may end in a kill.
const holdMargin = 64 << 10

// newHold makes the cgroup. memory is the limit, in bytes, that the container gets.
func newHold(fsys *cgroupFS, path string, memory int64) (*hold, error) {
	h := &hold{fs: fsys, path: path}
	var err error
	if fsys.v2 {
		err = h.makeV2()
	} else {
		err = h.makeV1(memory)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cgroup %s: %w", h.path, err), h.release())
	}
	return h, nil
}

func (h *hold) mkdir(controller string) error {
	dir, err := h.fs.file(controller, h.path, "")
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// makeV2 needs no limit: memory.events counts what happens below, too.
func (h *hold) makeV2() error {
	root, err := h.fs.file("memory", "/", "cgroup.subtree_control")
	if err != nil {
		return err
	}
	// As every runtime does before it makes a cgroup.
	if err := os.WriteFile(root, []byte("+cpu +memory +pids"), 0); err != nil {
		return err
	}
	return h.mkdir("memory")
}

func (h *hold) makeV1(memory int64) error {
	for _, controller := range []string{"memory", "cpuacct"} {
		if err := h.mkdir(controller); err != nil {
			return err
		}
	}
	// On old kernels a parent counts its children only if told so before it has any.
	if on, err := h.fs.group(h.path).Number("memory", "memory.use_hierarchy"); err == nil && on == 0 {
		if err := h.fs.group(h.path).Write("memory", "memory.use_hierarchy", "1"); err != nil {
			return err
		}
	}
	if err := h.fs.group(h.path).Write("memory", "memory.limit_in_bytes", strconv.FormatInt(memory-holdMargin, 10)); err != nil {
		return err
	}
	return h.listen()
}

// listen has the kernel count on an eventfd each time that memory runs out.
func (h *hold) listen() error {
	path, err := h.fs.file("memory", h.path, "memory.oom_control")
	if err != nil {
		return err
	}
	control, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = control.Close() }()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	h.oom = os.NewFile(uintptr(fd), "memory.oom_control of "+h.path)
	return h.fs.group(h.path).Write("memory", "cgroup.event_control", fmt.Sprintf("%d %d", fd, control.Fd()))
}

// usage reads the counters. It is called by one at a time.
func (h *hold) usage() (sandbox.Usage, error) {
	usage, err := h.fs.group(h.path).Usage()
	usage.Final = err == nil
	if h.oom == nil { // version 2 counts in its events what happens below, too
		return usage, err
	}
	if !h.saw {
		var count [8]byte
		_, readErr := unix.Read(int(h.oom.Fd()), count[:])
		h.saw = readErr == nil
	}
	usage.OOMKilled = usage.OOMKilled || h.saw
	return usage, err
}

// release closes what the hold has open. The cgroup itself goes with cgroupFS.remove.
func (h *hold) release() error {
	if h.oom == nil {
		return nil
	}
	err := h.oom.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// leafLimits is what a container's own cgroup says to be its limits.
type leafLimits struct {
	memory, swap, pids int64   // bytes, bytes of swap alone, processes and threads
	cpus               float64 // processors
}

// limitsOf reads the limits that are in force on a cgroup. A swap of -1 means that this kernel does
// not account for swap.
func (c *cgroupFS) limitsOf(path func(controller string) (string, error)) (leafLimits, error) {
	var out leafLimits
	var errs []error
	group := cgroup.Group{V2: c.v2, Dir: func(controller string) (string, error) {
		its, err := path(controller)
		if err != nil {
			return "", err
		}
		return c.file(controller, its, "")
	}}
	number := func(controller, name string) int64 {
		n, err := group.Number(controller, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return n
	}
	out.swap = -1
	if !c.v2 {
		out.memory, out.pids = number("memory", "memory.limit_in_bytes"), number("pids", "pids.max")
		out.cpus = float64(number("cpu", "cpu.cfs_quota_us")) / float64(number("cpu", "cpu.cfs_period_us"))
		both, err := group.Number("memory", "memory.memsw.limit_in_bytes")
		switch {
		case err == nil:
			out.swap = both - out.memory
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
		return out, errors.Join(errs...)
	}
	out.memory, out.pids = number("memory", "memory.max"), number("pids", "pids.max")
	if swap, err := group.Number("memory", "memory.swap.max"); err == nil {
		out.swap = swap
	} else if !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	var quota, period float64
	text, err := group.Read("cpu", "cpu.max")
	if err == nil {
		_, err = fmt.Sscan(text, &quota, &period)
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("cpu.max: %w", err))
	}
	out.cpus = quota / period
	return out, errors.Join(errs...)
}

// swapOff reports whether this host has no swap at all.
func swapOff() bool {
	body, err := os.ReadFile(filepath.Join("/proc", "swaps"))
	return err == nil && !hasSecondLine(string(body))
}

// hasSecondLine: the first line of /proc/swaps is its heading.
func hasSecondLine(s string) bool {
	lines := 0
	for i, r := range s {
		if r == '\n' && i+1 < len(s) {
			lines++
		}
	}
	return lines > 0
}
