package kept

import (
	"context"
	"sync"
	"time"
)

// A Gate holds back what could not begin because the store could not keep that, as on a disk that is full: then one tries, now and then,
// and everybody once one has begun. It is safe for concurrent use, and the zero value is open.
type Gate struct {
	mu    sync.Mutex
	shut  chan struct{} // closed when it opens again; nil while it is open
	next  time.Time     // when another may try
	pause time.Duration
}

// The pauses between two tries.
const (
	firstPause = 250 * time.Millisecond
	mostPause  = 5 * time.Second
)

// A Try is what came of one.
type Try int

const (
	// Unknown is one that had no place to begin in.
	Unknown Try = iota
	// Refused is one that the store would not have begin.
	Refused
	// Begun is one that has begun, whatever came of it.
	Begun
)

// Enter waits until one may try, or ctx ends: that is the error. Whoever has entered must call leave.
func (g *Gate) Enter(ctx context.Context) (leave func(Try), err error) {
	for {
		g.mu.Lock()
		shut, wait := g.shut, time.Until(g.next)
		if shut == nil || wait <= 0 {
			g.next = time.Now().Add(mostPause)
			g.mu.Unlock()
			return func(t Try) { g.leave(shut, t) }, nil
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
