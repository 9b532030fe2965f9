package oci

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"glovebox/internal/sandbox"
)

// leftBehind lists what is there of any box of a state directory: claims, files, cgroups, processes,
// mounts, and zombies of ours.
func leftBehind(t *testing.T, stateDir, rootfsDir string) []string {
	t.Helper()
	var left []string
	claims, err := os.ReadDir(filepath.Join(stateDir, "boxes"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, claim := range claims {
		left = append(left, "claim "+claim.Name())
	}
	entries, err := os.ReadDir(filepath.Join(stateDir, driverName))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			left = append(left, "bundle "+entry.Name())
		}
	}
	groups, err := findHierarchies()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		if groups.base, err = findDelegated(groups.unified); err != nil {
			t.Fatal(err)
		}
	}
	tag := stateTag(stateDir)
	for _, name := range groups.boxes() {
		if strings.HasPrefix(name, groupPrefix+tag) {
			left = append(left, "cgroup "+name)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(mounts) {
		if bytes.Contains(line, []byte(stateDir)) || bytes.Contains(line, []byte(rootfsDir)) {
			left = append(left, "mount "+string(line))
		}
	}
	return append(left, processesOf(t, tag)...)
}

// processesOf lists runtimes and gVisor kernels that name a box of the state directory, and our zombies.
func processesOf(t *testing.T, tag string) []string {
	t.Helper()
	processes, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, process := range processes {
		pid, err := strconv.Atoi(process.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if line, err := os.ReadFile(filepath.Join("/proc", process.Name(), "cmdline")); err == nil && bytes.Contains(line, []byte(tag)) {
			left = append(left, "process "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
		if state, parent, _ := stat(pid); state == 'Z' && parent == os.Getpid() {
			// An owner that is killed between fork and the first word of its runtime leaves a process of
			// which nobody knows. It dies with it; only this process, an heir to it, has a zombie then.
			name := commandOf(pid)
			if name != commandOf(os.Getpid()) && sandbox.RuntimeKind(name) == sandbox.KindOther {
				left = append(left, fmt.Sprintf("zombie %d %s", pid, name))
			}
		}
	}
	return left
}

func commandOf(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(name))
}
