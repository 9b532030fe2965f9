package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/store"
)

// KeyFileName is the name of the file, in the store's directory, with the private key that signs its ledger.
const KeyFileName = "ledger.key"

// The ledger of a store.
type log struct{ store *Store }

// Ledger implements [store.Store].
func (s *Store) Ledger() ledger.Log { return log{s} }

// KeyFile is where the private key is that signs the ledger.
func (s *Store) KeyFile() string { return filepath.Join(filepath.Dir(s.path), KeyFileName) }

// begin begins the ledger of a store that is new.
func (s *Store) begin(ctx context.Context) error {
	first, err := all(ctx, s, s.reader, "look for the ledger", scanRow, "SELECT "+rowColumns+" FROM ledger LIMIT 1")
	if err != nil || len(first) > 0 {
		return err
	}
	actor, _ := ledger.ActorFrom(ctx)
	if _, err := ledger.Open(ctx, s.Ledger(), s.KeyFile(), actor); err != nil {
		return fmt.Errorf("store: begin the ledger: %w", err)
	}
	return nil
}

// record appends an administrative act to the ledger, in the transaction that does it.
func (s *Store) record(ctx context.Context, tx *transaction, kind ledger.Kind, act ledger.Act) error {
	_, err := s.append(ctx, tx, ledger.Did(kind, store.ActorOf(ctx), act))
	return err
}

func (s *Store) append(ctx context.Context, tx *transaction, drafts ...ledger.Draft) (ledger.Head, error) {
	head, err := s.end(ctx, tx)
	if err != nil {
		return ledger.Head{}, err
	}
	for _, draft := range drafts {
		row, next, err := ledger.Seal(head, draft, time.Now())
		if err != nil {
			return ledger.Head{}, err
		}
		var key []byte
		if row.Key != nil {
			key = row.Key[:]
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO ledger (seq, entry, hash, public_key) VALUES (?, ?, ?, ?)",
			int64(row.Seq), row.Entry, row.Hash[:], key); err != nil {
			return ledger.Head{}, s.failed("append to the ledger", err)
		}
		kind, subject := draft.Names()
		tx.said = entered{seq: row.Seq, hash: row.Hash, kind: kind, subject: subject}.append(tx.said)
		head = next
	}
	s.lastHead.Store(&head) // where the transaction comes to nothing, no row has this hash
	return head, nil
}

// end is head, which need not be worked out where the last row is the one that we wrote.
func (s *Store) end(ctx context.Context, tx *transaction) (ledger.Head, error) {
	var seq int64
	var hash []byte
	err := tx.QueryRowContext(ctx, "SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").Scan(&seq, &hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ledger.Head{}, nil
	case err != nil:
		return ledger.Head{}, s.failed("find the ledger's end", err)
	}
	if last := s.lastHead.Load(); last != nil && last.Size == uint64(seq) && bytes.Equal(last.Hash[:], hash) {
		return *last, nil
	}
	return s.head(ctx, tx)
}

const rowColumns = "seq, entry, hash, public_key"

func scanRow(scan func(into ...any) error) (ledger.Row, error) {
	var row ledger.Row
	var seq int64
	var hash, key []byte
	if err := scan(&seq, &row.Entry, &hash, &key); err != nil {
		return ledger.Row{}, err
	}
	row.Seq = uint64(seq)
	copy(row.Hash[:], hash)
	if key != nil {
		row.Key = new(ledger.PublicKey)
		copy(row.Key[:], key)
	}
	return row, nil
}

// head reads the last row, and the last key.
func (s *Store) head(ctx context.Context, q querier) (ledger.Head, error) {
	const doing = "find the ledger's end"
	last, err := all(ctx, s, q, doing, scanRow, "SELECT "+rowColumns+" FROM ledger ORDER BY seq DESC LIMIT 1")
	if err != nil || len(last) == 0 {
		return ledger.Head{}, err
	}
	named, err := all(ctx, s, q, doing, scanRow, "SELECT "+rowColumns+" FROM ledger WHERE public_key IS NOT NULL ORDER BY seq DESC LIMIT 1")
	if err != nil {
		return ledger.Head{}, err
	}
	if len(named) == 0 {
		return ledger.Head{}, fmt.Errorf("store: %s: %w: the ledger names no key", s.path, store.ErrCorrupt)
	}
	head, err := ledger.HeadAt(last[0], *named[0].Key)
	if err != nil {
		return ledger.Head{}, fmt.Errorf("store: %s: %w: the ledger: %w", s.path, store.ErrCorrupt, err)
	}
	return head, nil
}

// Append implements [ledger.Log].
func (l log) Append(ctx context.Context, drafts ...ledger.Draft) (head ledger.Head, err error) {
	err = l.store.write(ctx, "append to the ledger", func(tx *transaction) error {
		head, err = l.store.append(ctx, tx, drafts...)
		return err
	})
	if err != nil {
		return ledger.Head{}, err
	}
	return head, nil
}

// Head implements [ledger.Log].
func (l log) Head(ctx context.Context) (ledger.Head, error) {
	// Of one moment: a row and the key that signs there.
	tx, err := l.store.reader.BeginTx(ctx, nil)
	if err != nil {
		return ledger.Head{}, l.store.failed("find the ledger's end", err)
	}
	head, err := l.store.head(ctx, tx)
	return head, errors.Join(err, tx.Rollback())
}

// page is how many rows are read at once: whoever reads slowly keeps nobody from tidying up the file.
const page = 64

// Read implements [ledger.Log].
func (l log) Read(ctx context.Context, from uint64) iter.Seq2[ledger.Row, error] {
	return func(yield func(ledger.Row, error) bool) {
		next := int64(min(max(from, 1), 1<<62))
		for {
			rows, err := all(ctx, l.store, l.store.reader, "read the ledger", scanRow,
				"SELECT "+rowColumns+" FROM ledger WHERE seq >= ? ORDER BY seq LIMIT ?", next, page)
			if err != nil {
				yield(ledger.Row{}, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
				next = int64(row.Seq) + 1
			}
			if len(rows) < page {
				return
			}
		}
	}
}
