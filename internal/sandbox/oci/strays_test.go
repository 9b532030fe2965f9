package oci

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// An owner was killed while crun made a box: the sweep removed what was there, and crun, which had left its caller,
// made it again, a cgroup and a directory that no claim named any more.
func TestARuntimeThatOutlivesItsOwnerIsEnded(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	start := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = append(os.Environ(), "ROOT="+root)
		if _, err := cmd.StdinPipe(); err != nil { // which holds whoever reads it
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		return cmd
	}
	child := start("sh", "-c", "read x", "sh", root)
	grandchild := start("sh", "-c", `sh -c "read x" sh "$ROOT"; exit 7`)
	bystander := start("sh", "-c", "read x", "sh", root+"x", "--root="+root)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(must(workingOn(root))(t)) < 2 { // both run
		select {
		case <-ctx.Done():
			t.Fatal("they do not start")
		case <-time.After(time.Millisecond):
		}
	}
	for range 2 { // the second time there is nothing to do
		if err := endRuntimes(ctx, root); err != nil {
			t.Fatal(err)
		}
	}
	if left := must(workingOn(root))(t); len(left) > 0 {
		t.Errorf("%v live on", left)
	}
	if state, _, _ := stat(child.Process.Pid); state != 0 {
		t.Errorf("the child is in state %c", state)
	}
	var exit *exec.ExitError
	if err := grandchild.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("the grandchild's parent ended with %v", err)
	}
	if hasEnded(bystander.Process.Pid) {
		t.Error("another process was ended too")
	}
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
