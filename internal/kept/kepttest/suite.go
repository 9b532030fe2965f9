// Package kepttest is what the suites of all stores of what is accepted have in common: the contract of [kept.Store].
package kepttest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// Began is a moment that every store can keep: of whole microseconds, in UTC.
var Began = time.Date(2026, 11, 29, 12, 0, 0, 123000, time.UTC)

// ID makes an id of a moment.
func ID(at time.Time) string { return ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String() }

// A Suite is what is to be known of the stores of one type S: they keep records R, of which F picks some, and that ended as C says.
type Suite[S kept.Store[R, F], R, F any, C ~string] struct {
	// Queued is a record as it is when it is accepted, with a digest and a salt.
	Queued func(tenant string, at time.Time) R
	// Parts are those of a record that the suite looks at.
	Parts func(r *R) Parts
	// Large has what was asked hold so many bytes, and little more.
	Large func(r *R, bytes int)
	// End has a store end one with Code; what comes of it holds so many bytes, and little more.
	End func(ctx context.Context, s S, id string, bytes int, at time.Time) (bool, error)
	// Other is a code that none ends with.
	Code, Other C
	Filter      func(kept.Filter[C]) F
	// Beginning is an entry that no ledger takes.
	Beginning ledger.Draft
}

// Parts are those of a record that are the same in each type of them. Pointers are into the record.
type Parts struct {
	ID, Tenant  string
	State       api.ExecutionState
	KeepData    *bool
	Idempotency *kept.Idempotency
	// Asked is how many bytes what was asked holds; 0 is that it is not there.
	Asked int
	// Salted, Told and Digested say whether its salt, all that came of it, and its digest are there.
	Salted, Told, Digested bool
	Code                   string
}

// A bench is a store in one of the suite's tests.
type bench[S kept.Store[R, F], R, F any, C ~string] struct {
	Suite[S, R, F, C]
	t     *testing.T
	store S
}

// Test holds stores to the contract. open returns an empty one, which the test's end closes.
func (s Suite[S, R, F, C]) Test(t *testing.T, open func(*testing.T) S) {
	type test = bench[S, R, F, C]
	for name, run := range map[string]func(*test){
		"data that is kept": (*test).keptData, "what is not there": (*test).absent, "idempotency": (*test).idempotency, "at once": (*test).atOnce, "a batch": (*test).batch,
		"begun with its entry": (*test).begunWithItsEntry, "lists": (*test).lists, "unfinished": (*test).unfinished, "expiry": (*test).expiry,
		"too many": (*test).tooMany, "too many bytes": (*test).tooMuch, "too many of one tenant": (*test).tooManyOfOne,
		"too many bytes of one tenant": (*test).tooMuchOfOne, "forgetting": (*test).forgetting,
	} {
		t.Run(name, func(t *testing.T) { run(&test{s, t, open(t)}) })
	}
}

// keyed is a queued record with an idempotency key, which stands for a body.
func (b *bench[S, R, F, C]) keyed(tenant, key string, body byte) R {
	r := b.Queued(tenant, Began)
	*b.Parts(&r).Idempotency = kept.IdempotencyKey{Key: key, Body: [32]byte{body}}.Keep()
	return r
}

// Any is a judge that takes whatever has a key.
func Any(int, kept.Idempotency) error { return nil }

// Add has a store keep a record, whose key nothing else may have.
func Add[R, F any](ctx context.Context, s kept.Store[R, F], r R) error {
	_, err := s.AddAll(ctx, []R{r}, func(int, kept.Idempotency) error { return errors.New("its key stands for another") })
	return err
}

// judge is that of up to three records that are asked for with a body.
func judge(body byte) kept.Judge {
	key := kept.IdempotencyKey{Body: [32]byte{body}}
	return kept.Same(key, key, key)
}

func (b *bench[S, R, F, C]) add(r R) R {
	b.t.Helper()
	if err := Add(b.t.Context(), b.store, r); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench[S, R, F, C]) id(r R) string { return b.Parts(&r).ID }

