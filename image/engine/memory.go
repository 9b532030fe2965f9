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
	limit   int64 // bytes of growth
	over    func()
	sample  []metrics.Sample
	base    int64
	percent int   // the GOGC from before
	live    int64 // what the heap held when GOGC was set last

	done chan struct{}
	wg   sync.WaitGroup
}

// How often the heap is looked at: rarely while it is small, since each look costs some microseconds,
// and often near the limit, since goja can allocate a gigabyte in a second.
const (
	watchSlow = 5 * time.Millisecond
	watchFast = time.Millisecond
)

// watchMemory starts to watch. over is called once at most, on a goroutine of the watch's own.
//
// Until it is stopped the watch steers the process's garbage collector: a heap that is small beside its limit
// is collected lazily, for goja makes so much garbage that it would be collected hundreds of times a second, and the
// nearer what is held comes to the limit, the more often. Beyond the limit the watch itself collects. The process's
// soft memory limit is left alone: near it the collector takes half of all time, and a script that grows would crawl
// into its time limit instead.
func watchMemory(limit int64, over func()) *memoryWatch {
	w := &memoryWatch{limit: limit, over: over, done: make(chan struct{}), sample: []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}}
	w.base = w.used()
	w.percent = debug.SetGCPercent(percentFor(0, limit))
	w.wg.Go(w.run)
	return w
}

// percentFor returns the GOGC with which a heap that holds so many bytes is collected when it has grown to half the
// limit, or by half of itself where that is more. What is held may be nothing: Go collects first at 4 MB with a GOGC
// of 100, and in proportion, and a quarter of the limit is soon enough then.
func percentFor(live, limit int64) int {
	const first = 4 << 20
	lazy := min(max(limit/4*100/first, 100), 1000)
	if live <= 0 {
		return int(lazy)
	}
	return int(min(max((limit/2-live)*100/live, 50), lazy))
}

// steer sets GOGC anew once the heap holds much more or much less.
func (w *memoryWatch) steer() {
	live := int64(w.sample[2].Value.Uint64())
	if live*4 > w.live*5 || live*5 < w.live*4 {
		w.live = live
		debug.SetGCPercent(percentFor(live, w.limit))
	}
}

// stop ends the watch and waits until it has.
func (w *memoryWatch) stop() {
	close(w.done)
	w.wg.Wait()
	debug.SetGCPercent(w.percent)
}

// grown returns by how many bytes the heap has grown. Garbage from before may still be in the base, so
// that follows the heap down.
func (w *memoryWatch) grown() int64 {
	used := w.used()
	w.base = min(w.base, used)
	return used - w.base
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
		grown := w.grown()
		if grown > w.limit {
			runtime.GC() // what is left then is really held
			if grown = w.grown(); grown > w.limit {
				w.over()
				return
			}
		}
		w.steer()
		if grown > w.limit/4 {
			tick.Reset(watchFast)
		} else {
			tick.Reset(watchSlow)
		}
	}
}
