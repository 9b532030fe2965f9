package sqlite

import (
	"context"
	"strconv"
	"time"

	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// How rows are let go of, as the ledger says it.
const (
	howForgotten = "forgotten" // what is the tenant's own
	howRemoved   = "removed"
)

// expireMost is how many rows are changed in one transaction, and tenantsMost of how many tenants, each of which has an entry in the ledger: others
// write in between.
const (
	expireMost  = 500
	tenantsMost = 50
)

// Expire implements [kept.Store]. What was let go since it was last called, by whomever, is then in no file any more.
func (k keptTable) Expire(ctx context.Context, p kept.Policy, now time.Time) (forgotten, removed int, err error) {
	removed, err = k.letGoOf(ctx, howRemoved, "DELETE FROM "+k.name+" WHERE id IN (SELECT id FROM "+k.name+" WHERE ended_at <= ? LIMIT ?)", now.Add(-p.Record).UnixMicro())
	if err != nil {
		return 0, removed, err
	}
	gone, err := k.lighten(ctx, tooManyRecords, int64(p.Records))
	removed += gone
	if err != nil {
		return 0, removed, err
	}
	forgotten, err = k.letGoOf(ctx, howForgotten, "UPDATE "+k.name+" SET "+k.letGoAll()+" WHERE id IN (SELECT id FROM "+k.name+" "+
		"WHERE result IS NOT NULL AND keep_data = 0 AND (read_at <= ? OR ended_at <= ?) LIMIT ?)",
		now.Add(-kept.ReadGrace).UnixMicro(), now.Add(-p.Result).UnixMicro())
	if err == nil {
		var more int
		more, gone, err = k.lightenBytes(ctx, p)
		forgotten, removed = forgotten+more, removed+gone
	}
	if err != nil {
		return forgotten, removed, err
	}
	// The log has what was written since; where somebody reads there is a next time.
	if _, err := k.store.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return forgotten, removed, k.store.failed("tidy up", err)
	}
	return forgotten, removed, nil
}

