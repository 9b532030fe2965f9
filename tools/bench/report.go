package main

import "time"

// A report is one run of the bench.
type report struct {
	Began    time.Time `json:"began"`
	Took     float64   `json:"tookSeconds"`
	Scale    float64   `json:"scale"` // of the number of rounds; 1 is whole
	Complete bool      `json:"complete"`
	Machine  machine   `json:"machine"`
	Versions []version `json:"versions"`
	Rows     []row     `json:"rows"`
}

// A version names one thing that took part.
type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// A row is one question, asked of one way to make boxes.
type row struct {
	ID      string   `json:"id"`
	What    string   `json:"what"`
	Target  string   `json:"target"` // driver+runtime
	Skipped string   `json:"skipped,omitempty"`
	Failed  string   `json:"failed,omitempty"`
	Figures []figure `json:"figures,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// A figure is one number of a row, and what it is to be compared with.
type figure struct {
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	Ours float64 `json:"ours"`
	// Peer is what PeerName has in the same unit; nil where nobody was asked.
	Peer     *float64 `json:"peer,omitempty"`
	PeerName string   `json:"peerName,omitempty"`
	// Ratio is ours divided by the peer's.
	Ratio *float64 `json:"ratio,omitempty"`
	Goal  *goal    `json:"goal,omitempty"`
	// Met tells whether the goal is; nil where there is none, or nothing to judge it by.
	Met *bool `json:"met,omitempty"`
	N   int   `json:"n"` // of measurements behind it
}

// A goal is a bound on a figure's ratio or, where OfRatio is false, on ours itself.
type goal struct {
	OfRatio bool    `json:"ofRatio"`
	AtLeast bool    `json:"atLeast"` // else at most
	Bound   float64 `json:"bound"`
}

func ratioAtMost(bound float64) *goal  { return &goal{OfRatio: true, Bound: bound} }
func ratioAtLeast(bound float64) *goal { return &goal{OfRatio: true, AtLeast: true, Bound: bound} }
func atMost(bound float64) *goal       { return &goal{Bound: bound} }
func atLeast(bound float64) *goal      { return &goal{AtLeast: true, Bound: bound} }

// own makes a figure that stands alone.
func own(name, unit string, ours float64, n int, g *goal) figure {
	return judge(figure{Name: name, Unit: unit, Ours: ours, N: n, Goal: g})
}

// beside makes a figure that is compared with a peer's; a peer that measured nothing is left out.
func beside(name, unit string, ours float64, peerName string, peer float64, n int, g *goal) figure {
	f := figure{Name: name, Unit: unit, Ours: ours, N: n, Goal: g, PeerName: peerName}
	if peer > 0 {
		f.Peer = new(peer)
		f.Ratio = new(ours / peer)
	}
	return judge(f)
}

func judge(f figure) figure {
	if f.Goal == nil {
		return f
	}
	value, ok := f.judged()
	if !ok {
		return f
	}
	if f.Goal.AtLeast {
		f.Met = new(value >= f.Goal.Bound)
	} else {
		f.Met = new(value <= f.Goal.Bound)
	}
	return f
}

// judged is what the goal bounds, where it is known.
func (f figure) judged() (value float64, ok bool) {
	switch {
	case f.Goal == nil:
		return 0, false
	case !f.Goal.OfRatio:
		return f.Ours, true
	case f.Ratio == nil:
		return 0, false
	}
	return *f.Ratio, true
}

// used is how much of the goal's room is taken, whichever way the goal points: up to 1 it is met.
func (f figure) used() (share float64, ok bool) {
	value, ok := f.judged()
	switch {
	case !ok:
		return 0, false
	case f.Goal.AtLeast && value <= 0, !f.Goal.AtLeast && f.Goal.Bound <= 0:
		// Nothing where something was to be, or a goal of nothing at all: met or not is all there is to tell.
		if *f.Met {
			return 0, true
		}
		return worst, true
	case f.Goal.AtLeast:
		return f.Goal.Bound / value, true
	}
	return value / f.Goal.Bound, true
}

// worst stands for a share that no number fits.
const worst = 1000
