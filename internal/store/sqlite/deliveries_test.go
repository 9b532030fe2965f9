package sqlite

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/agentrun/agentruntest"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/tenant"
	"glovebox/internal/webhook/webhooktest"
)

// An ender has something accepted of a tenant's, and ended: an execution, or a run of an agent. The id is the delivery's.
type ender func(t *testing.T, s *Store, tenantID string, at time.Time) (id string)

var enders = map[string]ender{
	"executions": func(t *testing.T, s *Store, tenantID string, at time.Time) string {
		r := accept(t, s.Executions(), executiontest.Queued(tenantID, at))
		if done, err := s.Executions().End(t.Context(), r.ID, api.Result{ID: r.ID, ResultCode: api.Success}, at); err != nil || !done {
			t.Fatal(done, err)
		}
		return idPrefix + r.ID
	},
	"runs": func(t *testing.T, s *Store, tenantID string, at time.Time) string {
		r := acceptRun(t, s.AgentRuns(), agentruntest.Queued(tenantID, at))
		if done, err := s.AgentRuns().End(t.Context(), r.ID, agent.Unworked(agent.Task{Text: "t"}, agent.Complete, ""), nil, at); err != nil || !done {
			t.Fatal(done, err)
		}
		return idPrefix + r.ID
	},
}

func TestDeliveries(t *testing.T) {
	for name, end := range enders {
		t.Run(name, func(t *testing.T) { testDeliveries(t, end) })
	}
}

func testDeliveries(t *testing.T, end ender) {
	webhooktest.Run(t, func(t *testing.T) webhooktest.Place {
		s, _ := openExecutions(t, filepath.Join(t.TempDir(), "data"))
		must := func(t *testing.T, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		return webhooktest.Place{
			Store:  s.Deliveries(),
			Tenant: func(t *testing.T, id string) { must(t, s.CreateTenant(t.Context(), tenant.Tenant{ID: id})) },
			Set:    func(t *testing.T, w tenant.Webhook) { must(t, s.SetWebhook(t.Context(), w)) },
			Unset:  func(t *testing.T, id string) { must(t, s.RemoveWebhook(t.Context(), id)) },
			End:    func(t *testing.T, tenantID string, at time.Time) string { return end(t, s, tenantID, at) },
		}
	})
}

// told opens a store whose tenant has a webhook.
func told(t *testing.T, dir string) (*Store, execution.Store) {
	t.Helper()
	s, e := openExecutions(t, dir)
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetWebhook(t.Context(), tenant.Webhook{Tenant: "acme", URL: "https://example.com", Secret: tenant.NewWebhookSecret()}); err != nil {
		t.Fatal(err)
	}
	return s, e
}

func TestAnEndIsToldOnceAndWithoutData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, e := told(t, dir)
	r := accept(t, e, executiontest.Queued("acme", began))
	if done, err := e.Begin(t.Context(), r.ID, began.Add(time.Second)); err != nil || !done {
		t.Fatal(done, err)
	}
	end(t, e, r.ID, api.Result{ID: r.ID, ResultCode: api.ExecutionFailed, Output: json.RawMessage(`"s3cret"`)})
	if done, err := e.End(t.Context(), r.ID, api.Result{ID: r.ID, ResultCode: api.Success}, began); err != nil || done {
		t.Errorf("it ended twice: %v", err)
	}
	accept(t, e, executiontest.Queued("acme", began)) // which has not ended
	noted := executiontest.Queued("acme", began)
	noted.State, noted.EndedAt, noted.ResultCode = api.ExecutionEnded, began, api.Success
	if err := e.Note(t.Context(), []execution.Record{noted}); err != nil { // whose caller has waited for it
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // another process finds it
		t.Fatal(err)
	}
	s, _ = openExecutions(t, dir)
	ended, err := s.Executions().Get(t.Context(), "acme", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantTold(t, s, r.ID, map[string]any{"type": "execution.ended", "timestamp": text(ended.EndedAt), "data": map[string]any{
		"id": r.ID, "state": "ended", "resultCode": "EXECUTION_FAILED", "retryable": true,
		"createdAt": text(began), "beganAt": text(began.Add(time.Second)), "endedAt": text(ended.EndedAt),
	}})
}

func text(at time.Time) string { return at.Format(time.RFC3339Nano) }

// wantTold wants the end of what has an id to be all that acme's webhook is to be told, in these words.
func wantTold(t *testing.T, s *Store, id string, want map[string]any) {
	t.Helper()
	all, err := s.Deliveries().Next(t.Context(), "acme", 9)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d deliveries, %v", len(all), err)
	}
	var event map[string]any
	if err := json.Unmarshal(all[0].Body, &event); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(event, want) || all[0].ID != "evt_"+id {
		t.Errorf("%s: %s", all[0].ID, all[0].Body)
	}
}

func TestAnEndOfARunIsToldOnceAndWithoutData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, _ := told(t, dir)
	a := s.AgentRuns()
	r := acceptRun(t, a, agentruntest.Queued("acme", began))
	if done, err := a.Begin(t.Context(), r.ID, began.Add(time.Second)); err != nil || !done {
		t.Fatal(done, err)
	}
	outcome := agent.Unworked(agent.Task{Text: "s3cret"}, agent.SandboxFailed, "s3cret")
	outcome.Payload.Results = json.RawMessage(`"s3cret"`)
	for i := range 2 {
		if done, err := a.End(t.Context(), r.ID, outcome, []agentrun.Step{{ID: 1, Data: []byte(`{"text":"s3cret"}`)}}, began.Add(2*time.Second)); err != nil || done != (i == 0) {
			t.Errorf("time %d: %v, %v", i, done, err)
		}
	}
	acceptRun(t, a, agentruntest.Queued("acme", began)) // which has not ended
	if err := s.Close(); err != nil {                   // another process finds it
		t.Fatal(err)
	}
	s, _ = openRuns(t, dir)
	wantTold(t, s, r.ID, map[string]any{"type": "agent.run.ended", "timestamp": text(began.Add(2 * time.Second)), "data": map[string]any{
		"id": r.ID, "agent": r.Agent, "state": "ended", "resultCode": "SANDBOX_FAILED", "retryable": true,
		"createdAt": text(began), "beganAt": text(began.Add(time.Second)), "endedAt": text(began.Add(2 * time.Second)),
	}})
}

// The end and what is told of it are one step.
func TestAnEndThatCannotBeToldIsNone(t *testing.T) {
	s, e := told(t, filepath.Join(t.TempDir(), "data"))
	r := accept(t, e, executiontest.Queued("acme", began))
	if _, err := s.writer.ExecContext(t.Context(), "CREATE TRIGGER full BEFORE INSERT ON deliveries BEGIN SELECT raise(ABORT, 'full'); END"); err != nil {
		t.Fatal(err)
	}
	if done, err := e.End(t.Context(), r.ID, api.Result{ID: r.ID, ResultCode: api.Success}, began); done || err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v, %v", done, err)
	}
	wantRecord(t, e, r)
	run := acceptRun(t, s.AgentRuns(), agentruntest.Queued("acme", began))
	if done, err := s.AgentRuns().End(t.Context(), run.ID, agent.Unworked(agent.Task{}, agent.Complete, ""), nil, began); done || err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v, %v", done, err)
	}
	if got, err := s.AgentRuns().Get(t.Context(), "acme", run.ID); err != nil || !reflect.DeepEqual(got, run) {
		t.Errorf("%+v, %v", got, err)
	}
}
