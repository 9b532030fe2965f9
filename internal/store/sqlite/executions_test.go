package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
	"glovebox/internal/queue"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// began is a moment of whole microseconds.
var began = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func openExecutions(t testing.TB, dir string) (*Store, execution.Store) {
	t.Helper()
	s := open(t, dir, Server)
	t.Cleanup(func() { _ = s.Close() }) // also where the test has closed it
	return s, s.Executions()
}

func TestExecutions(t *testing.T) {
	executiontest.TestStore(t, func(t *testing.T) execution.Store {
		_, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
		return e
	})
}

func accept(t testing.TB, e execution.Store, r execution.Record) execution.Record {
	t.Helper()
	if err := kepttest.Add(t.Context(), e, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func end(t testing.TB, e execution.Store, id string, result api.Result) {
	t.Helper()
	if done, err := e.End(t.Context(), id, result, began); err != nil || !done {
		t.Fatal(done, err)
	}
}

func wantRecord(t *testing.T, e execution.Store, want execution.Record) {
	t.Helper()
	got, err := e.Get(t.Context(), want.Tenant, want.ID)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v\n%v", got, want, err)
	}
}

// A hundred clients of one tenant that each read a large result had every reader to themselves: another's request waited for 50 s, and its key could
// not be looked up. Under an idempotency key whoever writes waited, too.
func TestATenantsResultsKeepNobodyFromReading(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	keyed := executiontest.Queued("greedy", began)
	keyed.Idempotency = execution.Idempotency{Key: "k", Body: [32]byte{1}}
	greedy, other := accept(t, e, keyed), accept(t, e, executiontest.Queued("other", began))
	var places []*queue.Place
	for range 10 { // as many reads as it likes
		if place, err := s.whole.TryEnter(queue.Share{ID: "greedy", Running: 1}); err == nil {
			places = append(places, place)
		}
	}
	if len(places) != 1 {
		t.Fatalf("it reads %d at once", len(places))
	}
	wantRecord(t, e, other)
	late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := e.Get(late, "greedy", greedy.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	again := executiontest.Queued("greedy", began)
	again.Idempotency = keyed.Idempotency
	answered := make(chan error, 1)
	go func() {
		existing, err := e.AddAll(t.Context(), []execution.Record{again}, kepttest.Any)
		if err == nil && existing[0] != greedy.ID {
			err = errors.New("it is accepted once more")
		}
		answered <- err
	}()
	accept(t, e, executiontest.Queued("other", began))
	places[0].Leave()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	wantRecord(t, e, greedy)
}

// Whatever an execution is, it is the same in the next process: to the byte, since digests are of bytes.
func TestAnExecutionOutlivesItsProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, e := openExecutions(t, dir)
	queued := executiontest.Queued("acme", began)
	queued.Request.Code = "return '<&>\u2028'"
	queued.Request.InputData = json.RawMessage("{ \"a\" : \"<&>\u2028\" , \"b\": 1.0e2 }\n")
	queued.Request.Seed, queued.Request.Libraries = new(int64(7)), []string{} // it may require nothing, which is not: anything
	queued.Idempotency = execution.IdempotencyKey{Key: "k", Body: [32]byte{1}}.Keep()
	accept(t, e, queued)
	attested := api.Attest(api.Statement{Checks: []api.Check{{Claim: "seccomp", Seen: "2", Wanted: "2", Where: api.Outside}}})
	result := api.Result{ID: "x", Success: true, ResultCode: api.Success, Output: json.RawMessage("[ 1,\"<\" ]"), Logs: []api.Log{}, Warnings: []string{},
		Isolation: api.Isolation{Layers: []string{}, Attestation: attested}}
	ended := executiontest.Queued("", began)
	ended.KeepData = true
	accept(t, e, ended)
	end(t, e, ended.ID, result)
	ended.State, ended.EndedAt, ended.Result, ended.ResultCode = api.ExecutionEnded, began, &result, api.Success
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	_, e = openExecutions(t, dir)
	wantRecord(t, e, queued)
	wantRecord(t, e, ended)
	if again, err := e.Get(t.Context(), "", ended.ID); err != nil || again.Result.Isolation.Attestation.InFull().Statement == nil {
		t.Errorf("the statement is lost: %v", err)
	}
	if left, err := e.Unfinished(t.Context()); err != nil || len(left) != 1 || !reflect.DeepEqual(left[0], queued) {
		t.Errorf("%+v, %v", left, err)
	}
	if existing, err := e.AddAll(t.Context(), []execution.Record{queued}, kepttest.Any); err != nil || existing[0] != queued.ID {
		t.Errorf("its key stands for %v, %v", existing, err)
	}
}

func TestATenantsExecutionsGoWithIt(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	own, other := accept(t, e, executiontest.Queued("acme", began)), accept(t, e, executiontest.Queued("", began))
	if err := s.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get(t.Context(), "acme", own.ID); !errors.Is(err, execution.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	wantRecord(t, e, other)
}

// filesWith are those of a directory that hold a text somewhere.
func filesWith(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, file := range all {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			files = append(files, filepath.Base(file))
		}
	}
	return files
}

// What was let go is in no file once it was looked after: neither in a page that is free, nor in the log.
func TestWhatWasLetGoIsInNoFile(t *testing.T) {
	const secret = "hush-hush-hush"
	dir := filepath.Join(t.TempDir(), "data")
	_, e := openExecutions(t, dir)
	for _, size := range []int{1, 3000} { // in a cell, and in pages of their own
		text := bytes.Repeat([]byte(secret), size)
		r := executiontest.Queued("acme", began)
		r.Request.Code = "// code " + string(text)
		r.Request.InputData = json.RawMessage(`"data ` + string(text) + `"`)
		accept(t, e, r)
		end(t, e, r.ID, api.Result{ResultCode: api.Success, Output: r.Request.InputData, Logs: []api.Log{{Message: string(text)}}})
	}
	if filesWith(t, dir, secret) == nil {
		t.Fatal("it is nowhere, even before: this test finds nothing")
	}
	policy := execution.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: 10}
	if forgotten, _, err := e.Expire(t.Context(), policy, began.Add(time.Hour)); err != nil || forgotten != 2 {
		t.Fatal(forgotten, err)
	}
	if files := filesWith(t, dir, secret); files != nil {
		t.Errorf("it is still in %v", files)
	}
}

