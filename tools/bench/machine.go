package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A machine is what the numbers were measured on.
type machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memoryBytes"`
	Kernel      string `json:"kernel"`
	Cgroups     string `json:"cgroups"`
	LoadBegin   string `json:"loadBegin"` // as /proc/loadavg has it: of 1, 5 and 15 minutes
	LoadEnd     string `json:"loadEnd"`
}

func inspectMachine() (machine, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return machine{}, fmt.Errorf("uname: %w", err)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return machine{}, fmt.Errorf("sysinfo: %w", err)
	}
	cpus, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return machine{}, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return machine{}, err
	}
	return machine{
		CPU: cpuModel(string(cpus)), Cores: runtime.NumCPU(), MemoryBytes: int64(info.Totalram) * int64(info.Unit),
		Kernel: unix.ByteSliceToString(uts.Release[:]), Cgroups: cgroupLayout(string(mounts)), LoadBegin: load(),
	}, nil
}

// cpuModel reads the form of /proc/cpuinfo. Some architectures name no model.
func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return "an unnamed " + runtime.GOARCH
}

// cgroupLayout reads the form of /proc/self/mountinfo.
func cgroupLayout(mountinfo string) string {
	var v1, v2 bool
	for line := range strings.Lines(mountinfo) {
		_, after, _ := strings.Cut(line, " - ")
		kind, _, _ := strings.Cut(after, " ")
		v1 = v1 || kind == "cgroup"
		v2 = v2 || kind == "cgroup2"
	}
	switch {
	case v1 && v2:
		return "hybrid (version 1 with a version 2 beside it)"
	case v1:
		return "version 1"
	case v2:
		return "version 2"
	}
	return "none"
}

func load() string {
	body, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(body))[:3], " ")
}

// ticksPerSecond is USER_HZ, in which the kernel tells of processor time: 100 on every architecture that Go knows.
const ticksPerSecond = 100

// machineBusy returns the processor time, in milliseconds, that the machine has spent on anything but idling.
func machineBusy() (float64, error) {
	body, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(body), "\n")
	return busyOf(first)
}

func busyOf(line string) (float64, error) {
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks float64
	for i, field := range fields[1:8] { // user nice system idle iowait irq softirq
		const idle, iowait = 3, 4
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != idle && i != iowait {
			ticks += n
		}
	}
	return ticks / ticksPerSecond * 1000, nil
}

// A process is one of the machine's, seen from outside through /proc.
type process struct{ pid int }

func (p process) file(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.pid), name)
}

// cpu returns the processor time, in milliseconds, of the process and of all its descendants that have been waited for.
func (p process) cpu() (float64, error) {
	body, err := os.ReadFile(p.file("stat"))
	if err != nil {
		return 0, err
	}
	return cpuOf(string(body))
}

func cpuOf(stat string) (float64, error) {
	// The name, in brackets, may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const utime, cstime = 11, 14 // counted from the state
	if len(fields) <= cstime {
		return 0, fmt.Errorf("/proc/PID/stat reads %q", stat)
	}
	var ticks float64
	for _, field := range fields[utime : cstime+1] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return ticks / ticksPerSecond * 1000, nil
}

// pss returns the bytes that the process holds, with what it shares divided among those who share it.
func (p process) pss() (int64, error) { return p.kilobytes("smaps_rollup", "Pss") }

// rss returns the bytes of the process that are in memory.
func (p process) rss() (int64, error) { return p.kilobytes("status", "VmRSS") }

func (p process) kilobytes(file, name string) (int64, error) {
	body, err := os.ReadFile(p.file(file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if key, value, ok := strings.Cut(line, ":"); ok && key == name {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", p.file(file), name)
}

func (p process) fds() (int, error) {
	entries, err := os.ReadDir(p.file("fd"))
	return len(entries), err
}

// descendants returns the living processes below this one.
func (p process) descendants() ([]process, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		body, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields := strings.Fields(string(body)[strings.LastIndexByte(string(body), ')')+1:])
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var found []process
	for next := []int{p.pid}; len(next) > 0; next = next[1:] {
		for _, child := range children[next[0]] {
			found = append(found, process{child})
			next = append(next, child)
		}
	}
	return found, nil
}
