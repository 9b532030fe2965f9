package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/internal/kept"
	"glovebox/internal/logcontext"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// Keys tells which keys there are. It is safe for concurrent use, and asked with every request: what it says holds at once.
type Keys interface {
	// AnyTenant reports whether there is a tenant. While there has been none, nobody is asked for a key.
	AnyTenant(ctx context.Context) (bool, error)
	// Key returns what is kept of a key and the tenant that has it, or store.ErrNotFound.
	Key(ctx context.Context, id string) (tenant.Key, tenant.Tenant, error)
}

// An access says whom a route lets in. The zero value lets in nobody who has to show a key.
type access struct {
	everybody bool
	// scopes are those of which a key must have one or, where all is set, each.
	scopes []tenant.Scope
	all    bool
	// runs says that what the route is for is to have something run.
	runs bool
}

var (
	forEverybody = access{everybody: true}
	toExecute    = access{scopes: []tenant.Scope{tenant.ScopeExecute}, runs: true}
	// A message of the Model Context Protocol may have a tool run, which is counted where it is, and most do not.
	toConverse = access{scopes: []tenant.Scope{tenant.ScopeExecute}}
	toRead     = access{scopes: []tenant.Scope{tenant.ScopeRead}}
	// Whoever cancels is told what became of it, which may be a result that another key of the tenant's has asked for.
	toCancel = access{scopes: []tenant.Scope{tenant.ScopeExecute, tenant.ScopeRead}, all: true}
	// What a server can do is known to everybody who may have it do anything.
	toLook = access{scopes: tenant.Scopes()}
	// What every tenant does is no tenant's to read.
	toAdminister = access{scopes: []tenant.Scope{tenant.ScopeAdmin}}
)

// admits reports whether a key has the scopes.
func (a access) admits(k tenant.Key) bool {
	if a.all {
		return len(a.scopes) > 0 && !slices.ContainsFunc(a.scopes, func(s tenant.Scope) bool { return !k.Has(s) })
	}
	return slices.ContainsFunc(a.scopes, k.Has)
}

// entry decides who may enter. It is safe for concurrent use.
type entry struct {
	keys Keys // nil where nobody is ever asked for one
	log  *thinLog
	// closed is set once there has been a tenant: a server that has asked for keys does not cease to when the last tenant goes.
	closed atomic.Bool
}

// asks reports whether keys are asked for.
func (e *entry) asks(ctx context.Context) (bool, error) {
	if e.keys == nil {
		return false, nil
	}
	if e.closed.Load() {
		return true, nil
	}
	any, err := e.keys.AnyTenant(ctx)
	if err != nil {
		return false, err
	}
	if any {
		e.closed.Store(true)
	}
	return any, nil
}

// keyTrouble is what a client is told of every key that opens nothing, whatever the reason: the log tells which.
const keyTrouble = "The key opens nothing: it is unknown here, revoked or expired, or its tenant is suspended."

// admit returns the context of a request that may go on, which tells whose it is, or a refusal: then there is a context where it is known whose it is.
func (e *entry) admit(r *http.Request, a access) (context.Context, *refusal) {
	ctx := r.Context()
	if a.everybody {
		return ctx, nil
	}
	asks, err := e.asks(ctx)
	if err != nil {
		return nil, closedDoor(err)
	}
	if !asks {
		return ctx, nil
	}
	text, ok := bearer(r.Header)
	if !ok {
		return nil, unauthorized("A key is needed: send it in one header, as in Authorization: Bearer gbx_…", "")
	}
	presented, err := tenant.ParseKey(text)
	if err != nil {
		return nil, unauthorized("What was sent is no key: it has the wrong form, or was cut or mistyped.", "invalid_token")
	}
	key, owner, err := e.keys.Key(ctx, presented.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = errUnknownKey
	case err != nil:
		return nil, closedDoor(err)
	default:
		err = key.Admit(presented, owner, time.Now())
	}
	if err != nil {
		e.refused(ctx, presented.ID, owner.ID, err.Error())
		return nil, unauthorized(keyTrouble, "invalid_token")
	}
	if !a.admits(key) {
		e.refused(ctx, key.ID, owner.ID, "it lacks the scope", slog.Any("scopes", key.Scopes))
		return tenant.NewContext(ctx, owner), outOfScope(a)
	}
	ctx = logcontext.With(logcontext.With(ctx, logcontext.Tenant, owner.ID), logcontext.Key, key.ID)
	return tenant.NewKeyContext(tenant.NewContext(ctx, owner), key), nil
}

// refused tells of a key that is refused.
func (e *entry) refused(ctx context.Context, key, owner, reason string, more ...slog.Attr) {
	attrs := append([]slog.Attr{slog.String("key", key), slog.String("tenant", owner), slog.String("reason", reason)}, more...)
	e.log.write(ctx, slog.LevelWarn, thinKind{"key refused", reason, owner}, attrs...)
}

var errUnknownKey = errors.New("there is no key by this id")

// bearer returns the key that a request brings, where it brings exactly one.
func bearer(header http.Header) (string, bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, text, ok := strings.Cut(values[0], " ")
	text = strings.Trim(text, " ")
	return text, ok && strings.EqualFold(scheme, "Bearer") && text != ""
}

// unauthorized refuses for want of a key that opens anything; code is RFC 6750's, "" where none was sent.
func unauthorized(detail, code string) *refusal {
	r := refuse(kindUnauthorized, detail)
	r.challenge = `Bearer realm="glovebox"`
	if code != "" {
		r.challenge += fmt.Sprintf(`, error="%s"`, code)
	}
	return r
}

func outOfScope(a access) *refusal {
	names := make([]string, len(a.scopes))
	for i, scope := range a.scopes {
		names[i] = string(scope)
	}
	joint := " or "
	if a.all {
		joint = " and "
	}
	r := refuse(kindScope, "The key is good, and lacks the scope for this: "+strings.Join(names, joint)+".")
	r.challenge = fmt.Sprintf(`Bearer realm="glovebox", error="insufficient_scope", scope="%s"`, strings.Join(names, " "))
	return r
}

// closedDoor refuses where it cannot be told who may enter.
func closedDoor(cause error) *refusal {
	return &refusal{kind: kindUnavailable, detail: "Keys cannot be looked up now.", retryAfter: time.Second, cause: fmt.Errorf("look up a key: %w", cause)}
}

// enter guards a route.
func (s *Server) enter(a access, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		runs, answer := a.runs, next
		ctx, refused := s.entry.admit(c.Request(), a)
		if refused != nil {
			if ctx == nil {
				return refused
			}
			runs, answer = false, func(echo.Context) error { return refused }
		}
		owner, ok := tenant.FromContext(ctx)
		if ok {
			if !s.open.take(owner.ID, 1) {
				return &refusal{kind: kindBusy, detail: "The tenant has too many requests open.", retryAfter: time.Second}
			}
			defer s.open.give(owner.ID, 1)
			watched, end := context.WithCancelCause(ctx)
			defer end(nil)
			defer s.config.Watch.Add(owner, func() { end(kept.ErrSuspended) })()
			ctx = watched
		}
		c.SetRequest(c.Request().WithContext(ctx))
		if ok && !a.everybody {
			return s.counted(c, owner, runs, answer)
		}
		return answer(c)
	}
}
