package docker

import (
	"io"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPidfdTellsHowAReapedProcessEnded(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   int
	}{"a status": {"exit 3", 3}, "a signal": {"kill -SEGV $$", 128 + 11}} {
		t.Run(name, func(t *testing.T) {
			child := exec.Command("sh", "-c", "read line; "+c.script)
			stdin, err := child.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			process, err := openPidfd(child.Process.Pid)
			if err != nil {
				t.Fatal(err)
			}
			if process.ended() {
				t.Error("it has not ended")
			}
			if _, ok := process.exit(); ok {
				t.Error("a living process has no exit")
			}
			ended, stop := make(chan struct{}), make(chan struct{})
			if err := process.await(stop, func() {
				defer close(ended)
				status, ok := process.reaped(nil)
				if !ok {
					t.Log("this kernel does not tell (Linux before 6.15)")
				} else if got := exitOf(shellStatus(status)); got != exitOf(c.want) {
					t.Errorf("it ended by %v, not %v", got, exitOf(c.want))
				}
			}); err != nil {
				t.Fatal(err)
			}
			_ = stdin.Close()
			_ = child.Wait()
			select {
			case <-ended:
			case <-time.After(5 * time.Second):
				t.Fatal("its end was not seen")
			}
			close(stop)
		})
	}
}

func TestPidfdOfAProcessThatIsGone(t *testing.T) {
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	process, err := openPidfd(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer process.close()
	if !process.ended() {
		t.Error("it is taken to live")
	}
	if err := process.kill(); err != nil {
		t.Error(err)
	}
	called := make(chan struct{})
	if err := process.await(nil, func() { close(called) }); err != nil {
		t.Fatal(err)
	}
	<-called
}

func TestExitOf(t *testing.T) {
	for status, want := range map[int]string{0: "exit status 0", 2: "exit status 2", 137: "signal 9", 159: "signal 31", 255: "exit status 255"} {
		if got := exitOf(status).String(); got != want {
			t.Errorf("%d is told as %s, not %s", status, got, want)
		}
	}
	if exitOf(shellStatus(unix.WaitStatus(9))).Signal != 9 {
		t.Error("a SIGKILL is lost")
	}
}

func TestAPipeThatIsClosedWhileItsProcessLives(t *testing.T) {
	child := exec.Command("sh", "-c", "echo said; read line; exec >&-; read line")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = stdin.Close(), child.Wait() }()
	fd, ok := openReader(child.Process.Pid, 1)
	if !ok {
		t.Fatal("its stdout is no pipe")
	}
	closed := make(chan struct{})
	if err := await(fd, hungUp, nil, func() { close(closed) }); err != nil {
		t.Fatal(err)
	}
	// What it says is for another reader: none of it may be gone.
	var said [5]byte
	if _, err := io.ReadFull(stdout, said[:]); err != nil || string(said[:]) != "said\n" {
		t.Errorf("got %q, %v", said, err)
	}
	select {
	case <-closed:
		t.Error("it has not closed its stdout yet")
	default:
	}
	_, _ = io.WriteString(stdin, "go\n")
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("that it closed its stdout was not seen")
	}
}
