package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// The seal is for a whole process, and cannot be taken back: each test runs the runner in a child. The child is
// built as the real runner is, without cgo: with it, threads would be made by the C library, in ways that the
// seal does not allow.
var runner string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "glovebox-image-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	runner = filepath.Join(dir, "runner")
	build := exec.Command("go", "build", "-o", runner, "./testdata/acts")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the runner does not build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// variable is all that the child's environment holds.
const variable = "GLOVEBOX_TEST"

// A child is a runner in a process of its own, with a hard deadline.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	frames *protocol.Reader
}

func start(t *testing.T) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, runner)
	cmd.Env = []string{variable + "=1"}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &child{t: t, cmd: cmd, stdin: stdin, frames: protocol.NewReader(stdout)}
}

func (c *child) next() protocol.Frame {
	c.t.Helper()
	frame, err := c.frames.Next()
	if err != nil {
		c.t.Fatalf("no frame: %v", err)
	}
	return frame
}

func (c *child) hand(code string, timeout time.Duration) {
	c.t.Helper()
	job := protocol.Job{Code: code, Language: api.JavaScript, TimeoutMs: timeout.Milliseconds()}
	if err := protocol.WriteMessage(c.stdin, protocol.Order{Job: &job}); err != nil {
		c.t.Fatal(err)
	}
}

// exit closes stdin and returns how the runner ended.
func (c *child) exit() syscall.WaitStatus {
	c.t.Helper()
	_ = c.stdin.Close()
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// result hands a job over and returns the result, with the logs before it.
func (c *child) result(code string) (*protocol.Result, []protocol.Log) {
	c.t.Helper()
	c.hand(code, time.Minute)
	var logs []protocol.Log
	for {
		frame := c.next()
		if frame.Type == protocol.FrameResult {
			return frame.Result, logs
		}
		logs = append(logs, *frame.Log)
	}
}

func (c *child) warm(libraries ...string) {
	c.t.Helper()
	c.frames.ExpectWarmed()
	if err := protocol.WriteMessage(c.stdin, protocol.Order{Warm: &protocol.Warm{Libraries: libraries}}); err != nil {
		c.t.Fatal(err)
	}
}

// warmed checks that the next frame says that these are in place.
func (c *child) warmed(libraries ...string) {
	c.t.Helper()
	frame := c.next()
	if frame.Warmed == nil || !slices.Equal(frame.Warmed.Libraries, libraries) || frame.Warmed.HeapBytes <= 0 {
		c.t.Fatalf("frame %s, %+v; want warmed with %q", frame.Type, frame.Warmed, libraries)
	}
}

func TestWarmingThenJob(t *testing.T) {
	c := start(t)
	c.next()
	c.warm("a", "b")
	c.warmed("a", "b")
	c.warm()
	c.warmed()
	if result, logs := c.result("log"); result.Code != api.Success || len(logs) != 2 {
		t.Errorf("result: %+v, logs %v", result, logs)
	}
	if status := c.exit(); status.ExitStatus() != 0 {
		t.Errorf("the runner ended with %d", status.ExitStatus())
	}
}

// A job never waits for the warming that it finds: the warmed frame comes first, and tells of what was done.
func TestJobEndsWarming(t *testing.T) {
	c := start(t)
	c.next()
	c.warm("a", "slow", "b")
	c.hand("log", time.Minute)
	c.warmed("a")
	if frame := c.next(); frame.Log == nil || frame.Log.Message != "one" {
		t.Errorf("after the warmed frame came %+v", frame)
	}
}

func TestWarmingEndsWarming(t *testing.T) {
	c := start(t)
	c.next()
	c.warm("slow")
	c.warm("a", "slow")
	c.warm("b")
	c.warmed()
	c.warmed("a")
	c.warmed("b")
	if result, _ := c.result("log"); result.Code != api.Success {
		t.Errorf("result: %+v", result)
	}
}

func TestEndOfStdinEndsWarming(t *testing.T) {
	for name, orders := range map[string][]string{"while it warms": {"slow"}, "after it": {"a"}} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			c.next()
			c.warm(orders...)
			if name == "after it" {
				c.warmed(orders...)
			}
			_ = c.stdin.Close()
			if frame, err := c.frames.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("after the end came %+v, %v", frame, err)
			}
			if status := c.exit(); status.ExitStatus() != 71 {
				t.Errorf("the runner ended with %d", status.ExitStatus())
			}
		})
	}
}

func TestGarbageEndsWarming(t *testing.T) {
	c := start(t)
	c.next()
	c.warm("slow")
	if _, err := c.stdin.Write([]byte{0, 0, 0, 2, '{', 'x'}); err != nil {
		t.Fatal(err)
	}
	if frame, err := c.frames.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after garbage came %+v, %v", frame, err)
	}
	if status := c.exit(); status.ExitStatus() != 71 {
		t.Errorf("the runner ended with %d", status.ExitStatus())
	}
}

