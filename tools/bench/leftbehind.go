package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"glovebox/internal/sandbox"
)

// claims are the boxes that the server has now.
func (s *server) claims(driver string) ([]*sandbox.Claim, error) {
	state, err := sandbox.OpenState(s.state())
	if err != nil {
		return nil, err
	}
	return state.Claims(driver)
}

// containers are the ids of Docker's containers that the server owns, dead ones too.
func (s *server) containers(ctx context.Context) ([]string, error) {
	format := fmt.Sprintf("{{.ID}} {{.Label %q}}", sandbox.OwnerLabel)
	out, err := exec.CommandContext(ctx, "docker", "ps", "--all", "--no-trunc", "--format", format).Output()
	if err != nil {
		return nil, fmt.Errorf("docker ps: %w", err)
	}
	var ids []string
	for line := range strings.Lines(string(out)) {
		id, label, _ := strings.Cut(strings.TrimSpace(line), " ")
		if owner, err := sandbox.ParseOwner(label); err == nil && owner.PID == s.process().pid {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// leftBehind looks for what a server that has ended should have taken along: claims, containers, bundles, mounts and processes.
func (s *server) leftBehind(ctx context.Context, t target) (left []string, err error) {
	claims, err := s.claims(t.driver)
	for _, claim := range claims {
		left = append(left, "the claim of box "+claim.ID)
	}
	if t.driver == driverDocker {
		ids, dockerErr := s.containers(ctx)
		err = errors.Join(err, dockerErr)
		for _, id := range ids {
			left = append(left, "container "+id)
		}
	}
	bundles, globErr := filepath.Glob(s.state(driverOCI, "*", "config.json"))
	left = append(left, bundles...)
	mounts, mountErr := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), s.dir) {
		left = append(left, "a mount in "+s.dir)
	}
	return append(left, processesNaming(s.dir)...), errors.Join(err, globErr, mountErr)
}

// processesNaming finds the processes that have a path on their command line, as a runtime's own have, but for this one.
func processesNaming(dir string) (found []string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is ours
	for _, path := range paths {
		pid := filepath.Base(filepath.Dir(path))
		body, err := os.ReadFile(path)
		if err == nil && pid != strconv.Itoa(os.Getpid()) && strings.Contains(string(body), dir) {
			found = append(found, "process "+pid+": "+cut(strings.ReplaceAll(string(body), "\x00", " "), 100))
		}
	}
	return found
}

// cgroupsNaming finds the cgroups that are named for one of the boxes, at the root of any hierarchy, where the drivers put them.
func cgroupsNaming(ids map[string]bool) (found []string, err error) {
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
