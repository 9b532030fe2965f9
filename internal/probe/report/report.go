// Package report shows an audit to people: as a table in a terminal with its progress, and as one page of HTML that
// needs nothing but itself. The JSON is [probe.Report]'s own. Whatever came out of a box is bounded, escaped and
// kept on one line before it is shown.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
	"glovebox/internal/terminal"
)

// tally counts verdicts.
type tally struct{ Held, NotApplicable, Failed, Breached int }

func (t *tally) add(v probe.Verdict) {
	switch v {
	case probe.Held:
		t.Held++
	case probe.NotApplicable:
		t.NotApplicable++
	case probe.Breached:
		t.Breached++
	default: // not tried, too
		t.Failed++
	}
}

// All is how many verdicts were counted.
func (t tally) All() int { return t.Held + t.NotApplicable + t.Failed + t.Breached }

func (t tally) String() string {
	return fmt.Sprintf("%d of %d claims hold, %d breached, %d failed, %d notApplicable", t.Held, t.All(), t.Breached, t.Failed, t.NotApplicable)
}

// total counts a row once, by its worst.
func total(r *probe.Report) (t tally) {
	for _, row := range r.Rows {
		t.add(row.Verdict)
	}
	return t
}

// on is what was seen of a row on one pair, and the worst of it.
func on(row probe.Row, pair probe.Pair) (seen []probe.Outcome, worst probe.Verdict) {
	for _, o := range row.Outcomes {
		if o.Driver == pair.Driver && o.Runtime == pair.Runtime {
			seen = append(seen, o)
			worst = worst.Worse(o.Verdict)
		}
	}
	return seen, cmp.Or(worst, probe.Failed)
}

func pairTally(r *probe.Report, pair probe.Pair) (t tally) {
	for _, row := range r.Rows {
		_, verdict := on(row, pair)
		t.add(verdict)
	}
	return t
}

// controls sorts the rows by what their decisive controls came to: those of all the layers that are to stop a probe.
type controls struct {
	Succeeded, NotApplicable, Failed, NotRun []probe.Control
}

func controlsOf(r *probe.Report) (c controls) {
	for _, row := range r.Rows {
		for _, control := range row.Controls {
			if !control.LiftsAll(row.Probe) {
				continue
			}
			switch {
			case control.Result == probe.Succeeded:
				c.Succeeded = append(c.Succeeded, control)
			case control.Result == probe.NotRun:
				c.NotRun = append(c.NotRun, control)
			case control.NotApplicable:
				c.NotApplicable = append(c.NotApplicable, control)
			default:
				c.Failed = append(c.Failed, control)
			}
		}
	}
	return c
}

func (c controls) all() int {
	return len(c.Succeeded) + len(c.NotApplicable) + len(c.Failed) + len(c.NotRun)
}

// cleaned returns the same with reasons that are fit to be shown.
func (c controls) cleaned() controls {
	for _, list := range []*[]probe.Control{&c.Succeeded, &c.NotApplicable, &c.Failed, &c.NotRun} {
		*list = slices.Clone(*list)
		for i := range *list {
			(*list)[i].Why = line((*list)[i].Why)
		}
	}
	return c
}

// noteOnGVisor says why no control lifts gVisor; "" where no pair has it, or no control was made.
func noteOnGVisor(r *probe.Report) string {
	isGVisor := func(p probe.Pair) bool { return slices.Contains(p.Layers, sandbox.LayerGVisor) }
	made := func(row probe.Row) bool { return len(row.Controls) > 0 }
	if !slices.ContainsFunc(r.Pairs, isGVisor) || !slices.ContainsFunc(r.Rows, made) {
		return ""
	}
	return "Controls run on runc: the layer gvisor, which boxes of runsc have besides, is lifted in all of them by construction."
}

func name(p probe.Pair) string { return p.Driver + " with " + p.Runtime }

// seconds says a time in milliseconds to people.
func seconds(ms float64) string {
	return (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond).String()
}

// mostText bounds a text of a box's, in bytes.
const mostText = 300

// line makes a text of a box's fit to be shown: bounded, on one line, and without a character that would move a cursor
// or turn the direction of writing.
func line(s string) string {
	if len(s) > mostText {
		s = strings.ToValidUTF8(s[:mostText], "") + " …"
	}
	return strings.NewReplacer("\n", `\n`, "\t", " ").Replace(terminal.Escape(s))
}

// An answer is what attempts have in common that came to the same.
type answer struct {
	What      []string // of each attempt
	More      int      // attempts that What leaves out
	Came      string   // what came back
	Succeeded bool
}

// Most that is shown of one trial: a box says how many attempts it made.
const (
	mostAnswers = 40
	mostWhat    = 700
)

// answers joins attempts with the same answer, in the order of the first of each. left counts those beyond the bound.
func answers(attempts []probe.Attempt) (all []answer, left int) {
	for _, a := range attempts {
		came := came(a)
		i := slices.IndexFunc(all, func(other answer) bool { return other.Came == came && other.Succeeded == a.Succeeded })
		if i < 0 {
			if len(all) == mostAnswers {
				left++
				continue
			}
			i = len(all)
			all = append(all, answer{Came: came, Succeeded: a.Succeeded})
		}
		if len(all[i].What) == mostWhat {
			all[i].More++
			continue
		}
		all[i].What = append(all[i].What, line(a.What))
	}
	return all, left
}

// came is what came back of an attempt, in words.
func came(a probe.Attempt) string {
	var parts []string
	for _, part := range []string{string(a.Denial), a.Errno, a.Got} {
		if part != "" && !(part == "errno" && a.Errno != "") {
			parts = append(parts, line(part))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ": ")
}
