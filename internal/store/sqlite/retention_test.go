package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/kept"
)

// noteEnded notes so many executions of a tenant, each with an output of so many bytes and, where a name is given, a key.
func noteEnded(t testing.TB, e execution.Store, tenant string, n, bytes int, at time.Time, key string) {
	t.Helper()
	const batch = 1000
	var notes []execution.Record
	for i := range n {
		r := executiontest.Queued(tenant, at)
		r.State, r.EndedAt, r.Request, r.Salt, r.KeepData = api.ExecutionEnded, at.Add(time.Duration(i)*time.Millisecond), nil, nil, true
		r.Result = &api.Result{Output: json.RawMessage("[" + strings.Repeat("1", bytes) + "]")}
		if key != "" {
			r.Idempotency = kept.IdempotencyKey{Key: fmt.Sprint(key, i)}.Keep()
		}
		if notes = append(notes, r); len(notes) == batch || i == n-1 {
			if err := e.Note(t.Context(), notes); err != nil {
				t.Fatal(err)
			}
			notes = nil
		}
	}
}

// A tenantHas is what the rows of a tenant are: how many, how many of them with results, and what all count for.
type tenantHas struct{ records, results, bytes int64 }

// perTenant is what the rows say, which is what the triggers have counted.
func perTenant(t *testing.T, s *Store, table string) map[string]tenantHas {
	t.Helper()
	read := func(query string, also bool) map[string]tenantHas {
		has := map[string]tenantHas{}
		_, err := all(t.Context(), s, s.reader, "count", func(row func(into ...any) error) (_ int, err error) {
			var tenant string
			var h tenantHas
			if also {
				err = row(&tenant, &h.records, &h.bytes, &h.results)
			} else {
				err = row(&tenant, &h.records, &h.bytes)
			}
			has[tenant] = h
			return 0, err
		}, query)
		if err != nil {
			t.Fatal(err)
		}
		return has
	}
	has := read("SELECT tenant, count(*), sum(bytes), count(result) FROM "+table+" GROUP BY tenant", true)
	rows := map[string]tenantHas{}
	for tenant, h := range has {
		h.results = 0
		rows[tenant] = h
	}
	if counted := read("SELECT tenant, records, bytes FROM kept_by_tenant WHERE name = '"+table+"'", false); !reflect.DeepEqual(counted, rows) {
		t.Errorf("%v is counted of %v", counted, rows)
	}
	return has
}

// One of two hundred tenants that accepts as much as it can lost the others what they had: the oldest went, whosever they were.
func TestAGreedyTenantLosesItsOwn(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	const others, each, greedys, size = 199, 10, 3000, 2000
	tenants := []string{""}
	for i := range others - 1 {
		tenants = append(tenants, fmt.Sprint("tenant-", i))
	}
	for _, tenant := range tenants {
		noteEnded(t, e, tenant, each, size, began, "key-")
	}
	noteEnded(t, e, "greedy", greedys, size, began.Add(10*time.Minute), "key-")
	before := perTenant(t, s, "executions")
	policy := execution.Policy{Result: time.Hour, Record: time.Hour, Records: others*each + 1200}
	expire := func(wantForgotten, wantRemoved int) {
		t.Helper()
		if forgotten, removed, err := e.Expire(t.Context(), policy, began.Add(20*time.Minute)); err != nil || forgotten != wantForgotten || removed != wantRemoved {
			t.Errorf("%d were forgotten and %d removed, %v; want %d and %d", forgotten, removed, err, wantForgotten, wantRemoved)
		}
		has := perTenant(t, s, "executions")
		for _, tenant := range tenants {
			if has[tenant] != before[tenant] {
				t.Errorf("%q had %+v, and has %+v", tenant, before[tenant], has[tenant])
			}
		}
		if got := has["greedy"]; got.records+int64(wantRemoved) != before["greedy"].records || got.results > got.records-int64(wantForgotten) {
			t.Errorf("the greedy one had %+v, and has %+v", before["greedy"], got)
		}
		before = has
	}
	expire(0, greedys-1200) // in several transactions
	one := before["greedy"].bytes / before["greedy"].records
	free := func(records int64) int64 { // so that what is left is the others', and so many whole ones of the greedy's and the rest forgotten
		most := (others*each+records)*one + (before["greedy"].records-records)*kept.RecordBytes
		return most + most/15 + 1
	}
	policy.Data = free(300)
	expire(900, 0)
	policy.Records -= 1000
	expire(0, 1000)
	expire(0, 0)
	// A key of the others stands for what it stood for; one that has gone is free.
	for tenant, stands := range map[string]bool{"": true, "tenant-7": true, "greedy": false} {
		r := executiontest.Queued(tenant, began)
		r.Idempotency = kept.IdempotencyKey{Key: "key-0"}.Keep()
		existing, err := e.AddAll(t.Context(), []execution.Record{r}, func(int, kept.Idempotency) error { return nil })
		if err != nil || (existing[0] != "") != stands {
			t.Errorf("%q: %v, %v", tenant, existing, err)
		}
	}
	told := map[string]int{}
	for _, entry := range retentions(t, s) {
		details := entry.Act.Details
		if details["tenant"] != "greedy" || details["over"] == "" {
			t.Errorf("%+v", entry.Act)
		}
		for _, how := range []string{howForgotten, howRemoved, "unread"} {
			n, _ := strconv.Atoi(details[how])
			told[details["over"]+" "+how] += n
		}
	}
	want := map[string]int{"record-limit removed": 2800, "record-limit forgotten": 0, "record-limit unread": 1900, "data-limit forgotten": 900, "data-limit removed": 0, "data-limit unread": 900}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("the ledger tells of %v, want %v", told, want)
	}
}

