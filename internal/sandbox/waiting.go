package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"glovebox/internal/protocol"
)

// waiting is the state of a box between its ready frame and its job.
type waiting struct {
	lost    chan struct{} // closed when it died or spoke unasked
	taken   chan struct{} // closed when the job is about to be handed over
	watched chan struct{} // closed when nobody watches it any more
	answers chan protocol.Warmed

	// mu guards the box's limits and weight, and its stdin until it is taken: whoever holds it may change them.
	mu      sync.Mutex
	limits  Limits    // in force
	since   time.Time // when they were read back
	idle    bool      // its weight is the least
	asked   bool      // an order to warm up has no answer yet
	isTaken bool
	why     error // set before lost is closed

	looked chan struct{} // closed when before has been read for the first time
	before time.Duration // the processor time that the box has cost until now; guarded by mu
}

func newWaiting(limits Limits) *waiting {
	return &waiting{
		lost: make(chan struct{}), taken: make(chan struct{}), watched: make(chan struct{}),
		answers: make(chan protocol.Warmed, 1), limits: limits, since: time.Now(), looked: make(chan struct{}),
	}
}

var (
	errSpoke = errors.New("the box spoke before it had a job")
	errTaken = errors.New("sandbox: the box has been taken")
	errLost  = errors.New("the box was lost while it waited")
	errSlept = errors.New("the box did not answer an order to warm up")
)

const (
	// lookLimit bounds a look at counters beside a job's hand-over: a daemon far away is slow to tell.
	lookLimit = 100 * time.Millisecond
	// lookPatience is how long a job waits for the first look at its box, which is at files as a rule and over before.
	lookPatience = 5 * time.Millisecond
)

// The limits of a box that waits are read back now and then, when it costs nobody time, so that a job which wants the same
// need not wait for that: freshLimit is for how long they are taken to be in force still.
const (
	recheckEvery = time.Second
	freshLimit   = 2 * recheckEvery
)

// cost reads what the box has cost until now: its start, its warming. That is not the script's.
func (b *box) cost(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	usage, err := b.container.Usage(ctx)
	return usage.CPU, err
}

