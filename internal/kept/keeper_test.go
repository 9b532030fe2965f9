package kept

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A heavyStore holds more than it may, and has nothing to let go of; it counts how often it is asked to.
type heavyStore struct {
	Store[thing, Filter[string]]
	held, asked atomic.Int64
}

func (s *heavyStore) Bytes(context.Context) (int64, error) { return s.held.Load(), nil }

func (s *heavyStore) Expire(context.Context, Policy, time.Time) (forgotten, removed int, err error) {
	s.asked.Add(1)
	return 0, 0, nil
}

// Where nothing can be let go of, it is not tried again until something else is kept: what a tenant has not ended may be too much for long, and
// what others end meanwhile must not wait.
func TestWhatCannotBeLetGoOfIsNotTriedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(heavyStore)
		s.held.Store(11)
		k := NewKeeper[thing, Filter[string], int](s, nil, nil, Policy{Data: 10}, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go k.ExpireUntil(ctx)
		after := func(wait time.Duration, want int64) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if got := s.asked.Load(); got != want {
				t.Errorf("it was tried %d times, want %d", got, want)
			}
		}
		after(30*time.Second+time.Millisecond, 1)
		s.held.Add(1)
		after(2*time.Second, 2)
		after(20*time.Second, 2)
		after(20*time.Second, 3) // each minute
		s.held.Store(10)
		after(30*time.Second, 3)
	})
}
