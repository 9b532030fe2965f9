package execution_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
)

// Of a batch that was refused halfway a part had been kept, and ran until it was cancelled.
func TestABatchThatIsRefusedLeavesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &brokenStore{Store: execution.NewMemory()}
		b := open(t, store, newFake())
		defer b.close(t, time.Minute)
		batch := func(body string, parts int) (all []execution.Submission) {
			for i := range parts {
				s := submission("quick")
				s.Idempotency = execution.IdempotencyKey{Key: fmt.Sprint("k ", i), Body: sha256.Sum256([]byte(body))}
				all = append(all, s)
			}
			return all
		}
		first, err := b.SubmitAll(t.Context(), batch("a", 2)[1:]) // the second part alone
		if err != nil {
			t.Fatal(err)
		}
		b.wait(t, first[0].ID)
		if _, err := b.SubmitAll(t.Context(), batch("b", 3)); !errors.Is(err, execution.ErrOtherBody) {
			t.Errorf("%v", err)
		}
		store.broken = true
		if _, err := b.SubmitAll(t.Context(), batch("c", 5)); !kept.NotBegun(err) {
			t.Errorf("what is not kept: %v", err)
		}
		store.broken = false
		synctest.Wait()
		all, err := b.List(t.Context(), "acme", execution.Filter{Limit: 10})
		if err != nil || len(all.Records) != 1 || b.fake.Created() != 1 {
			t.Errorf("%d are kept, and %d had a box, %v; want one", len(all.Records), b.fake.Created(), err)
		}
		// No place is taken still, and the key is there as it was.
		again, err := b.SubmitAll(t.Context(), batch("a", 5))
		if err != nil || len(again) != 5 || again[1].ID != first[0].ID {
			t.Fatalf("%+v, %v", again, err)
		}
		for _, r := range again {
			b.wait(t, r.ID)
		}
		if b.fake.Created() != 5 {
			t.Errorf("%d boxes were made", b.fake.Created())
		}
	})
}

// A brokenStore takes nothing while it is broken.
type brokenStore struct {
	execution.Store
	broken bool
}

func (s *brokenStore) AddAll(ctx context.Context, records []execution.Record, judge kept.Judge) ([]string, error) {
	if s.broken {
		return nil, errors.New("the disk is full")
	}
	return s.Store.AddAll(ctx, records, judge)
}

func TestABatchIsAcceptedAsAWhole(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		b.submit(t, submission("slow"))
		batch := []execution.Submission{submission("quick"), submission("slow"), submission("quick"), submission("quick"), submission("quick")}
		if _, err := b.SubmitAll(t.Context(), batch); !errors.Is(err, execution.ErrFull) {
			t.Errorf("five beside one, where five may be: %v", err)
		}
		all, err := b.SubmitAll(t.Context(), batch[1:])
		if err != nil || len(all) != 4 {
			t.Fatal(all, err)
		}
		for i, r := range all {
			if ended := b.wait(t, r.ID); ended.ResultCode != api.Success || (string(ended.Result.Output) == "2") != (i == 0) {
				t.Errorf("%d: %+v", i, ended)
			}
		}
	})
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		big := submission("slow")
		big.Request.InputData = json.RawMessage("[" + strings.Repeat(" ", 300<<20) + "]")
		if _, err := b.Submit(t.Context(), big); !errors.Is(err, execution.ErrFull) {
			t.Errorf("300 MB at once: %v", err)
		}
	})
}
