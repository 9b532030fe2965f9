// Package executiontest is the suite that every store of executions passes.
package executiontest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// began is a moment that every store can keep: of whole microseconds, in UTC.
var began = time.Date(2026, 11, 29, 12, 0, 0, 123000, time.UTC)

// id makes an id of a moment.
func id(at time.Time) string { return ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String() }

// Queued is a record as it is when it is accepted.
func Queued(tenant string, at time.Time) execution.Record {
	request := api.Request{Code: "return input", InputData: json.RawMessage(`{"a":1}`), Now: &began}.WithDefaults()
	return execution.Record{
		ID: id(at), Tenant: tenant, State: api.ExecutionQueued, CreatedAt: at, SafeToRepeat: true, Request: &request,
		Salt: []byte("salt"), CodeDigest: "hmac-sha256:c", InputDigest: "hmac-sha256:i",
	}
}

func result(id string) api.Result {
	return api.Result{ID: id, Success: true, ResultCode: api.Success, Output: json.RawMessage(`{"a":1}`), Logs: []api.Log{{Level: api.LevelLog, Message: "hi", AtMs: 1.5}}, Warnings: []string{},
		Isolation: api.Isolation{Layers: []string{"engine"}}}
}

// Add has a store keep one record, or returns the one that has its key.
func Add(ctx context.Context, s execution.Store, r execution.Record) (existing *execution.Record, err error) {
	all, err := s.AddAll(ctx, []execution.Record{r}, nil)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func add(t *testing.T, s execution.Store, r execution.Record) execution.Record {
	t.Helper()
	existing, err := Add(t.Context(), s, r)
	if err != nil || existing != nil {
		t.Fatalf("add: %+v, %v", existing, err)
	}
	return r
}

func get(t *testing.T, s execution.Store, r execution.Record) execution.Record {
	t.Helper()
	got, err := s.Get(t.Context(), r.Tenant, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(t *testing.T, got, want execution.Record) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// ok fails the test where a step did not do what it was asked.
func ok(t *testing.T, done bool, err error) {
	t.Helper()
	if err != nil || !done {
		t.Fatalf("done: %v, %v", done, err)
	}
}

// TestStore holds a store to its contract. open returns an empty one, which the test's end closes.
func TestStore(t *testing.T, open func(*testing.T) execution.Store) {
	for name, test := range map[string]func(*testing.T, execution.Store){
		"a life": aLife, "data that is kept": keptData, "what is not there": absent, "idempotency": idempotency, "idempotency at once": idempotencyAtOnce, "a batch": aBatch, "notes": notes,
		"begun once": begunOnce, "begun with its entry": begunWithItsEntry, "lists": lists, "unfinished": unfinished, "expiry": expiry, "too many bytes": tooMuch,
		"forgetting": forgetting,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func aLife(t *testing.T, s execution.Store) {
	ctx := t.Context()
	r := add(t, s, Queued("acme", began))
	same(t, get(t, s, r), r)
	done, err := s.Begin(ctx, r.ID, began.Add(time.Second))
	ok(t, done, err)
	r.State, r.BeganAt = api.ExecutionRunning, began.Add(time.Second)
	same(t, get(t, s, r), r)
	done, err = s.End(ctx, r.ID, result(r.ID), began.Add(2*time.Second))
	ok(t, done, err)
	ended := result(r.ID)
	r.State, r.EndedAt, r.Result, r.ResultCode, r.Request, r.Salt = api.ExecutionEnded, began.Add(2*time.Second), &ended, api.Success, nil, nil
	same(t, get(t, s, r), r)
	if done, err := s.End(ctx, r.ID, result(r.ID), began); done || err != nil {
		t.Errorf("it ended twice: %v, %v", done, err)
	}
	for range 2 { // the first time counts
		if err := s.Read(ctx, r.ID, began.Add(3*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	r.ReadAt = began.Add(3 * time.Second)
	same(t, get(t, s, r), r)
}

func keptData(t *testing.T, s execution.Store) {
	r := Queued("acme", began)
	r.KeepData = true
	add(t, s, r)
	done, err := s.End(t.Context(), r.ID, result(r.ID), began)
	ok(t, done, err)
	if got := get(t, s, r); got.Request == nil || got.Request.Code != r.Request.Code || string(got.Salt) != "salt" || got.Result == nil {
		t.Errorf("%+v has lost its data", got)
	}
}

func absent(t *testing.T, s execution.Store) {
	ctx := t.Context()
	r := add(t, s, Queued("acme", began))
	for tenant, id := range map[string]string{"acme": id(began), "other": r.ID, "": r.ID} {
		if _, err := s.Get(ctx, tenant, id); !errors.Is(err, execution.ErrNotFound) {
			t.Errorf("%s gets %s: %v", tenant, id, err)
		}
		if err := s.Forget(ctx, tenant, id); !errors.Is(err, execution.ErrNotFound) {
			t.Errorf("%s forgets %s: %v", tenant, id, err)
		}
	}
	if done, err := s.Begin(ctx, id(began), began); done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if done, err := s.End(ctx, id(began), result("x"), began); done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
}

func keyed(tenant, key string, body byte) execution.Record {
	r := Queued(tenant, began)
	r.Idempotency = execution.IdempotencyKey{Key: key, Body: [32]byte{body}}.Keep()
	return r
}

func idempotency(t *testing.T, s execution.Store) {
	first := add(t, s, keyed("acme", "k", 1))
	ended := add(t, s, keyed("acme", "ended", 1))
	done, err := s.End(t.Context(), ended.ID, result(ended.ID), began)
	ok(t, done, err)
	existing, err := Add(t.Context(), s, keyed("acme", "ended", 1))
	if err != nil || existing == nil || existing.Result == nil || existing.Idempotency != ended.Idempotency {
		t.Errorf("once it has ended: %+v, %v", existing, err)
	}
	for _, body := range []byte{1, 2} { // judging is the caller's
		existing, err := Add(t.Context(), s, keyed("acme", "k", body))
		if err != nil || existing == nil {
			t.Fatalf("%+v, %v", existing, err)
		}
		same(t, *existing, first)
	}
	add(t, s, keyed("acme", "other", 1))
	add(t, s, keyed("other", "k", 1))
	add(t, s, keyed("acme", "", 1))
	add(t, s, keyed("acme", "", 1))
}

// noSalt wants that of the key k of acme nobody can tell any more what it stood for, and that it is taken still.
func noSalt(t *testing.T, s execution.Store) {
	t.Helper()
	existing, err := Add(t.Context(), s, keyed("acme", "k", 2))
	if err != nil || existing == nil || existing.Idempotency.Salt != (execution.Idempotency{}).Salt || existing.Idempotency.Body == ([32]byte{}) {
		t.Errorf("%+v, %v: want a key without its salt", existing, err)
	}
}

func idempotencyAtOnce(t *testing.T, s execution.Store) {
	var kept atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			existing, err := Add(t.Context(), s, keyed("acme", "k", 1))
			if err != nil {
				t.Error(err)
			}
			if existing == nil {
				kept.Add(1)
			}
		})
	}
	all.Wait()
	if kept.Load() != 1 {
		t.Errorf("%d executions were kept for one key", kept.Load())
	}
}

// aBatch is kept as a whole, or not at all.
func aBatch(t *testing.T, s execution.Store) {
	ctx := t.Context()
	batch := func(body byte, keys ...string) (all []execution.Record) {
		for _, key := range keys {
			all = append(all, keyed("acme", key, body))
		}
		return all
	}
	judge := func(body byte) func(int, execution.Record) error {
		return func(_ int, existing execution.Record) error {
			if !existing.Idempotency.StandsFor(execution.IdempotencyKey{Body: [32]byte{body}}) {
				return execution.ErrOtherBody
			}
			return nil
		}
	}
	kept := func(want int) {
		t.Helper()
		if left, err := s.Unfinished(ctx); err != nil || len(left) != want {
			t.Errorf("%d are kept, %v; want %d", len(left), err, want)
		}
	}
	first := batch(1, "a", "b", "")
	existing, err := s.AddAll(ctx, first, judge(1))
	if err != nil || len(existing) != 3 || existing[0] != nil || existing[1] != nil || existing[2] != nil {
		t.Fatalf("%+v, %v", existing, err)
	}
	kept(3)
	if existing, err := s.AddAll(ctx, batch(2, "c", "b"), judge(2)); !errors.Is(err, execution.ErrOtherBody) {
		t.Errorf("the second has another body: %+v, %v", existing, err)
	}
	kept(3)
	again, err := s.AddAll(ctx, batch(1, "c", "b", "d"), judge(1))
	if err != nil || len(again) != 3 || again[0] != nil || again[1] == nil || again[2] != nil {
		t.Fatalf("%+v, %v", again, err)
	}
	same(t, *again[1], first[1])
	kept(5)
	if none, err := s.AddAll(ctx, nil, nil); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	kept(5)
}

func notes(t *testing.T, s execution.Store) {
	var all []execution.Record
	for i := range 3 {
		r := Queued("acme", began.Add(time.Duration(i)*time.Second))
		r.State, r.BeganAt, r.EndedAt, r.ReadAt, r.ResultCode = api.ExecutionEnded, began, began, began, api.Timeout
		r.Request, r.Salt = nil, nil
		all = append(all, r)
	}
	if err := s.Note(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		same(t, get(t, s, r), r)
	}
	if err := s.Note(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if left, err := s.Unfinished(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

func begunOnce(t *testing.T, s execution.Store) {
	r := add(t, s, Queued("acme", began))
	var begun atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if done, err := s.Begin(t.Context(), r.ID, began); err != nil {
				t.Error(err)
			} else if done {
				begun.Add(1)
			}
		})
	}
	all.Wait()
	if begun.Load() != 1 {
		t.Errorf("it has begun %d times", begun.Load())
	}
}

// What begins and the entry of that are one step.
func begunWithItsEntry(t *testing.T, s execution.Store) {
	r := add(t, s, Queued("acme", began))
	never := ledger.Began(ledger.Actor{}, ledger.Execution{}) // which no ledger takes
	if done, err := s.Begin(t.Context(), r.ID, began, never); done || !ledger.Never(err) && !errors.Is(err, kept.ErrNoLedger) {
		t.Errorf("%v, %v", done, err)
	}
	same(t, get(t, s, r), r)
	done, err := s.Begin(t.Context(), r.ID, began)
	ok(t, done, err)
}

func lists(t *testing.T, s execution.Store) {
	ctx := t.Context()
	var all []execution.Record
	for i := range 7 {
		all = append(all, add(t, s, Queued("acme", began.Add(time.Duration(i)*time.Minute))))
	}
	add(t, s, Queued("other", began))
	done, err := s.End(ctx, all[2].ID, result(all[2].ID), began)
	ok(t, done, err)
	list := func(f execution.Filter) (got []string) {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 100
		}
		page, err := s.List(ctx, "acme", f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if r.Request != nil || r.Result != nil {
				t.Errorf("%+v is listed with its data", r)
			}
			got = append(got, r.ID)
		}
		return got
	}
	want := func(numbers ...int) (ids []string) {
		for _, n := range numbers {
			ids = append(ids, all[n].ID)
		}
		return ids
	}
	for name, c := range map[string]struct {
		filter execution.Filter
		want   []string
	}{
		"all":       {execution.Filter{}, want(6, 5, 4, 3, 2, 1, 0)},
		"a page":    {execution.Filter{Limit: 2}, want(6, 5)},
		"the next":  {execution.Filter{Limit: 2, Before: all[5].ID}, want(4, 3)},
		"the last":  {execution.Filter{Before: all[0].ID}, nil},
		"ended":     {execution.Filter{State: api.ExecutionEnded}, want(2)},
		"queued":    {execution.Filter{State: api.ExecutionQueued, Limit: 3}, want(6, 5, 4)},
		"succeeded": {execution.Filter{ResultCode: api.Success}, want(2)},
		"failed":    {execution.Filter{ResultCode: api.RuntimeError}, nil},
		"in time":   {execution.Filter{Since: began.Add(time.Minute), Until: began.Add(3 * time.Minute)}, want(2, 1)},
	} {
		if got := list(c.filter); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func unfinished(t *testing.T, s execution.Store) {
	ctx := t.Context()
	var all []execution.Record
	for i := range 4 {
		all = append(all, add(t, s, Queued(fmt.Sprint("tenant-", i), began.Add(time.Duration(i)*time.Second))))
	}
	done, err := s.Begin(ctx, all[2].ID, began)
	ok(t, done, err)
	done, err = s.End(ctx, all[1].ID, result(all[1].ID), began)
	ok(t, done, err)
	left, err := s.Unfinished(ctx)
	if err != nil || len(left) != 3 || left[0].ID != all[0].ID || left[1].ID != all[2].ID || left[2].ID != all[3].ID {
		t.Fatalf("%+v, %v", left, err)
	}
	if left[1].State != api.ExecutionRunning || left[1].Request == nil || string(left[1].Request.InputData) != `{"a":1}` {
		t.Errorf("%+v is not whole", left[1])
	}
}

func expiry(t *testing.T, s execution.Store) {
	ctx := t.Context()
	policy := execution.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: 100}
	end := func(r execution.Record, at time.Time) execution.Record {
		t.Helper()
		add(t, s, r)
		done, err := s.End(ctx, r.ID, result(r.ID), at)
		ok(t, done, err)
		return r
	}
	now := began.Add(48 * time.Hour)
	old := end(keyed("acme", "old", 1), now.Add(-25*time.Hour))
	unread := end(Queued("acme", began), now.Add(-time.Hour))
	fresh := end(Queued("acme", began), now.Add(-time.Hour+time.Second))
	read := end(Queued("acme", began), now.Add(-kept.ReadGrace))
	if err := s.Read(ctx, read.ID, now.Add(-kept.ReadGrace)); err != nil {
		t.Fatal(err)
	}
	lasting := Queued("acme", began)
	lasting.KeepData = true
	end(lasting, now.Add(-2*time.Hour))
	waiting := add(t, s, Queued("acme", began))
	forgotten, removed, err := s.Expire(ctx, policy, now)
	if err != nil || forgotten != 2 || removed != 1 {
		t.Errorf("%d were forgotten and %d removed, %v; want 2 and 1", forgotten, removed, err)
	}
	if _, err := s.Get(ctx, "acme", old.ID); !errors.Is(err, execution.ErrNotFound) {
		t.Errorf("what is old is still there: %v", err)
	}
	add(t, s, keyed("acme", "old", 2)) // its key is free again
	for r, has := range map[*execution.Record]bool{&unread: false, &fresh: true, &read: false, &lasting: true} {
		if got := get(t, s, *r); (got.Result != nil) != has || got.ResultCode != api.Success || got.CodeDigest == "" {
			t.Errorf("%+v, want a result: %v", got, has)
		}
	}
	if got := get(t, s, waiting); got.Request == nil {
		t.Error("what waits has lost its code")
	}
	// The oldest go where there are too many.
	policy.Records = 3
	if _, removed, err := s.Expire(ctx, policy, now); err != nil || removed != 3 {
		t.Errorf("%d were removed, %v; want 3", removed, err)
	}
	get(t, s, waiting) // what has not ended stays
}

// tooMuch lets go of what is beyond a policy's bytes: of results first, and then of records, the first that ended first; never of what has not ended.
func tooMuch(t *testing.T, s execution.Store) {
	ctx := t.Context()
	now := began.Add(time.Minute)
	const output = 100_000
	held := func() int64 {
		t.Helper()
		n, err := s.Bytes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := held(); n != 0 {
		t.Errorf("a store without records holds %d bytes", n)
	}
	var all []execution.Record
	for i := range 4 {
		r := Queued("acme", began)
		r.KeepData = i == 1
		add(t, s, r)
		large := result(r.ID)
		large.Output = json.RawMessage(`"` + strings.Repeat("x", output-2) + `"`)
		done, err := s.End(ctx, r.ID, large, began.Add(-time.Duration(i)*time.Second)) // the last one ended first
		ok(t, done, err)
		all = append(all, r)
	}
	waiting := Queued("acme", began)
	waiting.Request.Code = strings.Repeat("y", output)
	add(t, s, waiting)
	if n := held(); n < 5*output || n > 5*output+10_000 {
		t.Errorf("it holds %d bytes, want those of five documents of %d", n, output)
	}
	expire := func(most int64, wantForgotten, wantRemoved int) {
		t.Helper()
		policy := execution.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: 100, Data: most}
		forgotten, removed, err := s.Expire(ctx, policy, now)
		if err != nil || forgotten != wantForgotten || removed != wantRemoved {
			t.Errorf("%d were forgotten and %d removed, %v; want %d and %d", forgotten, removed, err, wantForgotten, wantRemoved)
		}
	}
	expire(0, 0, 0) // no bound
	expire(6*output, 0, 0)
	expire(4*output, 2, 0) // and a sixteenth more than it must
	for i, has := range []bool{true, true, false, false} {
		if got := get(t, s, all[i]); (got.Result != nil) != has || got.ResultCode != api.Success || got.CodeDigest == "" {
			t.Errorf("%d: %+v, want a result: %v", i, got, has)
		}
	}
	if n := held(); n < 3*output || n > 3*output+10_000 {
		t.Errorf("it holds %d bytes, want those of three documents", n)
	}
	expire(1, 2, 4)
	for _, r := range all {
		if _, err := s.Get(ctx, "acme", r.ID); !errors.Is(err, execution.ErrNotFound) {
			t.Errorf("it is still there: %v", err)
		}
	}
	if got := get(t, s, waiting); got.Request == nil || len(got.Request.Code) != output {
		t.Error("what waits has lost its code")
	}
	done, err := s.End(ctx, waiting.ID, result(waiting.ID), began)
	ok(t, done, err)
	if err := s.Forget(ctx, "acme", waiting.ID); err != nil {
		t.Fatal(err)
	}
	if n := held(); n != kept.RecordBytes {
		t.Errorf("one record that was forgotten holds %d bytes, want %d", n, kept.RecordBytes)
	}
}

func forgetting(t *testing.T, s execution.Store) {
	ctx := t.Context()
	r := keyed("acme", "k", 1)
	r.KeepData = true
	add(t, s, r)
	if err := s.Forget(ctx, "acme", r.ID); !errors.Is(err, execution.ErrNotFound) {
		t.Errorf("what has not ended was forgotten: %v", err)
	}
	done, err := s.End(ctx, r.ID, result(r.ID), began)
	ok(t, done, err)
	if err := s.Forget(ctx, "acme", r.ID); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, r); got.Request != nil || got.Result != nil || got.Salt != nil || got.ResultCode != api.Success {
		t.Errorf("%+v is not forgotten", got)
	}
	noSalt(t, s)
}
