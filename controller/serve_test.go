package controller

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
)

// send posts a script to a server that listens, and holds the answer against the document.
func (s *served) send(t testing.TB, body string) answer {
	t.Helper()
	a, err := s.trySend(context.Background(), t, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *served) trySend(ctx context.Context, t testing.TB, body string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url("/v1/executions"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{response.StatusCode, response.Header, read}
	theContract(t).check(t, r, a)
	return a, nil
}

// raw opens a connection on which a test writes HTTP by hand.
func (s *served) raw(t testing.TB, text string) net.Conn {
	t.Helper()
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "HOST", s.address)); err != nil {
		t.Fatal(err)
	}
	return conn
}

const postHead = "POST /v1/executions HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"

// TestClientGoneEndsTheRun closes the connection under a run.
func TestClientGoneEndsTheRun(t *testing.T) {
	started, ended := make(chan struct{}, 1), make(chan error, 1)
	run := untilCancelled(started)
	s := serve(t, testServer(t, executorFunc(func(ctx context.Context, r api.Request) (api.Result, error) {
		defer func() { ended <- ctx.Err() }()
		return run(ctx, r)
	})))
	conn := s.raw(t, postHead+"Content-Length: 12\r\n\r\n{\"code\":\"1\"}")
	within(t, "the run's start", started)
	conn.Close()
	if err := within(t, "the run's end", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
}

// TestLongRunOutlivesTheReadTimeout: the time for a body to come in must not count the script's.
func TestLongRunOutlivesTheReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 50 * time.Millisecond
		s := serveInBubble(t, testServer(t, executorFunc(func(ctx context.Context, r api.Request) (api.Result, error) {
			select {
			case <-ctx.Done():
				t.Error("the run was cancelled")
			case <-time.After(5 * limit):
			}
			return success(r), nil
		}), func(_ *Config, b *bounds) { b.body, b.write, b.header = limit, limit, limit }))
		s.send(t, `{"code":"1"}`).result(t)
	})
}

func TestSlowBodyIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 * time.Millisecond
		s := serveInBubble(t, testServer(t, succeeds, func(_ *Config, b *bounds) { b.body = limit }))
		began := time.Now()
		conn := s.raw(t, postHead+"Content-Length: 12\r\n\r\n{\"code")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if took := time.Since(began); response.StatusCode != http.StatusRequestTimeout || took != limit {
			t.Errorf("status %d after %v", response.StatusCode, took)
		}
	})
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 * time.Millisecond
		s := serveInBubble(t, testServer(t, succeeds, func(_ *Config, b *bounds) { b.header = limit }))
		began := time.Now()
		conn := s.raw(t, "GET /healthz HTTP/1.1\r\nHost: HO")
		if _, err := io.ReadAll(conn); err != nil || time.Since(began) != limit {
			t.Errorf("not closed: %v after %v", err, time.Since(began))
		}
	})
}

func TestLargeHeaderIsRefused(t *testing.T) {
	s := serve(t, testServer(t, succeeds))
	conn := s.raw(t, "GET /healthz HTTP/1.1\r\nHost: HOST\r\nX-Large: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
}

// TestSlowReaderIsCutOff sends much to a client that reads nothing: its handler must end.
func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 * time.Millisecond
		server := testServer(t, executorFunc(func(_ context.Context, r api.Request) (api.Result, error) {
			r.InputData = json.RawMessage(`"` + strings.Repeat("a", api.MaxOutputBytes-2) + `"`)
			return success(r), nil
		}), func(c *Config, b *bounds) {
			b.write = limit
			c.DrainLimit = 10 * time.Second
		})
		s := serveInBubble(t, server)
		conn := s.raw(t, postHead+"Content-Length: 12\r\n\r\n{\"code\":\"1\"}")
		if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun to answer
			t.Fatal(err)
		}
		began := time.Now()
		s.stop()
		if err := <-s.done; err != nil || time.Since(began) > limit+time.Second { // who drains looks again each half second
			t.Errorf("the handler hangs: %v after %v", err, time.Since(began))
		}
	})
}

// TestPipelinedRequestsAreAnswered reads two answers from one connection, and no more.
func TestPipelinedRequestsAreAnswered(t *testing.T) {
	s := serve(t, testServer(t, succeeds))
	one := "HEAD /metrics HTTP/1.1\r\nHost: HOST\r\n\r\n"
	reader := bufio.NewReader(s.raw(t, one+one))
	for range 2 {
		response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodHead})
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d", response.StatusCode)
		}
	}
}