func (b *bench[S, R, F, C]) end(r R, bytes int, at time.Time) {
	b.t.Helper()
	if done, err := b.End(b.t.Context(), b.store, b.id(r), bytes, at); err != nil || !done {
		b.t.Fatalf("end: %v, %v", done, err)
	}
}

// ended adds a record, and ends it.
func (b *bench[S, R, F, C]) ended(r R, at time.Time) R {
	b.t.Helper()
	b.add(r)
	b.end(r, 0, at)
	return r
}

func (b *bench[S, R, F, C]) get(r R) (R, Parts) {
	b.t.Helper()
	p := b.Parts(&r)
	got, err := b.store.Get(b.t.Context(), p.Tenant, p.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return got, b.Parts(&got)
}

func (b *bench[S, R, F, C]) same(want R) {
	b.t.Helper()
	if got, _ := b.get(want); !reflect.DeepEqual(got, want) {
		b.t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// wantGone fails the test where a record is still there.
func (b *bench[S, R, F, C]) wantGone(r R) {
	b.t.Helper()
	p := b.Parts(&r)
	if _, err := b.store.Get(b.t.Context(), p.Tenant, p.ID); !errors.Is(err, kept.ErrNotFound) {
		b.t.Errorf("it is still there: %v", err)
	}
}

// wantTold fails the test unless a record that has ended has what came of it, or lacks it; code and digest stay.
func (b *bench[S, R, F, C]) wantTold(r R, told bool) {
	b.t.Helper()
	if _, got := b.get(r); got.Told != told || got.Code != string(b.Code) || !got.Digested {
		b.t.Errorf("%+v, want what came of it: %v", got, told)
	}
}

func (b *bench[S, R, F, C]) keptData() {
	r := b.Queued("acme", Began)
	*b.Parts(&r).KeepData = true
	b.ended(r, Began)
	if _, got := b.get(r); got.Asked == 0 || !got.Salted || !got.Told {
		b.t.Errorf("%+v has lost its data", got)
	}
}

func (b *bench[S, R, F, C]) absent() {
	ctx, s := b.t.Context(), b.store
	r := b.add(b.Queued("acme", Began))
	nobody := ID(Began)
	for tenant, id := range map[string]string{"acme": nobody, "other": b.id(r), "": b.id(r)} {
		if _, err := s.Get(ctx, tenant, id); !errors.Is(err, kept.ErrNotFound) {
			b.t.Errorf("%s gets %s: %v", tenant, id, err)
		}
		if err := s.Forget(ctx, tenant, id); !errors.Is(err, kept.ErrNotFound) {
			b.t.Errorf("%s forgets %s: %v", tenant, id, err)
		}
	}
	if done, err := s.Begin(ctx, nobody, Began); done || err != nil {
		b.t.Errorf("%v, %v", done, err)
	}
	if done, err := b.End(ctx, s, nobody, 0, Began); done || err != nil {
		b.t.Errorf("%v, %v", done, err)
	}
	if err := s.Read(ctx, nobody, Began); err != nil {
		b.t.Error(err)
	}
}

func (b *bench[S, R, F, C]) idempotency() {
	first := b.add(b.keyed("acme", "k", 1))
	for range 2 {
		if existing, err := b.store.AddAll(b.t.Context(), []R{b.keyed("acme", "k", 1)}, judge(1)); err != nil || existing[0] != b.id(first) {
			b.t.Errorf("%v, %v", existing, err)
		}
		if existing, err := b.store.AddAll(b.t.Context(), []R{b.keyed("acme", "k", 2)}, judge(2)); !errors.Is(err, kept.ErrOtherBody) {
			b.t.Errorf("another body: %v, %v", existing, err)
		}
	}
	b.same(first)
	b.add(b.keyed("acme", "other", 1))
	b.add(b.keyed("other", "k", 1))
	b.add(b.keyed("acme", "", 1))
	b.add(b.keyed("acme", "", 1))
}

// atOnce has many do the same at a time: one of them does.
func (b *bench[S, R, F, C]) atOnce() {
	waiting := b.add(b.Queued("acme", Began))
	for name, do := range map[string]func() (bool, error){
		"kept for one key": func() (bool, error) {
			existing, err := b.store.AddAll(b.t.Context(), []R{b.keyed("acme", "k", 1)}, judge(1))
			return err == nil && existing[0] == "", err
		},
		"begun": func() (bool, error) { return b.store.Begin(b.t.Context(), b.id(waiting), Began) },
	} {
		var done atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if did, err := do(); err != nil {
					b.t.Error(err)
				} else if did {
					done.Add(1)
				}
			})
		}
		all.Wait()
		if done.Load() != 1 {
			b.t.Errorf("%s: %d, want 1", name, done.Load())
		}
	}
}

