// Package logcontext has every line of a log that is written for a context say on whose behalf: which request, which execution, which
// tenant. Who lets a request in notes that once, and who writes a line need not know.
package logcontext

import (
	"context"
	"log/slog"
	"slices"
)

// The keys of what is noted.
const (
	Request   = "request"   // the id that X-Request-Id tells
	Execution = "execution" // its id
	Run       = "run"       // an agent's, its id
	Tenant    = "tenant"    // its id
	Key       = "key"       // the id of the key that was shown
)

type contextKey struct{}

// With returns a context whose lines have a value under a key, in place of one that is there already.
func With(ctx context.Context, key, value string) context.Context {
	noted := slices.Clone(of(ctx))
	noted = slices.DeleteFunc(noted, func(a slog.Attr) bool { return a.Key == key })
	return context.WithValue(ctx, contextKey{}, append(noted, slog.String(key, value)))
}

// Copy returns a context whose lines have what those of another one have: for work that goes on without that.
func Copy(ctx, from context.Context) context.Context {
	if len(of(from)) == 0 && len(of(ctx)) == 0 {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, of(from))
}

func of(ctx context.Context) []slog.Attr {
	noted, _ := ctx.Value(contextKey{}).([]slog.Attr)
	return noted
}

// NewHandler returns a handler that adds to each record what its context has noted, unless the record has a value under that key
// itself.
func NewHandler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ next slog.Handler }

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	noted := of(ctx)
	if len(noted) == 0 {
		return h.next.Handle(ctx, r)
	}
	r = r.Clone() // its attributes are shared with whoever made it
	missing := slices.Clone(noted)
	r.Attrs(func(a slog.Attr) bool {
		missing = slices.DeleteFunc(missing, func(m slog.Attr) bool { return m.Key == a.Key })
		return true
	})
	r.AddAttrs(missing...)
	return h.next.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler { return handler{h.next.WithAttrs(attrs)} }
func (h handler) WithGroup(name string) slog.Handler       { return handler{h.next.WithGroup(name)} }