func TestOptionsOfTheWholeServer(t *testing.T) {
	s := serve(t, testServer(t, succeeds))
	for host, want := range map[string]int{"HOST": http.StatusNotFound, "evil.example.com": http.StatusForbidden} {
		response, err := http.ReadResponse(bufio.NewReader(s.raw(t, "OPTIONS * HTTP/1.1\r\nHost: "+host+"\r\n\r\n")), nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("Host %s: status %d", host, response.StatusCode)
		}
	}
}

// TestDrainLetsRunsEnd stops a server that is running a script.
func TestDrainLetsRunsEnd(t *testing.T) {
	started, finish := make(chan struct{}, 1), make(chan struct{})
	s := serve(t, testServer(t, executorFunc(func(ctx context.Context, r api.Request) (api.Result, error) {
		started <- struct{}{}
		select {
		case <-finish:
			return success(r), nil
		case <-ctx.Done():
			t.Error("cancelled")
			return api.Result{}, ctx.Err()
		}
	})))
	answered := make(chan int, 1)
	go func() { answered <- s.send(t, `{"code":"1"}`).status }()
	within(t, "the run's start", started)
	s.stop()
	// The listener is closed, sooner or later, while the script still runs.
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still takes connections")
		}
	}
	select {
	case err := <-s.done:
		t.Fatalf("Serve returned %v while a script ran", err)
	default:
	}
	close(finish)
	if status := within(t, "the answer", answered); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := within(t, "Serve's end", s.done); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestDrainCancelsWhatDoesNotEnd: the script's result says that it was cancelled, and Serve is content.
func TestDrainCancelsWhatDoesNotEnd(t *testing.T) {
	started := make(chan struct{}, 1)
	s := serve(t, testServer(t, untilCancelled(started), func(c *Config, _ *bounds) { c.DrainLimit = 50 * time.Millisecond }))
	answered := make(chan answer, 1)
	go func() { answered <- s.send(t, `{"code":"1"}`) }()
	within(t, "the run's start", started)
	s.stop()
	if r := within(t, "the answer", answered).result(t); r.ResultCode != api.Cancelled {
		t.Errorf("code %s", r.ResultCode)
	}
	if err := within(t, "Serve's end", s.done); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestDrainGivesUp: an executor that does not even end when it is told to must not hold the process.
func TestDrainGivesUp(t *testing.T) {
	started, free := make(chan struct{}, 1), make(chan struct{})
	defer close(free)
	s := serve(t, testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) {
		started <- struct{}{}
		<-free
		return api.Result{}, io.ErrUnexpectedEOF
	}), func(_ *Config, b *bounds) { b.drain, b.cleanup = 20*time.Millisecond, 20*time.Millisecond }))
	s.raw(t, postHead+"Content-Length: 12\r\n\r\n{\"code\":\"1\"}")
	within(t, "the run's start", started)
	s.stop()
	if err := within(t, "Serve's end", s.done); err == nil {
		t.Error("Serve says that all is well")
	}
}

// TestCancelledWithAnError: a run that ends in an error because its client has gone is not our failure.
func TestCancelledWithAnError(t *testing.T) {
	var log logged
	started := make(chan struct{}, 1)
	server := testServer(t, executorFunc(func(ctx context.Context, _ api.Request) (api.Result, error) {
		started <- struct{}{}
		<-ctx.Done()
		return api.Result{}, fmt.Errorf("no box: %w", ctx.Err())
	}), log.option())
	s := serve(t, server)
	conn := s.raw(t, postHead+"Content-Length: 12\r\n\r\n{\"code\":\"1\"}")
	within(t, "the run's start", started)
	conn.Close()
	s.stop()
	within(t, "Serve's end", s.done)
	if strings.Contains(log.String(), "ERROR") || !strings.Contains(log.String(), "status=503") {
		t.Errorf("log:\n%s", log.String())
	}
}

// TestLoad sends 200 requests, 16 at a time, each with data of its own.
func TestLoad(t *testing.T) {
	const requests, workers = 200, 16
	s := serve(t, testServer(t, executorFunc(func(_ context.Context, r api.Request) (api.Result, error) {
		return success(r), nil
	})))
	next := make(chan int)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for n := range next {
				a, err := s.trySend(context.Background(), t, fmt.Sprintf(`{"code":"output = input","inputData":{"n":%d}}`, n))
				if err != nil {
					t.Error(err)
					continue
				}
				if want := fmt.Sprintf(`"output":{"n":%d},`, n); a.status != http.StatusOK || !strings.Contains(string(a.body), want) {
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
}
