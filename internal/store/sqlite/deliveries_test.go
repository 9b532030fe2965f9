package sqlite

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/tenant"
	"glovebox/internal/webhook/webhooktest"
)

func TestDeliveries(t *testing.T) {
	webhooktest.Run(t, func(t *testing.T) webhooktest.Place {
		s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
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
			End: func(t *testing.T, tenantID string, at time.Time) string {
				r := accept(t, e, executiontest.Queued(tenantID, at))
				if done, err := e.End(t.Context(), r.ID, api.Result{ID: r.ID, ResultCode: api.Success}, at); err != nil || !done {
					t.Fatal(done, err)
				}
				return idPrefix + r.ID
			},
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
	all, err := s.Deliveries().Next(t.Context(), "acme", 9)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d deliveries, %v", len(all), err)
	}
	var event map[string]any
	if err := json.Unmarshal(all[0].Body, &event); err != nil {
		t.Fatal(err)
	}
	ended, err := s.Executions().Get(t.Context(), "acme", r.ID)
	if err != nil {
		t.Fatal(err)
	}
	text := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
	want := map[string]any{"type": "execution.ended", "timestamp": text(ended.EndedAt), "data": map[string]any{
		"id": r.ID, "state": "ended", "resultCode": "EXECUTION_FAILED", "retryable": true,
		"createdAt": text(began), "beganAt": text(began.Add(time.Second)), "endedAt": text(ended.EndedAt),
	}}
	if !reflect.DeepEqual(event, want) {
		t.Errorf("%s", all[0].Body)
	}
	if all[0].ID != "evt_"+r.ID || strings.Contains(string(all[0].Body), "s3cret") {
		t.Errorf("%+v", all[0])
	}
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
}