// retentions are the ledger's entries of what was let go of.
func retentions(t *testing.T, s *Store) (told []ledger.Entry) {
	t.Helper()
	for row, err := range s.Ledger().Read(t.Context(), 1) {
		var entry ledger.Entry
		if err := errors.Join(err, json.Unmarshal(row.Entry, &entry)); err != nil {
			t.Fatal(err)
		}
		if entry.Kind == ledger.KindRetention {
			told = append(told, entry)
		}
	}
	return told
}

// What is let go of is in the ledger: how much at a time, and what a tenant has asked for by its id.
func TestRetentionIsRecorded(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: began}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		accept(t, e, queued(id))
		end(t, e, id, api.Result{ResultCode: api.Success})
	}
	asked := tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"})
	for range 2 { // of which the second has nothing to forget
		if err := e.Forget(asked, "acme", "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Forget(asked, "acme", "nothing"); !errors.Is(err, execution.ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, policy := range []execution.Policy{{Result: time.Minute, Record: 2 * time.Hour, Records: 10}, {Result: time.Minute, Record: time.Minute, Records: 10}} {
		if _, _, err := e.Expire(t.Context(), policy, began.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	told := retentions(t, s)
	want := []ledger.Act{
		{Subject: "a", Details: map[string]string{"of": "executions", "asked": "true"}},
		{Subject: "executions", Details: map[string]string{"forgotten": "2"}},
		{Subject: "executions", Details: map[string]string{"removed": "3"}},
	}
	if len(told) != len(want) || told[0].Actor.Tenant != "acme" || told[1].Actor != (ledger.Actor{}) {
		t.Fatalf("%+v", told)
	}
	for i, entry := range told {
		if !reflect.DeepEqual(*entry.Act, want[i]) {
			t.Errorf("%+v, want %+v", *entry.Act, want[i])
		}
	}
}

// Of what is let go of since it is too much, the ledger says of how many nobody had been told the result.
func TestWhatIsTooMuchIsRecorded(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	for _, id := range []string{"a", "b", "c"} {
		accept(t, e, queued(id))
		end(t, e, id, api.Result{ResultCode: api.Success})
	}
	if err := e.Read(t.Context(), "b", began); err != nil {
		t.Fatal(err)
	}
	policy := execution.Policy{Result: time.Hour, Record: time.Hour, Records: 10, Data: 1}
	if forgotten, removed, err := e.Expire(t.Context(), policy, began); err != nil || forgotten != 3 || removed != 3 {
		t.Fatal(forgotten, removed, err)
	}
	want := []ledger.Act{
		{Subject: "executions", Details: map[string]string{"forgotten": "3", "over": "data-limit", "tenant": "acme", "unread": "2"}},
		{Subject: "executions", Details: map[string]string{"removed": "3", "over": "data-limit", "tenant": "acme"}},
	}
	told := retentions(t, s)
	if len(told) != len(want) {
		t.Fatalf("%+v", told)
	}
	for i, entry := range told {
		if !reflect.DeepEqual(*entry.Act, want[i]) {
			t.Errorf("%+v, want %+v", *entry.Act, want[i])
		}
	}
}

// The bytes that are counted are those of the rows that there are, whatever has become of them, by whomever.
func TestBytesAreThoseOfTheRows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, e := openExecutions(t, dir)
	counted := func(want int64) {
		t.Helper()
		var sum int64
		if err := s.reader.QueryRowContext(t.Context(), "SELECT coalesce(sum(bytes), 0) FROM executions").Scan(&sum); err != nil {
			t.Fatal(err)
		}
		if n, err := e.Bytes(t.Context()); err != nil || n != sum || n < want || want == 0 && n > 0 {
			t.Errorf("%d bytes are counted, %v; the rows have %d, want %d at least", n, err, sum, want)
		}
	}
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: began}); err != nil {
		t.Fatal(err)
	}
	counted(0)
	r := executiontest.Queued("acme", began)
	r.KeepData = true
	accept(t, e, r)
	if done, err := e.Begin(t.Context(), r.ID, began); err != nil || !done {
		t.Fatal(done, err)
	}
	counted(kept.RecordBytes + int64(len(r.Request.Code)+len(r.Request.InputData)))
	end(t, e, r.ID, api.Result{ResultCode: api.Success, Output: json.RawMessage("[1]")})
	counted(kept.RecordBytes + int64(len(r.Request.Code)+len(r.Request.InputData)+3))
	note := executiontest.Queued("acme", began)
	note.State, note.EndedAt, note.Request, note.Salt = api.ExecutionEnded, began, nil, nil
	if err := e.Note(t.Context(), []execution.Record{note}); err != nil {
		t.Fatal(err)
	}
	counted(2 * kept.RecordBytes)
	beside := open(t, dir, Command)
	defer func() { _ = beside.Close() }()
	if err := beside.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	counted(0)
}