func TestReadyTellsOfTheSealBeforeThereIsAJob(t *testing.T) {
	c := start(t)
	ready := c.next().Ready
	if ready == nil || !ready.NoNewPrivs || ready.Seccomp != 2 || ready.SeccompFilters < 1 {
		t.Fatalf("the runner is not sealed: %+v", ready)
	}
	// What the test itself was started with may have come down to the runner; Go's own is not told.
	if fds := strings.Join(ready.FDs, " "); strings.Contains(fds, "event") || strings.Contains(fds, "cgroup") {
		t.Errorf("descriptors of the runner's own are told as foreign: %s", fds)
	}
	if len(ready.Env) != 1 || ready.Env[0] != variable || ready.PID != c.cmd.Process.Pid {
		t.Errorf("the runner does not see itself right: %+v", ready)
	}
	if status := c.exit(); status.ExitStatus() != 71 {
		t.Errorf("without a job the runner ended with %d", status.ExitStatus())
	}
}

func TestForeignDescriptorIsTold(t *testing.T) {
	c := &child{t: t}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = read.Close(); _ = write.Close() }()
	cmd := exec.Command(runner)
	cmd.Env = []string{variable + "=1"}
	cmd.ExtraFiles = []*os.File{read}
	out, err := cmd.Output() // stdin is /dev/null: it ends after ready
	if err == nil || cmd.ProcessState.ExitCode() != 71 {
		t.Fatalf("the runner ended with %v", err)
	}
	c.frames = protocol.NewReader(strings.NewReader(string(out)))
	if fds := c.next().Ready.FDs; len(fds) == 0 || !strings.HasPrefix(fds[0], "3: pipe:") {
		t.Errorf("descriptors: %q", fds)
	}
}

func TestLogsComeBeforeTheResultAndTheRunnerWaits(t *testing.T) {
	c := start(t)
	c.next()
	result, logs := c.result("log")
	if result.Code != api.Success || string(result.Output) != `"done"` || result.LogsTruncated {
		t.Errorf("result: %+v", result)
	}
	if len(logs) != 2 || logs[0].Message != "one" || logs[0].Level != api.LevelWarn || logs[1].Message != "two" {
		t.Errorf("logs: %+v", logs)
	}
	if err := c.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the runner did not wait: %v", err)
	}
	if status := c.exit(); status.ExitStatus() != 0 {
		t.Errorf("the runner ended with %d", status.ExitStatus())
	}
}

func TestLogsAreCutAndSaidToBe(t *testing.T) {
	c := start(t)
	c.next()
	result, logs := c.result("flood")
	if len(logs) != api.MaxLogEntries || !result.LogsTruncated {
		t.Errorf("%d logs, truncated %v", len(logs), result.LogsTruncated)
	}
}

func TestLongErrorIsCutBetweenCharacters(t *testing.T) {
	c := start(t)
	c.next()
	result, _ := c.result("throw")
	if message := result.Error.Message; len(message) == 0 || len(message) > 8<<10 || strings.Trim(message, "é") != "" {
		t.Errorf("a message of %d bytes", len(message))
	}
}

func TestSoftDeadline(t *testing.T) {
	c := start(t)
	c.next()
	c.hand("wait", 50*time.Millisecond)
	if result := c.next().Result; result == nil || result.Code != api.Timeout || result.ExecutionMs < 50 {
		t.Errorf("result: %+v", result)
	}
}

// A controller that is killed leaves no box behind that runs for ever.
func TestRunnerEndsWhenItsControllerIsGone(t *testing.T) {
	c := start(t)
	c.next()
	c.hand("for ever", time.Minute)
	if status := c.exit(); status.ExitStatus() != 72 {
		t.Errorf("the runner ended with %d", status.ExitStatus())
	}
}

func TestGarbageForAJob(t *testing.T) {
	c := start(t)
	c.next()
	if _, err := c.stdin.Write([]byte{0, 0, 0, 2, '{', 'x'}); err != nil {
		t.Fatal(err)
	}
	if status := c.exit(); status.ExitStatus() != 71 {
		t.Errorf("the runner ended with %d", status.ExitStatus())
	}
}

func TestSealedRunnerCannot(t *testing.T) {
	for _, act := range []string{"open", "executable memory"} {
		c := start(t)
		c.next()
		if result, _ := c.result(act); string(result.Output) != `"true"` {
			t.Errorf("%s: not refused: %s", act, result.Output)
		}
	}
	for _, act := range []string{"socket", "execve"} {
		c := start(t)
		c.next()
		c.hand(act, time.Minute)
		if frame, err := c.frames.Next(); err == nil {
			t.Errorf("%s: the runner lived: %s", act, frame.Result.Output)
		}
		if status := c.exit(); status.Signal() != syscall.SIGSYS {
			t.Errorf("%s: the runner ended with %v, not SIGSYS", act, status)
		}
	}
	c := start(t)
	c.next()
	if result, _ := c.result("fork"); !strings.Contains(string(result.Output), "function not implemented") {
		t.Errorf("fork: %s", result.Output)
	}
}

func TestSealedRunnerCanGoOn(t *testing.T) {
	for act, want := range map[string]string{"threads": `"done"`, "random": `"<nil>"`} {
		c := start(t)
		c.next()
		if result, _ := c.result(act); result.Code != api.Success || string(result.Output) != want && act == "threads" {
			t.Errorf("%s: %+v", act, result)
		}
	}
}
