package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// HTML writes a report as one page that needs no network, no other file and no script, and allows none. For each pair of
// a driver and a runtime it draws the matrix of probes and layers; each cell opens to what was tried and what came back,
// beside the controls. The error is w's.
func HTML(w io.Writer, r *probe.Report) error {
	return page.Execute(w, view(r))
}

// layers are the matrix's columns.
var layers = probe.Layers()

// A document is what the page shows.
type document struct {
	Report   *probe.Report
	Total    tally
	Took     string
	Started  string
	Layers   []string
	Pairs    []pairView
	Broken   []probe.Row
	Controls controls
	OnGVisor string // a note to the controls
	Legend   []cell
}

type pairView struct {
	probe.Pair
	ID, Name, Version, Took string
	Tally                   tally
	Areas                   []area
}

// An area holds the probes whose ids begin alike.
type area struct {
	Name string
	Rows []rowView
}

type rowView struct {
	probe.Probe
	Anchor   string // of what its cells open
	Verdict  probe.Verdict
	Cells    []cell
	Outcomes []outcomeView
	Controls []controlView
}

// A cell says what one layer is to one probe on one pair.
type cell struct {
	Layer, State, Mark, Means string
}

type outcomeView struct {
	Stage   probe.Stage
	Verdict probe.Verdict
	Why     string
	Took    string
	Answers []answer
	Left    int
}

type controlView struct {
	Lifted  string
	State   string
	Says    string
	Why     string
	Answers []answer
	Left    int
}

func view(r *probe.Report) document {
	d := document{
		Report: r, Total: total(r), Took: seconds(r.DurationMs), Started: r.Started.UTC().Format("2006-01-02 15:04 MST"),
		Layers: layers, Controls: controlsOf(r).cleaned(), OnGVisor: noteOnGVisor(r), Legend: legend(),
	}
	for _, row := range r.Rows {
		if !row.Verdict.OK() {
			d.Broken = append(d.Broken, row)
		}
	}
	for i, p := range r.Pairs {
		pair := pairView{
			Pair: p, ID: fmt.Sprintf("pair%d", i), Name: line(name(p)), Version: line(p.RuntimeVersion), Took: seconds(p.DurationMs), Tally: pairTally(r, p),
		}
		for n, row := range r.Rows {
			first, _, _ := strings.Cut(row.ID, ".")
			at := slices.IndexFunc(pair.Areas, func(a area) bool { return a.Name == first })
			if at < 0 {
				at = len(pair.Areas)
				pair.Areas = append(pair.Areas, area{Name: first})
			}
			pair.Areas[at].Rows = append(pair.Areas[at].Rows, viewRow(row, p, fmt.Sprintf("p%dr%d", i, n)))
		}
		d.Pairs = append(d.Pairs, pair)
	}
	return d
}

func viewRow(row probe.Row, pair probe.Pair, anchor string) rowView {
	seen, verdict := on(row, pair)
	out := rowView{Probe: row.Probe, Anchor: anchor, Verdict: verdict}
	for _, layer := range layers {
		out.Cells = append(out.Cells, cellOf(row, pair, verdict, layer))
	}
	for _, o := range seen {
		v := outcomeView{Stage: o.Stage, Verdict: o.Verdict, Why: line(o.Why), Took: fmt.Sprintf("%.0f ms", o.DurationMs)}
		v.Answers, v.Left = answers(o.Attempts)
		out.Outcomes = append(out.Outcomes, v)
	}
	for _, c := range row.Controls {
		v := controlView{Lifted: strings.Join(c.Lifted, ", "), Why: line(c.Why), State: string(c.Result), Says: controlSays(c)}
		if c.NotApplicable {
			v.State = string(probe.NotApplicable)
		}
		v.Answers, v.Left = answers(c.Attempts)
		out.Controls = append(out.Controls, v)
	}
	return out
}

func controlSays(c probe.Control) string {
	switch {
	case c.NotApplicable:
		return "this kernel refuses it whatever is lifted"
	case c.Result == probe.Succeeded:
		return "the probe succeeded"
	case c.Result == probe.NotRun:
		return "not run"
	}
	return "still stopped"
}

// The states of a cell. Each has a mark besides its colour.
var (
	unmeant  = cell{State: "unmeant", Means: "not meant to stop it"}
	meant    = cell{State: "meant", Mark: "●", Means: "meant to stop it, and the probe was stopped; no control has lifted this layer alone"}
	proven   = cell{State: "proven", Mark: "◆", Means: "stops it by itself: with all the other layers lifted it still does"}
	shared   = cell{State: "shared", Mark: "◇", Means: "meant to stop it; with this layer lifted alone, the others still do"}
	single   = cell{State: "single", Mark: "▲", Means: "stops it alone: with this layer lifted the probe succeeds"}
	missing  = cell{State: "missing", Mark: "○", Means: "would stop it, and is not in force on this pair"}
	excepted = cell{State: "excepted", Mark: "–", Means: "not applicable here"}
	unproved = cell{State: "unproved", Mark: "?", Means: "could not be tried, or what came back proves nothing"}
	breached = cell{State: "breached", Mark: "✕", Means: "breached: the probe succeeded"}
)

func legend() []cell {
	return []cell{proven, single, shared, meant, missing, excepted, unproved, breached}
}

func cellOf(row probe.Row, pair probe.Pair, verdict probe.Verdict, layer string) cell {
	c := stateOf(row, pair, verdict, layer)
	c.Layer = layer
	return c
}

func stateOf(row probe.Row, pair probe.Pair, verdict probe.Verdict, layer string) cell {
	switch {
	case !slices.Contains(row.Layers, layer):
		return unmeant
	case layer != probe.LayerController && !slices.Contains(pair.Layers, layer):
		return missing
	case verdict == probe.Breached:
		return breached
	case verdict == probe.Failed:
		return unproved
	case verdict == probe.NotApplicable:
		return excepted
	}
	state := meant
	for _, c := range row.Controls {
		isLifted := slices.Contains(c.Lifted, layer)
		switch {
		case c.NotApplicable:
		case c.Result == probe.Succeeded && isLifted && len(c.Lifted) == 1:
			return single
		case c.Result != probe.StillStopped || c.LiftsAll(row.Probe) || layer == sandbox.LayerGVisor:
		case !isLifted && liftsOthers(c, row.Probe, layer) && canSucceed(row):
			state = proven
		case isLifted && len(c.Lifted) == 1 && state == meant:
			state = shared
		}
	}
	return state
}

// liftsOthers reports whether a control has left one layer alone of all that are to stop its probe.
func liftsOthers(c probe.Control, p probe.Probe, layer string) bool {
	c.Lifted = append(slices.Clone(c.Lifted), layer)
	return c.LiftsAll(p)
}

// canSucceed reports whether a probe has succeeded with all its layers lifted: otherwise what is stopped proves nothing.
func canSucceed(row probe.Row) bool {
	return slices.ContainsFunc(row.Controls, func(c probe.Control) bool {
		return c.Result == probe.Succeeded && c.LiftsAll(row.Probe)
	})
}
