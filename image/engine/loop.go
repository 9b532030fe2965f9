package engine

import (
	"container/heap"
	"time"

	"github.com/dop251/goja"
)

// A loop is the script's event loop, in Node's order: after each callback all microtasks, then the
// timers that are due, by the time at which they are, then the immediates.
//
// Its time is counted in whole milliseconds from the start and stands still while a callback runs, as
// Node's does. Where the clock is frozen it moves by itself, from timer to timer, so that the order of
// timers never depends on how fast the machine is; the waits between them are real in either case.
type loop struct {
	virtual bool
	began   time.Time
	now     int64 // milliseconds
	seq     int64 // orders timers that are due at the same time; also the id of a timer

	timers     timerHeap
	byID       map[int64]*timer
	objects    map[*goja.Object]*timer
	immediates []*timer
	alive      int // timers and immediates that keep the script from ending

	// rejected are the promises that were rejected and that nothing has handled, oldest first.
	rejected []*goja.Promise
	// thrown is what a listener of an event threw, which nothing can catch.
	thrown *goja.Exception
}

type timer struct {
	id        int64
	object    *goja.Object
	due       int64
	seq       int64
	every     int64 // the delay of an interval, 0 for a timeout
	delay     int64
	call      goja.Callable
	arguments []goja.Value
	heapIndex int // -1 while it is not in the heap
	immediate bool
	live      bool
	unref     bool
}

func (l *loop) begin(virtual bool) {
	l.virtual = virtual
	l.began = time.Now()
	l.byID = make(map[int64]*timer)
	l.objects = make(map[*goja.Object]*timer)
}

// elapsed is the real time since the start.
func (l *loop) elapsed() int64 { return int64(time.Since(l.began) / time.Millisecond) }

// add puts a timer on the loop.
func (l *loop) add(t *timer) {
	l.seq++
	t.id = l.seq
	t.heapIndex = -1
	l.byID[t.id] = t
	if t.object != nil {
		l.objects[t.object] = t
	}
	l.schedule(t)
}

// schedule makes the timer wait for its delay from now on.
func (l *loop) schedule(t *timer) {
	l.seq++
	t.seq = l.seq
	t.due = l.now + t.delay
	if !t.live {
		t.live = true
		if !t.unref {
			l.alive++
		}
	}
	switch {
	case t.immediate:
		l.immediates = append(l.immediates, t)
	case t.heapIndex >= 0:
		heap.Fix(&l.timers, t.heapIndex)
	default:
		heap.Push(&l.timers, t)
	}
}

// remove takes a timer off the loop, for good.
func (l *loop) remove(t *timer) {
	if t.heapIndex >= 0 {
		heap.Remove(&l.timers, t.heapIndex)
	}
	delete(l.byID, t.id)
	if t.object != nil {
		delete(l.objects, t.object)
	}
	if t.live {
		t.live = false
		if !t.unref {
			l.alive--
		}
	}
}

func (l *loop) setRef(t *timer, ref bool) {
	if t.unref == !ref {
		return
	}
	t.unref = !ref
	if t.live && ref {
		l.alive++
	} else if t.live {
		l.alive--
	}
}

// drain runs the loop until nothing keeps the script alive.
func (l *loop) drain(g *Goja) error {
	_, err := l.runUntil(g, func() bool { return false })
	return err
}

// runUntil runs the loop until done, or until nothing is left that could change anything.
func (l *loop) runUntil(g *Goja, done func() bool) (reached bool, err error) {
	for {
		if err := l.unhandled(); err != nil {
			return false, err
		}
		if done() {
			return true, nil
		}
		if l.alive == 0 {
			return false, nil
		}
		if err := l.turn(g); err != nil {
			return false, err
		}
	}
}

