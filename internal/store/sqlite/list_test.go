package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/queue"
)

// fillEnded gives a tenant records that have ended, by SQL: as many take minutes otherwise.
func fillEnded(t testing.TB, s *Store, tenant string, n int) {
	t.Helper()
	_, err := s.writer.ExecContext(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO executions (id, tenant, state, created_at, ended_at, safe_to_repeat, keep_data, code_digest, input_digest, result_code)
		SELECT printf('%026d', i), ?2, 'ended', ?3, ?3, 0, 0, '', '', iif(i = 1, 'TIMEOUT', 'SUCCESS') FROM n`, n, tenant, began.UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
}

// A filter that takes next to nothing had all records of a tenant read for each page, a quarter of a second of 300,000: a thousand such requests a second
// kept another tenant's list from its answer for 79 seconds. A page now looks at so many, and the next goes on behind them.
func TestAPageOfAListLooksAtABoundedNumber(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	fillEnded(t, s, "acme", 2*lookedAt+1)
	var found []string
	pages := 0
	f := execution.Filter{ResultCode: api.Timeout, Limit: 5}
	for {
		page, err := e.List(t.Context(), "acme", f)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, r := range page.Records {
			found = append(found, r.ID)
		}
		if page.Next == "" {
			break
		}
		if f.Before != "" && page.Next >= f.Before {
			t.Fatalf("behind %s comes %s", f.Before, page.Next)
		}
		f.Before = page.Next
	}
	if pages != 3 || len(found) != 1 || found[0] != "00000000000000000000000001" {
		t.Errorf("%d pages, and %v", pages, found)
	}
	// Who asks for all of it has whole pages, wherever they begin.
	all, err := e.List(t.Context(), "acme", execution.Filter{Limit: 200, Before: "00000000000000000000000150"})
	if err != nil || len(all.Records) != 149 || all.Next != "" {
		t.Errorf("%d, %q, %v", len(all.Records), all.Next, err)
	}
}

// However many lists of a tenant are asked for, another's is read, and keys are.
func TestATenantsListsKeepNobodyFromReading(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	other := accept(t, e, execution.Record{
		ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", Tenant: "other", State: api.ExecutionQueued, CreatedAt: began, Request: &api.Request{Code: "1", Language: api.JavaScript},
	})
	place, err := s.lists.TryEnter(queue.Share{ID: "greedy", Running: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer place.Leave()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.List(ctx, "greedy", execution.Filter{Limit: 1}); err == nil {
		t.Error("it has two lists read at once")
	}
	if page, err := e.List(t.Context(), "other", execution.Filter{Limit: 1}); err != nil || len(page.Records) != 1 || page.Records[0].ID != other.ID {
		t.Errorf("another's list: %+v, %v", page, err)
	}
	if 2*wholeReaders >= readers {
		t.Errorf("%d of %d readers are for what tenants read: none is left for keys", 2*wholeReaders, readers)
	}
}
