package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

// groupPrefix begins the name of each box's cgroup. The cgroup stands at the root of its hierarchy, or where
// a user without privileges may make any: a directory of ours that all boxes share would be removed by
// one process while another makes its own in it.
const groupPrefix = "glovebox-"

// cpuPeriod is the period of the CPU quota, in microseconds.
const cpuPeriod = 100_000

// A group is the cgroup of one box, in every hierarchy of the host. It is safe for concurrent use.
type group struct {
	hierarchies
	name string
}

func groupOf(h hierarchies, id string) group { return group{h, groupPrefix + id} }

// path is what the runtime is told.
func (g group) path() string { return filepath.Join("/", g.base, g.name) }

// dir is its directory in the hierarchy that is mounted at a point.
func (g group) dir(point string) string { return filepath.Join(point, g.base, g.name) }

// file returns the path of a file of the controller: of version 2, where that keeps the limits.
func (g group) file(controller, name string) string {
	if g.isV2() {
		return filepath.Join(g.dir(g.unified), name)
	}
	return filepath.Join(g.dir(g.v1[controller]), name)
}

// bounds are the limits of a box's cgroup, as the kernel keeps them.
type bounds struct {
	memory   int64 // bytes, a multiple of the page size
	cpuQuota int64 // microseconds in each cpuPeriod
	pids     int64
}

// boundsOf adds what the box needs for itself to what the script may take.
func boundsOf(overhead sandbox.Overhead, limits sandbox.Limits) bounds {
	page := int64(os.Getpagesize())
	memory := limits.MemoryBytes + overhead.MemoryBytes
	return bounds{
		memory:   (memory + page - 1) / page * page,
		cpuQuota: max(int64(limits.CPUs*cpuPeriod), 1000), // the kernel takes no less
		pids:     int64(overhead.PIDs),
	}
}

// inForce reads back the limits that the kernel keeps, and whether the process is in the cgroup that it keeps them for.
// A runtime that dropped a limit in silence is found by whoever compares.
func (g group) inForce(pid int) (*sandbox.Cgroup, error) {
	var c sandbox.Cgroup
	var errs []error
	number := func(controller, file string) int64 {
		n, err := readLimit(g.file(controller, file))
		errs = append(errs, err)
		return n
	}
	var swapErr error
	if g.isV2() {
		c.MemoryBytes, c.PIDs = number("memory", "memory.max"), number("pids", "pids.max")
		c.SwapBytes, swapErr = readLimit(g.file("memory", "memory.swap.max"))
		quota, err := cgroup.Read(g.file("cpu", "cpu.max"))
		errs = append(errs, err)
		quota, period, _ := strings.Cut(quota, " ")
		c.CPUs = cpusOf(quota, period)
	} else {
		c.MemoryBytes, c.PIDs = number("memory", "memory.limit_in_bytes"), number("pids", "pids.max")
		var both int64
		both, swapErr = readLimit(g.file("memory", "memory.memsw.limit_in_bytes"))
		c.SwapBytes = both - c.MemoryBytes
		quota, quotaErr := cgroup.Read(g.file("cpu", "cpu.cfs_quota_us"))
		period, periodErr := cgroup.Read(g.file("cpu", "cpu.cfs_period_us"))
		errs = append(errs, quotaErr, periodErr)
		c.CPUs = cpusOf(quota, period)
	}
	if errors.Is(swapErr, fs.ErrNotExist) {
		swapErr, c.SwapBytes = checkNoSwap(), 0
	}
	holds, err := g.holds(pid)
	c.Holds = holds
	if err := errors.Join(append(errs, swapErr, err)...); err != nil {
		return nil, fmt.Errorf("oci: a limit cannot be read back: %w", err)
	}
	return &c, nil
}

// readLimit reads a limit in bytes or processes; none is the largest there is.
func readLimit(path string) (int64, error) {
	text, err := cgroup.Read(path)
	if err != nil || text == "max" {
		return math.MaxInt64, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// cpusOf makes processors of a quota and its period; without a quota it is every processor there could be.
func cpusOf(quota, period string) float64 {
	q, quotaErr := strconv.ParseFloat(quota, 64)
	p, periodErr := strconv.ParseFloat(period, 64)
	if quotaErr != nil || periodErr != nil || q < 0 || p <= 0 {
		return math.MaxInt32
	}
	return q / p
}

// holds reports whether the process is in the cgroup, of each controller that bounds it.
func (g group) holds(pid int) (bool, error) {
	if lines, err := cgroup.Read(fmt.Sprintf("/proc/%d/cgroup", pid)); err == nil && g.isIn(lines) {
		return true, nil
	}
	// It has ended, or this process counts paths from elsewhere than the mounts do. To list a cgroup's processes takes longer.
	for _, controller := range needed {
		pids, err := readPIDs(g.file(controller, "cgroup.procs"))
		if err != nil || !pids[pid] {
			return false, err
		}
		if g.isV2() {
			break // one directory for all
		}
	}
	return true, nil
}

// isIn reads a process's lines of /proc/PID/cgroup.
func (g group) isIn(lines string) bool {
	for _, controller := range needed {
		if its, err := cgroup.Find(lines, controller, g.isV2()); err != nil || its != g.path() {
			return false
		}
	}
	return true
}

func isSwapFile(name string) bool {
	return name == "memory.memsw.limit_in_bytes" || name == "memory.swap.max"
}

// swapAccounting reports whether this kernel can bound swap.
func (h hierarchies) swapAccounting() bool {
	if h.isV2() {
		return true // a missing file is found by inForce
	}
	_, err := os.Stat(filepath.Join(h.v1["memory"], "memory.memsw.limit_in_bytes"))
	return err == nil
}

var errSwap = errors.New("the kernel does not account for swap, and the host has some: a box could take it beyond its memory limit; " +
	"swapoff -a, or boot with swapaccount=1")

// checkNoSwap fails unless there is nothing to swap to.
func checkNoSwap() error {
	swaps, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return err
	}
	if strings.Count(strings.TrimSpace(string(swaps)), "\n") > 0 { // beyond its heading
		return errSwap
	}
	return nil
}

// hurry has the kernel begin what it does before it moves a process into another cgroup: unless it has moved one in the
// last moments, it waits for all processors to have passed through their schedulers once (cgroup_threadgroup_rwsem and RCU),
// which takes some 10 ms on a machine that idles. The runtime comes to its move only after a few, and finds it done.
//
// What is written is a thread's own id, to the cgroup in which it is: nothing moves. The thread is made for it and ends with it, so
// that the one in whose way it comes, should somebody move this process at that moment, is nobody. (The runtime's own pid will not do: it
// may have put itself in the box's cgroup while the kernel waits, and would be taken out of it.)
func (h hierarchies) hurry() {
	point, file := h.v1[needed[0]], "tasks"
	if h.isV2() {
		point, file = h.unified, "cgroup.threads"
	}
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends
		own, err := cgroup.Read("/proc/thread-self/cgroup")
		if err != nil {
			return
		}
		if path, err := cgroup.Find(own, needed[0], h.isV2()); err == nil {
			_ = cgroup.Write(filepath.Join(point, path, file), strconv.Itoa(unix.Gettid())) // nothing depends on it
		}
	}()
}

