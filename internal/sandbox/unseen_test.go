package sandbox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// Somebody stands between us and the box, and ends its stdout, or is late to tell how it ended: that was told as if the box had closed its
// stdout and lived on, and so as if its script were hostile.
func TestAnEndOfStdoutThatIsNotTheBoxs(t *testing.T) {
	closed := func(steps ...drivertest.Step) []drivertest.Step {
		return append([]drivertest.Step{drivertest.CloseStdout()}, steps...)
	}
	for name, c := range map[string]struct {
		wait  error
		steps []drivertest.Step
		want  api.ResultCode // "" is an error of ours
	}{
		"it lives, and is seen no more": {sandbox.ErrUnseen, closed(drivertest.Hang()), ""},
		"it is seen no more, near the end of its time": {sandbox.ErrUnseen,
			append([]drivertest.Step{drivertest.Sleep(time.Second)}, closed(drivertest.Hang())...), ""},
		"it ended, as its stdin did":                 {sandbox.ErrUnseen, closed(drivertest.Sleep(time.Second), drivertest.Exit(1)), ""},
		"it was out of memory when it was last seen": {sandbox.ErrUnseen, closed(drivertest.Sleep(time.Second), drivertest.OOM()), api.MemoryLimit},
		"it was killed, and that is told late":       {sandbox.ErrDead, closed(drivertest.Signal(9)), api.MemoryLimit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().Teach("code", c.steps...).Wrap(func(box sandbox.Container) sandbox.Container {
					return &farBox{Container: box, err: c.wait}
				})
				box := openBox(t, fake)
				defer destroyBox(t, box)
				result, err := box.Run(t.Context(), request("code"), nil)
				if (err != nil) != (c.want == "") || result.ResultCode != c.want {
					t.Errorf("%s (%+v), error %v; want %q", result.ResultCode, result.Error, err, c.want)
				}
			})
		})
	}
}

// A farBox is a box behind a daemon.
type farBox struct {
	sandbox.Container
	err  error // of its Wait
	late bool  // how it ended is told the next time
}

func (b *farBox) Wait(ctx context.Context) (sandbox.Exit, error) {
	if errors.Is(b.err, sandbox.ErrDead) && !b.late {
		b.late = true
		<-ctx.Done()
		return sandbox.Exit{}, errors.Join(ctx.Err(), b.err)
	}
	exit, err := b.Container.Wait(ctx)
	if errors.Is(b.err, sandbox.ErrUnseen) {
		err = errors.Join(err, b.err)
	}
	return exit, err
}
