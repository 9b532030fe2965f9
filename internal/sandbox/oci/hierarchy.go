package oci

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"glovebox/internal/protocol"
)

// hierarchies are the cgroup file systems that are mounted on this host. Three layouts are in use: version
// 1 alone, version 2 alone, and the hybrid, in which version 1 keeps the limits and an (almost) empty
// version 2 lies beside it.
type hierarchies struct {
	unified string            // the mount point of version 2, or ""
	v1      map[string]string // controller → mount point
	all     []string          // every mount point: a box has a directory in each
	base    string            // the cgroup in which boxes have theirs, below each mount point: "" is the root
}

// The controllers of version 1 that a box needs.
var needed = []string{"memory", "cpu", "cpuacct", "pids"}

// isV2 reports whether version 2 keeps the limits.
func (h hierarchies) isV2() bool { return len(h.v1) == 0 }

// findHierarchies reads the host's mounts, and fails where they cannot hold a box.
func findHierarchies() (hierarchies, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return hierarchies{}, fmt.Errorf("oci: cgroups: %w", err)
	}
	defer func() { _ = mounts.Close() }()
	h, err := parseHierarchies(mounts)
	if err != nil {
		return hierarchies{}, fmt.Errorf("oci: cgroups: %w", err)
	}
	return h, h.check()
}

// parseHierarchies reads the form of /proc/self/mountinfo.
func parseHierarchies(mountinfo io.Reader) (hierarchies, error) {
	h := hierarchies{v1: map[string]string{}}
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		// 36 35 98:0 /root /mount/point options [optional]… - type source superoptions
		before, after, _ := strings.Cut(lines.Text(), " - ")
		front, back := strings.Fields(before), strings.Fields(after)
		if len(front) < 5 || len(back) < 3 {
			continue
		}
		point := protocol.UnescapeMount(front[4])
		switch back[0] {
		case "cgroup2":
			if h.unified == "" {
				h.unified = point
				h.all = append(h.all, point)
			}
		case "cgroup":
			h.addV1(point, strings.Split(back[2], ","))
		}
	}
	return h, lines.Err()
}

// addV1 takes the controllers out of the super block's options; named hierarchies hold none.
func (h *hierarchies) addV1(point string, options []string) {
	if !slices.Contains(h.all, point) {
		h.all = append(h.all, point)
	}
	for _, option := range options {
		if slices.Contains(needed, option) && h.v1[option] == "" {
			h.v1[option] = point
		}
	}
}

func (h hierarchies) check() error {
	if h.unified == "" && len(h.v1) == 0 {
		return errors.New("oci: no cgroup file system is mounted: without one nothing bounds a box; mount -t cgroup2 none /sys/fs/cgroup")
	}
	if h.isV2() {
		return nil
	}
	for _, controller := range needed {
		if h.v1[controller] == "" {
			return fmt.Errorf("oci: the cgroup controller %s is not mounted: without it a box has no limit; "+
				"mkdir -p /sys/fs/cgroup/%[1]s && mount -t cgroup -o %[1]s cgroup /sys/fs/cgroup/%[1]s", controller)
		}
	}
	return nil
}

// activeV2 returns the controllers that an otherwise empty version 2 of a hybrid host holds.
func (h hierarchies) activeV2() []string {
	if h.isV2() || h.unified == "" {
		return nil
	}
	controllers, err := os.ReadFile(filepath.Join(h.unified, "cgroup.controllers"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(controllers))
}

// boxes returns the names of our cgroups that exist in any hierarchy.
func (h hierarchies) boxes() []string {
	var names []string
	for _, point := range h.all {
		matches, err := filepath.Glob(filepath.Join(point, h.base, groupPrefix+"*"))
		if err != nil {
			continue // the pattern is ours
		}
		for _, match := range matches {
			if name := filepath.Base(match); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
