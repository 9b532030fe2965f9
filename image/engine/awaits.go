package engine

import "github.com/dop251/goja"

// awaits remembers where the script waits: goja tells it of every await and every then. When a script
// stalls, or its time runs out while nothing runs, the latest one that was never resumed is where it hangs.
//
// It implements goja.AsyncContextTracker.
type awaits struct {
	rt      *goja.Runtime
	count   uint64
	pending map[uint64]goja.StackFrame
}

// maxAwaits bounds how many places are remembered; the newest are not, once so many wait.
const maxAwaits = 256

var _ goja.AsyncContextTracker = (*awaits)(nil)

// Grab implements goja.AsyncContextTracker: it is called where something begins to wait.
func (a *awaits) Grab() any {
	if len(a.pending) >= maxAwaits {
		return uint64(0)
	}
	var space [2]goja.StackFrame
	frames := a.rt.CaptureCallStack(1, space[:0])
	if len(frames) == 0 {
		return uint64(0)
	}
	a.count++
	if a.pending == nil {
		a.pending = make(map[uint64]goja.StackFrame)
	}
	a.pending[a.count] = frames[0]
	return a.count
}

// Resumed implements goja.AsyncContextTracker: what waited goes on.
func (a *awaits) Resumed(context any) {
	if id, ok := context.(uint64); ok && id != 0 {
		delete(a.pending, id)
	}
}

// Exited implements goja.AsyncContextTracker.
func (*awaits) Exited() {}

// latest returns where the script began to wait last and still waits, as a stack of one frame.
func (a *awaits) latest() []goja.StackFrame {
	var newest uint64
	for id := range a.pending {
		newest = max(newest, id)
	}
	if newest == 0 {
		return nil
	}
	return []goja.StackFrame{a.pending[newest]}
}
