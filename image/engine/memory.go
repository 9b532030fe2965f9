package engine

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// A memoryWatch looks at the heap while a script runs and calls over once it has grown beyond its
// limit. It sees what the garbage collector holds, so a script that only makes garbage goes on; a
// single allocation that is larger than the box is the kernel's to stop.
type memoryWatch struct {
	limit  int64 // bytes of growth
	over   func()
	sample []metrics.Sample
	base   int64

	done chan struct{}
	wg   sync.WaitGroup
}

// How often the heap is looked at: rarely while it is small, since each look costs some microseconds,
// and often near the limit, since goja can allocate a gigabyte in a second.
const (
	watchSlow = 5 * time.Millisecond
	watchFast = time.Millisecond
)

// watchMemory starts to watch. over is called once at most, on a goroutine of the watch's own. Until the
// watch is stopped the process's soft memory limit is set as well, so that the garbage collector works harder
// before the limit is reached.
func watchMemory(limit int64, over func()) *memoryWatch {
	w := &memoryWatch{limit: limit, over: over, done: make(chan struct{}), sample: []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}}
	w.base = w.used()
	total := int64(w.sample[2].Value.Uint64() - w.sample[3].Value.Uint64())
	debug.SetMemoryLimit(total + limit)
	w.wg.Go(w.run)
	return w
}

// stop ends the watch and waits until it has.
func (w *memoryWatch) stop() {
	close(w.done)
	w.wg.Wait()
}

// used returns the bytes in use by objects, garbage that was not yet swept included, and by stacks.
func (w *memoryWatch) used() int64 {
	metrics.Read(w.sample)
	return int64(w.sample[0].Value.Uint64() + w.sample[1].Value.Uint64())
}

func (w *memoryWatch) run() {
	tick := time.NewTimer(watchSlow)
	defer tick.Stop()
	for {
		select {
		case <-w.done:
			return
		case <-tick.C:
		}
		grown := w.used() - w.base
		if grown > w.limit {
			runtime.GC() // what is left then is really held
			if grown = w.used() - w.base; grown > w.limit {
				w.over()
				return
			}
		}
		if grown > w.limit/4 {
			tick.Reset(watchFast)
		} else {
			tick.Reset(watchSlow)
		}
	}
}
