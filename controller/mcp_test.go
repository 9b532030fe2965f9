package controller

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withMCP mounts a handler at /mcp.
func withMCP(handler http.HandlerFunc) option {
	return func(config *Config, _ *bounds) {
		config.ModelContext = func(Executor) (http.Handler, error) { return handler, nil }
	}
}

func TestModelContextIsGuarded(t *testing.T) {
	s := testServer(t, succeeds, withMCP(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	r := postTo("/mcp", "{}")
	r.Header.Set("Origin", "http://elsewhere.example")
	if a := ask(t, s, r); a.status != http.StatusForbidden {
		t.Errorf("of another site: %d", a.status)
	}
	if a := ask(t, testServer(t, succeeds), postTo("/mcp", "{}")); a.status != http.StatusNotFound {
		t.Errorf("where there is none: %d", a.status)
	}
	s.draining.Store(true)
	if a := ask(t, s, postTo("/mcp", "{}")); a.status != http.StatusServiceUnavailable {
		t.Errorf("when it stops: %d", a.status)
	}
}

// What a body holds counts with that of all other requests, until it is answered.
func TestModelContextBodiesAreCounted(t *testing.T) {
	var failure error
	s := testServer(t, succeeds, withMCP(func(w http.ResponseWriter, r *http.Request) {
		_, failure = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	s.held.most = 100
	ask(t, s, postTo("/mcp", strings.Repeat(" ", 60)))
	ask(t, s, postTo("/mcp", strings.Repeat(" ", 60)))
	if failure != nil || s.held.used != 0 {
		t.Errorf("one after the other: %v, %d held", failure, s.held.used)
	}
	ask(t, s, postTo("/mcp", strings.Repeat(" ", 101)))
	if !errors.Is(failure, errTooMuchHeld) {
		t.Errorf("too much: %v", failure)
	}
}

// A stream may last longer than an answer may take, and does not keep a server from stopping.
func TestModelContextStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		handler := func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				_, _ = io.WriteString(w, "data: {}\n\n")
				w.(http.Flusher).Flush()
				select { // longer than the server's bound of an answer
				case <-time.After(120 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
			_, _ = io.WriteString(w, "data: last\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		server := serveInBubble(t, testServer(t, succeeds, withMCP(handler), func(_ *Config, b *bounds) { b.write = 200 * time.Millisecond }))
		response, err := server.client.Get(server.url("/mcp"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() && lines.Text() != "data: last" {
		}
		if lines.Text() != "data: last" {
			t.Errorf("the stream ended early: %v", lines.Err())
		}
		server.stop()
		<-ended
		if err := <-server.done; err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	})
}

// A writer that is no connection has no deadline, and is written to all the same.
func TestBoundedWriter(t *testing.T) {
	recorder := httptest.NewRecorder()
	w := boundedWriter{recorder, time.Second, &budget{}, ""}
	if _, err := io.WriteString(w, "x"); err != nil || recorder.Body.String() != "x" {
		t.Errorf("%v %q", err, recorder.Body)
	}
	if err := http.NewResponseController(w).Flush(); err != nil || !recorder.Flushed {
		t.Errorf("flush: %v", err)
	}
}
