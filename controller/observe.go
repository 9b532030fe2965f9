package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oklog/ulid/v2"

	"glovebox/internal/logcontext"
)

const (
	headerRequestID = "X-Request-Id"
	keyRequestID    = "glovebox.request"
	keyResultCode   = "glovebox.code"
)

// goodRequestID is what a client may call a request: long enough for what proxies and tracing make, and nothing that a log or a
// header could take for something else.
var goodRequestID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,128}$`)

// newRequestID returns the id that the client, or a proxy in front, has given a request, where it has given a good one; else one of
// our own. It tells requests apart for people, and nothing hangs on it.
func newRequestID(header http.Header) string {
	if given := header.Values(headerRequestID); len(given) == 1 && goodRequestID.MatchString(given[0]) {
		return given[0]
	}
	return ulid.Make().String()
}

func requestID(c echo.Context) string {
	id, _ := c.Get(keyRequestID).(string)
	return id
}

// observe gives each request an id, which every line of the log has that is written on its behalf, and tells
// of it once when it is over: by its route, never by its path, body or answer.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		id := newRequestID(c.Request().Header)
		c.Set(keyRequestID, id)
		noteLog(c, logcontext.Request, id)
		c.Response().Header().Set(headerRequestID, id)
		span := s.beginSpan(c, id)
		defer span.End()
		s.tellRate(c)
		s.boundWrite(c)
		if err := next(c); err != nil {
			s.answerError(err, c)
		}
		route, status := s.routeName(c), c.Response().Status
		s.metrics.request(route, status)
		nameSpan(c, span, route, status)
		attrs := []slog.Attr{
			slog.String("route", route), slog.Int("status", status),
			slog.Duration("took", time.Since(started)), slog.Int64("bytes", c.Response().Size),
		}
		if code, ok := c.Get(keyResultCode).(string); ok {
			attrs = append(attrs, slog.String("code", code))
		}
		ctx := c.Request().Context()
		switch {
		case c.Request().Method != http.MethodPost || route == noRoute:
			s.config.Log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
		case status < http.StatusBadRequest: // something was run
			s.config.Log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
		default:
			s.thin.write(ctx, slog.LevelInfo, thinKind{"request", "status " + strconv.Itoa(status), tenantOf(ctx)}, attrs...)
		}
		return nil
	}
}

// noteLog has every line that is written on behalf of a request from now on have a value under a key.
func noteLog(c echo.Context, key, value string) {
	c.SetRequest(c.Request().WithContext(logcontext.With(c.Request().Context(), key, value)))
}

// noRoute stands for every path that is not in the table.
const noRoute = "none"

// routeName names the route that answered: one of the table, so that a client cannot make up new
// ones for the log and the metrics to hold.
func (s *Server) routeName(c echo.Context) string {
	method := c.Request().Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, r := range s.table {
		if r.method == method && r.path == c.Path() {
			return r.method + " " + r.path
		}
	}
	return noRoute
}

// recover turns a panic into our failure. The request's context ends with its handler, however that
// ends, so that nothing goes on running for it.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		ctx, cancel := context.WithCancel(c.Request().Context())
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				err = failed(fmt.Errorf("panic: %s\n%s", panicText(p), debug.Stack()))
			}
		}()
		return next(c)
	}
}

// panicText says what happened without a word that could be a script's: of a value that is not the Go
// runtime's own, only the type.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", p)
}
