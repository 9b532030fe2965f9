package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/queue"
	"glovebox/internal/store"
)

// A keptTable is one of what is accepted and kept: of its rows these are the columns that any such table has.
type keptTable struct {
	store *Store
	name  string // in SQL
	what  string // one row is
	// letGo are the columns of a tenant's own: NULL once only digests and codes stay.
	letGo []string
}

// letGoAll is what is done to a row that is forgotten.
func (k keptTable) letGoAll() string { return strings.Join(k.letGo, " = NULL, ") + " = NULL" }

// begin marks a queued row as running, and appends entries to the ledger, in one step. False says that it is not queued any more: then there are no entries.
func (k keptTable) begin(ctx context.Context, id string, at time.Time, entries []ledger.Draft) (done bool, err error) {
	doing := "begin " + k.what + " " + id
	err = k.store.write(ctx, doing, func(tx *transaction) error {
		n, err := k.store.change(ctx, tx, doing, "UPDATE "+k.name+" SET state = 'running', began_at = ? WHERE id = ? AND state = 'queued'", at.UnixMicro(), id)
		if done = n > 0; err != nil || !done {
			return err
		}
		tx.said = stated{table: k.name, id: id, state: api.ExecutionRunning}.append(tx.said)
		if len(entries) > 0 {
			_, err = k.store.append(ctx, tx, entries...)
		}
		return err
	})
	return done && err == nil, err
}

// end marks a row as ended that has not, and sets what else the assignments say, of which the values are the first. The witness is told, and
// so is its tenant's webhook, in the same step; read makes of what columns hold what that is told. False says that it has ended already, or is gone.
func (k keptTable) end(ctx context.Context, id string, at time.Time, read scan[api.WebhookEvent], columns, assignments string, values ...any) (done bool, err error) {
	doing := "end " + k.what + " " + id
	err = k.store.write(ctx, doing, func(tx *transaction) error {
		ended, err := all(ctx, k.store, tx, doing, read, "UPDATE "+k.name+" SET "+assignments+", state = 'ended', ended_at = ? WHERE id = ? AND ended_at IS NULL RETURNING "+columns,
			append(values, at.UnixMicro(), id)...)
		if done = len(ended) > 0; err != nil || !done {
			return err
		}
		tx.said = stated{table: k.name, id: id, state: api.ExecutionEnded}.append(tx.said)
		return k.tell(ctx, tx, id, ended[0])
	})
	return done && err == nil, err
}

// Read implements [kept.Store].
func (k keptTable) Read(ctx context.Context, id string, at time.Time) error {
	_, err := k.store.changeOne(ctx, "mark "+k.what+" "+id+" as read", "UPDATE "+k.name+" SET read_at = ? WHERE id = ? AND read_at IS NULL", at.UnixMicro(), id)
	return err
}

// Forget implements [kept.Store].
func (k keptTable) Forget(ctx context.Context, tenant, id string) error {
	doing := "forget " + k.what + " " + id
	return k.store.write(ctx, doing, func(tx *transaction) error {
		const mine = " WHERE id = ? AND tenant = ? AND ended_at IS NOT NULL"
		n, err := k.store.change(ctx, tx, doing, "UPDATE "+k.name+" SET "+k.letGoAll()+mine+" AND coalesce("+strings.Join(k.letGo, ", ")+") IS NOT NULL", id, tenant)
		if err != nil {
			return err
		}
		if n == 0 { // it was forgotten before, and the ledger says so
			var there bool
			if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT * FROM "+k.name+mine+")", id, tenant).Scan(&there); err != nil {
				return k.store.failed(doing, err)
			}
			if !there {
				return kept.ErrNotFound
			}
			return nil
		}
		return k.store.record(ctx, tx, ledger.KindRetention, ledger.Act{Subject: id, Details: map[string]string{"of": k.name, "asked": "true"}})
	})
}

