package mcp

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"glovebox/internal/tenant"
	"glovebox/internal/trace"
)

const (
	// exchangeHeader names an HTTP request to the handlers of the calls in it. Whatever a client sends in it is
	// overwritten.
	exchangeHeader = "Glovebox-Exchange"
	sessionHeader  = "Mcp-Session-Id"
)

var (
	errSessionEnded = errors.New("the client has ended its session")
	errClientLeft   = errors.New("the request that called has ended")
)

// exchanges ties each call to the HTTP request that brought it: the SDK runs calls on the session's behalf, and lets
// them go on when the request is gone, and even when the session is. Here nobody could be told the result then, so
// that the call ends, and its box with it. It is safe for concurrent use.
type exchanges struct {
	mu   sync.Mutex
	open map[string]exchange // by the id in exchangeHeader
}

type exchange struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	session string
}

func newExchanges() *exchanges { return &exchanges{open: map[string]exchange{}} }

// handler wraps the SDK's.
func (e *exchanges) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := r.Header.Get(sessionHeader)
		if r.Method == http.MethodDelete {
			e.endSession(session, tenantOf(r.Context())) // first: to end a session waits for what runs in it
		}
		ctx, end := context.WithCancelCause(r.Context())
		defer end(errClientLeft)
		id := rand.Text()
		r.Header.Set(exchangeHeader, id)
		e.mu.Lock()
		e.open[id] = exchange{ctx, end, session}
		e.mu.Unlock()
		defer func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			delete(e.open, id)
		}()
		next.ServeHTTP(w, r)
	})
}

// endSession ends the calls of a session, where they are the tenant's.
func (e *exchanges) endSession(session, whose string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.open {
		if one.session == session && tenantOf(one.ctx) == whose {
			one.end(errSessionEnded)
		}
	}
}

// bind returns a context that ends when the call's own does and when the HTTP request does that brought it, and that is of
// that request's tenant, key and trace. The caller must call the function that is returned with it. Over standard streams there is no such request.
func (e *exchanges) bind(ctx context.Context, extra *sdk.RequestExtra) (context.Context, func()) {
	if extra == nil || extra.Header.Get(exchangeHeader) == "" {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	e.mu.Lock()
	one, ok := e.open[extra.Header.Get(exchangeHeader)]
	e.mu.Unlock()
	if !ok {
		cancel(errClientLeft)
		return ctx, func() {}
	}
	ctx = trace.Carry(ctx, one.ctx)
	if t, ok := tenant.FromContext(one.ctx); ok { // the SDK's context is the session's, which another request began
		ctx = tenant.NewContext(ctx, t)
	}
	if k, ok := tenant.KeyFromContext(one.ctx); ok {
		ctx = tenant.NewKeyContext(ctx, k)
	}
	stop := context.AfterFunc(one.ctx, func() { cancel(context.Cause(one.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// tenantOf names who asks; "" is whoever reaches an open server.
func tenantOf(ctx context.Context) string {
	t, _ := tenant.FromContext(ctx)
	return t.ID
}

// nobody is whoever reaches a server that is open, and no tenant's name: a session that was begun then is no tenant's later on.
const nobody = "-"

// owned has the SDK hold each session to the tenant that began it. Whoever let the request in has judged its key, which stops
// here: the SDK, which hands headers on to tools, gets the tenant's name in its place.
func owned(next http.Handler) http.Handler {
	name := func(_ context.Context, name string, _ *http.Request) (*auth.TokenInfo, error) {
		return &auth.TokenInfo{UserID: name}, nil
	}
	named := auth.RequireBearerToken(name, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whose := tenantOf(r.Context())
		if whose == "" {
			whose = nobody
		}
		r.Header.Set("Authorization", "Bearer "+whose)
		named.ServeHTTP(w, r)
	})
}
