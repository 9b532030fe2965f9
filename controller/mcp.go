package controller

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// modelContext hands a message of the Model Context Protocol to the configured handler. Its answers may be
// streams that stay open for as long as a client likes: each write is bounded, and not the whole; the stream for
// what a server has to say unasked ends when the server drains, since nothing runs for it.
func (s *Server) modelContext(c echo.Context) error {
	if s.mcp == nil {
		return refuse(kindNotFound, "This server does not speak the Model Context Protocol.")
	}
	if s.draining.Load() {
		return stopping()
	}
	r := c.Request()
	if r.Method == http.MethodGet {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.drainStart, cancel)()
		r = r.WithContext(ctx)
	}
	body := &heldBody{ReadCloser: r.Body, held: &s.held, whose: tenantOf(r.Context())}
	defer body.release()
	r.Body = body
	s.mcp.ServeHTTP(s.boundedWriter(c), r)
	return nil
}

// A heldBody counts the bytes of a body that others read into what all requests hold together. They count until
// it is released.
type heldBody struct {
	io.ReadCloser
	held  *budget
	whose string
	read  int64
}

var errTooMuchHeld = errors.New("too much data is waiting already")

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		if !b.held.take(b.whose, int64(n)) {
			return 0, errTooMuchHeld
		}
		b.read += int64(n)
	}
	return n, err
}

func (b *heldBody) release() { b.held.give(b.whose, b.read) }

// A boundedWriter bounds how long each write may take, so that a stream may be long and its reader not too slow, and what all hold that are written.
type boundedWriter struct {
	http.ResponseWriter
	most  time.Duration
	held  *budget
	whose string
}

func (s *Server) boundedWriter(c echo.Context) boundedWriter {
	return boundedWriter{c.Response(), s.bounds.write, &s.held, tenantOf(c.Request().Context())}
}

func (w boundedWriter) Write(p []byte) (int, error) {
	release, ok := w.held.takeAnswer(w.whose, len(p))
	if !ok {
		return 0, errTooMuchHeld
	}
	defer release()
	w.bound()
	return w.ResponseWriter.Write(p)
}

// FlushError is what [http.ResponseController] calls.
func (w boundedWriter) FlushError() error {
	w.bound()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is what a handler that asks for an [http.Flusher] calls.
func (w boundedWriter) Flush() { _ = w.FlushError() }

func (w boundedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w boundedWriter) bound() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.most))
}
