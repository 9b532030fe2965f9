package console

import (
	"strconv"
	"unicode/utf8"
)

// workFactor is how many units of work (a property looked at, a byte copied while lines are joined)
// a message may cost for each byte that it may hold. Work is what bounds the time, bytes what bounds
// the memory: a structure can be costly and print nothing.
const workFactor = 64

// maxNesting is how deep a message may descend, whatever depth was asked for: the Go stack pays for
// it.
const maxNesting = 500

// A budget is what is left of one message. When either part runs out the message is full: everything
// that would still be printed is left out, and end marks the cut.
type budget struct {
	limit int // bytes that the message may hold
	bytes int // bytes left
	work  int // units of work left
	full  bool
}

func newBudget(limit int) *budget {
	return &budget{limit: limit, bytes: limit, work: limit*workFactor + 1<<16}
}

// step pays for one unit of work; false means that the message is full.
func (b *budget) step() bool { return b.pay(1) }

func (b *budget) pay(work int) bool {
	b.work -= work
	if b.work < 0 {
		b.full = true
	}
	return !b.full
}

// take pays for the text and returns as much of it as there is room for.
func (b *budget) take(s string) string {
	if b.full {
		return ""
	}
	if len(s) > b.bytes {
		s = s[:cutAt(s, b.bytes)]
		b.bytes, b.full = 0, true
		return s
	}
	b.bytes -= len(s)
	b.work -= len(s)
	return s
}

// spend pays for n bytes that will be written around others.
func (b *budget) spend(n int) {
	b.bytes -= n
	b.work -= n
	if b.bytes < 0 || b.work < 0 {
		b.full = true
	}
}

// end returns the message as it is logged: whole, or cut to the limit with a mark that says so.
func (b *budget) end(s string) string {
	if !b.full && len(s) <= b.limit {
		return s
	}
	mark := "... cut: a message may hold " + strconv.Itoa(b.limit) + " bytes"
	room := b.limit - len(mark)
	if room < 0 {
		return mark[:b.limit]
	}
	if len(s) > room {
		s = s[:cutAt(s, room)]
	}
	return s + mark
}

// cutAt returns the largest index up to n at which no character is split.
func cutAt(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}
