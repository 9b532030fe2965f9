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
	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/ledger"
	"glovebox/internal/store"
)

// A Loss is what the database was told and has not any more: its log was damaged, or it is an older copy.
type Loss struct {
	// From and To are the numbers of the first and the last ledger entry that are missing, or are others now; 0 is none.
	From, To uint64
	// Subjects are what these entries were about, each once: ids of executions, tasks, tenants and keys.
	Subjects []string
	// Executions are the ids of those, and of runs of agents, that had been accepted, and of which nothing was kept. Results are those that
	// had ended, and Beginnings those that had begun, and of which the database did not know. All of them count as begun and not ended now.
	Executions, Results, Beginnings []string
	// Pages is how many pages at the log's end were dropped. They can have been those of a commit that was cut off: nobody was told of
	// that, and nothing else here says anything then.
	Pages int
}

// Any reports whether anything was lost that somebody may have been told of.
func (l Loss) Any() bool { return l.To > 0 || len(l.Executions)+len(l.Results)+len(l.Beginnings) > 0 }

// Lost is what was found missing when the store was opened.
func (s *Store) Lost() Loss { return s.lost }

const (
	// lostAge is how old what is missed may be: whatever is older may have been removed, as it should.
	lostAge = 24 * time.Hour
	// lostSearch is how many lines in a row must be true for the search to end: what is lost is the last that was said.
	lostSearch = 256
)

// compare holds the database against its witness. What is missing is named, in the ledger too, and an execution or a run that is gone, or
// whose beginning is, counts as begun.
func (s *Store) compare(ctx context.Context) error {
	t, err := s.witness.hear()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.sinceLastLoss(ctx, &t); err != nil {
		return err
	}
	missing, err := s.missingEntries(ctx, t.entered)
	if err != nil {
		return err
	}
	states, err := s.missingStates(ctx, t.stated)
	if err != nil {
		return err
	}
	s.lost.found(missing, states)
	if !s.lost.Any() {
		if t.plain {
			_ = s.witness.forget() // or the next server does
		}
		return nil
	}
	if err := s.sound(ctx); err != nil {
		return err
	}
	const doing = "name what was lost"
	err = s.write(ctx, doing, func(tx *transaction) error {
		for _, m := range states {
			if err := s.mend(ctx, tx, doing, m); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, ledger.KindLost, s.lost.act())
	})
	if err == nil {
		_ = s.witness.forget() // where it cannot, what it has now says that all before has been named
	}
	return err
}

// sinceLastLoss leaves out what was said before the last loss was named.
func (s *Store) sinceLastLoss(ctx context.Context, t *testimony) error {
	for _, e := range slices.Backward(t.entered) {
		if e.kind != ledger.KindLost {
			continue
		}
		if hash, err := s.hashOf(ctx, e.seq); err != nil {
			return err
		} else if slices.Equal(hash, e.hash[:]) {
			t.since(e.line)
			return nil
		}
	}
	return nil
}

// hashOf returns the hash of a ledger entry, nil where there is none.
func (s *Store) hashOf(ctx context.Context, seq uint64) (hash []byte, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT hash FROM ledger WHERE seq = ?", int64(seq)).Scan(&hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, s.failed("look for the ledger's end", err)
	}
	return hash, nil
}

// missingEntries returns what the ledger has not, or has otherwise, the last one first.
func (s *Store) missingEntries(ctx context.Context, said []entered) (missing []entered, err error) {
	slices.SortStableFunc(said, func(a, b entered) int { return int(int64(b.seq) - int64(a.seq)) })
	for i, right := 0, 0; i < len(said) && right < lostSearch; {
		seq, found := said[i].seq, len(missing)
		hash, err := s.hashOf(ctx, seq)
		if err != nil {
			return nil, err
		}
		for ; i < len(said) && said[i].seq == seq; i++ {
			if !slices.Equal(hash, said[i].hash[:]) {
				missing = append(missing, said[i])
			}
		}
		if len(missing) == found {
			right++ // which others may have written since: what is missing can be before it
		} else {
			right = 0
		}
	}
	return missing, nil
}

// A missingState is an execution, or a run of an agent, of which the database knows less than was said.
type missingState struct {
	said stated             // the last of its states
	kept api.ExecutionState // "" is nothing at all
}

// missingStates returns those that nobody has removed, the first one first.
func (s *Store) missingStates(ctx context.Context, said []stated) (missing []missingState, err error) {
	last := map[string]int{} // by id, the place in missing, or -1 of one that is as was said
	right := 0
	for _, line := range slices.Backward(said) {
		if right == lostSearch {
			break
		}
		if at, seen := last[line.id]; seen {
			if at >= 0 && line.state == api.ExecutionQueued { // which says the rest
				line.state = missing[at].said.state
				missing[at].said = line
			}
			continue
		}
		kept, err := s.stateOf(ctx, line)
		if err != nil {
			return nil, err
		}
		id, err := ulid.ParseStrict(line.id)
		old := err != nil || time.Since(id.Timestamp()) > lostAge
		if rank(kept) >= rank(line.state) || kept == "" && old {
			last[line.id] = -1
			right++
			continue
		}
		last[line.id], right = len(missing), 0
		missing = append(missing, missingState{line, kept})
	}
	slices.Reverse(missing)
	return s.withoutRemoved(ctx, missing)
}

