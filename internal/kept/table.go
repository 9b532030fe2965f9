package kept

import (
	"iter"
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

// A Table keeps records for as long as the process lives, within bounds: the oldest that have ended go first, of who holds most. It is safe for
// concurrent use. What it returns is the caller's own.
type Table[R any, C ~string] struct {
	form Form[R]

	mu      sync.Mutex
	records map[string]*R
	order   []string          // ids, oldest first
	keys    map[string]string // tenant NUL key → id
	sums    map[string]sum    // by tenant, of those that have records
	bytes   int64
}

// A sum is what a tenant holds.
type sum struct{ bytes, records int64 }

func bytesOf(s sum) int64   { return s.bytes }
func recordsOf(s sum) int64 { return s.records }

// tableBytes and tableRecords bound what a Table holds of what has ended.
const (
	tableBytes   = 256 << 20
	tableRecords = 10_000
)

// NewTable returns a table without records.
func NewTable[R any, C ~string](form Form[R]) *Table[R, C] {
	return &Table[R, C]{form: form, records: map[string]*R{}, keys: map[string]string{}, sums: map[string]sum{}}
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
	t.count(&r, 1, 1)
	t.shrink()
}

// count adds what a record holds, or takes it away, and so many records. mu is held.
func (t *Table[R, C]) count(r *R, sign, records int64) {
	tenant, bytes := t.form.Head(r).Tenant, sign*int64(t.form.Size(r))
	t.bytes += bytes
	all := t.sums[tenant]
	all.bytes += bytes
	all.records += records
	if t.sums[tenant] = all; all == (sum{}) {
		delete(t.sums, tenant)
	}
}

// overdrawn returns who holds too much where all may hold so much, and how much each of these may hold. mu is held.
func (t *Table[R, C]) overdrawn(of func(sum) int64, most int64) map[string]int64 {
	all := make([]Holding, 0, len(t.sums))
	for tenant, s := range t.sums {
		all = append(all, Holding{tenant, of(s)})
	}
	may := map[string]int64{}
	for _, h := range Fair(all, most) {
		may[h.Tenant] = h.Held
	}
	return may
}

// shrink removes the oldest that have ended until the bounds hold. mu is held.
func (t *Table[R, C]) shrink() {
	if len(t.records) > tableRecords {
		t.removeOver(recordsOf, tableRecords, t.oldest)
	}
	if t.bytes > tableBytes {
		t.removeOver(bytesOf, tableBytes, t.oldest)
	}
}

// removeOver removes the first of those that are given until nobody holds more than is theirs where all may hold so much, and returns how many
// went. mu is held.
func (t *Table[R, C]) removeOver(of func(sum) int64, most int64, first iter.Seq[*R]) (removed int) {
	removed = t.eachOver(of, most, first, func(r *R) bool { t.drop(r); return true })
	if removed > 0 {
		t.order = slices.DeleteFunc(t.order, func(id string) bool { return t.records[id] == nil })
	}
	return removed
}

// eachOver lets go of the first of those that are given, by a function that reports whether there was anything to let go of, until nobody holds more
// than is theirs where all may hold so much. It returns of how many it did. mu is held.
func (t *Table[R, C]) eachOver(of func(sum) int64, most int64, first iter.Seq[*R], letGo func(*R) bool) (n int) {
	may := t.overdrawn(of, most)
	if len(may) == 0 {
		return 0
	}
	for r := range first {
		tenant := t.form.Head(r).Tenant
		if most, over := may[tenant]; !over || of(t.sums[tenant]) <= most {
			continue
		}
		if letGo(r) {
			n++
		}
	}
	return n
}

// drop removes a record from all but the order. mu is held.
func (t *Table[R, C]) drop(r *R) {
	t.count(r, -1, -1)
	h := t.form.Head(r)
	delete(t.records, h.ID)
	if h.Idempotency.Key != "" {
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
	t.count(r, -1, 0)
	defer t.count(r, 1, 0)
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
func (t *Table[R, C]) List(tenant string, f Filter[C], also func(*R) bool) (page Page[R]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := ""
	for _, id := range slices.Backward(t.order) {
		r := t.records[id]
		if h := t.form.Head(r); h.Tenant != tenant || !f.takes(h) || (also != nil && !also(r)) {
			continue
		}
		if len(page.Records) == f.Limit {
			page.Next = last
			break
		}
		page.Records, last = append(page.Records, t.form.Listed(*r)), id
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
	return t.bytes
}

// Expire does to all what the policy says of them at a time, and returns how many were forgotten and how many went.
func (t *Table[R, C]) Expire(p Policy, now time.Time) (forgotten, removed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.order = slices.DeleteFunc(t.order, func(id string) bool {
		r := t.records[id]
		if h := t.form.Head(r); h.State != api.ExecutionEnded || now.Sub(h.EndedAt) < p.Record {
			return false
		}
		removed++
		t.drop(r)
		return true
	})
	removed += t.removeOver(recordsOf, int64(p.Records), t.ended)
	for r := range t.oldest {
		if p.expired(t.form.Head(r), now) {
			forgotten++
			t.forget(r)
		}
	}
	if over := p.Over(t.bytes); over > 0 {
		most := t.bytes - over
		forgotten += t.eachOver(bytesOf, most, t.ended, t.forget)
		removed += t.removeOver(bytesOf, most, t.ended)
	}
	return forgotten, removed
}

// forget forgets what there is of a record, and reports whether there was a result. mu is held.
func (t *Table[R, C]) forget(r *R) bool {
	return t.form.Head(r).HasResult && t.change(r, func(r *R) bool { t.form.Forget(r); return true })
}

// oldest are those that have ended, in the order in which they were accepted. mu is held.
func (t *Table[R, C]) oldest(yield func(*R) bool) {
	for _, id := range t.order {
		if r := t.records[id]; t.form.Head(r).State == api.ExecutionEnded && !yield(r) {
			return
		}
	}
}

// ended are those that have ended, in the order in which they did. mu is held.
func (t *Table[R, C]) ended(yield func(*R) bool) {
	all := slices.SortedStableFunc(t.oldest, func(a, b *R) int { return t.form.Head(a).EndedAt.Compare(t.form.Head(b).EndedAt) })
	for _, r := range all {
		if !yield(r) {
			return
		}
	}
}
