package report

import (
	"fmt"
	"io"
	"sync"
	"time"

	"glovebox/internal/probe"
	"glovebox/internal/terminal"
)

// A Progress tells how far an audit is: on a terminal by one line that is written anew, elsewhere by a line at the
// beginning and the end of each part. What does not hold it tells at once. It is safe for concurrent use.
type Progress struct {
	w    io.Writer
	live bool // w is a terminal
	now  func() time.Time

	mu       sync.Mutex
	part     string
	of       int // trials of the part; 0 where nobody knows before
	done     int
	breaches int
	started  time.Time
	told     time.Time
}

// NewProgress returns a Progress that writes to w.
func NewProgress(w io.Writer) *Progress {
	return &Progress{w: w, live: terminal.Is(w), now: time.Now}
}

// Begin begins a part of the audit with so many trials, each of which makes an outcome; 0 where that is not known.
func (p *Progress) Begin(part string, trials int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part, p.of, p.done, p.breaches, p.started = line(part), trials, 0, 0, p.now()
	if p.live {
		p.write()
		return
	}
	fmt.Fprintf(p.w, "%s: %s ...\n", p.part, p.trials())
}

func (p *Progress) trials() string {
	if p.of == 0 {
		return "trials"
	}
	return fmt.Sprintf("%d trials", p.of)
}

// Outcome counts an outcome.
func (p *Progress) Outcome(o probe.Outcome) {
	bad := ""
	if !o.Verdict.OK() {
		bad = fmt.Sprintf("%s  %s, %s, %s: %s", o.Verdict, o.Probe, p.part, o.Stage, line(o.Why))
	}
	p.count(bad)
}

// Control counts a control.
func (p *Progress) Control(probe.Control) { p.count("") }

func (p *Progress) count(bad string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if bad != "" {
		p.breaches++
		p.clear()
		fmt.Fprintln(p.w, bad)
	}
	// Ten times in a second is enough for the eye.
	if p.live && (bad != "" || p.now().Sub(p.told) >= 100*time.Millisecond) {
		p.write()
	}
}

// End ends the part.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, "%s: %s, in %s\n", p.part, p.state(), seconds(float64(p.now().Sub(p.started).Milliseconds())))
}

func (p *Progress) state() string {
	if p.of == 0 {
		return fmt.Sprintf("%d trials made", p.done)
	}
	return fmt.Sprintf("%d of %d trials made, %d do not hold", p.done, p.of, p.breaches)
}

// clear takes the live line away.
func (p *Progress) clear() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *Progress) write() {
	p.told = p.now()
	p.clear()
	fmt.Fprintf(p.w, "%s: %s", p.part, p.state())
}
