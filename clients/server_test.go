package clients_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
)

// A machine has what a server needs, with boxes on runc and no daemon.
type machine struct {
	binary string
	flags  []string // for its verbs
	state  string   // its state directory, in which no box may be left in the end
}

func newMachine(t *testing.T) machine {
	t.Helper()
	_, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	runtime, err := oci.FindRuntime(t.Context(), sandbox.KindRunc, oci.SearchDirs())
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("boxes without Docker need root")
	}
	testenv.Need(t, testenv.Runc, err)

	readSources(t, "../api", "../cmd", "../controller", "../internal", "../metadata", "../seccomp")
	binary, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}

	// A box in a user namespace must reach its root file system, which it may not through the test's own folder.
	dir, err := os.MkdirTemp("", "gb-")
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "s")
	t.Cleanup(func() {
		boxes, err := filepath.Glob(filepath.Join(state, "boxes", "*"))
		if err != nil || len(boxes) > 0 {
			t.Errorf("boxes are left: %v, %v", boxes, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return machine{binary: binary, flags: []string{"--driver", "oci", "--runtime", runtime.Path, "--state-dir", state}, state: state}
}

// serve starts a real server, and returns where it listens.
func serve(t *testing.T) (url string) {
	t.Helper()
	return newMachine(t).serve(t)
}

func (m machine) serve(t *testing.T, flags ...string) (url string) {
	t.Helper()
	cmd := exec.Command(m.binary, slices.Concat([]string{"serve", "--listen", "127.0.0.1:0"}, m.flags, flags)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It may have gone by itself: Wait tells how.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("glovebox serve: %v", err)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", &log)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("glovebox serve says %q, %v", line, err)
	}
	return url
}

var buildServer = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(built, "glovebox")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/glovebox").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

func TestTypeScriptAgainstAServer(t *testing.T) {
	n := newNode(t)
	n.env = []string{"GLOVEBOX_SERVER=" + serve(t)}
	n.test(t, "live")
}