// batch is kept as a whole, or not at all.
func (b *bench[S, R, F, C]) batch() {
	ctx := b.t.Context()
	of := func(body byte, keys ...string) (all []R) {
		for _, key := range keys {
			all = append(all, b.keyed("acme", key, body))
		}
		return all
	}
	count := func(want int) {
		b.t.Helper()
		if left, err := b.store.Unfinished(ctx); err != nil || len(left) != want {
			b.t.Errorf("%d are kept, %v; want %d", len(left), err, want)
		}
	}
	first := of(1, "a", "b", "")
	if existing, err := b.store.AddAll(ctx, first, judge(1)); err != nil || !reflect.DeepEqual(existing, []string{"", "", ""}) {
		b.t.Fatalf("%v, %v", existing, err)
	}
	count(3)
	if existing, err := b.store.AddAll(ctx, of(2, "c", "b"), judge(2)); !errors.Is(err, kept.ErrOtherBody) {
		b.t.Errorf("the second has another body: %v, %v", existing, err)
	}
	count(3)
	if again, err := b.store.AddAll(ctx, of(1, "c", "b", "d"), judge(1)); err != nil || !reflect.DeepEqual(again, []string{"", b.id(first[1]), ""}) {
		b.t.Fatalf("%v, %v", again, err)
	}
	b.same(first[1])
	count(5)
	if none, err := b.store.AddAll(ctx, nil, Any); err != nil || len(none) != 0 {
		b.t.Errorf("%v, %v", none, err)
	}
	count(5)
}

// begunWithItsEntry: what begins and the entry of that are one step.
func (b *bench[S, R, F, C]) begunWithItsEntry() {
	r := b.add(b.Queued("acme", Began))
	if done, err := b.store.Begin(b.t.Context(), b.id(r), Began, b.Beginning); done || !ledger.Never(err) && !errors.Is(err, kept.ErrNoLedger) {
		b.t.Errorf("%v, %v", done, err)
	}
	b.same(r)
	if done, err := b.store.Begin(b.t.Context(), b.id(r), Began); err != nil || !done {
		b.t.Errorf("%v, %v", done, err)
	}
}

// forgetting is of what has ended, whatever its tenant has kept.
func (b *bench[S, R, F, C]) forgetting() {
	ctx := b.t.Context()
	r := b.keyed("acme", "k", 1)
	*b.Parts(&r).KeepData = true
	b.add(r)
	if err := b.store.Forget(ctx, "acme", b.id(r)); !errors.Is(err, kept.ErrNotFound) {
		b.t.Errorf("what has not ended was forgotten: %v", err)
	}
	b.end(r, 0, Began)
	if err := b.store.Forget(ctx, "acme", b.id(r)); err != nil {
		b.t.Fatal(err)
	}
	b.wantTold(r, false)
	if _, got := b.get(r); got.Asked != 0 || got.Salted || got.Idempotency.Salt != (kept.Idempotency{}).Salt || got.Idempotency.Key != "k" {
		b.t.Errorf("%+v is not forgotten", got)
	}
}
