package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// boxed returns a server over the real executor, whose boxes are the fake's, and what waits until all of
// them are gone. Every test ends with that.
func boxed(t *testing.T, fake *drivertest.Fake, concurrency, queue int, options ...option) (server *Server, allGone func()) {
	t.Helper()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: fake, Spec: sandbox.Sealed("sha256:"+strings.Repeat("0", 64), "runc"),
		Concurrency: concurrency, Queue: queue, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	allGone = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := executor.Close(ctx); err != nil {
			t.Errorf("boxes are left: %v", err)
		}
		if n := fake.Living(); n != 0 {
			t.Errorf("%d boxes are left", n)
		}
	})
	t.Cleanup(allGone)
	return testServer(t, executor, append(options, func(c *Config, _ *bounds) { c.Load = executor.Load })...), allGone
}

// TestBoxesOverHTTP runs scripts of every end through boxes, honest and hostile, and holds each answer
// against the document.
func TestBoxesOverHTTP(t *testing.T) {
	fake := drivertest.NewFake()
	server, _ := boxed(t, fake, 4, 4)
	for _, c := range []struct {
		name  string
		steps []drivertest.Step
		code  api.ResultCode
		logs  int
	}{
		{"echo", []drivertest.Step{drivertest.Log(api.LevelWarn, "hello"), drivertest.Echo()}, api.Success, 1},
		{"nothing", nil, api.Success, 0},
		{"throws", []drivertest.Step{drivertest.Log(api.LevelLog, "before"), drivertest.Fail(api.RuntimeError, "TypeError", "<no>")}, api.RuntimeError, 1},
		{"hangs", []drivertest.Step{drivertest.Log(api.LevelLog, "before"), drivertest.Hang()}, api.Timeout, 1},
		{"out of memory", []drivertest.Step{drivertest.Log(api.LevelLog, "before"), drivertest.OOM()}, api.MemoryLimit, 1},
		{"as many logs as may be", []drivertest.Step{drivertest.Logs(api.MaxLogEntries, api.LevelDebug, "x"), drivertest.Echo()}, api.Success, api.MaxLogEntries},
		{"junk", []drivertest.Step{drivertest.Raw("HTTP/1.1 200 OK\r\n\r\n")}, api.SecurityError, 0},
		{"half a frame", []drivertest.Step{drivertest.Body(`{"type":`)}, api.SecurityError, 0},
		{"a result of ours", []drivertest.Step{drivertest.Fail(api.ExecutionFailed, "E", "forged")}, api.SecurityError, 0},
		{"success without output", []drivertest.Step{drivertest.SayResult(protocol.Result{Code: api.Success}), drivertest.Hang()}, "", 0},
		{"success with an error", []drivertest.Step{drivertest.SayResult(protocol.Result{Code: api.Success, Output: []byte("1"),
			Error: &api.ScriptError{Name: "E", Message: "m"}}), drivertest.Hang()}, "", 0},
		{"failure with output", []drivertest.Step{drivertest.SayResult(protocol.Result{Code: api.RuntimeError, Output: []byte("1")}), drivertest.Hang()}, "", 0},
		{"lines that there are not", []drivertest.Step{drivertest.SayResult(protocol.Result{Code: api.RuntimeError,
			Error: &api.ScriptError{Name: "E", Message: "m", Line: -5, Column: -1}}), drivertest.Hang()}, "", 0},
		{"times that there are not", []drivertest.Step{
			drivertest.Say(protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: api.LevelLog, Message: "m", AtMs: -1}}), drivertest.Echo()}, "", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake.Teach(c.name, c.steps...)
			timeout := 30.0 // for a slow machine
			if c.code == api.Timeout {
				timeout = 0.2
			}
			r := ask(t, server, post(fmt.Sprintf(`{"code":%q,"inputData":{"n":12345678901234567890},"timeoutSeconds":%v}`, c.name, timeout))).result(t)
			if c.code != "" && r.ResultCode != c.code {
				t.Errorf("code %s, error %+v", r.ResultCode, r.Error)
			}
			if c.logs >= 0 && len(r.Logs) != c.logs {
				t.Errorf("%d logs", len(r.Logs))
			}
			if c.name == "echo" && string(r.Output) != `{"n":12345678901234567890}` {
				t.Errorf("output %s", r.Output)
			}
		})
	}
}

// TestFullQueueIs503 takes every place and the queue.
func TestFullQueueIs503(t *testing.T) {
	fake := drivertest.NewFake().Teach("for ever", drivertest.Hang())
	server, allGone := boxed(t, fake, 1, 0)
	s := serve(t, server)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = s.trySend(ctx, t, `{"code":"for ever","timeoutSeconds":60}`)
	}()
	// The place is taken once a box has been made for it.
	for deadline := time.Now().Add(10 * time.Second); fake.Created() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no box was made")
		}
	}
	a := s.send(t, `{"code":"1"}`)
	if p := a.problem(t); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || p.Type != problemPrefix+"busy" {
		t.Errorf("got %d, %v, %+v", a.status, a.header, p)
	}
	if a := s.send(t, `{"code":"1","cpus":99}`); a.status != http.StatusBadRequest {
		t.Errorf("a bad request was answered with %d while the queue is full", a.status)
	}
	leave() // and the box goes with its client
	within(t, "the client's end", gone)
	allGone()
}

// TestDriverFailureIs500 has a driver that cannot make a box.
func TestDriverFailureIs500(t *testing.T) {
	server, _ := boxed(t, drivertest.NewFake().FailCreate(errors.New("no room on /var/lib/secret")), 1, 0)
	a := ask(t, server, post(`{"code":"1"}`))
	if p := a.problem(t); a.status != http.StatusInternalServerError || p.ResultCode != api.ExecutionFailed || strings.Contains(string(a.body), "secret") {
		t.Errorf("got %d: %s", a.status, a.body)
	}
}

// TestBoxesUnderLoad sends many requests through few boxes; those for which there is no room are told
// so, and all others get their own data back.
func TestBoxesUnderLoad(t *testing.T) {
	const requests, workers = 200, 16
	server, allGone := boxed(t, drivertest.NewFake().Teach("echo", drivertest.Echo()), 4, 8)
	s := serve(t, server)
	next := make(chan int)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for n := range next {
				a, err := s.trySend(context.Background(), t, fmt.Sprintf(`{"code":"echo","inputData":{"n":%d}}`, n))
				switch {
				case err != nil:
					t.Error(err)
				case a.status == http.StatusServiceUnavailable:
				case a.status != http.StatusOK || !strings.Contains(string(a.body), fmt.Sprintf(`"output":{"n":%d},`, n)):
					t.Errorf("request %d: status %d: %s", n, a.status, a.body)
				}
			}
		})
	}
	for n := range requests {
		next <- n
	}
	close(next)
	group.Wait()
	allGone()
}
