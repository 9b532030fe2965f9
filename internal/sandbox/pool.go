package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/trace"
)

// PoolConfig says how many boxes wait for their jobs, and what they do meanwhile.
type PoolConfig struct {
	// Min and Max are how many boxes wait, at least and at most: within them the pool follows the demand. A Max of 0
	// is no pool: each box is started for its job.
	Min, Max int
	// Starts is how many boxes are started at once to wait: fewer starve running scripts less, more fill
	// the pool sooner. None is while as many start for jobs that wait already.
	Starts int
	// Limits are those of a box that waits. A job that asks for others has them set when it is handed over.
	Limits Limits
	// MaxAge is how long a box may wait before another takes its place.
	MaxAge time.Duration
	// Warm says what boxes do while they wait.
	Warm WarmConfig
	// Observe is told of what takes time; its fields may be nil.
	Observe PoolObserver
}

// A PoolObserver is told how long things took. Its functions are called by several goroutines.
type PoolObserver struct {
	// Started is told how long a box took from nothing to its ready frame.
	Started func(time.Duration)
	// HandedOver is told how long a box took from the moment at which it was chosen until it had its job and the
	// job's limits; waited is true for a box that had waited for it.
	HandedOver func(took time.Duration, waited bool)
	// Refused is told of each check that did not hold on a box, which gets no job.
	Refused func(fault api.Check)
}

// check names what is out of bounds.
func (c PoolConfig) check() error {
	switch {
	case c.Min < 0 || c.Max < c.Min:
		return fmt.Errorf("sandbox: a pool of %d to %d boxes is not possible", c.Min, c.Max)
	case c.Max == 0:
		return nil
	case c.Starts < 1:
		return fmt.Errorf("sandbox: a pool that starts %d boxes at once is never filled", c.Starts)
	case c.MaxAge <= 0:
		return fmt.Errorf("sandbox: boxes that may wait for %v are never handed out", c.MaxAge)
	}
	return c.Warm.check()
}

// PoolStats is what a pool has and has done.
type PoolStats struct {
	// Waiting boxes are ready; Warmed of them have libraries in place; Starting ones are on their way.
	Waiting, Warmed, Starting int
	// Target is how many the pool wants to have waiting.
	Target int
	// Done is true while there is nothing to do but wait: as many boxes are ready as are wanted, and warmed as far as
	// they will be.
	Done bool
	// Taken counts boxes that had waited for their jobs; Cold those that were started for one.
	Taken, Cold uint64
	// Lost counts boxes that died or spoke while they waited, Retired those that were taken away for their age or
	// because fewer are wanted, Failed starts that came to nothing.
	Lost, Retired, Failed uint64
	// Failing is true while the last starts have all failed, and no box is left that waits: there is none for a job now. The pool
	// goes on trying by itself.
	Failing bool
	// WarmingCPU is the processor time that warming has taken.
	WarmingCPU time.Duration
}

// A pool keeps sealed boxes of one Spec that wait for one job each. A box leaves it once; there is no way back.
// It is safe for concurrent use.
type pool struct {
	driver Driver
	spec   Spec
	config PoolConfig
	log    *slog.Logger
	ctx    context.Context // ends with the pool
	end    context.CancelFunc
	kick   chan struct{} // something has changed
	work   sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	waiting  []*waiter // the oldest first
	starting int       // boxes that start to wait, or for whoever is the first of takers then
	apart    int       // boxes that start for one job and no other
	takers   []*taker  // in the order of their coming; there are never more than boxes that start
	demand   demand
	recent   recent
	warming  bool
	budget   budget
	deficit  time.Time // since when boxes are missing; zero where none are
	// lastTaken is when a box was last asked for; zero before the first.
	lastTaken time.Time
	failures  int       // starts that have failed in a row
	notUntil  time.Time // after a failure
	toldCold  bool      // that boxes cannot be warmed has been said
	stats     PoolStats
}

// A waiter is a box that waits for its job.
type waiter struct {
	box     Box
	since   time.Time
	have    map[string]bool // the libraries that are in place
	began   bool            // it has been warmed
	warming bool
	full    bool          // it is not to be warmed any more
	gone    chan struct{} // closed when it waits no more
}

// A taker is a job that waits for a box to start.
type taker struct {
	got chan started // of room for one
}

