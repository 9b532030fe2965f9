package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"glovebox/internal/protocol"
)

// WarmConfig says what boxes may do while they wait.
type WarmConfig struct {
	// CPUs is the share of processors that warming may take, on average and at most, of what nobody else
	// wants: 0.5 is half of one; 0 is no warming.
	CPUs float64
	// MemoryBytes is how large a runner's heap may be when it begins on another library.
	MemoryBytes int64
	// Libraries are the names of the packages that scripts may import.
	Libraries []string
}

func (c WarmConfig) check() error {
	if c.CPUs < 0 || math.IsNaN(c.CPUs) || math.IsInf(c.CPUs, 0) {
		return fmt.Errorf("sandbox: warming with %v processors is not possible", c.CPUs)
	}
	return nil
}

// Wants returns the specifiers of libraries that a script names, each once, as it stands there: "lodash", "lodash/fp".
// It reads the text alone, and of a long one the beginning: a name that it misses costs the script time and nothing else, and
// one that only stands in a string costs a box some warming.
func (c WarmConfig) Wants(code string) []string {
	if len(c.Libraries) == 0 {
		return nil
	}
	var wants []string
	for _, match := range specifier.FindAllStringSubmatch(code[:min(len(code), maxLooked)], maxWants) {
		if name := match[1]; slices.Contains(c.Libraries, name) {
			if full := name + match[2]; !slices.Contains(wants, full) {
				wants = append(wants, full)
			}
		}
	}
	return wants
}

// specifier finds quoted words that could name a module of a package.
var specifier = regexp.MustCompile(`["']([a-z][a-z0-9-]{0,40})((?:/[A-Za-z0-9_-]{1,40}){0,3})["']`)

// maxLooked and maxWants bound how many bytes and words of a script are looked at: this stands before its run.
const (
	maxLooked = 32 << 10
	maxWants  = 256
)

// A recent remembers which libraries the last jobs wanted.
type recent struct {
	jobs [64][]string
	next int
}

// note remembers a job.
func (r *recent) note(wants []string) {
	r.jobs[r.next%len(r.jobs)] = wants
	r.next++
}

// A share is a library, and how many of the last jobs wanted it: from 0 to 1.
type share struct {
	name string
	of   float64
}

// shares lists the libraries that the last jobs wanted, the most wanted first.
func (r *recent) shares() []share {
	jobs := r.jobs[:min(r.next, len(r.jobs))]
	counts := map[string]int{}
	for _, wants := range jobs {
		for _, name := range wants {
			counts[name]++
		}
	}
	var list []share
	for name, count := range counts {
		list = append(list, share{name, float64(count) / float64(len(jobs))})
	}
	slices.SortFunc(list, func(a, b share) int { return cmp.Or(cmp.Compare(b.of, a.of), cmp.Compare(a.name, b.name)) })
	return list
}

// warm has the next box warm up, where there is processor time for it, and returns when to look again. mu is held.
func (p *pool) warm(now time.Time) time.Duration {
	if p.warming || p.starting > 0 || p.config.Warm.CPUs == 0 {
		return time.Hour // what it waits for wakes the pool
	}
	w, libraries := p.next(now)
	if w == nil {
		return time.Hour
	}
	if wait := p.budget.wait(now, p.config.Warm.CPUs); wait > 0 {
		return wait
	}
	p.warming, w.warming = true, true
	p.work.Go(func() {
		begun := time.Now()
		warmed, err := w.box.Warm(p.ctx, protocol.Warm{Libraries: libraries, MemoryBytes: p.config.Warm.MemoryBytes})
		p.mu.Lock()
		if err != nil {
			warmed.CPU = time.Since(begun) // nobody can tell what it has cost: as much as one processor gives
		}
		p.budget.spend(warmed.CPU)
		p.stats.WarmingCPU += warmed.CPU
		p.warmed(w, libraries, warmed, err)
		p.mu.Unlock()
		p.wake()
	})
	return time.Hour
}

// warmed takes note of what a box has in place now. mu is held.
func (p *pool) warmed(w *waiter, asked []string, got Warmed, err error) {
	p.warming, w.warming, w.began = false, false, true
	if err != nil {
		w.full = true
		p.notWarmed(w, err)
		return
	}
	for _, name := range got.Libraries {
		w.have[name] = true
	}
	for _, name := range asked {
		w.full = w.full || !w.have[name] // it has no room, or cannot
	}
}

// notWarmed deals with a box that could not be warmed. One that was taken or lost is not here any more; one that owes an
// answer is replaced; any other is as good as before. mu is held.
func (p *pool) notWarmed(w *waiter, err error) {
	switch {
	case p.ctx.Err() != nil || !slices.Contains(p.waiting, w):
	case errors.Is(err, errSlept):
		p.log.Warn("a box that waited did not answer, and is replaced", "error", err)
		p.remove(w)
		p.stats.Lost++
		p.destroy(w.box)
	case !p.toldCold:
		p.toldCold = true
		p.log.Warn("boxes that wait cannot be warmed: libraries are made when scripts ask for them", "error", err)
	}
}

// next returns the box that should warm up next, and for what; nil where all is done. As many boxes have a library in
// place as jobs will want it: of ten that wait, three for one that three of ten jobs used. mu is held.
func (p *pool) next(now time.Time) (*waiter, []string) {
	for _, w := range p.waiting {
		if !w.began {
			return w, nil // first what every job wants
		}
	}
	target := p.target(now)
	var chosen *waiter
	var libraries []string
	for _, s := range p.recent.shares() {
		lacking := int(math.Ceil(s.of*float64(target))) - p.having(s.name)
		if lacking <= 0 {
			continue
		}
		if chosen == nil {
			chosen = p.candidate(s.name)
		}
		if chosen != nil && !chosen.have[s.name] {
			libraries = append(libraries, s.name)
		}
	}
	return chosen, libraries
}

// having counts the boxes that have a library in place. mu is held.
func (p *pool) having(name string) int {
	n := 0
	for _, w := range p.waiting {
		if w.have[name] {
			n++
		}
	}
	return n
}

// candidate returns the box to warm for a library: of those that lack it the one that has most already, so that
// others stay small. mu is held.
func (p *pool) candidate(name string) *waiter {
	var best *waiter
	for _, w := range p.waiting {
		if !w.full && !w.have[name] && (best == nil || len(w.have) > len(best.have)) {
			best = w
		}
	}
	return best
}

// A budget keeps warming within its share: what is spent is earned before more is.
type budget struct {
	since time.Time
	debt  time.Duration // of processor time
}

// wait returns how long nothing may be spent yet.
func (b *budget) wait(now time.Time, cpus float64) time.Duration {
	if !b.since.IsZero() {
		b.debt = max(0, b.debt-time.Duration(float64(now.Sub(b.since))*cpus))
	}
	b.since = now
	return time.Duration(float64(b.debt) / cpus)
}

func (b *budget) spend(d time.Duration) { b.debt += d }
