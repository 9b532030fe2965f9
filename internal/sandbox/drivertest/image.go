package drivertest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"glovebox/internal/runnerimage"
)

// startMark begins the text in the hostile runner that says how it starts; startRoom is how long what
// follows it is.
const (
	startMark = "GLOVEBOX-HOSTILE-START:"
	startRoom = len("honest          ")
)

// hostileBinary builds the hostile runner once for each test process.
var hostileBinary = sync.OnceValues(buildHostile)

func buildHostile() ([]byte, error) {
	dir, err := os.MkdirTemp("", "glovebox-hostile-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "hostile")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "glovebox/internal/sandbox/drivertest/hostile")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build of the hostile runner: %w\n%s", err, out)
	}
	return os.ReadFile(path)
}

// HostileImage returns the image of the hostile runner, set to begin as start says.
func HostileImage(t *testing.T, start Start) *runnerimage.Image {
	t.Helper()
	binary, err := hostileBinary()
	if err != nil {
		t.Fatal(err)
	}
	image, err := setStart(binary, start)
	if err != nil {
		t.Fatal(err)
	}
	return runnerimage.New(image)
}

func setStart(binary []byte, start Start) ([]byte, error) {
	at := bytes.Index(binary, []byte(startMark))
	if at < 0 || bytes.Count(binary, []byte(startMark)) != 1 {
		return nil, fmt.Errorf("the hostile runner holds %q %d times", startMark, bytes.Count(binary, []byte(startMark)))
	}
	image := bytes.Clone(binary)
	at += len(startMark)
	copy(image[at:at+startRoom], fmt.Sprintf("%-*s", startRoom, start))
	return image, nil
}

// startOf tells how the runner of an image begins: Honest where it is not the hostile one.
func startOf(image *runnerimage.Image) Start {
	_, rest, found := bytes.Cut(image.Binary(), []byte(startMark))
	if !found || len(rest) < startRoom {
		return Honest
	}
	return Start(strings.TrimSpace(string(rest[:startRoom])))
}
