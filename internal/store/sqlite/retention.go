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

// expireMost is how many rows are changed in one transaction: others write in between.
const expireMost = 500

// Expire implements [kept.Store]. What was let go since it was last called, by whomever, is then in no file any more.
func (k keptTable) Expire(ctx context.Context, p kept.Policy, now time.Time) (forgotten, removed int, err error) {
	remove := "DELETE FROM " + k.name + " WHERE id IN (SELECT id FROM " + k.name + " WHERE "
	removed, err = k.letGoOf(ctx, howRemoved, remove+"ended_at <= ? LIMIT ?)", -1, now.Add(-p.Record).UnixMicro())
	if err != nil {
		return 0, removed, err
	}
	var count int
	if err := k.store.reader.QueryRowContext(ctx, "SELECT count(*) FROM "+k.name).Scan(&count); err != nil {
		return 0, removed, k.store.failed("count "+k.name, err)
	}
	oldest, err := k.letGoOf(ctx, howRemoved, remove+"ended_at IS NOT NULL ORDER BY ended_at, id LIMIT ?)", max(count-p.Records, 0))
	removed += oldest
	if err != nil {
		return 0, removed, err
	}
	forgotten, err = k.letGoOf(ctx, howForgotten, "UPDATE "+k.name+" SET "+k.letGoAll()+" WHERE id IN (SELECT id FROM "+k.name+" "+
		"WHERE result IS NOT NULL AND keep_data = 0 AND (read_at <= ? OR ended_at <= ?) LIMIT ?)",
		-1, now.Add(-kept.ReadGrace).UnixMicro(), now.Add(-p.Result).UnixMicro())
	if err == nil {
		var more, gone int
		more, gone, err = k.lighten(ctx, p)
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

// letGoOf changes rows until there are none left to be changed, or most have been; -1 is no bound. The query's last argument is
// how many it may change. The ledger says how many were, in the same step.
func (k keptTable) letGoOf(ctx context.Context, how, query string, most int, args ...any) (int, error) {
	doing := "let go of old " + k.name
	changed := 0
	for most < 0 || changed < most {
		limit, n := expireMost, 0
		if most >= 0 {
			limit = min(limit, most-changed)
		}
		err := k.store.write(ctx, doing, func(tx *transaction) (err error) {
			n, err = k.store.change(ctx, tx, doing, query, append(args, limit)...)
			if err != nil || n == 0 {
				return err
			}
			return k.store.record(ctx, tx, ledger.KindRetention, ledger.Act{Subject: k.name, Details: map[string]string{how: strconv.Itoa(n)}})
		})
		if err != nil {
			return changed, err
		}
		if changed += n; n < limit {
			break
		}
	}
	return changed, nil
}

// Bytes implements [kept.Store].
func (k keptTable) Bytes(ctx context.Context) (int64, error) { return k.bytes(ctx, k.store.reader) }

func (k keptTable) bytes(ctx context.Context, q querier) (int64, error) {
	return one(ctx, k.store, q, "bytes of", k.name, func(row func(into ...any) error) (n int64, err error) { return n, row(&n) },
		"SELECT bytes FROM kept_bytes WHERE name = ?", k.name)
}

// lighten lets go of what is beyond the policy's bytes: of results, the first that ended first, and of records where there are none left.
func (k keptTable) lighten(ctx context.Context, p kept.Policy) (forgotten, removed int, err error) {
	held, err := k.Bytes(ctx)
	if err != nil {
		return 0, 0, err
	}
	over := p.Over(held)
	if over == 0 {
		return 0, 0, nil
	}
	most := held - over
	if forgotten, err = k.lightenBy(ctx, howForgotten, "result IS NOT NULL", "UPDATE "+k.name+" SET "+k.letGoAll(), most); err != nil {
		return forgotten, 0, err
	}
	removed, err = k.lightenBy(ctx, howRemoved, "ended_at IS NOT NULL AND result IS NULL", "DELETE FROM "+k.name, most)
	return forgotten, removed, err
}

// A weight is what a row counts for that is to be let go of.
type weight struct {
	id      string
	endedAt int64
	bytes   int64
	unread  bool // it has a result that nobody has been told
}

func scanWeight(row func(into ...any) error) (w weight, err error) {
	return w, row(&w.id, &w.endedAt, &w.bytes, &w.unread)
}

// lightenBy changes rows of a condition, the first that ended first, until no more than so many bytes are kept, or none is left. The ledger says
// in the same step how many they were, that they were too much, and of how many of them nobody had been told the result.
func (k keptTable) lightenBy(ctx context.Context, how, which, change string, most int64) (changed int, err error) {
	doing := "let go of what is too much of " + k.name
	for more := true; more; {
		n := 0
		err = k.store.write(ctx, doing, func(tx *transaction) error {
			held, err := k.bytes(ctx, tx)
			if err != nil || held <= most {
				more = false
				return err
			}
			oldest, err := all(ctx, k.store, tx, doing, scanWeight, "SELECT id, ended_at, bytes, result IS NOT NULL AND read_at IS NULL FROM "+k.name+
				" WHERE "+which+" ORDER BY ended_at, id LIMIT ?", expireMost)
			if err != nil || len(oldest) == 0 {
				more = false
				return err
			}
			unread := 0
			for ; n < len(oldest) && held > most; n++ {
				held -= oldest[n].bytes
				if how == howForgotten {
					held += kept.RecordBytes
				}
				if oldest[n].unread {
					unread++
				}
			}
			last := oldest[n-1]
			if n, err = k.store.change(ctx, tx, doing, change+" WHERE "+which+" AND (ended_at, id) <= (?, ?)", last.endedAt, last.id); err != nil {
				return err
			}
			details := map[string]string{how: strconv.Itoa(n), "over": "data-limit"}
			if unread > 0 {
				details["unread"] = strconv.Itoa(unread)
			}
			return k.store.record(ctx, tx, ledger.KindRetention, ledger.Act{Subject: k.name, Details: details})
		})
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}
