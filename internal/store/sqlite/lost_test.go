package sqlite

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
	"glovebox/internal/tenant"
)

// crash copies a directory as a killed process would have left it.
func crash(t *testing.T, dir string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file.Name()) == ".db-shm" { // what is in memory ends with the machine, and must not be trusted
			continue
		}
		if err := os.WriteFile(filepath.Join(left, file.Name()), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return left
}

// damageLastFrame changes a byte of the page that the log was given last.
func damageLastFrame(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, FileName+"-wal")
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := int(binary.BigEndian.Uint32(body[8:12]))
	frame := 24 + page
	frames := (len(body) - 32) / frame
	body[32+(frames-1)*frame+24+100] ^= 0xff
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

func queued(id string) execution.Record {
	return execution.Record{ID: id, Tenant: "acme", State: api.ExecutionQueued, CreatedAt: began, Request: &api.Request{Code: "return 1"}, CodeDigest: "c",
		Idempotency: execution.IdempotencyKey{Key: id, Body: [32]byte{1, 2}}.Keep()}
}

// What the log's last page held is gone. It was there before its caller was told, so it must not go silently.
func TestADamagedLogIsFoundAndWhatItHadIsNamed(t *testing.T) {
	first, last := ulid.Make().String(), ulid.Make().String()
	for name, test := range map[string]struct {
		then func(ctx context.Context, s *Store) error
		want func(l Loss, entries uint64) bool
		of   string
	}{
		"an execution that was accepted": {
			func(ctx context.Context, s *Store) error {
				return kepttest.Add(ctx, s.Executions(), queued(last))
			},
			func(l Loss, _ uint64) bool { return l.To == 0 && slices.Equal(l.Executions, []string{last}) },
			last,
		},
		"that one ran": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Executions().Begin(ctx, first, began)
				return err
			},
			func(l Loss, _ uint64) bool { return l.To == 0 && slices.Equal(l.Beginnings, []string{first}) },
			first,
		},
		"a result": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Executions().Begin(ctx, first, began)
				if err == nil {
					_, err = s.Executions().End(ctx, first, api.Result{ResultCode: api.Success}, began)
				}
				return err
			},
			func(l Loss, _ uint64) bool { return l.To == 0 && slices.Equal(l.Results, []string{first}) },
			first,
		},
		"an entry": {
			func(ctx context.Context, s *Store) error {
				_, err := s.Executions().Begin(ctx, first, began)
				if err != nil {
					return err
				}
				_, err = s.Ledger().Append(ctx, ledger.Began(ledger.Actor{}, ledger.Execution{ID: first, Language: "javascript", Limits: ledger.Limits{}}))
				return err
			},
			func(l Loss, entries uint64) bool {
				return l.From == entries+1 && l.To == entries+1 && slices.Equal(l.Subjects, []string{first}) && len(l.Executions) == 0
			},
			first,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s := open(t, dir, Server)
			defer s.Close()
			if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: time.Now().Add(-time.Hour)}); err != nil {
				t.Fatal(err)
			}
			accept(t, s.Executions(), queued(first))
			head, err := s.Ledger().Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := test.then(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			whole := open(t, crash(t, dir), Server)
			defer whole.Close()
			if whole.Lost().Any() || whole.Lost().Pages > 0 {
				t.Errorf("of what is whole this was lost: %+v", whole.Lost())
			}
			left := crash(t, dir)
			damageLastFrame(t, left)
			damaged := open(t, left, Server)
			if !test.want(damaged.Lost(), head.Size) || damaged.Lost().Pages == 0 {
				t.Errorf("%+v", damaged.Lost())
			}
			r, err := damaged.Executions().Get(t.Context(), "acme", test.of)
			if err != nil || r.State != api.ExecutionRunning || r.CodeDigest != "c" || r.Idempotency.Key != test.of ||
				!r.Idempotency.StandsFor(execution.IdempotencyKey{Key: test.of, Body: [32]byte{1, 2}}) {
				t.Errorf("%+v, %v", r, err)
			}
			var lost int
			for row, err := range damaged.Ledger().Read(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				if kindOfRow(t, row) == ledger.KindLost {
					lost++
				}
			}
			if err := damaged.Close(); err != nil || lost != 1 {
				t.Errorf("the ledger tells of %d losses, %v", lost, err)
			}
			again := open(t, left, Server)
			defer again.Close()
			if again.Lost().Any() {
				t.Errorf("it is told again: %+v", again.Lost())
			}
		})
	}
}

func TestAnOlderCopyIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	// A command's act counts as a server's does.
	c := open(t, dir, Command)
	if err := errors.Join(c.CreateTenant(t.Context(), tenant.Tenant{ID: "gone", CreatedAt: began}), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), old, 0o600); err != nil {
		t.Fatal(err)
	}
	// And what comes after it has other hashes, but for what comes after that.
	for _, id := range []string{"other", "third"} {
		c = open(t, dir, Command)
		if err := errors.Join(c.CreateTenant(t.Context(), tenant.Tenant{ID: id, CreatedAt: began}), c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	restored := open(t, dir, Server)
	defer restored.Close()
	if got := restored.Lost(); !slices.Equal(got.Subjects, []string{"gone"}) || got.From != got.To {
		t.Errorf("%+v", got)
	}
}

// What was removed as it should be is not missed, and neither is what is older than anything need be kept.
func TestWhatWasRemovedIsNotMissed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	for _, id := range []string{"acme", "other"} {
		if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: id, CreatedAt: began}); err != nil {
			t.Fatal(err)
		}
	}
	accept(t, s.Executions(), queued(ulid.Make().String()))
	long := queued(ulid.MustNew(ulid.Timestamp(time.Now().Add(-2*lostAge)), ulid.DefaultEntropy()).String())
	long.Tenant = "other"
	accept(t, s.Executions(), long)
	if _, err := s.writer.ExecContext(t.Context(), "DELETE FROM executions WHERE id = ?", long.ID); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.DeleteTenant(t.Context(), "acme"), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Server)
	defer s.Close()
	if s.Lost().Any() {
		t.Errorf("%+v", s.Lost())
	}
}

// A tenant that was made anew has none of what one of its name had.
func TestAnotherTenantOfTheSameNameIsAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	accept(t, s.Executions(), queued(ulid.Make().String()))
	if err := errors.Join(s.DeleteTenant(t.Context(), "acme"),
		s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: time.Now().Add(time.Second)}), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Server)
	defer s.Close()
	if s.Lost().Any() {
		t.Errorf("%+v", s.Lost())
	}
}

// A loss that was named is not named again where the witness could not be emptied.
func TestALossIsNamedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	defer s.Close()
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme", CreatedAt: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	accept(t, s.Executions(), queued(ulid.Make().String()))
	left := crash(t, dir)
	damageLastFrame(t, left)
	before, err := os.ReadFile(filepath.Join(left, WitnessFileName))
	if err != nil {
		t.Fatal(err)
	}
	damaged := open(t, left, Server)
	head, err := damaged.Ledger().Head(t.Context())
	if err := errors.Join(err, damaged.Close()); err != nil || !damaged.Lost().Any() {
		t.Fatal(err)
	}
	line := entered{seq: head.Size, hash: head.Hash, kind: ledger.KindLost, subject: "database"}.append(before)
	if err := os.WriteFile(filepath.Join(left, WitnessFileName), line, 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, left, Server)
	defer again.Close()
	if again.Lost().Any() {
		t.Errorf("%+v", again.Lost())
	}
}

func TestAWitnessThatIsFullBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), WitnessFileName)
	w, err := openWitness(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	line := stated{table: "executions", id: "id", state: api.ExecutionQueued, tenant: "a tenant", about: [4]string{"c"}}.append(nil)
	w.say(line[:len(line)/2]) // as a disk that is full takes it
	w.broken = true
	for range witnessLimit/len(line) + 2 {
		w.say(line)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > witnessLimit {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
	heard, err := w.hear()
	if err != nil || len(heard.stated) != witnessLimit/len(line)+2 || heard.stated[0] != (stated{line: heard.stated[0].line, table: "executions", id: "id", state: api.ExecutionQueued, tenant: "a tenant", about: [4]string{"c"}}) {
		t.Errorf("%d lines, %v", len(heard.stated), err)
	}
	if err := w.forget(); err != nil {
		t.Fatal(err)
	}
	if heard, err = w.hear(); err != nil || len(heard.stated) > 0 {
		t.Errorf("%d lines, %v", len(heard.stated), err)
	}
}

func kindOfRow(t *testing.T, row ledger.Row) ledger.Kind {
	t.Helper()
	var e ledger.Entry
	if err := json.Unmarshal(row.Entry, &e); err != nil {
		t.Fatal(err)
	}
	return e.Kind
}

func TestARunThatIsGoneIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	defer s.Close()
	run := agentrun.Record{ID: ulid.Make().String(), Agent: "codesmith", State: api.ExecutionQueued, CreatedAt: began, Task: []byte(`{"task":"t"}`), TaskDigest: "d"}
	if err := kepttest.Add(t.Context(), s.AgentRuns(), run); err != nil {
		t.Fatal(err)
	}
	left := crash(t, dir)
	damageLastFrame(t, left)
	damaged := open(t, left, Server)
	defer damaged.Close()
	if !slices.Equal(damaged.Lost().Executions, []string{run.ID}) {
		t.Errorf("%+v", damaged.Lost())
	}
	r, err := damaged.AgentRuns().Get(t.Context(), "", run.ID)
	if err != nil || r.State != api.ExecutionRunning || r.Agent != "codesmith" || r.TaskDigest != "d" {
		t.Errorf("%+v, %v", r, err)
	}
}

// A witness's line is read as it was written, whatever is in it, and what is no whole line is none.
func FuzzWitnessLine(f *testing.F) {
	f.Add("executions", "01JZ8Q6V9T3YB5C2N7K4M1XH0D", "queued", "acme", "hmac-sha256:c", "", "a key \"of\" \\ its own", uint64(7))
	f.Add("agent_runs", "\x00\n\xff", "`", "\u2028 é", " ", "\"", "\\\"", uint64(1<<63))
	f.Fuzz(func(t *testing.T, table, id, state, tenant, first, second, key string, seq uint64) {
		if table == "" || strings.ContainsAny(table, " \t\r\n") {
			t.Skip() // a table has a name
		}
		said := stated{line: 1, table: table, id: id, state: api.ExecutionState(state), tenant: tenant, about: [4]string{first, second, key}}
		entry := entered{line: 2, seq: seq, hash: ledger.Hash{1, 2, 3}, kind: ledger.Kind(first), subject: second}
		lines := string(entry.append(said.append(nil)))
		var heard testimony
		for line := range strings.Lines(lines) {
			heard.add(line)
		}
		if len(heard.stated) != 1 || heard.stated[0] != said || len(heard.entered) != 1 || heard.entered[0] != entry || heard.lines != 2 {
			t.Fatalf("%q is read as %+v", lines, heard)
		}
		for line := range strings.Lines(lines) {
			var none testimony
			for _, broken := range []string{line[:len(line)-1], line[:len(line)/2] + "\n", line[:len(line)-1] + " \n", line[:len(line)-1] + "x\n", "x" + line, strings.Replace(line, " ", "  ", 1), "\n"} {
				if none.add(broken); len(none.stated)+len(none.entered) > 0 {
					t.Fatalf("%q is read as %+v", broken, none)
				}
			}
		}
	})
}

// What two full files cost a server that starts to read.
func BenchmarkWitness(b *testing.B) {
	w := &witness{path: filepath.Join(b.TempDir(), WitnessFileName)}
	digest := "hmac-sha256:" + strings.Repeat("c0", 32)
	for _, path := range []string{w.path, w.path + oldWitness} {
		var lines []byte
		for len(lines) < witnessLimit {
			id := ulid.Make().String()
			for _, entry := range []ledger.Kind{ledger.KindBegan, ledger.KindEnded} {
				lines = entered{seq: 12345, hash: ledger.Hash{1}, kind: entry, subject: id}.append(lines)
			}
			lines = stated{table: "executions", id: id, state: api.ExecutionQueued, tenant: "acme", about: [4]string{digest, digest, "a key"}}.append(lines)
			for _, state := range []api.ExecutionState{api.ExecutionRunning, api.ExecutionEnded} {
				lines = stated{table: "executions", id: id, state: state}.append(lines)
			}
		}
		if err := os.WriteFile(path, lines, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if heard, err := w.hear(); err != nil || len(heard.stated) < 1000 || len(heard.entered) < 1000 {
			b.Fatal(err)
		}
	}
}