// turnOf is whose turn it is to read what may take a while: a tenant does one such thing at once.
func turnOf(tenant string) queue.Share {
	share := queue.Share{ID: tenant}
	if tenant != "" {
		share.Running = 1
	}
	return share
}

// getKept returns a tenant's record, or [kept.ErrNotFound].
func getKept[R any](ctx context.Context, k keptTable, read scan[R], columns, tenant, id string) (r R, err error) {
	place, err := k.store.whole.Enter(ctx, turnOf(tenant))
	if err != nil {
		return r, k.store.failed(k.what+" "+id, err)
	}
	defer place.Leave()
	found, err := all(ctx, k.store, k.store.reader, k.what+" "+id, read, "SELECT "+columns+" FROM "+k.name+" WHERE id = ? AND tenant = ?", id, tenant)
	if err != nil {
		return r, err
	}
	if len(found) == 0 {
		return r, kept.ErrNotFound
	}
	return found[0], nil
}

// A keptRow is a row that is to be kept: its values, its idempotency key, and what the witness is told of it.
type keptRow struct {
	values []any
	key    string
	said   stated
}

// A firstRow is one that has an idempotency key which another asks for.
type firstRow struct {
	id  string
	key keptKey
}

func scanFirst(row func(into ...any) error) (r firstRow, err error) {
	return r, row(&r.id, &r.key.key, &r.key.salt, &r.key.body)
}