type started struct {
	box  Box
	took time.Duration // from nothing to ready
	err  error
}

// errPoolClosed is what a taker gets whose pool ends.
var errPoolClosed = errors.New("the pool is closed")

// newPool returns a pool that fills itself until close.
func newPool(driver Driver, spec Spec, config PoolConfig, log *slog.Logger) *pool {
	p := &pool{driver: driver, spec: spec, config: config, log: log, kick: make(chan struct{}, 1)}
	p.ctx, p.end = context.WithCancel(context.Background())
	if config.Max > 0 {
		p.work.Go(p.maintain)
	}
	return p
}

// take returns a box that waits, or else the next that gets ready; waited tells which. wants are the libraries
// that the job will ask for. The box's limits are the job's only once it runs.
func (p *pool) take(ctx context.Context, limits Limits, wants []string) (box Box, waited bool, err error) {
	if p.config.Max == 0 {
		box, err = p.cold(ctx, limits)
		return box, false, err
	}
	p.mu.Lock()
	now := time.Now()
	p.demand.note(now)
	p.lastTaken = now
	p.recent.note(wants)
	if chosen := p.choose(wants); chosen != nil {
		p.remove(chosen)
		p.stats.Taken++
		p.mu.Unlock()
		p.wake()
		trace.Of(ctx).Millis(trace.BoxWaitMs, now.Sub(chosen.since))
		return chosen.box, true, nil
	}
	p.stats.Cold++
	t := &taker{got: make(chan started, 1)}
	p.takers = append(p.takers, t)
	if p.starting < len(p.takers) {
		p.start(limits)
	}
	p.mu.Unlock()
	select {
	case got := <-t.got:
		trace.Of(ctx).Millis(trace.BoxStartMs, got.took)
		return got.box, false, got.err
	case <-ctx.Done():
		p.abandon(t)
		return nil, false, context.Cause(ctx)
	}
}

// cold starts a box for one job, with that job's own limits, and leaves nothing behind where ctx ends first.
func (p *pool) cold(ctx context.Context, limits Limits) (Box, error) {
	p.mu.Lock()
	p.stats.Cold++
	p.apart++
	p.mu.Unlock()
	begun := time.Now()
	box, err := p.driver.Create(ctx, p.spec, limits)
	p.refused(ctx, err)
	p.mu.Lock()
	p.apart--
	if err != nil && ctx.Err() == nil {
		p.stats.Failed++
	}
	p.mu.Unlock()
	if err == nil {
		trace.Of(ctx).Millis(trace.BoxStartMs, p.observeStart(begun))
	}
	return box, err
}

// refused tells of a box that was not what its Spec asks for, where that is what is wrong.
func (p *pool) refused(ctx context.Context, err error) {
	var refused *AttestationError
	if !errors.As(err, &refused) {
		return
	}
	p.log.ErrorContext(ctx, "a box was not what its Spec asks for: it gets no job", "runtime", p.spec.Runtime, "differences", refused.Faults)
	if p.config.Observe.Refused != nil {
		for _, fault := range refused.Faults {
			p.config.Observe.Refused(fault)
		}
	}
}

// observeStart tells how long a box that is ready took.
func (p *pool) observeStart(begun time.Time) time.Duration {
	took := time.Since(begun)
	if p.config.Observe.Started != nil {
		p.config.Observe.Started(took)
	}
	return took
}

// abandon forgets a taker whose caller has gone. A box that it has been given meanwhile has had no job, and waits
// for another.
func (p *pool) abandon(t *taker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.takers, t); i >= 0 {
		p.takers = slices.Delete(p.takers, i, i+1)
		return
	}
	if got := <-t.got; got.err == nil {
		p.settle(got)
	}
}

// start begins to start a box. mu is held.
func (p *pool) start(limits Limits) {
	p.starting++
	p.work.Go(func() {
		begun := time.Now()
		box, err := p.driver.Create(p.ctx, p.spec, limits)
		var took time.Duration
		if err == nil {
			took = p.observeStart(begun)
		}
		p.refused(p.ctx, err)
		p.mu.Lock()
		p.starting--
		p.outcome(err)
		if err == nil {
			p.settle(started{box: box, took: took})
		} else if p.starting < len(p.takers) {
			p.give(started{err: err})
		}
		p.mu.Unlock()
		p.wake()
	})
}

