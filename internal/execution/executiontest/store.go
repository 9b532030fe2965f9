// Package executiontest is the suite that every store of executions passes.
package executiontest

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
)

var began = kepttest.Began

// Queued is a record as it is when it is accepted.
func Queued(tenant string, at time.Time) execution.Record {
	request := api.Request{Code: "return input", InputData: json.RawMessage(`{"a":1}`), Now: &began}.WithDefaults()
	return execution.Record{
		ID: kepttest.ID(at), Tenant: tenant, State: api.ExecutionQueued, CreatedAt: at, SafeToRepeat: true, Key: "k1", Request: &request,
		Salt: []byte("salt"), CodeDigest: "hmac-sha256:c", InputDigest: "hmac-sha256:i",
	}
}

// result is one whose output holds so many bytes at least.
func result(id string, bytes int) api.Result {
	return api.Result{ID: id, Success: true, ResultCode: api.Success, Output: json.RawMessage(`{"a":"` + strings.Repeat("x", bytes) + `"}`),
		Logs: []api.Log{{Level: api.LevelLog, Message: "hi", AtMs: 1.5}}, Warnings: []string{}, Isolation: api.Isolation{Layers: []string{"engine"}}}
}

var suite = kepttest.Suite[execution.Store, execution.Record, execution.Filter, api.ResultCode]{
	Queued: Queued,
	Parts: func(r *execution.Record) kepttest.Parts {
		p := kepttest.Parts{ID: r.ID, Tenant: r.Tenant, State: r.State, KeepData: &r.KeepData, Idempotency: &r.Idempotency, Salted: r.Salt != nil, Told: r.Result != nil,
			Digested: r.CodeDigest != "" && r.InputDigest != "", Code: string(r.ResultCode)}
		if r.Request != nil {
			p.Asked = len(r.Request.Code) + len(r.Request.InputData)
		}
		return p
	},
	Large: func(r *execution.Record, bytes int) { r.Request.Code = strings.Repeat("y", bytes) },
	End: func(ctx context.Context, s execution.Store, id string, bytes int, at time.Time) (bool, error) {
		return s.End(ctx, id, result(id, bytes), at)
	},
	Code: api.Success, Other: api.RuntimeError,
	Filter:    func(f execution.Filter) execution.Filter { return f },
	Beginning: ledger.Began(ledger.Actor{}, ledger.Execution{}),
}

// TestStore holds a store to its contract. open returns an empty one, which the test's end closes.
func TestStore(t *testing.T, open func(*testing.T) execution.Store) {
	suite.Test(t, open)
	t.Run("a life", func(t *testing.T) { aLife(t, open(t)) })
	t.Run("notes", func(t *testing.T) { notes(t, open(t)) })
}

func same(t *testing.T, s execution.Store, want execution.Record) {
	t.Helper()
	if got, err := s.Get(t.Context(), want.Tenant, want.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func aLife(t *testing.T, s execution.Store) {
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
	for i := range 2 {
		at := began.Add(time.Second + time.Duration(i+1)*time.Millisecond)
		if n, err := s.Repeat(ctx, r.ID, at); err != nil || n != i+1 {
			t.Fatal(n, err)
		}
		r.BeganAt, r.Repeats = at, i+1
		same(t, s, r)
	}
	ended := result(r.ID, 1)
	if done, err := s.End(ctx, r.ID, ended, began.Add(2*time.Second)); err != nil || !done {
		t.Fatal(done, err)
	}
	r.State, r.EndedAt, r.Result, r.ResultCode, r.Request, r.Salt, r.Key = api.ExecutionEnded, began.Add(2*time.Second), &ended, api.Success, nil, nil, ""
	same(t, s, r)
	if done, err := s.End(ctx, r.ID, result(r.ID, 2), began); done || err != nil {
		t.Errorf("it ended twice: %v, %v", done, err)
	}
	waiting := Queued("acme", began)
	if err := kepttest.Add(ctx, s, waiting); err != nil {
		t.Fatal(err)
	}
	for what, id := range map[string]string{"what has ended": r.ID, "what has not begun": waiting.ID, "nothing": "none"} {
		if n, err := s.Repeat(ctx, id, began); n != 0 || err != nil {
			t.Errorf("%s is repeated: %d, %v", what, n, err)
		}
	}
	same(t, s, waiting)
	for i := range 2 { // the first time counts
		if err := s.Read(ctx, r.ID, began.Add(time.Duration(3+i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	r.ReadAt = began.Add(3 * time.Second)
	same(t, s, r)
}

func notes(t *testing.T, s execution.Store) {
	var all []execution.Record
	for i := range 3 {
		r := Queued("acme", began.Add(time.Duration(i)*time.Second))
		r.State, r.BeganAt, r.EndedAt, r.ReadAt, r.ResultCode = api.ExecutionEnded, began, began, began, api.Timeout
		r.Request, r.Salt, r.Key = nil, nil, ""
		all = append(all, r)
	}
	if err := s.Note(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		same(t, s, r)
	}
	if err := s.Note(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if left, err := s.Unfinished(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}