// addAll keeps new rows; see [kept.Store].
func (k keptTable) addAll(ctx context.Context, insert string, rows []keptRow, judge kept.Judge) (existing []string, err error) {
	existing = make([]string, len(rows))
	doing := "accept what is to stand in " + k.name
	err = k.store.write(ctx, doing, func(tx *transaction) error {
		add, err := tx.PrepareContext(ctx, insert+" ON CONFLICT (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING")
		if err != nil {
			return k.store.failed(doing, err)
		}
		defer func() { _ = add.Close() }()
		for i, row := range rows {
			done, err := add.ExecContext(ctx, row.values...)
			if err != nil {
				return k.store.failed("accept "+k.what+" "+row.said.id, err)
			}
			if added, err := done.RowsAffected(); err != nil {
				return err
			} else if added > 0 {
				row.said.table = k.name
				tx.said = row.said.append(tx.said)
				continue
			}
			// Without its documents, which may be large: nobody who writes waits for those.
			first, err := one(ctx, k.store, tx, k.what+" of key", row.key, scanFirst,
				"SELECT id, idempotency_key, idempotency_salt, idempotency_body FROM "+k.name+" WHERE tenant = ? AND idempotency_key = ?", row.said.tenant, row.key)
			if err != nil {
				return err
			}
			key, whole := first.key.read()
			if !whole {
				return fmt.Errorf("%w: the idempotency key of %s %s", store.ErrCorrupt, k.what, first.id)
			}
			if err := judge(i, key); err != nil {
				return err
			}
			existing[i] = first.id
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return existing, nil
}

// lookedAt is how many records a page of a list is looked for among: a filter that takes few would else have all of a tenant's read, for each page.
const lookedAt = 10_000

// listKept returns what a filter, and one more condition where it is not "", takes.
func listKept[R any, C ~string](
	ctx context.Context, k keptTable, read scan[R], columns, tenant string, f kept.Filter[C], also string, value any, idOf func(R) string,
) (page kept.Page[R], err error) {
	place, err := k.store.lists.Enter(ctx, turnOf(tenant))
	if err != nil {
		return page, k.store.failed("list "+k.name, err)
	}
	defer place.Leave()
	var where strings.Builder
	args := []any{tenant}
	and := func(asked bool, condition string, value any) {
		if asked {
			where.WriteString(" AND " + condition)
			args = append(args, value)
		}
	}
	and(f.State != "", "state = ?", string(f.State))
	and(f.ResultCode != "", "result_code = ?", string(f.ResultCode))
	and(!f.Since.IsZero(), "created_at >= ?", ceilMicros(f.Since))
	and(!f.Until.IsZero(), "created_at < ?", ceilMicros(f.Until))
	and(also != "", also, value)
	last := ""
	if where.Len() > 0 {
		if last, err = k.lastLookedAt(ctx, tenant, f.Before); err != nil {
			return page, err
		}
	}
	and(last != "", "id >= ?", last)
	and(f.Before != "", "id < ?", f.Before)
	page.Records, err = all(ctx, k.store, k.store.reader, "list "+k.name, read,
		"SELECT "+columns+" FROM "+k.name+" WHERE tenant = ?"+where.String()+" ORDER BY id DESC LIMIT ?", append(args, f.Limit+1)...)
	if len(page.Records) > f.Limit { // one more tells that there is another page
		page.Records = page.Records[:f.Limit]
		last = idOf(page.Records[f.Limit-1])
	}
	page.Next = last
	return page, err
}

// lastLookedAt is the last record that is looked at for a page of a tenant's behind an id; "" is that all are. It reads an index alone.
func (k keptTable) lastLookedAt(ctx context.Context, tenant, before string) (string, error) {
	where, args := "tenant = ?", []any{tenant}
	if before != "" {
		where, args = where+" AND id < ?", append(args, before)
	}
	ids, err := all(ctx, k.store, k.store.reader, "list "+k.name, scanString, "SELECT id FROM "+k.name+" WHERE "+where+" ORDER BY id DESC LIMIT 1 OFFSET ?",
		append(args, lookedAt-1)...)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

func scanString(row func(into ...any) error) (text string, err error) { return text, row(&text) }

// ceilMicros is the first microsecond that is not before a time.
func ceilMicros(t time.Time) int64 { return t.Add(time.Microsecond - time.Nanosecond).UnixMicro() }

// unfinishedKept returns what has not ended, oldest first.
func unfinishedKept[R any](ctx context.Context, k keptTable, read scan[R], columns string) ([]R, error) {
	return all(ctx, k.store, k.store.reader, "look for what has not ended in "+k.name, read,
		"SELECT "+columns+" FROM "+k.name+" WHERE ended_at IS NULL ORDER BY id")
}

// keptTimes are the times of a row as they are read.
type keptTimes struct {
	createdAt                int64
	beganAt, endedAt, readAt sql.NullInt64
}

func (t *keptTimes) into(createdAt, beganAt, endedAt, readAt *time.Time) {
	*createdAt = fromMicros(t.createdAt)
	*beganAt, *endedAt, *readAt = fromNullMicros(t.beganAt), fromNullMicros(t.endedAt), fromNullMicros(t.readAt)
}

// keptKey is an idempotency key as it is read.
type keptKey struct {
	key        sql.NullString
	salt, body []byte
}

// keyOf is a key as it is written.
func keyOf(i kept.Idempotency) (key sql.NullString, salt, body []byte) {
	if i.Key == "" {
		return key, nil, nil
	}
	if i.Salt != (kept.Idempotency{}).Salt {
		salt = i.Salt[:]
	}
	return sql.NullString{String: i.Key, Valid: true}, salt, i.Body[:]
}

func (k *keptKey) read() (i kept.Idempotency, ok bool) {
	i.Key = k.key.String
	if salted := copy(i.Salt[:], k.salt); salted > 0 && salted < len(i.Salt) {
		return i, false
	}
	return i, !k.key.Valid || copy(i.Body[:], k.body) == len(i.Body)
}

// checkHead reports what is wrong with what every such row has.
func checkHead(what string, state api.ExecutionState, wholeKey bool) error {
	if !state.Known() {
		return fmt.Errorf("%w: %s is %q", store.ErrCorrupt, what, state)
	}
	if !wholeKey {
		return fmt.Errorf("%w: %s has no whole digest of its body", store.ErrCorrupt, what)
	}
	return nil
}
