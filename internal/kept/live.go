package kept

import (
	"context"
	"sync"
)

// A Live is something accepted on its way: its events so far, for whoever follows them, and how to end it. It is safe for concurrent
// use. It is made by a [Board].
type Live[E any] struct {
	done  chan struct{} // closed when it has ended, or is left
	place place         // guarded by the board's mu

	mu     sync.Mutex
	events []E
	bytes  int
	change chan struct{} // closed, and made anew, with each event
	stop   context.CancelFunc
	ending bool // somebody has cancelled it
	over   bool
}

// EndEvent is the number of the event that tells of an end: behind every other that there could be, whatever of them is still known. So whoever
// follows has been told of the end where it names this one, and else not.
const EndEvent = 1_000_000

func newLive[E any](p place) *Live[E] {
	return &Live[E]{place: p, done: make(chan struct{}), change: make(chan struct{})}
}

// Add keeps an event of so many bytes, as long as there are no more than most, of mostBytes together, and reports whether it does.
func (l *Live[E]) Add(e E, bytes, most, mostBytes int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) >= most || l.bytes+bytes > mostBytes {
		return false
	}
	l.events, l.bytes = append(l.events, e), l.bytes+bytes
	close(l.change)
	l.change = make(chan struct{})
	return true
}

// end tells whoever waits that nothing more comes.
func (l *Live[E]) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over = true
		close(l.done)
		close(l.change)
		l.change = make(chan struct{})
	}
}

// Done is closed when it has ended, or its server has left it.
func (l *Live[E]) Done() <-chan struct{} { return l.done }

// OnCancel says how to end it, and does so where somebody was quicker.
func (l *Live[E]) OnCancel(stop context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = stop
	if l.ending {
		stop()
	}
}

// Cancel ends it.
func (l *Live[E]) Cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	if l.stop != nil {
		l.stop()
	}
}

// Cancelled reports whether somebody has had it end.
func (l *Live[E]) Cancelled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}

// Events returns those that there are. The caller must not change them.
func (l *Live[E]) Events() []E {
	events, _, _ := l.from(0)
	return events
}

// from returns the events from the n-th on, whether more may come, and what is closed when there is something new.
func (l *Live[E]) from(n int) (events []E, over bool, change <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < len(l.events) {
		events = l.events[n:len(l.events):len(l.events)]
	}
	return events, l.over, l.change
}

// Follow tells events from the n-th on, counted from 0, until nothing more comes, and returns how many there were. The error is tell's, or the
// cause of ctx's end.
func (l *Live[E]) Follow(ctx context.Context, n int, tell func(n int, event E) error) (int, error) {
	for {
		events, over, change := l.from(n)
		for _, e := range events {
			n++
			if err := tell(n, e); err != nil {
				return n, err
			}
		}
		if over {
			return n, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
	}
}
