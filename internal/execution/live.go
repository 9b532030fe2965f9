package execution

import (
	"context"
	"sync"

	"glovebox/api"
)

// A live is an execution on its way: its logs so far, for whoever follows them, and how to end it.
type live struct {
	done chan struct{} // closed when it has ended, or is left

	waiting bool // it has not begun; guarded by the service's mu

	mu     sync.Mutex
	logs   []api.Log
	bytes  int
	change chan struct{} // closed, and made anew, with each log
	stop   context.CancelFunc
	ending bool // somebody has cancelled it
	over   bool
}

func newLive() *live { return &live{done: make(chan struct{}), change: make(chan struct{})} }

// log keeps an entry. The box's own bounds are held already: these are for a box that does not keep them.
func (l *live) log(entry api.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.logs) >= api.MaxLogEntries || l.bytes+len(entry.Message) > api.MaxLogBytes {
		return
	}
	l.logs, l.bytes = append(l.logs, entry), l.bytes+len(entry.Message)
	close(l.change)
	l.change = make(chan struct{})
}

// end tells whoever waits that nothing more comes.
func (l *live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over = true
		close(l.done)
		close(l.change)
		l.change = make(chan struct{})
	}
}

// onCancel says how to end it, and does so where somebody was quicker.
func (l *live) onCancel(stop context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop = stop
	if l.ending {
		stop()
	}
}

func (l *live) cancel() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	if l.stop != nil {
		l.stop()
	}
}

func (l *live) cancelled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}

// from returns the entries from the n-th on, whether more may come, and what is closed when there is something new.
func (l *live) from(n int) (logs []api.Log, over bool, change <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < len(l.logs) {
		logs = l.logs[n:len(l.logs):len(l.logs)]
	}
	return logs, l.over, l.change
}
