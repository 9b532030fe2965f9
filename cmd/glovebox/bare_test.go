package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bareMain runs a program as on a machine that has neither a container runtime nor a Docker daemon: the
// directories where runtimes are looked for are hidden from it. Variables may stand before the program, as for env(1).
func bareMain() {
	runtime.LockOSThread() // the namespace is this thread's, and exec makes it the whole program's
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if resolved, linkErr := filepath.EvalSymlinks(dir); err == nil && linkErr == nil {
			err = unix.Mount("none", resolved, "tmpfs", unix.MS_NOEXEC, "size=4k")
		}
	}
	program, pathErr := os.Executable()
	if err != nil || pathErr != nil {
		fmt.Fprintln(os.Stderr, "bare:", err, pathErr)
		os.Exit(99)
	}
	args, env := os.Args[1:], []string{"PATH=/nowhere", "DOCKER_HOST=unix:///nowhere/docker.sock"}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		args, env = args[1:], append(env, args[0])
	}
	// This program is all commands, by the name that it is called.
	err = syscall.Exec(program, args, env)
	fmt.Fprintln(os.Stderr, "bare:", err)
	os.Exit(99)
}

// sharedMain runs a program as on a machine whose mounts are shared, as systemd has them: what is mounted in a namespace that was copied from
// there is mounted there too, unless somebody sees to it. What is left of that is an error.
func sharedMain() {
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	for _, propagation := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} { // shared among what the program starts, and nobody else
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|propagation, "")
		}
	}
	before, readErr := os.ReadFile("/proc/thread-self/mountinfo")
	if err := errors.Join(err, readErr); err != nil {
		fmt.Fprintln(os.Stderr, "shared:", err)
		os.Exit(99)
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	status := cmd.ProcessState.ExitCode()
	if status < 0 {
		fmt.Fprintln(os.Stderr, "shared:", err)
		status = 99
	}
	after, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil || !bytes.Equal(before, after) {
		fmt.Fprintf(os.Stderr, "shared: before:\n%safter:\n%s%v\n", before, after, err)
		status = 99
	}
	os.Exit(status)
}

// nobodyMain runs glovebox as a user who may nothing, with a state directory of that user's.
func nobodyMain() {
	const nobody = 65534
	dir, err := os.MkdirTemp("/tmp", "gb-nobody-") // $TMPDIR is the script's, where nobody may not go
	if err == nil {
		err = os.Chown(dir, nobody, nobody)
	}
	if err == nil {
		err = syscall.Setgroups(nil)
	}
	if err == nil {
		err = syscall.Setgid(nobody)
	}
	if err == nil {
		err = syscall.Setuid(nobody)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nobody:", err)
		os.Exit(99)
	}
	args := slices.Concat(os.Args[2:], []string{"--state-dir=" + dir})
	status := run(context.Background(), args, os.Stdin, os.Stdout, os.Stderr)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "nobody:", err)
		status = 99
	}
	os.Exit(status)
}
