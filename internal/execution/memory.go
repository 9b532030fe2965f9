package execution

import (
	"context"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// A Memory keeps records for as long as the process lives, within bounds: the oldest that have ended go first. It is for a
// server without a data directory, and for tests.
type Memory struct {
	table *kept.Table[Record, api.ResultCode]
}

var _ Store = (*Memory)(nil)

// NewMemory returns a store without records.
func NewMemory() *Memory {
	return &Memory{kept.NewTable[Record, api.ResultCode](kept.Form[Record]{
		Head: (*Record).head, Size: size, Forget: (*Record).forget,
		Listed: func(r Record) Record {
			r.Request, r.Salt, r.Result, r.Key = nil, nil, nil, ""
			return r
		},
	})}
}

// head is what the record's keeping goes by.
func (r *Record) head() kept.Head {
	return kept.Head{ID: r.ID, Tenant: r.Tenant, State: r.State, CreatedAt: r.CreatedAt, EndedAt: r.EndedAt, ReadAt: r.ReadAt,
		KeepData: r.KeepData, HasResult: r.Result != nil, Idempotency: r.Idempotency, Code: string(r.ResultCode)}
}

// size is what a record holds, about.
func size(r *Record) int {
	n := kept.RecordBytes
	if r.Request != nil {
		n += len(r.Request.Code) + len(r.Request.InputData)
	}
	if r.Result != nil {
		n += len(r.Result.Output)
		for _, l := range r.Result.Logs {
			n += len(l.Message) + 40
		}
	}
	return n
}

// AddAll implements [Store].
func (m *Memory) AddAll(_ context.Context, records []Record, judge kept.Judge) (existing []string, err error) {
	return m.table.AddAll(records, judge)
}

// Note implements [Store].
func (m *Memory) Note(_ context.Context, ended []Record) error {
	m.table.Put(ended...)
	return nil
}

// Begin implements [Store]; there is no ledger here.
func (m *Memory) Begin(_ context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	if len(entries) > 0 {
		return false, kept.ErrNoLedger
	}
	return m.table.Change(id, func(r *Record) bool {
		if r.State != api.ExecutionQueued {
			return false
		}
		r.State, r.BeganAt = api.ExecutionRunning, at
		return true
	}), nil
}

// Repeat implements [Store].
func (m *Memory) Repeat(_ context.Context, id string, at time.Time, entries ...ledger.Draft) (repeats int, err error) {
	if len(entries) > 0 {
		return 0, kept.ErrNoLedger
	}
	m.table.Change(id, func(r *Record) bool {
		if r.State != api.ExecutionRunning {
			return false
		}
		r.Repeats++
		r.BeganAt, repeats = at, r.Repeats
		return true
	})
	return repeats, nil
}

// End implements [Store].
func (m *Memory) End(_ context.Context, id string, result api.Result, at time.Time) (bool, error) {
	return m.table.Change(id, func(r *Record) bool {
		if r.State == api.ExecutionEnded {
			return false
		}
		r.end(result, at)
		return true
	}), nil
}

// Get implements [Store].
func (m *Memory) Get(_ context.Context, tenant, id string) (Record, error) {
	return m.table.Get(tenant, id)
}

// List implements [Store].
func (m *Memory) List(_ context.Context, tenant string, f Filter) (kept.Page[Record], error) {
	return m.table.List(tenant, f, nil), nil
}

// Unfinished implements [Store].
func (m *Memory) Unfinished(context.Context) ([]Record, error) { return m.table.Unfinished(), nil }

// Read implements [Store].
func (m *Memory) Read(_ context.Context, id string, at time.Time) error {
	m.table.Change(id, func(r *Record) bool {
		if r.ReadAt.IsZero() {
			r.ReadAt = at
		}
		return true
	})
	return nil
}

// Forget implements [Store].
func (m *Memory) Forget(_ context.Context, tenant, id string) error {
	return m.table.Forget(tenant, id)
}

// Expire implements [Store].
func (m *Memory) Expire(_ context.Context, p Policy, now time.Time) (forgotten, removed int, err error) {
	forgotten, removed = m.table.Expire(p, now)
	return forgotten, removed, nil
}

// Bytes implements [Store].
func (m *Memory) Bytes(context.Context) (int64, error) { return m.table.Bytes(), nil }