func (s *Store) stateOf(ctx context.Context, of stated) (state api.ExecutionState, err error) {
	k, ok := s.keptTableOf(of.table)
	if !ok {
		return api.ExecutionEnded, nil // a later Glovebox's, which is to look itself
	}
	err = s.reader.QueryRowContext(ctx, "SELECT state FROM "+k.name+" WHERE id = ?", of.id).Scan(&state)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", s.failed("look for the last "+k.name, err)
	}
	return state, nil
}

// keptTableOf finds the table of a name that was read.
func (s *Store) keptTableOf(name string) (keptTable, bool) {
	for _, k := range []keptTable{s.executions(), s.agentRuns()} {
		if k.name == name {
			return k, true
		}
	}
	return keptTable{}, false
}

// rank is how far an execution or a run has come.
func rank(state api.ExecutionState) int {
	return slices.Index([]api.ExecutionState{"", api.ExecutionQueued, api.ExecutionRunning, api.ExecutionEnded}, state)
}

// withoutRemoved leaves out those that are not missed: with a tenant its executions and runs go, and another one of its name has none of them. Of
// those of which the first line is not there any more, nobody knows whose they were.
func (s *Store) withoutRemoved(ctx context.Context, missing []missingState) (left []missingState, err error) {
	for _, m := range missing {
		there := m.kept != "" || m.said.about[0] != ""
		if id, err := ulid.ParseStrict(m.said.id); err == nil && there && m.kept == "" && m.said.tenant != "" {
			accepted := id.Timestamp().Add(time.Millisecond).UnixMicro()
			if err := s.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT * FROM tenants WHERE id = ? AND created_at <= ?)", m.said.tenant, accepted).Scan(&there); err != nil {
				return nil, s.failed("look for a tenant", err)
			}
		}
		if there {
			left = append(left, m)
		}
	}
	return left, nil
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

// mend has a row say what can be said: that it had begun, and nobody knows how far it came. So its service, which takes up what has not ended,
// says that it failed. Of what is gone there is a row again.
func (s *Store) mend(ctx context.Context, tx *transaction, doing string, m missingState) error {
	k, _ := s.keptTableOf(m.said.table)
	if m.kept != "" {
		_, err := s.change(ctx, tx, doing, "UPDATE "+k.name+" SET state = 'running', began_at = ? WHERE id = ? AND state = 'queued'", time.Now().UnixMicro(), m.said.id)
		return err
	}
	id, err := ulid.ParseStrict(m.said.id)
	if err != nil {
		return err
	}
	created, now := id.Timestamp().UTC(), time.Now().UTC()
	var values []any
	insert := insertExecution
	if k.name == tableRuns {
		insert, values = insertRun, runValues(agentrun.Record{
			ID: m.said.id, Tenant: m.said.tenant, Agent: m.said.about[0], State: api.ExecutionRunning, CreatedAt: created, BeganAt: now,
			Idempotency: m.said.idempotency(), Task: []byte("{}"), TaskDigest: m.said.about[1],
		})
	} else if values, err = valuesOf(execution.Record{
		ID: m.said.id, Tenant: m.said.tenant, State: api.ExecutionRunning, CreatedAt: created, BeganAt: now,
		Idempotency: m.said.idempotency(), Request: &api.Request{}, CodeDigest: m.said.about[0], InputDigest: m.said.about[1],
	}); err != nil {
		return err
	}
	_, err = s.change(ctx, tx, doing, insert+" ON CONFLICT DO NOTHING", values...)
	return err
}

// found makes the loss of what is missing.
func (l *Loss) found(missing []entered, states []missingState) {
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
	for _, m := range states {
		switch {
		case m.kept == "":
			l.Executions = append(l.Executions, m.said.id)
		case m.said.state == api.ExecutionEnded:
			l.Results = append(l.Results, m.said.id)
		default:
			l.Beginnings = append(l.Beginnings, m.said.id)
		}
	}
}

// act is the loss as the ledger has it, which has no place for a very long one.
func (l Loss) act() ledger.Act {
	const most = 100
	details := map[string]string{"firstEntry": fmt.Sprint(l.From), "lastEntry": fmt.Sprint(l.To), "pages": fmt.Sprint(l.Pages)}
	for name, ids := range map[string][]string{"executions": l.Executions, "results": l.Results, "beginnings": l.Beginnings} {
		details[name] = strings.Join(ids[:min(len(ids), most)], " ")
		details[name+"Count"] = fmt.Sprint(len(ids))
	}
	return ledger.Act{Subject: "database", Details: details}
}