// The file does not shrink, and does not grow either while no more is kept than may be: what was let go of leaves pages that are used again.
func TestTheFileStaysAsLargeAsItWas(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	const most, output = 4 << 20, 50_000
	policy := execution.Policy{Result: time.Hour, Record: time.Hour, Records: 10_000, Data: most}
	var sizes []int64
	for range 6 { // each of which writes as much as may be kept
		for range most/output/10 + 1 {
			var notes []execution.Record
			for range 10 {
				r := executiontest.Queued("acme", began)
				r.State, r.EndedAt, r.Request, r.Salt, r.KeepData = api.ExecutionEnded, began, nil, nil, true
				r.Result = &api.Result{Output: json.RawMessage("[" + strings.Repeat("1", output) + "]")}
				notes = append(notes, r)
			}
			if err := e.Note(t.Context(), notes); err != nil {
				t.Fatal(err)
			}
			if _, _, err := e.Expire(t.Context(), policy, began); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if first, last := sizes[1], sizes[len(sizes)-1]; last > first+first/20 || first > most+most/4 {
		t.Errorf("the file had %d bytes where %d may be kept", sizes, most)
	}
}

// More than one transaction takes.
func TestMuchExpiresAtOnce(t *testing.T) {
	_, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	var notes []execution.Record
	for range 2*expireMost + 10 {
		r := executiontest.Queued("acme", began)
		r.State, r.EndedAt, r.Request, r.Salt = api.ExecutionEnded, began, nil, nil
		notes = append(notes, r)
	}
	if err := e.Note(t.Context(), notes); err != nil {
		t.Fatal(err)
	}
	policy := execution.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: len(notes) - expireMost - 1}
	if _, removed, err := e.Expire(t.Context(), policy, began); err != nil || removed != expireMost+1 {
		t.Errorf("%d are too many, %v", removed, err)
	}
	if _, removed, err := e.Expire(t.Context(), policy, began.Add(24*time.Hour)); err != nil || removed != policy.Records {
		t.Errorf("%d are too old, %v", removed, err)
	}
}

// A request with a field that nobody knows is damage, not one with less of a limit.
func TestARequestThatIsNotUnderstoodIsDamage(t *testing.T) {
	s, e := openExecutions(t, filepath.Join(t.TempDir(), "data"))
	r := accept(t, e, executiontest.Queued("acme", began))
	for _, request := range []string{`{"timeoutSecond": 1}`, `{"memoryLimitMB": "1"}`, `{`, ``, `[]`} {
		if _, err := s.writer.ExecContext(t.Context(), "UPDATE executions SET request = ?", []byte(request)); err != nil {
			t.Fatal(err)
		}
		if got, err := e.Get(t.Context(), "acme", r.ID); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s is read as %+v; %v", request, got, err)
		}
		if got, err := e.Unfinished(t.Context()); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s is left as %+v; %v", request, got, err)
		}
	}
}

