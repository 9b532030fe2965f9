package tenant

import "context"

type contextKey struct{}

// NewContext returns a context of a request that t makes. Whoever lets a request in calls it, and nobody after.
func NewContext(ctx context.Context, t Tenant) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// FromContext returns the tenant that makes a request. There is none where a server runs open, or a command of this host
// asks: ok is false then, and no quota holds.
func FromContext(ctx context.Context) (t Tenant, ok bool) {
	t, ok = ctx.Value(contextKey{}).(Tenant)
	return t, ok
}

type keyContextKey struct{}

// NewKeyContext returns a context of a request that is made with k, for the record. Whoever lets a request in calls it, and
// nobody after.
func NewKeyContext(ctx context.Context, k Key) context.Context {
	return context.WithValue(ctx, keyContextKey{}, k)
}

// KeyFromContext returns the key that a request is made with; ok is false where [FromContext]'s is.
func KeyFromContext(ctx context.Context) (k Key, ok bool) {
	k, ok = ctx.Value(keyContextKey{}).(Key)
	return k, ok
}
