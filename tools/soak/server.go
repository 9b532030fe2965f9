package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"glovebox/internal/sandbox"
	"glovebox/tools/leftbehind"
)

// A server is a `glovebox serve` that ends and comes back at the same address, with the same directories.
type server struct {
	options options
	driver  string
	program string   // glovebox, in whatever form the stage needs it
	env     []string // beside our own
	dir     string
	data    string // the data directory
	address string
	daemon  *daemon        // where the stage has one
	undo    []func() error // what has to be done when the server has gone, the last one first

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
	boxes map[string]bool // ids that were seen
}

// startLimit bounds how long a server may take to start, or to end.
const startLimit = 60 * time.Second

// poll is how often what cannot be waited for is looked at.
const poll = 20 * time.Millisecond

// until looks again and again until there is what is looked for, or an error, or no time left: then late says what is missing.
func until(ctx context.Context, limit time.Duration, look func(context.Context) (bool, error), late func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if done, err := look(ctx); done || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(late(), context.Cause(ctx))
		}
	}
}

func newServer(ctx context.Context, o options, driver string) (*server, error) {
	dir, err := os.MkdirTemp("", "glovebox-soak-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // a box must reach its root file system through it
		return nil, err
	}
	// Whoever comes back after a crash finds it where it was: so the port is picked here.
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{options: o, driver: driver, program: o.glovebox, dir: dir, data: filepath.Join(dir, "data"), address: l.Addr().String(), boxes: map[string]bool{}}
	return s, l.Close()
}

func (s *server) url(path string) string { return "http://" + s.address + path }

func (s *server) state() string { return filepath.Join(s.dir, "s") }

// command runs the program for its output.
func (s *server) command(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.program, append(args, "--data-dir", s.data)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("glovebox %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// makeTenants returns a key for each, and one that may see metrics.
func (s *server) makeTenants(ctx context.Context, n int) (keys []string, admin string, err error) {
	for i := range n {
		id := fmt.Sprintf("t%d", i)
		if _, err := s.command(ctx, "tenant", "create", id); err != nil {
			return nil, "", err
		}
		key, err := s.makeKey(ctx, id, "execute", "read")
		if err != nil {
			return nil, "", err
		}
		keys = append(keys, key)
	}
	admin, err = s.makeKey(ctx, "t0", "admin")
	return keys, admin, err
}

func (s *server) makeKey(ctx context.Context, tenant string, scopes ...string) (string, error) {
	args := []string{"key", "create", tenant}
	for _, scope := range scopes {
		args = append(args, "--scope", scope)
	}
	key, err := s.command(ctx, args...)
	return string(bytes.TrimSpace(key)), err
}

// start returns once the server listens.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own
	// It is told to go, and never killed by ctx: it would leave its boxes behind.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.program, "serve", "--listen", s.address, "--driver", s.driver,
		"--runtime", s.options.runtime, "--state-dir", s.state(), "--data-dir", s.data)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		out := bufio.NewReader(stdout)
		first, _ := out.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // how it ended, stop looks up
	}()
	s.mu.Lock()
	s.cmd, s.ended = cmd, ended
	s.mu.Unlock()
	select {
	case first := <-line:
		if !strings.Contains(first, "listening on ") {
			return fmt.Errorf("the server does not start: %s", s.lastLog())
		}
		return nil
	case <-time.After(startLimit):
		return errors.Join(fmt.Errorf("the server does not start within %v: %s", startLimit, s.lastLog()), s.stop())
	}
}

// kill ends the server as a machine does that has no memory left, and waits until it is gone.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// stop drains the server and waits for its end.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(startLimit):
		s.kill()
		return fmt.Errorf("the server did not end within %v: %s", startLimit, s.lastLog())
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the server ended with status %d: %s", code, s.lastLog())
	}
	return nil
}

func (s *server) remove() (err error) {
	for _, undo := range slices.Backward(s.undo) {
		err = errors.Join(err, undo())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *server) lastLog() string {
	body, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	const most = 600
	return string(bytes.TrimSpace(body[max(len(body)-most, 0):]))
}

// ready waits until the server says that it can run a script, and unready until it says that it cannot.
func (s *server) ready(ctx context.Context) error { return s.awaitReadiness(ctx, http.StatusOK) }

func (s *server) unready(ctx context.Context) error {
	return s.awaitReadiness(context.WithoutCancel(ctx), http.StatusServiceUnavailable)
}

func (s *server) awaitReadiness(ctx context.Context, want int) error {
	return until(ctx, startLimit, func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("/readyz"), nil)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, nil // it does not listen yet
		}
		_ = response.Body.Close()
		return response.StatusCode == want, nil
	}, func() error { return fmt.Errorf("/readyz does not come to %d: %s", want, s.lastLog()) })
}

// claims are the boxes that there are now; their ids are remembered.
func (s *server) claims() ([]*sandbox.Claim, error) {
	state, err := sandbox.OpenState(s.state())
	if err != nil {
		return nil, err
	}
	claims, err := state.Claims(s.driver)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, claim := range claims {
		s.boxes[claim.ID] = true
	}
	return claims, err
}

// ledger verifies it, and tells which executions it says began more than once.
func (s *server) ledger(ctx context.Context) (twice []string, entries int, err error) {
	key, err := s.command(ctx, "ledger", "key")
	if err != nil {
		return nil, 0, err
	}
	pem, file := filepath.Join(s.dir, "ledger.pem"), filepath.Join(s.dir, "ledger.jsonl")
	if err := os.WriteFile(pem, key, 0o600); err != nil {
		return nil, 0, err
	}
	if _, err := s.command(ctx, "ledger", "export", "-o", file); err != nil {
		return nil, 0, err
	}
	verify := exec.CommandContext(ctx, s.program, "ledger", "verify", file, "--public-key", pem)
	if out, err := verify.CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("glovebox ledger verify: %w: %s", err, bytes.TrimSpace(out))
	}
	body, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = body.Close() }()
	began := map[string]int{}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			Entry struct {
				Kind      string
				Execution struct{ ID string }
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, 0, err
		}
		entries++
		if row.Entry.Kind == "execution.began" {
			if began[row.Entry.Execution.ID]++; began[row.Entry.Execution.ID] == 2 {
				twice = append(twice, row.Entry.Execution.ID)
			}
		}
	}
	return twice, entries, lines.Err()
}

// leftBehind looks for what the server should have taken along.
func (s *server) leftBehind(ctx context.Context) (left []string, err error) {
	claims, err := s.claims()
	for _, claim := range claims {
		left = append(left, "the claim of box "+claim.ID)
	}
	mounts, mountErr := leftbehind.Mounts(s.dir)
	groups, groupErr := leftbehind.Cgroups(s.boxes)
	var containers []string
	var dockerErr error
	if s.driver == "docker" {
		containers, dockerErr = s.containers(ctx)
	}
	return slices.Concat(left, mounts, groups, containers, leftbehind.Processes(s.dir)), errors.Join(err, mountErr, groupErr, dockerErr)
}