// What it costs to accept a batch of as many as there may be.
func BenchmarkBatch(b *testing.B) {
	batch := func() (all []execution.Record) {
		for range 100 {
			all = append(all, executiontest.Queued("", time.Now().UTC()))
		}
		return all
	}
	for name, add := range map[string]func(context.Context, execution.Store, []execution.Record) error{
		"as a whole": func(ctx context.Context, e execution.Store, all []execution.Record) error {
			_, err := e.AddAll(ctx, all, kepttest.Any)
			return err
		},
		"one by one": func(ctx context.Context, e execution.Store, all []execution.Record) (err error) {
			for _, r := range all {
				err = errors.Join(err, kepttest.Add(ctx, e, r))
			}
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			_, e := openExecutions(b, filepath.Join(b.TempDir(), "data"))
			for b.Loop() {
				if err := add(b.Context(), e, batch()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What an execution that is accepted, run and told costs, one after another and side by side.
func BenchmarkExecution(b *testing.B) {
	ctx := b.Context()
	life := func(b *testing.B, e execution.Store) {
		r := executiontest.Queued("", time.Now().UTC())
		err := kepttest.Add(ctx, e, r)
		if err == nil {
			_, err = e.Begin(ctx, r.ID, r.CreatedAt)
		}
		if err == nil {
			_, err = e.End(ctx, r.ID, api.Result{ResultCode: api.Success, Output: json.RawMessage("1")}, r.CreatedAt)
		}
		if err == nil {
			err = e.Read(ctx, r.ID, r.CreatedAt)
		}
		if err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		_, e := openExecutions(b, filepath.Join(b.TempDir(), "data"))
		for b.Loop() {
			life(b, e)
		}
	})
	b.Run("side by side", func(b *testing.B) {
		_, e := openExecutions(b, filepath.Join(b.TempDir(), "data"))
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				life(b, e)
			}
		})
	})
}