// firstLook reads what the box's start has cost, while it waits, when that costs nobody time. Where it cannot be read, or only once the box
// has its job, the start counts as the script's.
func (b *box) firstLook(ctx context.Context) {
	w := b.waiting
	defer close(w.looked)
	cost, err := b.cost(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && !w.isTaken {
		w.before = max(w.before, cost) // it may have been warmed meanwhile
	}
}

// awaitLook gives the first look a moment to be over.
func (w *waiting) awaitLook(ctx context.Context) {
	late := time.NewTimer(lookPatience)
	defer late.Stop()
	select {
	case <-w.looked:
	case <-late.C:
	case <-ctx.Done(): // as whoever takes the box finds out
	}
}

// spent waits for the first look, and returns what the box had cost before its job.
func (w *waiting) spent() time.Duration {
	<-w.looked
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.before
}

// watch listens to a box that waits, until it is taken, lost, or destroyed.
func (b *box) watch() {
	w := b.waiting
	defer close(w.watched)
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	for {
		select {
		case <-w.taken:
			return
		case <-recheck.C:
			b.recheck()
		case <-b.stop:
			w.lose(errDestroyed)
			return
		case e := <-b.events:
			switch {
			case e.err != nil:
				w.lose(fmt.Errorf("%w: %w", errLost, e.err))
				return
			case e.frame.Type != protocol.FrameWarmed:
				w.lose(errSpoke)
				return
			}
			w.mu.Lock()
			w.asked = false
			w.mu.Unlock()
			w.answers <- *e.frame.Warmed // there is room: no second order is sent before the answer to the first is read
		}
	}
}

// recheck reads back what bounds the box. What differs stays unknown until the box is taken: it is found again then, and told.
func (b *box) recheck() {
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	w := b.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Time{}
	inForce, err := b.container.Limit(ctx, w.limits)
	if err == nil && b.attested.bound(inForce, w.limits) == nil {
		w.since = time.Now()
	}
}

func (w *waiting) lose(why error) {
	w.why = why
	close(w.lost)
}

// Lost implements [Box].
func (b *box) Lost() <-chan struct{} { return b.waiting.lost }

// take ends the waiting, and puts the job's limits in force.
func (b *box) take(ctx context.Context, limits Limits) error {
	w := b.waiting
	close(w.taken)
	<-w.watched
	select {
	case <-w.lost:
		return w.why
	default:
	}
	w.awaitLook(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isTaken = true
	if limits.MemoryBytes != w.limits.MemoryBytes || limits.CPUs != w.limits.CPUs || time.Since(w.since) > freshLimit {
		inForce, err := b.container.Limit(ctx, limits)
		if err == nil {
			err = b.attested.bound(inForce, limits)
		}
		if err != nil {
			return fmt.Errorf("the job's limits: %w", err)
		}
	}
	w.limits = limits
	if w.idle {
		if err := b.container.Weight(ctx, false); err != nil {
			return fmt.Errorf("the box's weight: %w", err)
		}
		w.idle = false
	}
	return nil
}

// Warm implements [Box].
func (b *box) Warm(ctx context.Context, order protocol.Warm) (Warmed, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, warmLimit, errSlept)
	defer cancel()
	before, err := b.container.Usage(ctx)
	if err != nil {
		return Warmed{}, err
	}
	if err := b.order(ctx, order); err != nil {
		return Warmed{}, err
	}
	w := b.waiting
	select {
	case <-w.taken:
		return Warmed{}, errTaken
	case <-w.lost:
		return Warmed{}, w.why
	case <-ctx.Done():
		return Warmed{}, fmt.Errorf("sandbox: warming: %w", context.Cause(ctx))
	case answer := <-w.answers:
		if err := b.answered(ctx); err != nil {
			return Warmed{}, err
		}
		after, err := b.container.Usage(ctx)
		if err == nil {
			w.mu.Lock()
			if !w.isTaken { // else it may be the script's already
				w.before = after.CPU
			}
			w.mu.Unlock()
		}
		return Warmed{Libraries: answer.Libraries, HeapBytes: answer.HeapBytes, CPU: after.CPU - before.CPU}, err
	}
}

// order sends an order to warm up to a box that nobody has taken.
func (b *box) order(ctx context.Context, order protocol.Warm) error {
	w := b.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.isTaken:
		return errTaken
	case w.asked:
		return errSlept
	}
	if err := b.container.Weight(ctx, true); err != nil {
		return err
	}
	w.idle, w.asked = true, true
	b.frames.ExpectWarmed()
	// A pipe takes in an order whole, whether the runner reads or not.
	return protocol.WriteMessage(b.stdin, protocol.Order{Warm: &order})
}

// answered gives a box that nobody has taken its weight back.
func (b *box) answered(ctx context.Context) error {
	w := b.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isTaken {
		return errTaken
	}
	if err := b.container.Weight(ctx, false); err != nil {
		return err
	}
	w.idle = false
	return nil
}

// begun waits, where the job has come in the middle of a warming, for the runner to have dropped that. Nothing of it
// counts as the script's time.
func (r *run) begun(ctx context.Context) {
	if !r.box.waiting.asked { // nobody watches any more who would change it
		return
	}
	defer func() { // what was dropped has cost something too
		if cost, err := r.box.cost(ctx); err == nil {
			r.box.waiting.mu.Lock()
			r.box.waiting.before = cost
			r.box.waiting.mu.Unlock()
		}
	}()
	late := time.NewTimer(handLimit)
	defer late.Stop()
	select {
	case e := <-r.box.events:
		if e.err != nil || e.frame.Type != protocol.FrameWarmed {
			r.early = &e // no answer: what it is instead is judged as all that it says
		}
	case <-ctx.Done(): // as do finds out
	case <-late.C:
		r.evidence.handError = errSlow
		r.kill()
	}
}
