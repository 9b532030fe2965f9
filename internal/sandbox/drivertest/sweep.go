package drivertest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"

	"golang.org/x/sys/unix"
)

// The variables by which the suite tells a copy of its own test binary to be an owner that will be
// killed: the state directory, the file with the image, and what to be killed in.
const (
	envChildState = "GLOVEBOX_DRIVERTEST_STATE"
	envChildImage = "GLOVEBOX_DRIVERTEST_IMAGE"
	envChildDoes  = "GLOVEBOX_DRIVERTEST_DOES"
)

// What a child does, and the line that it prints when it is in it.
const (
	childIdles   = "holds-an-idle-box"
	childRuns    = "runs-a-job"
	childCreates = "creates"
	childMark    = "DRIVERTEST-CHILD "
)

func childAsked() bool { return os.Getenv(envChildState) != "" }

// beChild is the other owner. It ends when it is killed, or when its parent has gone.
func (h Harness) beChild(t *testing.T) {
	binary, err := os.ReadFile(os.Getenv(envChildImage))
	if err != nil {
		t.Fatal(err)
	}
	driver, spec := h.New(t, os.Getenv(envChildState), runnerimage.New(binary))
	f := &fixture{Harness: h, stateDir: os.Getenv(envChildState), driver: driver, spec: spec}
	does := os.Getenv(envChildDoes)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	if does == childCreates {
		fmt.Println(childMark + does)
	}
	box := f.create(t, caseLimits)
	switch does {
	case childIdles:
		fmt.Println(childMark + does)
	case childRuns:
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-gone; cancel() }()
		var once sync.Once
		_, _ = box.Run(ctx, Case{Code: "beat"}.request(), func(api.Log) {
			once.Do(func() { fmt.Println(childMark + does) })
		})
	}
	<-gone
}

// child starts the test binary as another owner, and returns once it is in what it shall be killed
// in. kill kills it with SIGKILL and waits.
func (f *fixture) child(t *testing.T, does string) (kill func()) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, HostileImage(t, Honest).Binary(), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var pattern []string
	for part := range strings.SplitSeq(f.test, "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(part)+"$")
	}
	command := exec.Command(self, "-test.run="+strings.Join(pattern, "/"), "-test.count=1", "-test.timeout=120s")
	command.Env = append(os.Environ(), envChildState+"="+f.stateDir, envChildImage+"="+image, envChildDoes+"="+does)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = stdin.Close()
	})
	t.Cleanup(kill)
	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if lines.Text() == childMark+does {
			return kill
		}
		said.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("the other owner ended too early; it said:\n%s", said.String())
	return nil
}

// testSweep holds that a sweep removes what dead owners have left behind, and nothing of the living.
func (h Harness) testSweep(t *testing.T) {
	for _, does := range []string{childIdles, childRuns} {
		t.Run(does, func(t *testing.T) { h.hostile(t).testSweepAfter(t, does) })
	}
	t.Run(childCreates, func(t *testing.T) { h.hostile(t).testSweepCreating(t) })
}

func (f *fixture) testSweepAfter(t *testing.T, does string) {
	mine := f.create(t, caseLimits)
	kill := f.child(t, does)
	theirs, ours := f.claimed(t)
	if len(theirs) != 1 || len(ours) != 1 {
		t.Fatalf("the other owner holds %q, this one %q; want one box each", theirs, ours)
	}
	// An engine is shared: what a sweep removes of others, whose owners may well be dead, is not judged.
	if swept := f.sweep(t); slices.Contains(swept, theirs[0]) || slices.Contains(swept, ours[0]) {
		t.Fatalf("a sweep removed %q; %q and %q have living owners", swept, theirs, ours)
	}
	kill()
	if swept := f.sweep(t); !slices.Contains(swept, theirs[0]) || slices.Contains(swept, ours[0]) {
		t.Errorf("swept %q, want %q and not %q", swept, theirs, ours)
	}
	if left, _ := f.claimed(t); len(left) != 0 {
		t.Errorf("the claims of %q outlive the sweep", left)
	}
	if swept := f.sweep(t); slices.Contains(swept, theirs[0]) {
		t.Errorf("a second sweep removed %q again", theirs)
	}
	result, err := mine.Run(t.Context(), Case{Code: "echo"}.request(), nil)
	if err != nil || !result.Success {
		t.Errorf("the living owner's box: %s, %v", result.ResultCode, err)
	}
}

// testSweepCreating kills an owner at odd moments of Create.
func (f *fixture) testSweepCreating(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Millisecond, 40 * time.Millisecond, 120 * time.Millisecond} {
		kill := f.child(t, childCreates)
		<-time.After(after)
		kill()
		f.sweep(t)
		if left := f.leftBehindOfTheDead(t); len(left) > 0 {
			t.Errorf("killed %v after it began to create: left behind after the sweep: %q", after, left)
		}
	}
}

// heirLimit is how long what a dead owner left may take to die.
const heirLimit = 5 * time.Second

// leftBehindOfTheDead lists what is left behind of an owner that was killed. Its runtimes die with it, some a
// moment later, and a driver that is a subreaper has made this process their heir: anywhere else init would
// reap them.
func (f *fixture) leftBehindOfTheDead(t *testing.T) []string {
	t.Helper()
	for end := time.Now().Add(heirLimit); ; <-time.After(10 * time.Millisecond) {
		reapHeritage(t)
		if left := f.LeftBehind(t, f.stateDir); len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

// reapHeritage reaps this process's dead children that it did not start itself: runners and runtimes, by their
// names and by the one that a program has that starts itself again. No box of its own lives meanwhile.
func reapHeritage(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	parent := fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile("/proc/" + entry.Name() + "/status")
		if err != nil || !strings.Contains(string(status), parent) || !strings.Contains(string(status), "\nState:\tZ") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(string(status), "Name:\t"), "\n")
		if name == "exe" || name == "runner" || sandbox.RuntimeKind(name) != sandbox.KindOther {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// sweep sweeps twice at once, as two processes may.
func (f *fixture) sweep(t *testing.T) (boxes []string) {
	t.Helper()
	var (
		all sync.WaitGroup
		mu  sync.Mutex
		ids = map[string]bool{}
	)
	for range 2 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			swept, err := f.driver.Sweep(ctx)
			if err != nil {
				t.Errorf("Sweep: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, id := range swept.Boxes {
				ids[id] = true
			}
		})
	}
	all.Wait()
	for id := range ids {
		boxes = append(boxes, id)
	}
	return boxes
}

// claimed returns the boxes that the state directory knows, of other owners and of this process.
func (f *fixture) claimed(t *testing.T) (theirs, ours []string) {
	t.Helper()
	state, err := sandbox.OpenState(f.stateDir)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := state.Claims(f.Driver)
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range claims {
		if claim.Owner == state.Owner() {
			ours = append(ours, claim.ID)
		} else {
			theirs = append(theirs, claim.ID)
		}
	}
	return theirs, ours
}
