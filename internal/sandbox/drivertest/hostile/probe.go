//go:build linux

package main

import (
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"glovebox/internal/probe/guise"
)

// findings is what a hostile process sees of its box. Package drivertest decodes it.
type findings struct {
	Root       []string          `json:"root"`       // what stands in /
	Readable   []string          `json:"readable"`   // paths of the host's that hold a byte
	Writable   []string          `json:"writable"`   // directories in which a file could be made, and files that could be opened to write
	Processes  []int             `json:"processes"`  // in /proc
	Interfaces []string          `json:"interfaces"` // of the network
	Routes     int               `json:"routes"`
	FDs        map[string]string `json:"fds"` // beyond 0, 1 and 2
	Rlimits    map[string]uint64 `json:"rlimits"`
	Cgroups    []string          `json:"cgroups"` // paths, as /proc/self/cgroup tells them
	Devices    []string          `json:"devices"` // in /dev
}

func probe() findings {
	f := findings{
		Root: names("/"), Devices: names("/dev"), Interfaces: guise.Interfaces(), Processes: []int{},
		FDs: map[string]string{}, Readable: []string{}, Writable: []string{},
	}
	for _, path := range []string{
		"/etc/passwd", "/etc/shadow", "/root", "/home", "/tmp", "/var", "/run", "/usr", "/bin/sh", "/var/run/docker.sock",
		"/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/dev/net/tun",
		"/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/cmdline",
		"/sys/kernel", "/sys/fs/cgroup", "/sys/firmware",
	} {
		if holdsAnything(path) {
			f.Readable = append(f.Readable, path)
		}
	}
	for _, dir := range []string{"/", "/dev", "/dev/shm", "/dev/mqueue", "/proc", "/sys", "/tmp", "/etc"} {
		if guise.CanCreate(dir) {
			f.Writable = append(f.Writable, dir)
		}
	}
	for _, path := range []string{
		"/runner", "/proc/self/exe", "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/etc/hosts",
	} {
		if fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
			var opened unix.Stat_t
			err := unix.Fstat(fd, &opened)
			_ = unix.Close(fd)
			// /dev/null, which masks a file, keeps nothing of what is written to it.
			if err != nil || opened.Mode&unix.S_IFMT != unix.S_IFCHR || opened.Rdev != unix.Mkdev(1, 3) {
				f.Writable = append(f.Writable, path)
			}
		}
	}
	for _, name := range names("/proc") {
		if pid, err := strconv.Atoi(name); err == nil {
			f.Processes = append(f.Processes, pid)
		}
	}
	if routes, err := os.ReadFile("/proc/net/route"); err == nil {
		f.Routes = max(strings.Count(strings.TrimSpace(string(routes)), "\n"), 0)
	}
	for _, name := range names("/proc/self/fd") {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			if target, err := os.Readlink("/proc/self/fd/" + name); err == nil {
				f.FDs[name] = target
			}
		}
	}
	if cgroups, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(cgroups)) {
			if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
				f.Cgroups = append(f.Cgroups, parts[2])
			}
		}
	}
	f.Rlimits = rlimits()
	return f
}

// rlimits reads the hard limits from /proc: the profile allows no call that tells them.
func rlimits() map[string]uint64 {
	limits := map[string]uint64{}
	table, _ := os.ReadFile("/proc/self/limits")
	for line := range strings.Lines(string(table)) {
		for name, prefix := range map[string]string{
			"RLIMIT_CORE": "Max core file size", "RLIMIT_NOFILE": "Max open files", "RLIMIT_FSIZE": "Max file size",
			"RLIMIT_MEMLOCK": "Max locked memory", "RLIMIT_MSGQUEUE": "Max msgqueue size", "RLIMIT_NPROC": "Max processes",
			"RLIMIT_STACK": "Max stack size", "RLIMIT_AS": "Max address space",
		} {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				if fields := strings.Fields(rest); len(fields) > 1 {
					n, err := strconv.ParseUint(fields[1], 10, 64)
					if err != nil {
						n = math.MaxUint64 // unlimited
					}
					limits[name] = n
				}
			}
		}
	}
	return limits
}

func names(dir string) []string {
	list := []string{}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

// holdsAnything reports whether a file has a byte, or a directory an entry, that can be read.
func holdsAnything(path string) bool {
	if len(names(path)) > 0 {
		return true
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Read(fd, make([]byte, 1))
	return err == nil && n > 0
}
