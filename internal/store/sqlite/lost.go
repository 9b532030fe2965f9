package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/ledger"
	"glovebox/internal/store"
)

// A Loss is what the database was told and has not any more: its log was damaged, or it is an older copy.
type Loss struct {
	// From and To are the numbers of the first and the last ledger entry that are missing, or are others now; 0 is none.
	From, To uint64
	// Subjects are what these entries were about, each once: ids of executions, tenants and keys.
	Subjects []string
	// Executions are the ids of those that had been accepted, and of which nothing was kept. They stand as failed now.
	Executions []string
}

// Any reports whether anything was lost.
func (l Loss) Any() bool { return l.To > 0 || len(l.Executions) > 0 }

// Lost is what was found missing when the store was opened.
func (s *Store) Lost() Loss { return s.lost }

const (
	// lostAge is how old what is missed may be: whatever is older may have been removed, as it should.
	lostAge = 24 * time.Hour
	// lostSearch is how many executions in a row must be there for the search to end: they are accepted one after another, and what is
	// lost is the last of them.
	lostSearch = 64
)

// compare holds the database against its witness. What is missing is named, in the ledger too; an execution of which nothing is left
// has failed, and one whose beginning is not recorded any more counts as begun.
func (s *Store) compare(ctx context.Context) error {
	t, err := s.witness.hear()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	missing, err := s.missingEntries(ctx, t.entered)
	if err != nil {
		return err
	}
	gone, err := s.missingExecutions(ctx, t.accepted)
	if err != nil {
		return err
	}
	if len(missing)+len(gone) == 0 {
		return nil
	}
	if err := s.sound(ctx); err != nil {
		return err
	}
	s.lost = lossOf(missing, gone)
	const doing = "name what was lost"
	err = s.write(ctx, doing, func(tx *transaction) error {
		for _, e := range missing {
			if e.kind != ledger.KindBegan {
				continue
			}
			if _, err := tx.ExecContext(ctx, "UPDATE executions SET state = 'running', began_at = ? WHERE id = ? AND state = 'queued'",
				time.Now().UnixMicro(), e.subject); err != nil {
				return s.failed(doing, err)
			}
		}
		for _, a := range gone {
			if err := s.replace(ctx, tx, doing, a); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, ledger.KindLost, s.lost.act())
	})
	if err != nil {
		return err
	}
	if err := s.witness.forget(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// missingEntries returns what the ledger has not, or has otherwise, the last one first.
func (s *Store) missingEntries(ctx context.Context, said []entered) (missing []entered, err error) {
	slices.SortStableFunc(said, func(a, b entered) int { return int(int64(b.seq) - int64(a.seq)) })
	for i := 0; i < len(said); {
		seq, found := said[i].seq, len(missing)
		var hash []byte
		err := s.reader.QueryRowContext(ctx, "SELECT hash FROM ledger WHERE seq = ?", int64(seq)).Scan(&hash)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, s.failed("look for the ledger's end", err)
		}
		for ; i < len(said) && said[i].seq == seq; i++ {
			if !slices.Equal(hash, said[i].hash[:]) {
				missing = append(missing, said[i])
			}
		}
		if len(missing) == found {
			break
		}
	}
	return missing, nil
}

// missingExecutions returns those of which there is nothing, and that nobody has removed, the last one first.
func (s *Store) missingExecutions(ctx context.Context, said []accepted) (missing []accepted, err error) {
	there := 0
	for _, a := range slices.Backward(said) {
		id, err := ulid.ParseStrict(a.id)
		if err != nil || time.Since(id.Timestamp()) > lostAge || there == lostSearch {
			break
		}
		var kept, known bool
		if err := s.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT * FROM executions WHERE id = ?1), ?2 = '' OR EXISTS (SELECT * FROM tenants WHERE id = ?2)",
			a.id, a.tenant).Scan(&kept, &known); err != nil {
			return nil, s.failed("look for the last executions", err)
		}
		switch {
		case kept:
			there++
		case known: // with a tenant its executions go
			there = 0
			missing = append(missing, a)
		}
	}
	return missing, nil
}

// sound refuses a database that is not of one piece: where its log's end was damaged, a part of what that had may be in the file already.
func (s *Store) sound(ctx context.Context) error {
	const doing = "look whether it is of one piece, since its end is lost"
	found, err := all(ctx, s, s.reader, doing, func(row func(into ...any) error) (line string, err error) { return line, row(&line) }, "PRAGMA quick_check")
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] != "ok" {
		return fmt.Errorf("store: %s: %w (%s: %s)", s.path, store.ErrCorrupt, doing, strings.Join(found[:min(len(found), 3)], "; "))
	}
	return nil
}

// replace keeps, in place of an execution that is gone, that it failed.
func (s *Store) replace(ctx context.Context, tx *transaction, doing string, a accepted) error {
	id, err := ulid.ParseStrict(a.id)
	if err != nil {
		return err
	}
	result := execution.Failed(a.id, "what was kept of it was lost with the end of the server's database; it may have run, and is not run again unasked")
	values, err := valuesOf(execution.Record{
		ID: a.id, Tenant: a.tenant, State: api.ExecutionEnded, CreatedAt: id.Timestamp().UTC(), EndedAt: time.Now().UTC(),
		CodeDigest: a.codeDigest, InputDigest: a.inputDigest, Result: &result, ResultCode: result.ResultCode,
	})
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insertExecution, values...); err != nil {
		return s.failed(doing, err)
	}
	return nil
}

func lossOf(missing []entered, gone []accepted) (l Loss) {
	seen := map[string]bool{}
	for _, e := range slices.Backward(missing) {
		if l.From == 0 {
			l.From = e.seq
		}
		l.To = max(l.To, e.seq)
		if e.subject != "" && !seen[e.subject] {
			seen[e.subject] = true
			l.Subjects = append(l.Subjects, e.subject)
		}
	}
	for _, a := range slices.Backward(gone) {
		l.Executions = append(l.Executions, a.id)
	}
	return l
}

// act is the loss as the ledger has it, which has no place for a very long one.
func (l Loss) act() ledger.Act {
	const most = 100
	return ledger.Act{Subject: "database", Details: map[string]string{
		"firstEntry": fmt.Sprint(l.From), "lastEntry": fmt.Sprint(l.To), "executionCount": fmt.Sprint(len(l.Executions)),
		"executions": strings.Join(l.Executions[:min(len(l.Executions), most)], " "),
	}}
}
