// Package leftbehind looks on this machine for what a `glovebox serve` that has ended should have taken along.
package leftbehind

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Mounts finds whether anything is mounted below a directory.
func Mounts(dir string) (found []string, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), dir) {
		found = append(found, "a mount in "+dir)
	}
	return found, err
}

// MountPoints are where something is mounted below a directory, each before those within it.
func MountPoints(dir string) (points []string, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		const point = 4
		if fields := strings.Fields(line); len(fields) > point && strings.HasPrefix(fields[point], dir+"/") {
			points = append(points, fields[point])
		}
	}
	return points, err
}

// Processes finds the processes that have a path on their command line, as a runtime's own have, but for this one.
func Processes(dir string) (found []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is ours
	for _, path := range paths {
		pid := filepath.Base(filepath.Dir(path))
		body, err := os.ReadFile(path)
		if err == nil && pid != strconv.Itoa(os.Getpid()) && strings.Contains(string(body), dir) {
			found = append(found, "process "+pid+": "+fmt.Sprintf("%.100s", strings.ReplaceAll(string(body), "\x00", " ")))
		}
	}
	return found
}

// Cgroups finds the cgroups that are named for one of the boxes, at the root of any hierarchy, where the drivers put them.
func Cgroups(ids map[string]bool) (found []string, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for _, point := range cgroupPoints(string(mounts)) {
		entries, err := os.ReadDir(point)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			id := entry.Name()[strings.LastIndexByte(entry.Name(), '-')+1:]
			if entry.IsDir() && ids[id] {
				found = append(found, "cgroup "+filepath.Join(point, entry.Name()))
			}
		}
	}
	return found, nil
}

// cgroupPoints reads the form of /proc/self/mountinfo.
func cgroupPoints(mountinfo string) (points []string) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		kind, _, _ := strings.Cut(after, " ")
		if fields := strings.Fields(before); len(fields) >= 5 && (kind == "cgroup" || kind == "cgroup2") {
			points = append(points, fields[4])
		}
	}
	return points
}
