// Package ledgertest holds what a ledger's keeper has to do, as a suite of tests, and one that keeps it in memory.
package ledgertest

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"glovebox/internal/ledger"
)

// Memory keeps a log for as long as the process lives. Its zero value is an empty one. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	rows []ledger.Row
	head ledger.Head
}

var _ ledger.Log = (*Memory)(nil)

// Append is as [ledger.Log] says, but for the disk.
func (m *Memory) Append(ctx context.Context, drafts ...ledger.Draft) (ledger.Head, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Head{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	head, rows := m.head, []ledger.Row(nil)
	for _, d := range drafts {
		row, next, err := ledger.Seal(head, d, time.Now())
		if err != nil {
			return ledger.Head{}, err
		}
		head, rows = next, append(rows, row)
	}
	m.head, m.rows = head, append(m.rows, rows...)
	return head, nil
}

// Head returns where the log ends.
func (m *Memory) Head(ctx context.Context) (ledger.Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head, ctx.Err()
}

// Read yields the rows that there are when it is called.
func (m *Memory) Read(ctx context.Context, from uint64) iter.Seq2[ledger.Row, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := slices.Clone(m.rows[min(max(from, 1)-1, uint64(len(m.rows))):])
	return func(yield func(ledger.Row, error) bool) {
		for _, row := range rows {
			if err := ctx.Err(); err != nil {
				yield(ledger.Row{}, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Tamper changes a row as somebody would who can write where the log is kept.
func (m *Memory) Tamper(seq uint64, change func(*ledger.Row)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.rows[seq-1])
}
