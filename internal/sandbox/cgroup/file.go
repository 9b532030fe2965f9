// Package cgroup reads and writes the files of a box's cgroup, for every driver alike: of version 1, whose controllers have a
// directory each, and of version 2, which has one for all.
//
// The files are opened by hand. Package os would hand each to the Go runtime's poller, as files of the kernel can be waited for:
// twice the syscalls, and a wake-up of whoever polls, on the way of every answer.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of one file. The longest, a list of processes, takes eight bytes for each.
const maxFile = 4 << 20

// Read returns the file without the space around it.
func Read(path string) (string, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	var first [512]byte
	buffer := first[:]
	for read := 0; ; {
		n, err := retry(func() (int, error) { return unix.Read(fd, buffer[read:]) })
		if err != nil {
			return "", &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return strings.TrimSpace(string(buffer[:read])), nil
		}
		if read += n; read == len(buffer) {
			if read >= maxFile {
				return "", &fs.PathError{Op: "read", Path: path, Err: unix.EFBIG}
			}
			buffer = append(buffer, make([]byte, len(buffer))...)
		}
	}
}

// Write writes the value, in one piece, to a file that is there.
func Write(path, value string) error {
	fd, err := open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	n, err := retry(func() (int, error) { return unix.Write(fd, []byte(value)) })
	if err == nil && n < len(value) {
		err = unix.EIO
	}
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

func open(path string, flags int) (int, error) {
	fd, err := retry(func() (int, error) { return unix.Open(path, flags|unix.O_CLOEXEC, 0) })
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Number reads a file that holds one number.
func Number(path string) (int64, error) {
	text, err := Read(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Keyed reads a file of lines that hold a name and a number, as cpu.stat and memory.events do; other lines are left out.
func Keyed(path string) (map[string]int64, error) {
	text, err := Read(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]int64)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			values[name] = n
		}
	}
	return values, nil
}

// PIDs reads a file of process ids, as cgroup.procs is.
func PIDs(path string) ([]int, error) {
	text, err := Read(path)
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(text) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 { // 0 is a process of another pid namespace
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Find returns the cgroup of a process in the tree that has the controller, from the lines of its /proc/PID/cgroup: its path
// from the root of whoever reads them.
func Find(lines, controller string, v2 bool) (string, error) {
	for line := range strings.Lines(lines) {
		// 4:memory:/a/b of v1, 0::/a/b of v2
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || (parts[0] == "0" && parts[1] == "") != v2 {
			continue
		}
		if v2 || slices.Contains(strings.Split(parts[1], ","), controller) {
			return parts[2], nil
		}
	}
	return "", fmt.Errorf("cgroups: the process is in no cgroup with %s", controller)
}
