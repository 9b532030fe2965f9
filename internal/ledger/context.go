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

// A TaskRef is an agent's task as its parts know it.
type TaskRef struct {
	ID string
	// Salt is what its digest is keyed with.
	Salt Salt
}

type taskKey struct{}

// WithTask returns a context in which an agent's task is worked on.
func WithTask(ctx context.Context, task TaskRef) context.Context {
	return context.WithValue(ctx, taskKey{}, task)
}

// TaskFrom returns that task; ok is false where there is none.
func TaskFrom(ctx context.Context) (task TaskRef, ok bool) {
	task, ok = ctx.Value(taskKey{}).(TaskRef)
	return task, ok
}

type beginningKey struct{}

// WithBeginning returns a context in which whoever records that an execution, or a task, begins hands the entry to begin, and appends it to no log: begin
// keeps, in one step, what begins and the entry of that, so that neither is there without the other. An error of begin's is what comes of it.
func WithBeginning(ctx context.Context, begin func(entry Draft) error) context.Context {
	return context.WithValue(ctx, beginningKey{}, begin)
}

// BeginningFrom returns what begins in a context; ok is false where entries are for the log alone.
func BeginningFrom(ctx context.Context) (begin func(entry Draft) error, ok bool) {
	begin, ok = ctx.Value(beginningKey{}).(func(Draft) error)
	return begin, ok
}

type patienceKey struct{}

// WithPatience returns a context in which what cannot be recorded now is tried again until another context ends: of what was accepted, and goes on
// whoever waits for it, or cancels it.
func WithPatience(ctx, until context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, until)
}

// Patience returns until when to try; ok is false where the context is none of [WithPatience].
func Patience(ctx context.Context) (until context.Context, ok bool) {
	until, ok = ctx.Value(patienceKey{}).(context.Context)
	return until, ok
}
