package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// filled opens a store whose ledger has some entries, and returns its signer.
func filled(t *testing.T) (*Store, *ledger.Signer) {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "data"), Command)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Ledger().Append(t.Context(), ledgertest.Ended(1), ledgertest.Ended(2), ledgertest.Ended(3)); err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.Open(t.Context(), s.Ledger(), s.KeyFile(), ledger.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	return s, signer
}

// A statement that would alter the ledger, by our own mistake, is refused by the tables themselves.
func TestTheTablesKeepTheLedger(t *testing.T) {
	s, _ := filled(t)
	for _, statement := range []string{
		"UPDATE ledger SET entry = x'7b7d' WHERE seq = 2",
		"UPDATE ledger SET seq = 9 WHERE seq = 4",
		"DELETE FROM ledger WHERE seq = 4",
		"DELETE FROM ledger",
		"INSERT INTO ledger (seq, entry, hash) VALUES (6, x'7b7d', zeroblob(32))",
		"INSERT INTO ledger (seq, entry, hash) VALUES (0, x'7b7d', zeroblob(32))",
		"INSERT OR REPLACE INTO ledger (seq, entry, hash) VALUES (2, x'7b7d', zeroblob(32))",
		"INSERT INTO ledger (seq, entry, hash) VALUES (4, x'7b7d', zeroblob(32)) ON CONFLICT DO UPDATE SET entry = excluded.entry",
		"INSERT INTO ledger (seq, entry, hash) VALUES (5, x'7b7d', x'00')",
	} {
		if _, err := s.writer.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("done: %s", statement)
		}
	}
	if head, err := ledger.Check(t.Context(), s.Ledger()); err != nil || head.Size != 4 {
		t.Errorf("%+v, %v", head, err)
	}
}

// Who drops the triggers can alter it, and is found.
func TestAnAlteredLedgerIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		statement string
		problem   ledger.Problem
		appends   bool // the end is as it was
	}{
		"a byte":            {"UPDATE ledger SET entry = CAST(replace(CAST(entry AS TEXT), 'acme', 'acne') AS BLOB) WHERE seq = 3", ledger.ProblemAltered, true},
		"a byte at the end": {"UPDATE ledger SET entry = CAST(replace(CAST(entry AS TEXT), 'acme', 'acne') AS BLOB) WHERE seq = 4", ledger.ProblemAltered, false},
		"a row dropped":     {"DELETE FROM ledger WHERE seq = 2", ledger.ProblemSequence, true},
		"rows swapped":      {"UPDATE ledger SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3); UPDATE ledger SET seq = -seq WHERE seq < 0", ledger.ProblemSequence, true},
		"another key":       {"UPDATE ledger SET public_key = zeroblob(32) WHERE seq = 1", ledger.ProblemAltered, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, signer := filled(t)
			if _, err := s.writer.ExecContext(t.Context(), "DROP TRIGGER ledger_update; DROP TRIGGER ledger_delete; "+test.statement); err != nil {
				t.Fatal(err)
			}
			_, err := ledger.Check(t.Context(), s.Ledger())
			var fault *ledger.FaultError
			if !errors.As(err, &fault) || fault.Problem != test.problem {
				t.Errorf("%v, want %s", err, test.problem)
			}
			if _, err := ledger.Export(t.Context(), io.Discard, s.Ledger(), signer, 1, time.Now()); err == nil {
				t.Error("it is exported, and signed")
			}
			next := open(t, filepath.Dir(s.path), Command)
			defer next.Close()
			_, err = next.Ledger().Append(t.Context(), ledgertest.Ended(4))
			if test.appends != (err == nil) || err != nil && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("appending: %v", err)
			}
		})
	}
}

// An act that cannot be recorded is not done.
func TestWhatIsNotRecordedIsNotDone(t *testing.T) {
	s, _ := filled(t)
	if _, err := s.writer.ExecContext(t.Context(), "CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT raise(ABORT, 'full'); END"); err != nil {
		t.Fatal(err)
	}
	acme := tenant.Tenant{ID: "acme"}
	if err := s.CreateTenant(t.Context(), acme); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v", err)
	}
	if _, err := s.Tenant(t.Context(), "acme"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it is there all the same: %v", err)
	}
}

func TestALedgerIsBegunByWhoeverMakesTheStore(t *testing.T) {
	ctx := ledger.WithActor(t.Context(), ledger.Actor{Operator: "uid:7"})
	s, err := Open(ctx, filepath.Join(t.TempDir(), "data"), Command, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for row, err := range s.Ledger().Read(ctx, 1) {
		var e ledger.Entry
		if err != nil || json.Unmarshal(row.Entry, &e) != nil || e.Kind != ledger.KindCreated || e.Actor.Operator != "uid:7" {
			t.Errorf("%s, %v", row.Entry, err)
		}
	}
}

// BenchmarkAppend is what an entry costs where nobody else writes: most of it is the disk's.
func BenchmarkAppend(b *testing.B) {
	for _, entries := range []int{1, 2, 16} {
		b.Run(fmt.Sprintf("%d at once", entries), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "data"), Server)
			defer s.Close()
			drafts := make([]ledger.Draft, entries)
			for n := range drafts {
				drafts[n] = ledgertest.Ended(n)
			}
			for b.Loop() {
				if _, err := s.Ledger().Append(b.Context(), drafts...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