// failing is how many starts have to fail in a row to be no accident.
const failing = 3

// outcome remembers how a start has ended: one that fails is not tried again at once. mu is held.
func (p *pool) outcome(err error) {
	if err == nil {
		p.failures, p.notUntil = 0, time.Time{}
		return
	}
	if p.closed {
		return
	}
	p.stats.Failed++
	const first, most = 100 * time.Millisecond, 30 * time.Second
	p.notUntil = time.Now().Add(min(first<<min(p.failures, 10), most))
	if p.failures++; p.failures == 1 {
		p.log.Warn("a box for the pool could not be started: it is tried again, ever less often", "error", err)
	}
}

// settle gives a ready box to whoever waits for one, or has it wait. mu is held.
func (p *pool) settle(ready started) {
	switch {
	case p.give(ready):
	case p.closed || len(p.waiting) >= p.config.Max:
		p.destroy(ready.box)
	default:
		w := &waiter{box: ready.box, since: time.Now(), have: map[string]bool{}, gone: make(chan struct{})}
		p.waiting = append(p.waiting, w)
		p.work.Go(func() { p.attend(w) })
	}
}

// give hands something to the first taker. mu is held.
func (p *pool) give(s started) bool {
	if len(p.takers) == 0 {
		return false
	}
	p.takers[0].got <- s
	p.takers = slices.Delete(p.takers, 0, 1)
	return true
}

// attend takes a box out that is lost while it waits.
func (p *pool) attend(w *waiter) {
	select {
	case <-w.box.Lost():
	case <-w.gone:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.remove(w) {
		p.stats.Lost++
		p.destroy(w.box)
		p.wake()
	}
}

// remove takes a box out of those that wait, and reports whether it was there. mu is held.
func (p *pool) remove(w *waiter) bool {
	i := slices.Index(p.waiting, w)
	if i < 0 {
		return false
	}
	p.waiting = slices.Delete(p.waiting, i, i+1)
	close(w.gone)
	return true
}

// choose returns the box that fits best, of those that are not lost; nil where there is none. mu is held.
func (p *pool) choose(wants []string) *waiter {
	var best *waiter
	var least int
	for _, w := range p.waiting {
		select {
		case <-w.box.Lost():
			continue
		default:
		}
		if cost := w.cost(wants); best == nil || cost < least {
			best, least = w, cost
		}
	}
	return best
}

// cost says how badly a box fits a job: what it lacks weighs most, then that it is in the middle of a warming,
// then what it has in vain. Of two that fit alike the older is taken.
func (w *waiter) cost(wants []string) int {
	const lacks, busy, cold, vain = 10_000, 1000, 100, 1
	cost, used := 0, 0
	for _, name := range wants {
		if w.have[name] {
			used++
		} else {
			cost += lacks
		}
	}
	if w.warming {
		cost += busy
	}
	if !w.began {
		cost += cold
	}
	return cost + vain*(len(w.have)-used)
}

// destroy destroys a box behind everybody's back. mu may be held.
func (p *pool) destroy(box Box) {
	p.work.Go(func() { destroy(context.Background(), p.log, box) })
}

// wake has the pool look at itself.
func (p *pool) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// read returns what the pool has and has done.
func (p *pool) read() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Waiting, stats.Starting = len(p.waiting), p.starting+p.apart
	for _, w := range p.waiting {
		if len(w.have) > 0 {
			stats.Warmed++
		}
	}
	now := time.Now()
	stats.Target = p.target(now)
	stats.Failing = p.failures >= failing && stats.Waiting == 0 && stats.Target > 0
	next, _ := p.next(now)
	stats.Done = stats.Waiting >= stats.Target && p.starting == 0 && !p.warming && (next == nil || p.config.Warm.CPUs == 0)
	return stats
}

// close destroys the boxes that wait, and waits until everything has ended. Nothing is taken any more.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for len(p.waiting) > 0 {
		last := p.waiting[len(p.waiting)-1]
		p.remove(last)
		p.destroy(last.box)
	}
	for p.give(started{err: errPoolClosed}) {
	}
	p.mu.Unlock()
	p.end()
	p.work.Wait()
}
