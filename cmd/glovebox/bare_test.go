package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

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
	if changed := changedMounts(string(before), string(after)); err != nil || len(changed) > 0 {
		fmt.Fprintf(os.Stderr, "shared: %v, and these mounts came, or went:\n%s", err, strings.Join(changed, ""))
		status = 99
	}
	os.Exit(status)
}

// changedMounts are the lines of mountinfo that are in one of the two alone. What was mounted in a directory that is there no more has gone with
// it, in every namespace, and others make and remove such meanwhile, as Docker does for each container.
func changedMounts(before, after string) (changed []string) {
	was, is := slices.Collect(strings.Lines(before)), slices.Collect(strings.Lines(after))
	for _, line := range was {
		const point = 4
		if _, err := os.Lstat(strings.Fields(line)[point]); !slices.Contains(is, line) && !errors.Is(err, fs.ErrNotExist) {
			changed = append(changed, "gone: "+line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			changed = append(changed, "left: "+line)
		}
	}
	return changed
}

func TestChangedMounts(t *testing.T) {
	const root = "1 0 254:0 / / rw shared:1 - ext4 /dev/vda rw\n"
	gone := "2 1 0:1 / " + t.TempDir() + "/removed rw shared:2 - overlay overlay rw\n"
	there := "3 1 0:2 / " + t.TempDir() + " rw shared:3 - tmpfs tmpfs rw\n"
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"none":                            {root + gone + there, root + gone + there, nil},
		"one that went with its place":    {root + gone + there, root + there, nil},
		"one that went from its place":    {root + there, root, []string{"gone: " + there}},
		"one that came":                   {root, root + there, []string{"left: " + there}},
		"one that came, of what has gone": {root, root + gone, []string{"left: " + gone}},
		"one in place of another":         {root + there, root + "4" + there[1:], []string{"gone: " + there, "left: 4" + there[1:]}},
	} {
		if got := changedMounts(c.before, c.after); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
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
