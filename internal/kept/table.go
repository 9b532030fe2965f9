package kept

import (
	"slices"
	"sync"
	"time"

	"glovebox/api"
)

// A Form says how a [Table] reads records of a type.
type Form[R any] struct {
	Head func(*R) Head
	Size func(*R) int // what it holds, as [Policy] counts it
	// Forget takes away what is the tenant's own, and Listed returns what a list tells: without it.
	Forget func(*R)
	Listed func(R) R
}

// A Table keeps records for as long as the process lives, within bounds: the oldest that have ended go first. It is safe for
// concurrent use. What it returns is the caller's own.
type Table[R any, C ~string] struct {
	form Form[R]

	mu      sync.Mutex
	records map[string]*R
	order   []string          // ids, oldest first
	keys    map[string]string // tenant NUL key → id
	bytes   int
}

// tableBytes and tableRecords bound what a Table holds of what has ended.
const (
	tableBytes   = 256 << 20
	tableRecords = 10_000
)

// NewTable returns a table without records.
func NewTable[R any, C ~string](form Form[R]) *Table[R, C] {
	return &Table[R, C]{form: form, records: map[string]*R{}, keys: map[string]string{}}
}

func keyOf(h Head) string { return h.Tenant + "\x00" + h.Idempotency.Key }

// AddAll keeps new records; see [Store].
func (t *Table[R, C]) AddAll(records []R, judge Judge) (existing []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	existing = make([]string, len(records))
	for i := range records {
		h := t.form.Head(&records[i])
		id, ok := t.keys[keyOf(h)]
		if h.Idempotency.Key == "" || !ok {
			continue
		}
		if err := judge(i, t.form.Head(t.records[id]).Idempotency); err != nil {
			return nil, err
		}
		existing[i] = id
	}
	for i, r := range records {
		h := t.form.Head(&r)
		if h.Idempotency.Key != "" {
			if id, ok := t.keys[keyOf(h)]; ok { // that of another of these, maybe
				existing[i] = id
				continue
			}
			t.keys[keyOf(h)] = h.ID
		}
		t.put(r)
	}
	return existing, nil
}

// Put keeps records whatever there is.
func (t *Table[R, C]) Put(records ...R) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range records {
		t.put(r)
	}
}

// put adds a record. mu is held.
func (t *Table[R, C]) put(r R) {
	id := t.form.Head(&r).ID
	t.records[id] = &r
	at, _ := slices.BinarySearch(t.order, id)
	t.order = slices.Insert(t.order, at, id)
	t.bytes += t.form.Size(&r)
	t.shrink()
}

// shrink removes the oldest that have ended until the bounds hold. mu is held.
func (t *Table[R, C]) shrink() {
	full := func() bool { return t.bytes > tableBytes || len(t.records) > tableRecords }
	if !full() {
		return
	}
	t.order = slices.DeleteFunc(t.order, func(id string) bool {
		if t.form.Head(t.records[id]).State != api.ExecutionEnded || !full() {
			return false
		}
		t.drop(id)
		return true
	})
}

// drop removes a record from all but the order. mu is held.
func (t *Table[R, C]) drop(id string) {
	r := t.records[id]
	t.bytes -= t.form.Size(r)
	delete(t.records, id)
	if h := t.form.Head(r); h.Idempotency.Key != "" {
		delete(t.keys, keyOf(h))
	}
}

// Change lets f change a record, and reports whether it did: whether there is one, and what f says.
func (t *Table[R, C]) Change(id string, f func(*R) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.records[id]
	if r == nil || !t.change(r, f) {
		return false
	}
	t.shrink()
	return true
}

// change must be called with mu held.
func (t *Table[R, C]) change(r *R, f func(*R) bool) bool {
	t.bytes -= t.form.Size(r)
	defer func() { t.bytes += t.form.Size(r) }()
	return f(r)
}

// Get returns a tenant's record, or [ErrNotFound].
func (t *Table[R, C]) Get(tenant, id string) (r R, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.records[id]
	if found == nil || t.form.Head(found).Tenant != tenant {
		return r, ErrNotFound
	}
	return *found, nil
}

// List returns what a list tells of those that a filter takes and, where it is not nil, also does.
func (t *Table[R, C]) List(tenant string, f Filter[C], also func(*R) bool) []R {
	t.mu.Lock()
	defer t.mu.Unlock()
	var page []R
	for _, id := range slices.Backward(t.order) {
		if len(page) == f.Limit {
			break
		}
		r := t.records[id]
		if h := t.form.Head(r); h.Tenant == tenant && f.takes(h) && (also == nil || also(r)) {
			page = append(page, t.form.Listed(*r))
		}
	}
	return page
}

// Unfinished returns what has not ended, oldest first.
func (t *Table[R, C]) Unfinished() (all []R) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range t.order {
		if r := t.records[id]; t.form.Head(r).State != api.ExecutionEnded {
			all = append(all, *r)
		}
	}
	return all
}

// Forget forgets a tenant's record that has ended, or returns [ErrNotFound].
func (t *Table[R, C]) Forget(tenant, id string) error {
	forgotten := t.Change(id, func(r *R) bool {
		h := t.form.Head(r)
		if h.Tenant != tenant || h.State != api.ExecutionEnded {
			return false
		}
		t.form.Forget(r)
		return true
	})
	if !forgotten {
		return ErrNotFound
	}
	return nil
}

// Bytes is what all records hold, as [Policy] counts it.
func (t *Table[R, C]) Bytes() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(t.bytes)
}

// Expire does to all what the policy says of them at a time, and returns how many were forgotten and how many went.
func (t *Table[R, C]) Expire(p Policy, now time.Time) (forgotten, removed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	forgotten, removed = t.expire(p, now)
	over := p.Over(int64(t.bytes))
	if over == 0 {
		return forgotten, removed
	}
	most := int64(t.bytes) - over
	ended := t.ended()
	for _, r := range ended {
		if int64(t.bytes) <= most {
			break
		}
		if t.form.Head(r).HasResult {
			forgotten++
			t.change(r, func(r *R) bool { t.form.Forget(r); return true })
		}
	}
	for _, r := range ended {
		if int64(t.bytes) <= most {
			break
		}
		removed++
		id := t.form.Head(r).ID
		t.drop(id)
		t.order = slices.DeleteFunc(t.order, func(other string) bool { return other == id })
	}
	return forgotten, removed
}

// ended returns what has ended, in that order. mu is held.
func (t *Table[R, C]) ended() (all []*R) {
	for _, id := range t.order {
		if r := t.records[id]; t.form.Head(r).State == api.ExecutionEnded {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b *R) int { return t.form.Head(a).EndedAt.Compare(t.form.Head(b).EndedAt) })
	return all
}

// expire does what the policy says of age and number. mu is held.
func (t *Table[R, C]) expire(p Policy, now time.Time) (forgotten, removed int) {
	over := len(t.records) - p.Records
	t.order = slices.DeleteFunc(t.order, func(id string) bool {
		r := t.records[id]
		h := t.form.Head(r)
		if h.State != api.ExecutionEnded {
			return false
		}
		if over > 0 || now.Sub(h.EndedAt) >= p.Record {
			over--
			removed++
			t.drop(id)
			return true
		}
		if p.expired(h, now) {
			forgotten++
			t.change(r, func(r *R) bool { t.form.Forget(r); return true })
		}
		return false
	})
	return forgotten, removed
}
