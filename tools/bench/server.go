package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"glovebox/api"
	"glovebox/api/client"
)

// A server is a `glovebox serve` of the bench's own, with a state directory that is its alone.
type server struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	url    string
	dir    string
	log    *os.File
	client *client.Client
}

// poolOff has the server make each box when it is asked for.
const poolOff = "off"

// poolOf has the server keep so many boxes waiting, no more and no fewer.
func poolOf(boxes int) string { return fmt.Sprintf("%d-%d", boxes, boxes) }

// serverLimit bounds how long a server may take to start, or to end.
const serverLimit = 60 * time.Second

// serve starts a server; the caller stops it. pool is one of poolOff, poolOf and "" for the server's own choice.
func (b *bench) serve(ctx context.Context, t target, pool string) (_ *server, err error) {
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // a box must reach its root file system through it
		return nil, err
	}
	args := []string{"serve", "--listen", "127.0.0.1:0", "--driver", t.driver, "--runtime", t.runtimeFlag(), "--state-dir", filepath.Join(dir, "s")}
	if b.hasPool && pool != "" {
		args = append(args, "--pool", pool)
	}
	// It is told to go, and never killed by ctx: it would leave its boxes behind.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), b.options.glovebox, args...)
	s := &server{cmd: cmd, ended: make(chan struct{}), dir: dir}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// A terminal's signals reach the bench alone, which stops its servers; should the bench be killed, they drain by themselves.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		defer close(s.ended)
		out := bufio.NewReader(stdout)
		first, _ := out.ReadString('\n')
		line <- first
		_, _ = io.Copy(io.Discard, out)
		_ = s.cmd.Wait() // how it ended, stop looks up
	}()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	select {
	case first := <-line:
		_, url, ok := strings.Cut(strings.TrimSpace(first), "listening on ")
		if !ok {
			return nil, fmt.Errorf("glovebox %s does not start: %s", strings.Join(args, " "), s.lastLog())
		}
		s.url = url
	case <-time.After(serverLimit):
		return nil, fmt.Errorf("glovebox does not start within %v: %s", serverLimit, s.lastLog())
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.client, err = client.New(client.Config{BaseURL: s.url})
	return s, err
}

func (s *server) process() process { return process{s.cmd.Process.Pid} }

// state is where the server's boxes are noted.
func (s *server) state(name ...string) string {
	return filepath.Join(append([]string{s.dir, "s"}, name...)...)
}

// stop drains the server and waits for its end. It is idempotent.
func (s *server) stop() error {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	defer func() { _ = s.log.Close() }()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(serverLimit):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("the server did not end within %v: %s", serverLimit, s.lastLog())
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the server ended with status %d: %s", code, s.lastLog())
	}
	return nil
}

// lastLog is the end of what the server had to say.
func (s *server) lastLog() string {
	body, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	const most = 600
	return string(bytes.TrimSpace(body[max(len(body)-most, 0):]))
}

// ask runs a script and fails unless it ends as expected. took is what the caller waited, in milliseconds.
func (s *server) ask(ctx context.Context, request api.Request, want api.ResultCode) (result api.Result, took float64, err error) {
	began := time.Now()
	result, err = s.client.Execute(ctx, request)
	took = ms(time.Since(began))
	if err != nil {
		return result, took, err
	}
	if result.ResultCode != want {
		var why string
		if result.Error != nil {
			why = result.Error.Name + ": " + result.Error.Message
		}
		return result, took, fmt.Errorf("a script that ends with %s ended with %s (%s)", want, result.ResultCode, why)
	}
	return result, took, nil
}

// metrics is what the server counts, as Prometheus reads it.
func (s *server) metrics(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	const most = 4 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	return string(body), err
}

// sumMetric sums the gauges or counters of a name whose labels hold all of the texts. ok is false where there is none.
func sumMetric(text, name string, labels ...string) (sum float64, ok bool) {
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, name)
		if !found || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		for _, label := range labels {
			found = found && strings.Contains(rest, label)
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if found && err == nil {
			sum, ok = sum+value, true
		}
	}
	return sum, ok
}

// until asks again and again, a few milliseconds apart, until it is so.
func until(ctx context.Context, what string, limit time.Duration, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := so(); err != nil || yes {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
	}
}

// poolLimit bounds the wait for a pool: a slow runtime, and libraries that are warmed from processor time that nobody else wants.
const poolLimit = 10 * time.Minute

// waitPool waits until so many boxes of the pool wait and, where warm is true, all of them have libraries in place, and the pool
// has nothing left to do. It is the one place that knows how the server tells.
func (s *server) waitPool(ctx context.Context, boxes int, warm bool) error {
	return until(ctx, fmt.Sprintf("%d boxes to wait (warmed: %v)", boxes, warm), poolLimit, func() (bool, error) {
		text, err := s.metrics(ctx)
		done, _ := sumMetric(text, "glovebox_pool_done")
		waiting, _ := sumMetric(text, "glovebox_pool_waiting_boxes")
		warmed, _ := sumMetric(text, "glovebox_pool_warmed_boxes")
		return done == 1 && waiting >= float64(boxes) && (!warm || warmed >= float64(boxes)), err
	})
}

// coldStarts is how many scripts had no box that waited for them.
func (s *server) coldStarts(ctx context.Context) (int, error) {
	text, err := s.metrics(ctx)
	n, _ := sumMetric(text, "glovebox_pool_cold_starts_total")
	return int(n), err
}

// quiet waits until the server without a pool has no box left.
func (s *server) quiet(ctx context.Context) error {
	return until(ctx, "the last box to go", serverLimit, func() (bool, error) {
		text, err := s.metrics(ctx)
		boxes, _ := sumMetric(text, "glovebox_boxes")
		return boxes == 0, err
	})
}

// hasPool reports whether `glovebox serve` takes --pool.
func hasPool(ctx context.Context, glovebox string) (bool, error) {
	help, err := exec.CommandContext(ctx, glovebox, "serve", "--help").CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("%s serve --help: %w", glovebox, err)
	}
	return bytes.Contains(help, []byte("--pool ")), nil
}
