package sandbox

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"
)

// Hooks let whoever has accepted an execution follow it into the [Executor].
type Hooks struct {
	// ID is the execution's; "" has the Executor give it one, a ULID.
	ID string
	// Since is when the execution began to wait; the zero value is when the [Executor] got it. One with no monotonic clock, as of another process, is held
	// against the clock on the wall.
	Since time.Time
	// Begin, where it is not nil, is called once a box is there, and before that gets the job: until it has returned, nothing
	// of the execution has run. An error keeps the job from the box, which is destroyed, and is what Execute returns. It is
	// called again where a box that was not fit is followed by another.
	Begin func() error
	// Begun, where it is not nil, is called each time that Begin has returned without an error: the job is about to be handed over. It must not wait.
	Begun func()
}

type hooksKey struct{}

// WithHooks returns a context whose executions have the hooks.
func WithHooks(ctx context.Context, h Hooks) context.Context {
	return context.WithValue(ctx, hooksKey{}, h)
}

// HooksOf returns the context's hooks, with an id: whoever adds to them begins with these.
func HooksOf(ctx context.Context) Hooks {
	h, _ := ctx.Value(hooksKey{}).(Hooks)
	if h.ID == "" {
		h.ID = ulid.Make().String()
	}
	return h
}

func (h Hooks) begin() error {
	if h.Begin != nil {
		if err := h.Begin(); err != nil {
			return err
		}
	}
	if h.Begun != nil {
		h.Begun()
	}
	return nil
}
