package main

import (
	"context"
	"fmt"
	"os"
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