// files reads and writes the box's cgroup.
func (g group) files() cgroup.Group {
	return cgroup.Group{V2: g.isV2(), Dir: func(controller string) (string, error) { return g.file(controller, ""), nil }}
}

// usage reads the counters. A counter that this kernel lacks stays 0.
func (g group) usage() (sandbox.Usage, error) {
	usage, err := g.files().Usage()
	if err != nil {
		return sandbox.Usage{}, fmt.Errorf("oci: usage: %w", err)
	}
	usage.Final = true // the cgroup is ours to remove
	return usage, nil
}

// kill sends SIGKILL to every process in the cgroup, until nobody is there who has not got it. ctx bounds it.
func (g group) kill(ctx context.Context) error {
	if g.unified != "" {
		// Since Linux 5.14. It takes a whole tree at once, forks in flight too; on a hybrid host the
		// box may have a directory here as well.
		err := os.WriteFile(filepath.Join(g.dir(g.unified), "cgroup.kill"), []byte("1"), 0)
		if err == nil && g.isV2() {
			return nil
		}
	}
	signalled := map[int]bool{}
	for {
		fresh, err := g.killOnce(signalled)
		if err != nil || fresh == 0 {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("oci: the box makes processes faster than they are killed: %w", err)
		}
	}
}

// killOnce signals who is there now, and returns how many of them had not been signalled before. A pid may
// be reused between two looks at it; a pidfd that was opened before the second look is of a process of
// this box.
func (g group) killOnce(signalled map[int]bool) (fresh int, err error) {
	pids, err := g.members()
	if err != nil || len(pids) == 0 {
		return 0, err
	}
	handles := map[int]int{}
	for pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			handles[pid] = fd
			defer func() { _ = unix.Close(fd) }()
		}
	}
	still, err := g.members()
	if err != nil {
		return 0, err
	}
	for pid, fd := range handles {
		if !still[pid] {
			continue
		}
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		if !signalled[pid] {
			signalled[pid] = true
			fresh++
		}
	}
	return fresh, nil
}

// members returns every process in the cgroup, whatever the hierarchy that it is in.
func (g group) members() (map[int]bool, error) {
	members := map[int]bool{}
	for _, point := range g.all {
		if err := addMembers(g.dir(point), members); err != nil {
			return nil, fmt.Errorf("oci: who is in the cgroup: %w", err)
		}
	}
	return members, nil
}

// addMembers adds the processes of a cgroup and of those in it. One that has gone meanwhile has none.
func addMembers(dir string, members map[int]bool) error {
	pids, err := readPIDs(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return skipMissing(err)
	}
	maps.Copy(members, pids)
	var stat unix.Stat_t
	const leaf = 2 // links: of a directory without others in it, on a file system that counts them
	if err := unix.Stat(dir, &stat); err == nil && stat.Nlink == leaf {
		return nil // as a box's is, in each of a dozen hierarchies: its files need not be listed
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return skipMissing(err)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := addMembers(filepath.Join(dir, entry.Name()), members); err != nil {
			return err
		}
	}
	return nil
}

// remove takes the cgroup's directories away. It waits, within ctx, for processes that are dying.
func (g group) remove(ctx context.Context) error {
	for _, point := range g.all {
		dir := g.dir(point)
		for {
			err := removeTree(dir)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("oci: %w", err)
			}
			if pauseErr := pause(ctx); pauseErr != nil {
				return fmt.Errorf("oci: %w", errors.Join(err, pauseErr))
			}
		}
	}
	return nil
}

// removeTree removes a cgroup, those in it first. Its files are the kernel's: only directories go.
func removeTree(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil {
		return skipMissing(readErr)
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	if err := unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// pause is the one wait that polls: no kernel tells when a cgroup of version 1 has become empty.
func pause(ctx context.Context) error {
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// skipMissing forgives what has gone meanwhile.
func skipMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func readPIDs(path string) (map[int]bool, error) {
	list, err := cgroup.PIDs(path)
	if err != nil {
		return nil, err
	}
	pids := map[int]bool{}
	for _, pid := range list {
		pids[pid] = true
	}
	return pids, nil
}
