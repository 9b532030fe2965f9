package kept

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A Gate holds back what could not begin because the store could not keep that, as on a disk that is full: then one tries, now and then,
// and everybody once one has begun. It is safe for concurrent use, and the zero value is open.
type Gate struct {
	mu     sync.Mutex
	closed bool
	shut   chan struct{} // closed when it opens again; nil while it is open
	next   time.Time     // when another may try
	pause  time.Duration
}

// The pauses between two tries.
const (
	firstPause = 250 * time.Millisecond
	mostPause  = 5 * time.Second
)

// RecordRetry is when to come again where a record cannot be written: no sooner than what was accepted tries to begin.
const RecordRetry = mostPause

// A Try is what came of one.
type Try int

const (
	// Unknown is one that had no place to begin in.
	Unknown Try = iota
	// Refused is one that the store would not have begin.
	Refused
	// Begun is one that has begun, whatever comes of it.
	Begun
)

// Enter waits until one may try, or ctx ends: that is the error. Whoever has entered calls leave, of whose calls the first counts.
func (g *Gate) Enter(ctx context.Context) (leave func(Try), err error) {
	for {
		g.mu.Lock()
		shut, wait := g.shut, time.Until(g.next)
		if g.closed || shut == nil || wait <= 0 {
			g.next = time.Now().Add(mostPause)
			g.mu.Unlock()
			var once sync.Once
			return func(t Try) { once.Do(func() { g.leave(shut, t) }) }, nil
		}
		g.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-shut:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// leave opens or shuts the gate. Who entered while it was open knows nothing of one that was shut since.
func (g *Gate) leave(entered chan struct{}, t Try) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
	case t == Refused && g.shut == nil:
		g.shut, g.pause = make(chan struct{}), firstPause
		g.next = time.Now().Add(g.pause)
	case t == Refused:
		if entered == g.shut {
			g.pause = min(2*g.pause, mostPause)
		}
		g.next = time.Now().Add(g.pause)
	case t == Begun && g.shut != nil && entered == g.shut:
		close(g.shut)
		g.shut = nil
	}
}

// Close lets everybody in, and holds nobody back any more.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed = true; g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// NotBegun reports whether an error says that nothing has run, since that could not be kept, or recorded: it may be tried again.
func NotBegun(err error) bool {
	var kind interface{ NotBegun() bool }
	return errors.As(err, &kind) && kind.NotBegun()
}

// Withheld reports whether an error says that something has run, and that nobody is told what came of it, since that could not be recorded now.
func Withheld(err error) bool {
	var kind interface{ Withheld() bool }
	return errors.As(err, &kind) && kind.Withheld()
}

// A NotBegunError is the store's, which could not keep that something begins.
type NotBegunError struct{ Err error }

func (e *NotBegunError) Error() string { return e.Err.Error() }
func (e *NotBegunError) Unwrap() error { return e.Err }

// NotBegun is true: see [NotBegun].
func (*NotBegunError) NotBegun() bool { return true }
