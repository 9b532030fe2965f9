package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/protocol"
	"glovebox/internal/sandbox/cgroup"
)

// hierarchy is one mounted tree of cgroups.
type hierarchy struct {
	mount       string
	controllers []string // of v1: memory, pids, name=systemd, …; of v2 none
	v2          bool
}

// hierarchies reads /proc/self/mountinfo. A mount of less than a whole tree (within a container) is
// left out: paths in it are not those that the daemon means.
func hierarchies(mountinfo io.Reader) ([]hierarchy, error) {
	var out []hierarchy
	scanner := bufio.NewScanner(mountinfo)
	for scanner.Scan() {
		// 36 35 98:0 /root /mount opts optional… - type source superopts
		before, after, ok := strings.Cut(scanner.Text(), " - ")
		fields, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(tail) < 3 || fields[3] != "/" {
			continue
		}
		h := hierarchy{mount: protocol.UnescapeMount(fields[4]), v2: tail[0] == "cgroup2"}
		if !h.v2 && tail[0] != "cgroup" {
			continue
		}
		if !h.v2 {
			h.controllers = strings.Split(tail[2], ",")
		}
		same := func(o hierarchy) bool { return o.v2 == h.v2 && slices.Equal(o.controllers, h.controllers) }
		if !slices.ContainsFunc(out, same) {
			out = append(out, h)
		}
	}
	return out, scanner.Err()
}

// cgroupFS is the cgroups of this host, as far as boxes are concerned. It is immutable.
type cgroupFS struct {
	all []hierarchy
	v2  bool // the controllers are on v2
}

// readCgroupFS looks at this host. version is the daemon's word for where its limits are.
func readCgroupFS(version string) (*cgroupFS, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	all, err := hierarchies(f)
	if err != nil {
		return nil, err
	}
	c := &cgroupFS{all: all, v2: version == "2"}
	if _, err := c.mount("memory"); err != nil {
		return nil, err
	}
	return c, nil
}

// mount returns where the tree with that controller is mounted.
func (c *cgroupFS) mount(controller string) (string, error) {
	for _, h := range c.all {
		if h.v2 == c.v2 && (c.v2 || slices.Contains(h.controllers, controller)) {
			return h.mount, nil
		}
	}
	return "", fmt.Errorf("cgroups: no %s controller is mounted", controller)
}

// file returns the path of a file of a cgroup, which stands by its path from the root.
func (c *cgroupFS) file(controller, path, name string) (string, error) {
	mount, err := c.mount(controller)
	return filepath.Join(mount, path, name), err
}

// group reads and writes a cgroup, by its path from the root.
func (c *cgroupFS) group(path string) cgroup.Group {
	return cgroup.Group{V2: c.v2, Dir: func(controller string) (string, error) { return c.file(controller, path, "") }}
}

// of returns the cgroup of a process in the tree that has the controller.
func (c *cgroupFS) of(pid int, controller string) (string, error) {
	body, err := cgroup.Read(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	return cgroup.Find(body, controller, c.v2)
}

// killAll sends SIGKILL to every process in the cgroup and below. What was not there when it looked
// cannot have been started by what it killed before.
func (c *cgroupFS) killAll(cgroup string) error {
	dir, err := c.file("memory", cgroup, "")
	if err != nil {
		return err
	}
	if c.v2 {
		err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
		if err == nil || errors.Is(err, fs.ErrNotExist) && !exists(dir) {
			return nil
		}
		// Linux before 5.14 has no such file: one by one.
	}
	signalled := map[int]bool{}
	for {
		pids, err := processes(dir)
		if err != nil {
			return err
		}
		before := len(signalled)
		for _, pid := range pids {
			if signalled[pid] {
				continue
			}
			signalled[pid] = true
			if err := c.killIn(pid, cgroup); err != nil {
				return err
			}
		}
		if len(signalled) == before {
			return nil
		}
	}
}

// killIn kills the process if it is still in the cgroup: a pid may have been reused, a pidfd may not.
func (c *cgroupFS) killIn(pid int, cgroup string) error {
	process, err := openPidfd(pid)
	if err != nil {
		return err
	}
	defer process.close()
	its, err := c.of(pid, "memory")
	if err != nil || its != cgroup && !strings.HasPrefix(its, cgroup+"/") {
		return nil // it has ended
	}
	return process.kill()
}

// processes returns the pids in a cgroup's directory and below it; none where it is not there.
func processes(dir string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return ignoreGone(err)
		}
		here, err := cgroup.PIDs(filepath.Join(path, "cgroup.procs"))
		pids = append(pids, here...)
		return ignoreGone(err)
	})
	return pids, err
}

// ignoreGone takes a cgroup that has been removed meanwhile for one without processes.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// remove removes the cgroup and what is below it from every tree: a runtime makes it in each. The
// kernel may hold on to one for a moment after its last process has gone.
func (c *cgroupFS) remove(ctx context.Context, cgroup string) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var errs []error
		for _, h := range c.all {
			errs = append(errs, removeTree(filepath.Join(h.mount, cgroup)))
		}
		err := errors.Join(errs...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroups: %w", err)
		case <-tick.C:
		}
	}
}

// removeTree removes directories from the lowest up; a cgroup's files go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ignoreGone(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return ignoreGone(os.Remove(dir))
}
