package sandbox

import "time"

// A demand remembers how many boxes were taken in each second of the last minute. The most of any one second is how
// many should wait: so many came at once, and may again.
type demand struct {
	seconds [60]struct {
		at    int64 // the second, since the epoch
		taken int
	}
}

// note counts one more.
func (d *demand) note(now time.Time) {
	at := now.Unix()
	second := &d.seconds[at%int64(len(d.seconds))]
	if second.at != at {
		second.at, second.taken = at, 0
	}
	second.taken++
}

// peak returns the most that were taken in one second of the last minute.
func (d *demand) peak(now time.Time) int {
	peak := 0
	for _, second := range d.seconds {
		if now.Unix()-second.at < int64(len(d.seconds)) {
			peak = max(peak, second.taken)
		}
	}
	return peak
}

// target is how many boxes should wait. mu is held.
func (p *pool) target(now time.Time) int {
	return min(max(p.config.Min, p.demand.peak(now)), p.config.Max)
}

const (
	// holdOff is how long a box that was taken is not replaced: most scripts are done by then, and had the
	// processors for themselves. While half of the boxes are left there is no hurry: those that come one after the other
	// are let by, up to a limit.
	holdOff     = 10 * time.Millisecond
	calmHoldOff = 100 * time.Millisecond // since the last was taken
	mostHoldOff = time.Second            // since the first was missing
	// shrinkAfter is how often one box is retired while fewer are wanted.
	shrinkAfter = 5 * time.Second
)

// maintain tends the pool whenever something has changed, or is due.
func (p *pool) maintain() {
	due := time.NewTimer(0)
	defer due.Stop()
	shrunk := time.Now()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.kick:
		case <-due.C:
		}
		p.mu.Lock()
		now := time.Now()
		next := min(p.retire(now, &shrunk), p.refill(now), p.warm(now))
		p.mu.Unlock()
		due.Reset(next)
	}
}

// retire takes away boxes that are too old or too many, and returns when to look again. mu is held.
func (p *pool) retire(now time.Time, shrunk *time.Time) time.Duration {
	next := p.config.MaxAge
	for len(p.waiting) > 0 {
		if age := now.Sub(p.waiting[0].since); age < p.config.MaxAge {
			next = p.config.MaxAge - age
			break
		}
		p.takeAway(p.waiting[0])
	}
	if len(p.waiting) <= p.target(now) {
		*shrunk = now
		return min(next, shrinkAfter)
	}
	if now.Sub(*shrunk) >= shrinkAfter {
		*shrunk = now
		p.takeAway(p.leastWarmed())
	}
	return min(next, shrinkAfter)
}

func (p *pool) takeAway(w *waiter) {
	p.remove(w)
	p.stats.Retired++
	p.destroy(w.box)
}

// leastWarmed is the box whose loss costs least. mu is held, and boxes wait.
func (p *pool) leastWarmed() *waiter {
	least := p.waiting[0]
	for _, w := range p.waiting {
		if len(w.have) < len(least.have) {
			least = w
		}
	}
	return least
}

// refill starts boxes that are missing, and returns when to look again. mu is held.
func (p *pool) refill(now time.Time) time.Duration {
	missing := p.target(now) - len(p.waiting) - (p.starting - len(p.takers))
	if missing <= 0 {
		p.deficit = time.Time{}
		return time.Hour
	}
	if p.deficit.IsZero() {
		p.deficit = now
	}
	due := p.refillDue(now)
	if p.notUntil.After(due) {
		due = p.notUntil
	}
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	for range min(missing, p.config.Starts-p.starting) {
		p.start(p.config.Limits)
	}
	return time.Hour // each start that ends wakes the pool
}

// refillDue is when boxes that are missing may be started. mu is held.
func (p *pool) refillDue(now time.Time) time.Time {
	switch {
	case p.lastTaken.IsZero(): // nobody has come yet
		return p.deficit
	case 2*len(p.waiting) < p.target(now):
		return p.deficit.Add(holdOff)
	}
	calm, most := p.lastTaken.Add(calmHoldOff), p.deficit.Add(mostHoldOff)
	if calm.After(most) {
		return most
	}
	return calm
}
