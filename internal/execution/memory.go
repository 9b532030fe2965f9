package execution

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"glovebox/api"
)

// A Memory keeps records for as long as the process lives, within bounds: the oldest that have ended go first. It is for a
// server without a data directory, and for tests.
type Memory struct {
	mu      sync.Mutex
	records map[string]*Record
	order   []string          // ids, oldest first
	keys    map[string]string // tenant NUL key → id
	bytes   int
}

var _ Store = (*Memory)(nil)

// memoryBytes and memoryRecords bound what a Memory holds of executions that have ended.
const (
	memoryBytes   = 256 << 20
	memoryRecords = 10_000
)

// NewMemory returns a store without records.
func NewMemory() *Memory {
	return &Memory{records: map[string]*Record{}, keys: map[string]string{}}
}

func keyOf(r *Record) string { return r.Tenant + "\x00" + r.Idempotency.Key }

// Add implements [Store].
func (m *Memory) Add(_ context.Context, r Record) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Idempotency.Key != "" {
		if id, ok := m.keys[keyOf(&r)]; ok {
			existing := *m.records[id]
			return &existing, nil
		}
		m.keys[keyOf(&r)] = r.ID
	}
	m.put(r)
	return nil, nil
}

// put adds a record. mu is held.
func (m *Memory) put(r Record) {
	m.records[r.ID] = &r
	at, _ := slices.BinarySearch(m.order, r.ID)
	m.order = slices.Insert(m.order, at, r.ID)
	m.bytes += size(&r)
	m.shrink()
}

// Note implements [Store].
func (m *Memory) Note(_ context.Context, ended []Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range ended {
		m.put(r)
	}
	return nil
}

// size is about what a record holds.
func size(r *Record) int {
	n := 512
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

// shrink removes the oldest that have ended until the bounds hold. mu is held.
func (m *Memory) shrink() {
	full := func() bool { return m.bytes > memoryBytes || len(m.records) > memoryRecords }
	if !full() {
		return
	}
	m.order = slices.DeleteFunc(m.order, func(id string) bool {
		r := m.records[id]
		if r.State != api.ExecutionEnded || !full() {
			return false
		}
		m.drop(r)
		return true
	})
}

// drop removes a record from all but the order. mu is held.
func (m *Memory) drop(r *Record) {
	m.bytes -= size(r)
	delete(m.records, r.ID)
	if r.Idempotency.Key != "" {
		delete(m.keys, keyOf(r))
	}
}

// change lets f change a record. mu is held.
func (m *Memory) change(r *Record, f func()) {
	m.bytes -= size(r)
	f()
	m.bytes += size(r)
}

// Begin implements [Store].
func (m *Memory) Begin(_ context.Context, id string, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	if r == nil || r.State != api.ExecutionQueued {
		return false, nil
	}
	r.State, r.BeganAt = api.ExecutionRunning, at
	return true, nil
}

// End implements [Store].
func (m *Memory) End(_ context.Context, id string, result api.Result, at time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	if r == nil || r.State == api.ExecutionEnded {
		return false, nil
	}
	m.change(r, func() { r.end(result, at) })
	m.shrink()
	return true, nil
}

// Get implements [Store].
func (m *Memory) Get(_ context.Context, tenant, id string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	if r == nil || r.Tenant != tenant {
		return Record{}, ErrNotFound
	}
	return *r, nil
}

// List implements [Store].
func (m *Memory) List(_ context.Context, tenant string, f Filter) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page []Record
	for _, id := range slices.Backward(m.order) {
		if len(page) == f.Limit {
			break
		}
		if r := m.records[id]; r.Tenant == tenant && f.takes(r) {
			listed := *r
			listed.Request, listed.Result = nil, nil
			page = append(page, listed)
		}
	}
	return page, nil
}

func (f Filter) takes(r *Record) bool {
	return (f.State == "" || r.State == f.State) && (f.ResultCode == "" || r.ResultCode == f.ResultCode) &&
		(f.Since.IsZero() || !r.CreatedAt.Before(f.Since)) && (f.Until.IsZero() || r.CreatedAt.Before(f.Until)) &&
		(f.Before == "" || strings.Compare(r.ID, f.Before) < 0)
}

// Unfinished implements [Store].
func (m *Memory) Unfinished(context.Context) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Record
	for _, id := range m.order {
		if r := m.records[id]; r.State != api.ExecutionEnded {
			all = append(all, *r)
		}
	}
	return all, nil
}

// Read implements [Store].
func (m *Memory) Read(_ context.Context, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.records[id]; r != nil && r.ReadAt.IsZero() {
		r.ReadAt = at
	}
	return nil
}

// Forget implements [Store].
func (m *Memory) Forget(_ context.Context, tenant, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[id]
	if r == nil || r.Tenant != tenant || r.State != api.ExecutionEnded {
		return ErrNotFound
	}
	m.change(r, r.forget)
	return nil
}

// Expire implements [Store].
func (m *Memory) Expire(_ context.Context, p Policy, now time.Time) (forgotten, removed int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	over := len(m.records) - p.Records
	m.order = slices.DeleteFunc(m.order, func(id string) bool {
		r := m.records[id]
		if r.State != api.ExecutionEnded {
			return false
		}
		if over > 0 || now.Sub(r.EndedAt) >= p.Record {
			over--
			removed++
			m.drop(r)
			return true
		}
		if r.expired(p, now) {
			forgotten++
			m.change(r, r.forget)
		}
		return false
	})
	return forgotten, removed, nil
}