// letGoOf changes rows until there are none left to be changed. The query's last argument is how many it may change. The ledger says how many were,
// in the same step.
func (k keptTable) letGoOf(ctx context.Context, how, query string, args ...any) (changed int, err error) {
	doing := "let go of old " + k.name
	for n := expireMost; n == expireMost; changed += n {
		err = k.store.write(ctx, doing, func(tx *transaction) (err error) {
			n, err = k.store.change(ctx, tx, doing, query, append(args, expireMost)...)
			if err != nil || n == 0 {
				return err
			}
			return k.store.record(ctx, tx, ledger.KindRetention, ledger.Act{Subject: k.name, Details: map[string]string{how: strconv.Itoa(n)}})
		})
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// Bytes implements [kept.Store].
func (k keptTable) Bytes(ctx context.Context) (n int64, err error) {
	err = k.store.reader.QueryRowContext(ctx, "SELECT coalesce(sum(bytes), 0) FROM kept_by_tenant WHERE name = ?", k.name).Scan(&n)
	if err != nil {
		return 0, k.store.failed("bytes of "+k.name, err)
	}
	return n, nil
}

// A cut is how rows are let go of, of a tenant that holds more than is its own of what has a limit.
type cut struct {
	limit string // as its flag is named
	held  string // the column of what tenants hold
	how   string
	which string // a condition, which an index of the oldest of a tenant has
	frees string // what is held less without a row
}

var (
	tooManyRecords   = cut{"record-limit", "records", howRemoved, "ended_at IS NOT NULL", "1"}
	tooLargeResults  = cut{"data-limit", "bytes", howForgotten, "result IS NOT NULL", "bytes - " + strconv.Itoa(kept.RecordBytes)}
	tooMuchInRecords = cut{"data-limit", "bytes", howRemoved, "ended_at IS NOT NULL AND result IS NULL", "bytes"}
)

// lightenBytes lets go of what is beyond the policy's bytes: of results, and of records of tenants that have none left.
func (k keptTable) lightenBytes(ctx context.Context, p kept.Policy) (forgotten, removed int, err error) {
	held, err := k.Bytes(ctx)
	if err != nil {
		return 0, 0, err
	}
	over := p.Over(held)
	if over == 0 {
		return 0, 0, nil
	}
	if forgotten, err = k.lighten(ctx, tooLargeResults, held-over); err != nil {
		return forgotten, 0, err
	}
	removed, err = k.lighten(ctx, tooMuchInRecords, held-over)
	return forgotten, removed, err
}

// lighten lets go of rows of those that hold more than is theirs where all may hold so much, and returns of how many.
func (k keptTable) lighten(ctx context.Context, c cut, most int64) (changed int, err error) {
	read := func(row func(into ...any) error) (h kept.Holding, err error) { return h, row(&h.Tenant, &h.Held) }
	held, err := all(ctx, k.store, k.store.reader, "what tenants hold of "+k.name, read, "SELECT tenant, "+c.held+" FROM kept_by_tenant WHERE name = ?", k.name)
	if err != nil {
		return 0, err
	}
	doing := "let go of what is too much of " + k.name
	for over := kept.Fair(held, most); len(over) > 0; {
		done := 0
		err := k.store.write(ctx, doing, func(tx *transaction) error {
			for tenants := 0; tenants < tenantsMost && done < expireMost && len(over) > 0; tenants++ {
				limit := expireMost - done
				n, err := k.lightenTenant(ctx, tx, doing, c, over[0], limit)
				if err != nil {
					return err
				}
				if done += n; n < limit {
					over = over[1:]
				}
			}
			return nil
		})
		if err != nil {
			return changed, err
		}
		changed += done
	}
	return changed, nil
}

// A load is the rows of a tenant that are to be let go of at once: how many, of how many of them nobody has been told the result, and the last.
type load struct {
	rows, unread int
	endedAt      int64
	id           string
}

// weigh finds the first rows of a tenant that ended, until together they free so much. It reads no more of them: of some tenants there are many.
func (k keptTable) weigh(ctx context.Context, tx *transaction, c cut, tenant string, limit int, free int64) (l load, err error) {
	rows, err := tx.QueryContext(ctx, k.oldest(c), tenant, limit)
	if err != nil {
		return l, err
	}
	defer func() { _ = rows.Close() }()
	for free > 0 && rows.Next() {
		var frees int64
		var unread bool
		if err := rows.Scan(&l.id, &l.endedAt, &frees, &unread); err != nil {
			return l, err
		}
		free -= frees
		l.rows++
		if unread {
			l.unread++
		}
	}
	return l, rows.Err()
}

// oldest finds the first rows of a tenant that ended, so many at most.
func (k keptTable) oldest(c cut) string {
	return "SELECT id, ended_at, " + c.frees + ", result IS NOT NULL AND read_at IS NULL FROM " + k.name + " WHERE tenant = ? AND " + c.which + " ORDER BY ended_at, id LIMIT ?"
}

// letGoUntil changes those of a tenant up to one.
func (k keptTable) letGoUntil(c cut) string {
	change := "DELETE FROM " + k.name
	if c.how == howForgotten {
		change = "UPDATE " + k.name + " SET " + k.letGoAll()
	}
	return change + " WHERE tenant = ? AND " + c.which + " AND (ended_at, id) <= (?, ?)"
}

// lightenTenant changes rows of a tenant, the first that ended first, until it holds no more than it may, or none is left, or limit have been changed. The
// ledger says in the same step whose and how many they were, what there was too much of, and of how many of them nobody had been told the result.
func (k keptTable) lightenTenant(ctx context.Context, tx *transaction, doing string, c cut, may kept.Holding, limit int) (n int, err error) {
	var held int64
	err = tx.QueryRowContext(ctx, "SELECT coalesce(sum("+c.held+"), 0) FROM kept_by_tenant WHERE name = ? AND tenant = ?", k.name, may.Tenant).Scan(&held)
	if err != nil {
		return 0, k.store.failed(doing, err)
	}
	l, err := k.weigh(ctx, tx, c, may.Tenant, limit, held-may.Held)
	if err != nil {
		return 0, k.store.failed(doing, err)
	}
	if l.rows == 0 {
		return 0, nil
	}
	if n, err = k.store.change(ctx, tx, doing, k.letGoUntil(c), may.Tenant, l.endedAt, l.id); err != nil {
		return 0, err
	}
	details := map[string]string{c.how: strconv.Itoa(n), "over": c.limit}
	if may.Tenant != "" {
		details["tenant"] = may.Tenant
	}
	if l.unread > 0 {
		details["unread"] = strconv.Itoa(l.unread)
	}
	return n, k.store.record(ctx, tx, ledger.KindRetention, ledger.Act{Subject: k.name, Details: details})
}
