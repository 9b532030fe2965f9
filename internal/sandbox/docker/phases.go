package docker

import (
	"log/slog"
	"time"
)

// phases takes the time of each step of a box's making, for whoever wonders where it goes.
type phases struct {
	last  time.Time
	attrs []slog.Attr
}

func newPhases() *phases { return &phases{last: time.Now()} }

// end says that the phase of that name has ended, and another begun.
func (p *phases) end(name string) {
	now := time.Now()
	p.attrs = append(p.attrs, slog.Duration(name, now.Sub(p.last)))
	p.last = now
}

// LogValue implements [slog.LogValuer].
func (p *phases) LogValue() slog.Value { return slog.GroupValue(p.attrs...) }
