package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
)

// atVersion makes a database as an earlier Glovebox has left it, and has it changed by hand.
func atVersion(t *testing.T, dir string, version int64, statements ...func(*sql.DB) error) {
	t.Helper()
	path := filepath.Join(dir, FileName)
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", (&Store{path: path}).dsn(""))
	if err != nil {
		t.Fatal(err)
	}
	steps, err := migrationsOf(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := steps.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, do := range statements {
		if err := do(db); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// An earlier Glovebox kept the plain SHA-256 of a request's body: whoever had the file could try out guesses. What it kept stands for the same
// requests still, and the digests are in no file any more.
func TestOldKeysGetSalts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	request := sha256.Sum256([]byte("a short one"))
	waiting, ended, forgotten, run := ulid.Make().String(), ulid.Make().String(), ulid.Make().String(), ulid.Make().String()
	insert := func(columns, values string, args ...any) func(*sql.DB) error {
		return func(db *sql.DB) error {
			_, err := db.Exec("INSERT INTO "+columns+" VALUES "+values, args...)
			return err
		}
	}
	const columns = "executions (id, tenant, state, created_at, ended_at, safe_to_repeat, keep_data, idempotency_key, idempotency_body, code_digest, input_digest, result_code, request, code, result, output)"
	atVersion(t, dir, 5,
		insert(columns, "(?, '', 'queued', 1, NULL, 0, 0, 'waiting', ?, 'c', '', '', ?, ?, NULL, NULL)", waiting, request[:], []byte("{}"), []byte("return 1")),
		insert(columns, "(?, '', 'ended', 1, 2, 0, 0, 'ended', ?, 'c', '', 'SUCCESS', NULL, NULL, ?, ?)", ended, request[:], []byte("{}"), []byte("[1,2]")),
		insert(columns, "(?, '', 'ended', 1, 2, 0, 0, 'forgotten', ?, 'c', '', 'SUCCESS', NULL, NULL, NULL, NULL)", forgotten, request[:]),
		insert("agent_runs (id, tenant, agent, state, created_at, keep_data, idempotency_key, idempotency_body, task_digest, result_code, task)",
			"(?, '', 'codesmith', 'queued', 1, 0, 'run', ?, 'd', '', ?)", run, request[:], []byte(`{"task":"t"}`)))
	line := stated{table: "executions", id: waiting, state: "queued", about: [4]string{"c", "", "waiting", hex.EncodeToString(request[:])}}.append(nil)
	if err := os.WriteFile(filepath.Join(dir, WitnessFileName), line, 0o600); err != nil {
		t.Fatal(err)
	}

	s, e := openExecutions(t, dir)
	same := kept.IdempotencyKey{Body: request}
	other := kept.IdempotencyKey{Body: sha256.Sum256([]byte("another one"))}
	stands := func(id string, i kept.Idempotency, err error, forOther bool) {
		t.Helper()
		if err != nil || !i.StandsFor(same) || i.StandsFor(other) != forOther || i.Body == request {
			t.Errorf("%s: %+v, %v: stands for the same: %v, for another: %v", id, i, err, i.StandsFor(same), i.StandsFor(other))
		}
	}
	for id, forOther := range map[string]bool{waiting: false, ended: false, forgotten: true} {
		r, err := e.Get(t.Context(), "", id)
		stands(id, r.Idempotency, err, forOther)
	}
	r, err := s.AgentRuns().Get(t.Context(), "", run)
	stands(run, r.Idempotency, err, false)
	if existing, err := s.AgentRuns().AddAll(t.Context(), []agentrun.Record{{ID: ulid.Make().String(), Agent: "codesmith", State: "queued", Task: []byte("{}"), TaskDigest: "d",
		Idempotency: kept.IdempotencyKey{Key: "run", Body: request}.Keep()}}, kepttest.Any); err != nil || existing[0] != run {
		t.Errorf("%+v, %v", existing, err)
	}
	// What they count for was made up for, too.
	if n, err := e.Bytes(t.Context()); err != nil || n != 3*kept.RecordBytes+int64(len("{}return 1")+len("{}[1,2]")) {
		t.Errorf("%d bytes are counted, %v", n, err)
	}
	if _, _, err := e.Expire(t.Context(), execution.Policy{Result: time.Hour, Record: time.Hour, Records: 100}, time.UnixMicro(3)); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{string(request[:]), hex.EncodeToString(request[:])} {
		if files := filesWith(t, dir, form); files != nil {
			t.Errorf("the digest is still in %v", files)
		}
	}
}
