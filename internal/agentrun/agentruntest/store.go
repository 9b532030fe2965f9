// Package agentruntest is the suite that every store of agents' runs passes.
package agentruntest

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
)

var began = kepttest.Began

// Queued is a record as it is when it is accepted.
func Queued(tenant string, at time.Time) agentrun.Record {
	return agentrun.Record{
		ID: kepttest.ID(at), Tenant: tenant, Agent: "codesmith", State: api.ExecutionQueued, CreatedAt: at, Task: []byte("{\"task\" : \"<&>\u2028\"}\n"),
		Salt: []byte("salt"), TaskDigest: "hmac-sha256:t",
	}
}

// outcome is one that is complete.
func outcome() agent.Outcome {
	return agent.Outcome{Code: agent.Complete, Success: true, Message: "done", Said: "it is <3>", Warnings: []string{},
		Payload: agent.Payload{Task: "t", Code: "return '<&>'", Language: api.JavaScript, Results: json.RawMessage("[ 1.0,\"<\" ]"), Iterations: 1, Errors: []agent.RunError{{Run: 1, Message: "m"}},
			Logs: []api.Log{{Level: api.LevelLog, Message: "hi", AtMs: 1.5}}},
		Spent: agent.Spent{Answers: 2, Runs: 2, Usage: agent.Usage{InputTokens: 3, OutputTokens: 4}, CostUSD: 0.5, DurationMs: 1.5}}
}

// steps are two, of which the second holds so many bytes at least.
func steps(bytes int) []agentrun.Step {
	return []agentrun.Step{{ID: 1, Type: "started", Data: []byte(`{"seq":1,"atMs":0,"type":"started","started":{"a":"<"}}`)},
		{ID: 4, Type: "code", Data: []byte(`{"seq":4,"type":"code","code":"` + strings.Repeat("x", bytes) + `"}`)}}
}

type filter = kept.Filter[agent.OutcomeCode]

var suite = kepttest.Suite[agentrun.Store, agentrun.Record, agentrun.Filter, agent.OutcomeCode]{
	Queued: Queued,
	Parts: func(r *agentrun.Record) kepttest.Parts {
		return kepttest.Parts{ID: r.ID, Tenant: r.Tenant, State: r.State, KeepData: &r.KeepData, Idempotency: &r.Idempotency, Asked: len(r.Task), Salted: r.Salt != nil,
			Told: r.Outcome != nil && r.Steps != nil, Digested: r.TaskDigest != "", Code: string(r.ResultCode)}
	},
	Large: func(r *agentrun.Record, bytes int) { r.Task = []byte(`{"task":"` + strings.Repeat("y", bytes) + `"}`) },
	End: func(ctx context.Context, s agentrun.Store, id string, bytes int, at time.Time) (bool, error) {
		return s.End(ctx, id, outcome(), steps(bytes), at)
	},
	Code: agent.Complete, Other: agent.Cancelled,
	Filter:    func(f filter) agentrun.Filter { return agentrun.Filter{Filter: f} },
	Beginning: ledger.TaskBegan(ledger.Actor{}, ledger.Task{}),
}

// TestStore holds a store to its contract. open returns an empty one, which the test's end closes.
func TestStore(t *testing.T, open func(*testing.T) agentrun.Store) {
	suite.Test(t, open)
	t.Run("a life", func(t *testing.T) { aLife(t, open(t)) })
	t.Run("an agent's", func(t *testing.T) { ofAnAgent(t, open(t)) })
	t.Run("outcome and steps", func(t *testing.T) { bothAreForgotten(t, open(t)) })
}

func same(t *testing.T, s agentrun.Store, want agentrun.Record) {
	t.Helper()
	if got, err := s.Get(t.Context(), want.Tenant, want.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func aLife(t *testing.T, s agentrun.Store) {
	ctx := t.Context()
	r := Queued("acme", began)
	if err := kepttest.Add(ctx, s, r); err != nil {
		t.Fatal(err)
	}
	same(t, s, r)
	if done, err := s.Begin(ctx, r.ID, began.Add(time.Second)); err != nil || !done {
		t.Fatal(done, err)
	}
	r.State, r.BeganAt = api.ExecutionRunning, began.Add(time.Second)
	same(t, s, r)
	ended := outcome()
	if done, err := s.End(ctx, r.ID, ended, steps(1), began.Add(2*time.Second)); err != nil || !done {
		t.Fatal(done, err)
	}
	r.State, r.EndedAt, r.Outcome, r.Steps, r.ResultCode, r.Task, r.Salt = api.ExecutionEnded, began.Add(2*time.Second), &ended, steps(1), agent.Complete, nil, nil
	same(t, s, r)
	if done, err := s.End(ctx, r.ID, agent.Unworked(agent.Task{}, agent.Cancelled, ""), nil, began); done || err != nil {
		t.Errorf("it ended twice: %v, %v", done, err)
	}
	for i := range 2 { // the first time counts
		if err := s.Read(ctx, r.ID, began.Add(time.Duration(3+i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	r.ReadAt = began.Add(3 * time.Second)
	same(t, s, r)
}

// ofAnAgent lists the runs of one.
func ofAnAgent(t *testing.T, s agentrun.Store) {
	own, other := Queued("acme", began), Queued("acme", began.Add(time.Second))
	other.Agent = "other"
	for _, r := range []agentrun.Record{own, other} {
		if err := kepttest.Add(t.Context(), s, r); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{"": {other.ID, own.ID}, "codesmith": {own.ID}, "nobody": nil} {
		page, err := s.List(t.Context(), "acme", agentrun.Filter{Filter: filter{Limit: 9}, Agent: name})
		var got []string
		for _, r := range page.Records {
			got = append(got, r.ID)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
}

// bothAreForgotten: neither what came of it nor the way there stays.
func bothAreForgotten(t *testing.T, s agentrun.Store) {
	r := Queued("acme", began)
	if err := kepttest.Add(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
	if done, err := s.End(t.Context(), r.ID, outcome(), steps(1), began); err != nil || !done {
		t.Fatal(done, err)
	}
	if err := s.Forget(t.Context(), "acme", r.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), "acme", r.ID); err != nil || got.Outcome != nil || got.Steps != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
