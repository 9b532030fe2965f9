package sqlite

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/agentrun/agentruntest"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

func openRuns(t *testing.T, dir string) (*Store, agentrun.Store) {
	t.Helper()
	s := open(t, dir, Server)
	t.Cleanup(func() { _ = s.Close() }) // also where the test has closed it
	return s, s.AgentRuns()
}

func TestAgentRuns(t *testing.T) {
	agentruntest.TestStore(t, func(t *testing.T) agentrun.Store {
		_, a := openRuns(t, filepath.Join(t.TempDir(), "data"))
		return a
	})
}

func acceptRun(t *testing.T, a agentrun.Store, r agentrun.Record) agentrun.Record {
	t.Helper()
	if err := kepttest.Add(t.Context(), a, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever a run is, it is the same in the next process, to the byte.
func TestARunOutlivesItsProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, a := openRuns(t, dir)
	queued := agentruntest.Queued("acme", began)
	queued.Idempotency = kept.IdempotencyKey{Key: "k", Body: [32]byte{1}}.Keep()
	acceptRun(t, a, queued)
	ended := acceptRun(t, a, agentruntest.Queued("", began))
	outcome := agent.Unworked(agent.Task{Text: "<&>\u2028"}, agent.Complete, "")
	outcome.Payload.Results = json.RawMessage("[ 1.0,\"<\" ]\n")
	steps := []agentrun.Step{{ID: 3, Type: "code", Data: []byte("{\"seq\":3,\"type\":\"code\",\"code\":{\"code\":\"<&>\u2028\"}}")}}
	if done, err := a.End(t.Context(), ended.ID, outcome, steps, began); err != nil || !done {
		t.Fatal(done, err)
	}
	ended.State, ended.EndedAt, ended.Outcome, ended.Steps, ended.ResultCode, ended.Task, ended.Salt = api.ExecutionEnded, began, &outcome, steps, agent.Complete, nil, nil
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, a = openRuns(t, dir)
	for _, want := range []agentrun.Record{queued, ended} {
		if got, err := a.Get(t.Context(), want.Tenant, want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v\n%v", got, want, err)
		}
	}
	if left, err := a.Unfinished(t.Context()); err != nil || len(left) != 1 || !reflect.DeepEqual(left[0], queued) {
		t.Errorf("%+v, %v", left, err)
	}
	if existing, err := a.AddAll(t.Context(), []agentrun.Record{queued}, kepttest.Any); err != nil || existing[0] != queued.ID {
		t.Errorf("its key stands for %v, %v", existing, err)
	}
}

func TestATenantsRunsGoWithIt(t *testing.T) {
	s, a := openRuns(t, filepath.Join(t.TempDir(), "data"))
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	own, other := acceptRun(t, a, agentruntest.Queued("acme", began)), acceptRun(t, a, agentruntest.Queued("", began))
	if err := s.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Get(t.Context(), "acme", own.ID); !errors.Is(err, kept.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := a.Get(t.Context(), "", other.ID); err != nil {
		t.Error(err)
	}
}

// What was let go of a run is in no file once it was looked after.
func TestWhatWasLetGoOfARunIsInNoFile(t *testing.T) {
	const secret = "hush-hush-hush"
	dir := filepath.Join(t.TempDir(), "data")
	_, a := openRuns(t, dir)
	for _, size := range []int{1, 3000} { // in a cell, and in pages of their own
		text := string(bytes.Repeat([]byte(secret), size))
		r := agentruntest.Queued("acme", began)
		r.Task = []byte(`{"task":"` + text + `"}`)
		acceptRun(t, a, r)
		outcome := agent.Unworked(agent.Task{Text: text}, agent.Complete, "")
		outcome.Payload.Results = json.RawMessage(`"` + text + `"`)
		if _, err := a.End(t.Context(), r.ID, outcome, []agentrun.Step{{ID: 1, Data: []byte(`{"seq":1,"text":"` + text + `"}`)}}, began); err != nil {
			t.Fatal(err)
		}
	}
	if filesWith(t, dir, secret) == nil {
		t.Fatal("it is nowhere, even before: this test finds nothing")
	}
	if forgotten, _, err := a.Expire(t.Context(), kept.DefaultPolicy, began.Add(time.Hour)); err != nil || forgotten != 2 {
		t.Fatal(forgotten, err)
	}
	if files := filesWith(t, dir, secret); files != nil {
		t.Errorf("it is still in %v", files)
	}
}

func TestARunThatIsDamaged(t *testing.T) {
	s, a := openRuns(t, filepath.Join(t.TempDir(), "data"))
	r := acceptRun(t, a, agentruntest.Queued("acme", began))
	if _, err := a.End(t.Context(), r.ID, agent.Unworked(agent.Task{}, agent.Cancelled, ""), nil, began); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"result = x'7b'", "result = x'7b7d', steps = x'7b0a'"} {
		if _, err := s.writer.ExecContext(t.Context(), "UPDATE agent_runs SET "+change); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Get(t.Context(), "acme", r.ID); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s is read as %+v; %v", change, got, err)
		}
	}
}
