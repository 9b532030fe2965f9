// Package agentruntest is the suite that every store of agents' runs passes.
package agentruntest

import (
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
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// began is a moment that every store can keep: of whole microseconds, in UTC.
var began = time.Date(2026, 11, 29, 12, 0, 0, 123000, time.UTC)

// id makes an id of a moment.
func id(at time.Time) string { return ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String() }

// Queued is a record as it is when it is accepted.
func Queued(tenant string, at time.Time) agentrun.Record {
	return agentrun.Record{
		ID: id(at), Tenant: tenant, Agent: "codesmith", State: api.ExecutionQueued, CreatedAt: at, Task: []byte("{\"task\" : \"<&>\u2028\"}\n"),
		Salt: []byte("salt"), TaskDigest: "hmac-sha256:t",
	}
}

func outcome() agent.Outcome {
	return agent.Outcome{Code: agent.Complete, Success: true, Message: "done", Said: "it is <3>", Warnings: []string{},
		Payload: agent.Payload{Task: "t", Code: "return '<&>'", Language: api.JavaScript, Results: json.RawMessage("[ 1.0,\"<\" ]"), Iterations: 1, Errors: []agent.RunError{{Run: 1, Message: "m"}},
			Logs: []api.Log{{Level: api.LevelLog, Message: "hi", AtMs: 1.5}}},
		Spent: agent.Spent{Answers: 2, Runs: 2, Usage: agent.Usage{InputTokens: 3, OutputTokens: 4}, CostUSD: 0.5, DurationMs: 1.5}}
}

func steps() []agentrun.Step {
	return []agentrun.Step{{ID: 1, Type: "started", Data: []byte(`{"seq":1,"atMs":0,"type":"started","started":{"a":"<"}}`)}, {ID: 4, Type: "code", Data: []byte(`{"seq":4,"type":"code"}`)}}
}

func add(t *testing.T, s agentrun.Store, r agentrun.Record) agentrun.Record {
	t.Helper()
	existing, err := s.Add(t.Context(), r)
	if err != nil || existing != nil {
		t.Fatalf("add: %+v, %v", existing, err)
	}
	return r
}

func end(t *testing.T, s agentrun.Store, r agentrun.Record, at time.Time) {
	t.Helper()
	if done, err := s.End(t.Context(), r.ID, outcome(), steps(), at); err != nil || !done {
		t.Fatalf("done: %v, %v", done, err)
	}
}

func get(t *testing.T, s agentrun.Store, r agentrun.Record) agentrun.Record {
	t.Helper()
	got, err := s.Get(t.Context(), r.Tenant, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func same(t *testing.T, got, want agentrun.Record) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestStore holds a store to its contract. open returns an empty one, which the test's end closes.
func TestStore(t *testing.T, open func(*testing.T) agentrun.Store) {
	for name, test := range map[string]func(*testing.T, agentrun.Store){
		"a life": aLife, "data that is kept": keptData, "what is not there": absent, "idempotency": idempotency, "at once": atOnce, "begun with its entry": begunWithItsEntry,
		"lists": lists, "unfinished": unfinished, "expiry": expiry, "too many bytes": tooMuch, "forgetting": forgetting,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func aLife(t *testing.T, s agentrun.Store) {
	ctx := t.Context()
	r := add(t, s, Queued("acme", began))
	same(t, get(t, s, r), r)
	if done, err := s.Begin(ctx, r.ID, began.Add(time.Second)); err != nil || !done {
		t.Fatal(done, err)
	}
	r.State, r.BeganAt = api.ExecutionRunning, began.Add(time.Second)
	same(t, get(t, s, r), r)
	end(t, s, r, began.Add(2*time.Second))
	ended := outcome()
	r.State, r.EndedAt, r.Outcome, r.Steps, r.ResultCode, r.Task, r.Salt = api.ExecutionEnded, began.Add(2*time.Second), &ended, steps(), agent.Complete, nil, nil
	same(t, get(t, s, r), r)
	if done, err := s.End(ctx, r.ID, agent.Unworked(agent.Task{}, agent.Cancelled, ""), nil, began); done || err != nil {
		t.Errorf("it ended twice: %v, %v", done, err)
	}
	for i := range 2 { // the first time counts
		if err := s.Read(ctx, r.ID, began.Add(time.Duration(3+i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	r.ReadAt = began.Add(3 * time.Second)
	same(t, get(t, s, r), r)
}

func keptData(t *testing.T, s agentrun.Store) {
	r := Queued("acme", began)
	r.KeepData = true
	add(t, s, r)
	end(t, s, r, began)
	if got := get(t, s, r); string(got.Task) != string(r.Task) || string(got.Salt) != "salt" || got.Outcome == nil || len(got.Steps) != 2 {
		t.Errorf("%+v has lost its data", got)
	}
}

func absent(t *testing.T, s agentrun.Store) {
	ctx := t.Context()
	r := add(t, s, Queued("acme", began))
	for tenant, id := range map[string]string{"acme": id(began), "other": r.ID, "": r.ID} {
		if _, err := s.Get(ctx, tenant, id); !errors.Is(err, kept.ErrNotFound) {
			t.Errorf("%s gets %s: %v", tenant, id, err)
		}
		if err := s.Forget(ctx, tenant, id); !errors.Is(err, kept.ErrNotFound) {
			t.Errorf("%s forgets %s: %v", tenant, id, err)
		}
	}
	if done, err := s.Begin(ctx, id(began), began); done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if done, err := s.End(ctx, id(began), outcome(), nil, began); done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if err := s.Read(ctx, id(began), began); err != nil {
		t.Error(err)
	}
}

func keyed(tenant, key string, body byte) agentrun.Record {
	r := Queued(tenant, began)
	r.Idempotency = kept.IdempotencyKey{Key: key, Body: [32]byte{body}}.Keep()
	return r
}

func idempotency(t *testing.T, s agentrun.Store) {
	first := add(t, s, keyed("acme", "k", 1))
	for _, body := range []byte{1, 2} { // judging is the caller's
		existing, err := s.Add(t.Context(), keyed("acme", "k", body))
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

// atOnce has many do the same at a time: one of them does.
func atOnce(t *testing.T, s agentrun.Store) {
	waiting := add(t, s, Queued("acme", began))
	for name, do := range map[string]func() (bool, error){
		"kept for one key": func() (bool, error) {
			existing, err := s.Add(t.Context(), keyed("acme", "k", 1))
			return existing == nil, err
		},
		"begun": func() (bool, error) { return s.Begin(t.Context(), waiting.ID, began) },
	} {
		var done atomic.Int32
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if did, err := do(); err != nil {
					t.Error(err)
				} else if did {
					done.Add(1)
				}
			})
		}
		all.Wait()
		if done.Load() != 1 {
			t.Errorf("%s: %d, want 1", name, done.Load())
		}
	}
}

// What begins and the entry of that are one step.
func begunWithItsEntry(t *testing.T, s agentrun.Store) {
	r := add(t, s, Queued("acme", began))
	never := ledger.TaskBegan(ledger.Actor{}, ledger.Task{}) // which no ledger takes
	if done, err := s.Begin(t.Context(), r.ID, began, never); done || !ledger.Never(err) && !errors.Is(err, kept.ErrNoLedger) {
		t.Errorf("%v, %v", done, err)
	}
	same(t, get(t, s, r), r)
	if done, err := s.Begin(t.Context(), r.ID, began); err != nil || !done {
		t.Errorf("%v, %v", done, err)
	}
}

func lists(t *testing.T, s agentrun.Store) {
	var all []agentrun.Record
	for i := range 5 {
		r := Queued("acme", began.Add(time.Duration(i)*time.Minute))
		if i == 4 {
			r.Agent = "other"
		}
		all = append(all, add(t, s, r))
	}
	add(t, s, Queued("other", began))
	end(t, s, all[2], began)
	want := func(numbers ...int) (ids []string) {
		for _, n := range numbers {
			ids = append(ids, all[n].ID)
		}
		return ids
	}
	type filter = kept.Filter[agent.OutcomeCode]
	for name, c := range map[string]struct {
		filter filter
		agent  string
		want   []string
	}{
		"all":       {filter{}, "", want(4, 3, 2, 1, 0)},
		"a page":    {filter{Limit: 2}, "", want(4, 3)},
		"the next":  {filter{Limit: 2, Before: all[3].ID}, "", want(2, 1)},
		"of one":    {filter{Limit: 2}, "codesmith", want(3, 2)},
		"of none":   {filter{}, "nobody", nil},
		"ended":     {filter{State: api.ExecutionEnded}, "", want(2)},
		"complete":  {filter{ResultCode: agent.Complete}, "", want(2)},
		"cancelled": {filter{ResultCode: agent.Cancelled}, "", nil},
		"in time":   {filter{Since: began.Add(time.Minute), Until: began.Add(3 * time.Minute)}, "", want(2, 1)},
	} {
		if c.filter.Limit == 0 {
			c.filter.Limit = 100
		}
		page, err := s.List(t.Context(), "acme", agentrun.Filter{Filter: c.filter, Agent: c.agent})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range page {
			if r.Task != nil || r.Outcome != nil || r.Steps != nil || r.Salt != nil {
				t.Errorf("%+v is listed with its data", r)
			}
			got = append(got, r.ID)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func unfinished(t *testing.T, s agentrun.Store) {
	var all []agentrun.Record
	for i := range 4 {
		all = append(all, add(t, s, Queued(fmt.Sprint("tenant-", i), began.Add(time.Duration(i)*time.Second))))
	}
	if done, err := s.Begin(t.Context(), all[2].ID, began); err != nil || !done {
		t.Fatal(done, err)
	}
	end(t, s, all[1], began)
	left, err := s.Unfinished(t.Context())
	if err != nil || len(left) != 3 || left[0].ID != all[0].ID || left[1].ID != all[2].ID || left[2].ID != all[3].ID {
		t.Fatalf("%+v, %v", left, err)
	}
	if left[1].State != api.ExecutionRunning || string(left[1].Task) != string(all[2].Task) {
		t.Errorf("%+v is not whole", left[1])
	}
}

func expiry(t *testing.T, s agentrun.Store) {
	ctx := t.Context()
	policy := kept.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: 100}
	ended := func(r agentrun.Record, at time.Time) agentrun.Record {
		t.Helper()
		add(t, s, r)
		end(t, s, r, at)
		return r
	}
	now := began.Add(48 * time.Hour)
	old := ended(keyed("acme", "old", 1), now.Add(-25*time.Hour))
	unread := ended(Queued("acme", began), now.Add(-time.Hour))
	fresh := ended(Queued("acme", began), now.Add(-time.Hour+time.Second))
	read := ended(Queued("acme", began), now.Add(-kept.ReadGrace))
	if err := s.Read(ctx, read.ID, now.Add(-kept.ReadGrace)); err != nil {
		t.Fatal(err)
	}
	lasting := Queued("acme", began)
	lasting.KeepData = true
	ended(lasting, now.Add(-2*time.Hour))
	waiting := add(t, s, Queued("acme", began))
	forgotten, removed, err := s.Expire(ctx, policy, now)
	if err != nil || forgotten != 2 || removed != 1 {
		t.Errorf("%d were forgotten and %d removed, %v; want 2 and 1", forgotten, removed, err)
	}
	if _, err := s.Get(ctx, "acme", old.ID); !errors.Is(err, kept.ErrNotFound) {
		t.Errorf("what is old is still there: %v", err)
	}
	add(t, s, keyed("acme", "old", 2)) // its key is free again
	for r, has := range map[*agentrun.Record]bool{&unread: false, &fresh: true, &read: false, &lasting: true} {
		if got := get(t, s, *r); (got.Outcome != nil) != has || (got.Steps != nil) != has || got.ResultCode != agent.Complete || got.TaskDigest == "" {
			t.Errorf("%+v, want an outcome: %v", got, has)
		}
	}
	if got := get(t, s, waiting); got.Task == nil {
		t.Error("what waits has lost its task")
	}
	// The oldest go where there are too many.
	policy.Records = 3
	if _, removed, err := s.Expire(ctx, policy, now); err != nil || removed != 3 {
		t.Errorf("%d were removed, %v; want 3", removed, err)
	}
	get(t, s, waiting) // what has not ended stays
}

// tooMuch lets go of what is beyond a policy's bytes: of outcomes first, and then of records, the first that ended first; never of what has not ended.
func tooMuch(t *testing.T, s agentrun.Store) {
	ctx := t.Context()
	const large = 100_000
	held := func(want int) {
		t.Helper()
		if n, err := s.Bytes(ctx); err != nil || n < int64(want) || n > int64(want+10_000) {
			t.Errorf("it holds %d bytes, %v; want %d and little more", n, err, want)
		}
	}
	held(0)
	step := []agentrun.Step{{ID: 1, Type: "code", Data: []byte(`{"seq":1,"type":"code","code":"` + strings.Repeat("x", large) + `"}`)}}
	var all []agentrun.Record
	for i := range 3 {
		r := Queued("acme", began)
		r.KeepData = i == 1
		add(t, s, r)
		if done, err := s.End(ctx, r.ID, outcome(), step, began.Add(time.Duration(i)*time.Second)); err != nil || !done {
			t.Fatal(done, err)
		}
		all = append(all, r)
	}
	waiting := Queued("acme", began)
	waiting.Task = []byte(`{"task":"` + strings.Repeat("y", large) + `"}`)
	add(t, s, waiting)
	held(4 * large)
	expire := func(most int64, wantForgotten, wantRemoved int) {
		t.Helper()
		policy := kept.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: 100, Data: most}
		forgotten, removed, err := s.Expire(ctx, policy, began.Add(time.Minute))
		if err != nil || forgotten != wantForgotten || removed != wantRemoved {
			t.Errorf("%d were forgotten and %d removed, %v; want %d and %d", forgotten, removed, err, wantForgotten, wantRemoved)
		}
	}
	expire(5*large, 0, 0)
	expire(3*large, 2, 0)
	held(2 * large)
	for i, has := range []bool{false, false, true} {
		if got := get(t, s, all[i]); (got.Outcome != nil) != has || (got.Steps != nil) != has || got.ResultCode != agent.Complete {
			t.Errorf("%d: %+v, want an outcome: %v", i, got, has)
		}
	}
	expire(1, 1, 3)
	held(large)
	if got := get(t, s, waiting); len(got.Task) != len(waiting.Task) {
		t.Error("what waits has lost its task")
	}
}

func forgetting(t *testing.T, s agentrun.Store) {
	ctx := t.Context()
	r := keyed("acme", "k", 1)
	r.KeepData = true
	add(t, s, r)
	if err := s.Forget(ctx, "acme", r.ID); !errors.Is(err, kept.ErrNotFound) {
		t.Errorf("what has not ended was forgotten: %v", err)
	}
	end(t, s, r, began)
	if err := s.Forget(ctx, "acme", r.ID); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, r); got.Task != nil || got.Outcome != nil || got.Steps != nil || got.Salt != nil || got.ResultCode != agent.Complete || got.Idempotency.Salt != (kept.Idempotency{}).Salt || got.Idempotency.Key != "k" {
		t.Errorf("%+v is not forgotten", got)
	}
}