// turn is one turn of the loop.
func (l *loop) turn(g *Goja) error {
	if len(l.immediates) == 0 {
		if err := l.wait(g); err != nil {
			return err
		}
	} else {
		// An immediate waits for the timers that are due, and setTimeout(f, 0) always is one turn later.
		l.now++
		if !l.virtual {
			l.now = max(l.now, l.elapsed())
		}
	}
	// Timers that a callback starts are due later than now, so this ends.
	for len(l.timers) > 0 && l.timers[0].due <= l.now {
		if err := l.fire(g, l.timers[0]); err != nil {
			return err
		}
	}
	due := l.immediates
	l.immediates = nil
	for _, t := range due {
		if t.live {
			if err := l.fire(g, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait lets time pass until the first timer is due.
func (l *loop) wait(g *Goja) error {
	due := l.timers[0].due // alive and no immediates: there is a timer
	if left := due - l.elapsed(); left > 0 {
		wake := time.NewTimer(time.Duration(left) * time.Millisecond)
		defer wake.Stop()
		select {
		case <-wake.C:
		case <-g.ctx.Done():
			return &stopError{why: contextStop(g.ctx)}
		}
	}
	if err := g.stopped(); err != nil {
		return err
	}
	if l.virtual {
		l.now = max(l.now, due)
	} else {
		l.now = max(due, l.elapsed())
	}
	return nil
}

// fire calls the timer's callback, and after it the microtasks.
func (l *loop) fire(g *Goja, t *timer) error {
	if t.every > 0 {
		l.schedule(t)
	} else {
		l.remove(t)
	}
	this := goja.Undefined()
	if t.object != nil {
		this = t.object
	}
	if _, err := t.call(this, t.arguments...); err != nil {
		return err
	}
	return l.unhandled()
}

// track is told by goja of each promise that is rejected, and of each such that is handled after all.
func (l *loop) track(p *goja.Promise, operation goja.PromiseRejectionOperation) {
	if operation == goja.PromiseRejectionReject {
		l.rejected = append(l.rejected, p)
		return
	}
	for i, known := range l.rejected {
		if known == p {
			l.rejected = append(l.rejected[:i], l.rejected[i+1:]...)
			return
		}
	}
}

// report is told of what a listener threw.
func (l *loop) report(thrown *goja.Exception) {
	if l.thrown == nil {
		l.thrown = thrown
	}
}

// unhandled returns what nothing caught, once the microtasks have run: what a listener threw, or the
// first rejection that nothing handled.
func (l *loop) unhandled() error {
	switch {
	case l.thrown != nil:
		return l.thrown
	case len(l.rejected) > 0:
		return &rejection{l.rejected[0].Result()}
	}
	return nil
}

// settle awaits the value where it is a promise.
func (g *Goja) settle(v goja.Value) (goja.Value, error) {
	p, err := g.asPromise(v)
	if err != nil || p == nil {
		if err == nil {
			err = g.loop.unhandled()
		}
		return v, err
	}
	done := func() bool { return p.State() != goja.PromiseStatePending }
	// The rejection of the script itself is not unhandled: it is how the script ends.
	g.loop.track(p, goja.PromiseRejectionHandle)
	reached, err := g.loop.runUntil(g, done)
	if err != nil {
		return nil, err
	}
	if !reached {
		return nil, errStalled
	}
	if p.State() == goja.PromiseStateRejected {
		return nil, &rejection{p.Result()}
	}
	return p.Result(), nil
}

// asPromise returns the promise that the value is, or that Promise.resolve makes of a thenable; nil for
// any other value.
func (g *Goja) asPromise(v goja.Value) (p *goja.Promise, err error) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, nil
	}
	if o.ExportType() != typePromise {
		var then goja.Value
		if ex := g.rt.Try(func() { then = o.Get("then") }); ex != nil {
			return nil, ex
		}
		if _, callable := goja.AssertFunction(then); !callable {
			return nil, nil
		}
		made, err := g.builtin.promiseResolve(g.builtin.promise, o)
		if err != nil {
			return nil, err
		}
		o, _ = made.(*goja.Object)
	}
	// Something that waits, though it does nothing, makes a later rejection a handled one.
	if err := g.builtin.ignore(o); err != nil {
		return nil, err
	}
	p, _ = o.Export().(*goja.Promise)
	return p, nil
}

// setTimeout is a timer for Go's own use, which does not keep the script from ending.
func (g *Goja) setTimeout(f func(), after time.Duration) (cancel func()) {
	call, _ := goja.AssertFunction(g.rt.ToValue(func(goja.FunctionCall) goja.Value {
		f()
		return goja.Undefined()
	}))
	t := &timer{call: call, delay: max(1, after.Milliseconds()), unref: true}
	g.loop.add(t)
	return func() { g.loop.remove(t) }
}

// timerHeap orders timers by when they are due.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].seq < h[j].seq
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.heapIndex = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.heapIndex = -1
	return t
}
