package ledger

import "context"

type actorKey struct{}

// WithActor returns a context in which actor has things done.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorFrom returns who has things done in a context; nobody is known where ok is false.
func ActorFrom(ctx context.Context) (actor Actor, ok bool) {
	actor, ok = ctx.Value(actorKey{}).(Actor)
	return actor, ok
}

type saltKey struct{}

// WithSalt returns a context in which the digests of an execution are keyed with a salt that is kept with its data.
func WithSalt(ctx context.Context, salt Salt) context.Context {
	return context.WithValue(ctx, saltKey{}, salt)
}

// SaltFrom returns that salt; ok is false where none is kept, since nothing of the data is.
func SaltFrom(ctx context.Context) (salt Salt, ok bool) {
	salt, ok = ctx.Value(saltKey{}).(Salt)
	return salt, ok
}
