package kept

import (
	"sync"
	"time"

	"glovebox/internal/quota"
	"glovebox/internal/tenant"
)

// An Item is what wants a place on a [Board].
type Item struct {
	ID, Tenant string
	Bytes      int64 // that it holds in memory
}

// A place is an item's.
type place struct {
	Item
	waiting bool // it has not begun
}

// held is what one tenant has accepted, and not ended.
type held struct {
	accepted int
	waiting  int // of them, those that have not begun
	bytes    int64
}

// A Board has what is accepted, and has not ended, within bounds. It is safe for concurrent use.
type Board[E any] struct {
	most      int
	mostBytes int64
	closed    error // what a board says that takes nothing more

	mu      sync.Mutex
	closing bool
	live    map[string]*Live[E]
	bytes   int64
	held    map[string]*held
}

// NewBoard returns a board for so many items, that hold so many bytes together. Once it is closed, it refuses with the error closed.
func NewBoard[E any](most int, mostBytes int64, closed error) *Board[E] {
	return &Board[E]{most: most, mostBytes: mostBytes, closed: closed, live: map[string]*Live[E]{}, held: map[string]*held{}}
}

// queueRetry is when to come again for a place among what waits, at a guess.
const queueRetry = time.Second

// Reserve takes places for items of a tenant: for all, or none. A tenant may hold no more than is left for others. The error is
// [ErrFull], a *[quota.Error], or what a closed board says.
func (b *Board[E]) Reserve(whose tenant.Tenant, items ...Item) ([]*Live[E], error) {
	var bytes int64
	for _, i := range items {
		bytes += i.Bytes
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		return nil, b.closed
	}
	var own held
	if h := b.held[whose.ID]; h != nil {
		own = *h
	}
	n := len(items)
	if most := whose.Quota.Queue; most > 0 && own.waiting+n > most {
		over := &quota.Error{Quota: "queue", Limit: new(float64(most)), Used: new(float64(own.waiting)), After: queueRetry}
		if n > most {
			over.Used, over.After, over.Forbidden = new(float64(n)), 0, true
		}
		return nil, over
	}
	left, leftBytes := b.most-len(b.live), b.mostBytes-b.bytes
	if n > left || bytes > leftBytes {
		return nil, ErrFull
	}
	if whose.ID != "" && (own.accepted+n > left || own.bytes+bytes > leftBytes) {
		return nil, ErrFull
	}
	lives := make([]*Live[E], n)
	for i, item := range items {
		lives[i] = b.hold(item)
	}
	return lives, nil
}

// Hold takes a place for what an earlier server has accepted: bounds do not count.
func (b *Board[E]) Hold(i Item) *Live[E] {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hold(i)
}

// hold counts what is accepted. mu is held.
func (b *Board[E]) hold(i Item) *Live[E] {
	l := newLive[E](place{i, true})
	b.live[i.ID] = l
	b.bytes += i.Bytes
	h := b.held[i.Tenant]
	if h == nil {
		h = &held{}
		b.held[i.Tenant] = h
	}
	h.accepted++
	h.waiting++
	h.bytes += i.Bytes
	return l
}

// Begun says that it does not wait any more.
func (b *Board[E]) Begun(l *Live[E]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noMoreWaiting(l)
}

// noMoreWaiting must be called with mu held.
func (b *Board[E]) noMoreWaiting(l *Live[E]) {
	if l.place.waiting {
		l.place.waiting = false
		b.held[l.place.Tenant].waiting--
	}
}

// Release gives its place back, and tells whoever waits that it has ended, or is left.
func (b *Board[E]) Release(l *Live[E]) {
	b.mu.Lock()
	delete(b.live, l.place.ID)
	b.bytes -= l.place.Bytes
	b.noMoreWaiting(l)
	h := b.held[l.place.Tenant]
	h.accepted--
	h.bytes -= l.place.Bytes
	if h.accepted == 0 {
		delete(b.held, l.place.Tenant)
	}
	b.mu.Unlock()
	l.end()
}

// Waiting is how many items have not begun.
func (b *Board[E]) Waiting() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.held {
		n += h.waiting
	}
	return n
}

// LookUp returns what has not ended by its id, or nil.
func (b *Board[E]) LookUp(id string) *Live[E] {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live[id]
}

// Close has the board take nothing more, and returns what has not ended.
func (b *Board[E]) Close() []*Live[E] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closing = true
	var all []*Live[E]
	for _, l := range b.live {
		all = append(all, l)
	}
	return all
}

// Closed reports whether it was closed.
func (b *Board[E]) Closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closing
}
