package execution_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/ledger"
)

// A fullStore has no place for so many results.
type fullStore struct {
	execution.Store
	refusals int
}

func (f *fullStore) End(ctx context.Context, id string, result api.Result, at time.Time) (bool, error) {
	if f.refusals > 0 {
		f.refusals--
		return false, errors.New("the disk is full")
	}
	return f.Store.End(ctx, id, result, at)
}

// A shutStore keeps for a while not that anything begins.
type shutStore struct {
	execution.Store
	until time.Time
	tries atomic.Int32
}

func (s *shutStore) Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	s.tries.Add(1)
	if time.Now().Before(s.until) {
		return false, errors.New("the disk is full")
	}
	return s.Store.Begin(ctx, id, at, entries...)
}

// On a disk that was full each of what had been accepted failed at once, though nothing of it had run.
func TestWhatIsAcceptedWaitsToBeginForADiskThatIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &shutStore{Store: execution.NewMemory(), until: time.Now().Add(time.Minute)}
		b := open(t, store, newFake())
		defer b.close(t, time.Minute)
		var all []execution.Record
		for range 5 {
			all = append(all, b.submit(t, submission("quick")))
		}
		cancelled := all[4]
		time.Sleep(30 * time.Second)
		if r, err := b.Cancel(t.Context(), "acme", cancelled.ID); err != nil || r.ResultCode != api.Cancelled || r.Result.QueueTimeMs != 30_000 {
			t.Errorf("%+v, %v", r, err)
		}
		began := time.Now()
		for _, r := range all[:4] {
			if r = b.wait(t, r.ID); r.ResultCode != api.Success {
				t.Errorf("%+v", r)
			}
		}
		if waited := time.Since(began); waited < 20*time.Second || waited > 40*time.Second {
			t.Errorf("they ended after %v more", waited)
		}
		if tries := store.tries.Load(); tries > 40 {
			t.Errorf("%d tries in a minute", tries)
		}
	})
	// Once one has begun everybody may, however long that one takes.
	inBubble(t, func(t *testing.T) {
		b := openFor(t, &shutStore{Store: execution.NewMemory(), until: time.Now().Add(time.Minute)}, newFake(), 10)
		defer b.close(t, time.Minute)
		for range 2 {
			b.submit(t, submissionOf("", "slow"))
		}
		time.Sleep(time.Minute + 6*time.Second)
		synctest.Wait()
		if b.fake.Living() != 2 {
			t.Errorf("%d run beside each other", b.fake.Living())
		}
	})
}

// A server that stops while the disk is full does not wait for it: what had not begun is the next one's.
func TestWhatWaitsForAFullDiskIsLeftToTheNextServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &shutStore{Store: execution.NewMemory(), until: time.Now().Add(time.Hour)}
		b := open(t, store, newFake())
		var all []execution.Record
		for range 5 {
			all = append(all, b.submit(t, submission("quick")))
		}
		time.Sleep(20 * time.Second)
		closing := time.Now()
		b.close(t, time.Minute)
		if took := time.Since(closing); took > time.Second {
			t.Errorf("it took %v", took)
		}
		next := open(t, store.Store, newFake())
		defer next.close(t, time.Minute)
		for _, r := range all {
			if r = next.wait(t, r.ID); r.ResultCode != api.Success {
				t.Errorf("%+v", r)
			}
		}
	})
}

// A result that could not be kept was let go of, and its execution stood as running until the server started anew.
func TestAResultWaitsForADiskThatIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, &fullStore{execution.NewMemory(), 3}, newFake())
		defer b.close(t, time.Minute)
		if r := b.wait(t, b.submit(t, submission("quick")).ID); r.ResultCode != api.Success || string(r.Result.Output) != "1" {
			t.Errorf("%+v", r)
		}
	})
	inBubble(t, func(t *testing.T) {
		store := &fullStore{execution.NewMemory(), 1 << 20}
		b := open(t, store, newFake())
		r := b.submit(t, submission("quick"))
		synctest.Wait() // it has its result
		b.close(t, time.Minute)
		store.refusals = 0
		next := open(t, store, newFake())
		defer next.close(t, time.Minute)
		if r := next.wait(t, r.ID); r.ResultCode != api.ExecutionFailed {
			t.Errorf("%+v", r)
		}
	})
}