// Who looks for the oldest of a tenant reads no more than these.
func TestTheOldestOfATenantAreInAnIndex(t *testing.T) {
	s, _ := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	for _, k := range []keptTable{s.executions(), s.agentRuns()} {
		for c, index := range map[cut]string{tooManyRecords: "_oldest", tooMuchInRecords: "_oldest", tooLargeResults: "_oldest_result"} {
			for query, args := range map[string][]any{k.oldest(c): {"acme", 500}, k.letGoUntil(c): {"acme", 1, "id"}} {
				plan, err := all(t.Context(), s, s.writer, "plan", func(row func(into ...any) error) (step string, err error) {
					var ignored int
					return step, row(&ignored, &ignored, &ignored, &step)
				}, "EXPLAIN QUERY PLAN "+query, args...)
				if err != nil || len(plan) != 1 || !strings.Contains(plan[0], "INDEX "+k.name+index+" (tenant=?") {
					t.Errorf("%s: %q, %v", query, plan, err)
				}
			}
		}
	}
}

// What an earlier Glovebox has kept is counted for its tenants.
func TestWhatWasKeptBeforeIsCountedByTenant(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	insert := func(db *sql.DB) error {
		var errs []error
		for i, tenant := range []string{"", "acme", "acme", "other"} {
			_, err := db.Exec("INSERT INTO executions (id, tenant, state, created_at, ended_at, safe_to_repeat, keep_data, code_digest, input_digest, result_code, result) "+
				"VALUES (?, ?, 'ended', 1, 2, 0, 0, 'c', '', 'SUCCESS', ?)", fmt.Sprint("execution-", i), tenant, []byte("{}"))
			_, also := db.Exec("INSERT INTO agent_runs (id, tenant, agent, state, created_at, ended_at, keep_data, task_digest, result_code, steps) "+
				"VALUES (?, ?, 'codesmith', 'ended', 1, 2, 0, 'd', 'SUCCESS', ?)", fmt.Sprint("run-", i), tenant, []byte("steps"))
			errs = append(errs, err, also)
		}
		return errors.Join(errs...)
	}
	atVersion(t, dir, 5, insert)
	s, e := openExecutions(t, dir)
	if has, want := perTenant(t, s, "executions")["acme"], (tenantHas{2, 2, 2 * (kept.RecordBytes + 2)}); has != want {
		t.Errorf("%+v, want %+v", has, want)
	}
	if has, want := perTenant(t, s, "agent_runs")["acme"], (tenantHas{2, 0, 2 * (kept.RecordBytes + 5)}); has != want {
		t.Errorf("%+v, want %+v", has, want)
	}
	if n, err := e.Bytes(t.Context()); err != nil || n != 4*(kept.RecordBytes+2) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// What a look costs, each second and each minute, with many records of many tenants of which one has half.
func BenchmarkRetention(b *testing.B) {
	const tenants, each, greedys = 1000, 50, 50_000
	s, e := openExecutions(b, filepath.Join(b.TempDir(), "data"))
	for i := range tenants {
		noteEnded(b, e, fmt.Sprint("tenant-", i), each, 100, began, "")
	}
	noteEnded(b, e, "greedy", greedys, 100, began, "")
	ctx, now := b.Context(), began.Add(time.Minute)
	policy := execution.Policy{Result: time.Hour, Record: time.Hour, Records: tenants*each + greedys, Data: 1 << 40}
	bytes, err := e.Bytes(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("whether bytes are over", func(b *testing.B) {
		for b.Loop() {
			if _, err := e.Bytes(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("nothing over", func(b *testing.B) {
		for b.Loop() {
			if forgotten, removed, err := e.Expire(ctx, policy, now); err != nil || forgotten+removed != 0 {
				b.Fatal(forgotten, removed, err)
			}
		}
	})
	b.Run("100 records over", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			noteEnded(b, e, "greedy", 100, 100, now, "")
			b.StartTimer()
			if _, removed, err := e.Expire(ctx, policy, now); err != nil || removed != 100 {
				b.Fatal(removed, err)
			}
		}
	})
	b.Run("100 results over", func(b *testing.B) {
		k, result := s.executions(), bytes/int64(policy.Records)-kept.RecordBytes
		for b.Loop() {
			b.StopTimer()
			noteEnded(b, e, "greedy", 100, 100, now, "")
			held, err := e.Bytes(ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			forgotten, err := k.lighten(ctx, tooLargeResults, held-100*result)
			if err != nil || forgotten != 100 {
				b.Fatal(forgotten, err)
			}
			b.StopTimer()
			if _, _, err := e.Expire(ctx, policy, now); err != nil { // of records as many as before
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	b.Run("a record over of each of 1000", func(b *testing.B) {
		shared := policy
		shared.Records = tenants*each + each // an equal share of which each has
		if _, _, err := e.Expire(ctx, shared, now); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			b.StopTimer()
			for i := range tenants {
				noteEnded(b, e, fmt.Sprint("tenant-", i), 1, 100, now, "")
			}
			b.StartTimer()
			if _, removed, err := e.Expire(ctx, shared, now); err != nil || removed != tenants {
				b.Fatal(removed, err)
			}
		}
	})
}
