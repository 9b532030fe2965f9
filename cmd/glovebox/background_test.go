package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what comes at once on a machine with nothing else to do.
const patience = 40 * time.Second

// A process runs beside a script.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // once done is closed
}

// processes are those of one script, by their names.
type processes map[string]*process

type processesKey struct{} // of a script's values

func processOf(ts *testscript.TestScript, name string) *process {
	p, ok := ts.Value(processesKey{}).(processes)[name]
	if !ok {
		ts.Fatalf("nothing was started as %s", name)
	}
	return p
}

// command makes a command that runs in a script's directory and environment.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	name := args[0]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); filepath.Base(name) == name && isProgram(path) {
			name = path
			break
		}
	}
	cmd := exec.Command(name, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, variable := range []string{"PATH", "HOME", "TMPDIR", "DOCKER_HOST", "GLOVEBOX_RUNTIME_DIR", envDataDir, envKey, "GLOVEBOX_LOG_FORMAT", "GLOVEBOX_CONFIG", "GOCOVERDIR", envNotifySocket, "WATCHDOG_USEC", "GOTRACEBACK"} {
		if value := ts.Getenv(variable); value != "" {
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
	}
	return cmd
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// cmdStart starts a program beside the script; what it prints goes to NAME.out and NAME.err:
// start server glovebox serve.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME PROGRAM [ARG...]")
	}
	p := &process{cmd: command(ts, args[1:]), done: make(chan struct{})}
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer func() { _ = out.Close() }()
	stderr, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer func() { _ = stderr.Close() }()
	p.cmd.Stdout, p.cmd.Stderr = out, stderr
	ts.Check(p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	ts.Value(processesKey{}).(processes)[args[0]] = p
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
}

// cmdAwait waits until a file matches, and leaves what the first group matched in a variable:
// await server.out 'listening on (.*)' URL.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await FILE PATTERN [VARIABLE]")
	}
	pattern := regexp.MustCompile(args[1])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if !errors.Is(err, os.ErrNotExist) {
			ts.Check(err)
		}
		match := pattern.FindSubmatch(text)
		if match == nil && time.Now().After(deadline) {
			ts.Fatalf("%s does not match %s: %s", args[0], args[1], text)
		}
		if match != nil {
			if len(args) == 3 {
				ts.Setenv(args[2], string(match[1]))
			}
			return
		}
	}
}

// cmdSignal sends a signal to what was started: signal TERM server.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL, "ABRT": syscall.SIGABRT,
	}
	if neg || len(args) != 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal INT|TERM|HUP|KILL|ABRT NAME")
	}
	ts.Check(processOf(ts, args[1]).cmd.Process.Signal(signals[args[0]]))
}

// cmdFinish waits for the end of what was started, wants its exit status (-1 after a signal), and puts what it
// has printed on stdout and stderr: finish server 0.
func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: finish NAME STATUS")
	}
	p := processOf(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; stderr: %s", args[0], ts.ReadFile(args[0]+".err"))
	}
	_, err := ts.Stdout().Write([]byte(ts.ReadFile(args[0] + ".out")))
	ts.Check(err)
	_, err = ts.Stderr().Write([]byte(ts.ReadFile(args[0] + ".err")))
	ts.Check(err)
	wantStatus(ts, args[1], p.err)
}

// cmdHolds waits until a directory holds so many files: holds 0 $STATEDIR/boxes. One that is not there holds none.
func cmdHolds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: holds NUMBER DIRECTORY")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		entries, err := os.ReadDir(ts.MkAbs(args[1]))
		if !errors.Is(err, os.ErrNotExist) {
			ts.Check(err)
		}
		if strconv.Itoa(len(entries)) == args[0] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s holds %v", args[1], entries)
		}
	}
}
