package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
	// Whom the server asks, and whom it tells.
	model    *model
	receiver *receiver
	kills    int // how often it was killed

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
	address, release, err := reserve()
	if err != nil {
		return nil, err
	}
	return &server{
		options: o, driver: driver, program: o.glovebox, dir: dir, data: filepath.Join(dir, "data"), address: address, undo: []func() error{release},
		boxes: map[string]bool{}, model: newModel(), receiver: newReceiver(),
	}, nil
}

// reserve picks a port of the loopback address for a server that ends and comes back there: between two of them it is given to nobody who asks for
// any. It is bound, and not listened to, and so whoever asks for just this one may have it, as Go's listeners ask.
func reserve() (address string, release func() error, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	release = func() error { return unix.Close(fd) }
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var bound unix.Sockaddr
	if err == nil {
		bound, err = unix.Getsockname(fd)
	}
	at, ok := bound.(*unix.SockaddrInet4)
	if err != nil || !ok {
		return "", nil, errors.Join(fmt.Errorf("a port for the server: %w", err), release())
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String(), release, nil
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

// makeTenants returns a key for each, and one that may see metrics. Each has a webhook.
func (s *server) makeTenants(ctx context.Context, n int) (keys []string, admin string, err error) {
	for i := range n {
		id := tenantID(i)
		if _, err := s.command(ctx, "tenant", "create", id); err != nil {
			return nil, "", err
		}
		key, err := s.makeKey(ctx, id, "execute", "read")
		if err != nil {
			return nil, "", err
		}
		keys = append(keys, key)
		if err := s.webhook(ctx, i, "set", s.receiver.url(i)); err != nil {
			return nil, "", err
		}
	}
	admin, err = s.makeKey(ctx, tenantID(0), "admin")
	return keys, admin, err
}

func tenantID(n int) string { return fmt.Sprintf("t%d", n) }

// webhook does something to a tenant's webhook that gives it a secret.
func (s *server) webhook(ctx context.Context, tenant int, verb string, args ...string) error {
	secret, err := s.command(ctx, append([]string{"tenant", "webhook", verb, tenantID(tenant)}, args...)...)
	if err != nil {
		return err
	}
	return s.receiver.sign(tenant, string(bytes.TrimSpace(secret)))
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
		"--runtime", s.options.runtime, "--state-dir", s.state(), "--data-dir", s.data, "--webhook-allow-private",
		"--agent-model", "soak", "--agent-base-url", s.model.server.OpenAI(), "--agent-no-tools")
	cmd.Env = append(append(os.Environ(), "OPENAI_API_KEY="), s.env...)
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

// pid is the server's process.
func (s *server) pid() int { return s.cmd.Process.Pid }

// kill ends the server as a machine does that has no memory left, and waits until it is gone.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.kills++
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
	s.receiver.http.Close()
	_ = s.model.close() // what was wrong about it was asked before
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
