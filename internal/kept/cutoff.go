package kept

import (
	"context"
	"errors"
)

// Stopped reports whether a context has ended because its server stops.
func Stopped(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrStops) }

type cutOffKey[C ~string] struct{}

// WithCutOff returns a context in which told says how something that has a code of type C will be said to have ended, if it is cut off because its
// server stops: "" is that nothing is said, since the next server goes on with it. It is called in the goroutine that asks [CutOff].
func WithCutOff[C ~string](ctx context.Context, told func() C) context.Context {
	return context.WithValue(ctx, cutOffKey[C]{}, told)
}

// CutOff returns the code of which is told where something ended with the code cancelled in a context, and whether its server's stop is what ended
// it: whoever made the context says what is told then, or else it is what it is.
func CutOff[C ~string](ctx context.Context, cancelled C) (told C, stopped bool) {
	if !Stopped(ctx) {
		return cancelled, false
	}
	if tell, ok := ctx.Value(cutOffKey[C]{}).(func() C); ok {
		return tell(), true
	}
	return cancelled, true
}
