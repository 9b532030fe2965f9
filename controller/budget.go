package controller

import "sync"

// A budget bounds what all requests together hold of something. A tenant's may hold no more of it than is left for others: so whoever comes next finds
// some, whatever one of them does. It is safe for concurrent use.
type budget struct {
	most int64

	mu   sync.Mutex
	used int64
	of   map[string]int64 // by tenant, or whoever it is taken for
}

// take takes n for a tenant, or for whoever reaches an open server ("").
func (b *budget) take(whose string, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.most - b.used
	if n > left || whose != "" && b.of[whose]+n > left {
		return false
	}
	if b.of == nil {
		b.of = map[string]int64{}
	}
	b.used += n
	b.of[whose] += n
	return true
}

// give gives back what was taken.
func (b *budget) give(whose string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if own := b.of[whose] - n; own > 0 {
		b.of[whose] = own
	} else {
		delete(b.of, whose)
	}
}

// smallAnswer is how many bytes of an answer are not counted: the number of requests bounds those.
const smallAnswer = 64 << 10

// takeAnswer counts the bytes of an answer that somebody may be slow to take, and returns what gives them back. false is that there is no room.
func (b *budget) takeAnswer(whose string, bytes int) (release func(), ok bool) {
	if bytes <= smallAnswer {
		return func() {}, true
	}
	if !b.take(whose, int64(bytes)) {
		return nil, false
	}
	return func() { b.give(whose, int64(bytes)) }, true
}
