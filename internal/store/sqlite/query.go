package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"glovebox/internal/store"
)

// A querier is a database, or a transaction in one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// A scan reads one row.
type scan[T any] func(row func(into ...any) error) (T, error)

// all returns what a query finds.
func all[T any](ctx context.Context, s *Store, q querier, doing string, read scan[T], query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.failed(doing, err)
	}
	defer func() { _ = rows.Close() }()
	var found []T
	for rows.Next() {
		one, err := read(rows.Scan)
		if err != nil {
			return nil, s.failed(doing, err)
		}
		found = append(found, one)
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(doing, err)
	}
	return found, nil
}

// one returns what a query for an id finds, or [store.ErrNotFound].
func one[T any](ctx context.Context, s *Store, q querier, what, id string, read scan[T], query string, args ...any) (T, error) {
	var zero T
	found, err := all(ctx, s, q, what+" "+id, read, query, args...)
	if err != nil {
		return zero, err
	}
	if len(found) == 0 {
		return zero, notFound(what, id)
	}
	return found[0], nil
}

func notFound(what, id string) error {
	return fmt.Errorf("store: %s %s: %w", what, id, store.ErrNotFound)
}

// write has f do something that is done as a whole or not at all. The transaction is the writer's from its beginning, so that what
// f reads is true until it ends. f's errors are returned as they are.
func (s *Store) write(ctx context.Context, doing string, f func(*transaction) error) error {
	begun, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return s.failed(doing, err)
	}
	tx := &transaction{Tx: begun}
	if err := f(tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = errors.Join(err, s.failed(doing, undo))
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return s.failed(doing, err)
	}
	s.witness.say(tx.said) // before anybody is told
	return nil
}

// A transaction changes the database, and knows what the witness is to be told of that.
type transaction struct {
	*sql.Tx
	said []byte
}

func fromMicros(t int64) time.Time { return time.UnixMicro(t).UTC() }

func fromNullMicros(t sql.NullInt64) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return fromMicros(t.Int64)
}

func nullMicros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// notCreated says why something was not kept: there is one by its id, or not the tenant that it is to belong to.
func (s *Store) notCreated(what, id, owner string, err error) error {
	switch kind := kindOf(err); {
	case err == nil:
		return nil
	case errors.Is(kind, store.ErrExists):
		return fmt.Errorf("store: %s %s: %w", what, id, store.ErrExists)
	case errors.Is(kind, store.ErrNotFound):
		return notFound("tenant", owner)
	}
	return s.failed("create "+what+" "+id, err)
}

// change changes rows, and returns how many.
func (s *Store) change(ctx context.Context, tx *transaction, doing, query string, args ...any) (int, error) {
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, s.failed(doing, err)
	}
	n, err := done.RowsAffected()
	return int(n), err
}

// changeOne changes a row in a transaction of its own, or reports that there is none to be changed.
func (s *Store) changeOne(ctx context.Context, doing, query string, args ...any) (done bool, err error) {
	err = s.write(ctx, doing, func(tx *transaction) error {
		n, err := s.change(ctx, tx, doing, query, args...)
		done = n > 0
		return err
	})
	return done && err == nil, err
}
