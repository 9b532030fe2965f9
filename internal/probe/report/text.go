package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"glovebox/internal/probe"
)

// Text writes a report for a terminal: ratios first, then each pair of a driver and a runtime, what does not hold, what
// is not applicable, and what the controls show. The error is w's.
func Text(w io.Writer, r *probe.Report) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%v; on %d pairs of a driver and a runtime, in %s.\n\n", total(r), len(r.Pairs), seconds(r.DurationMs))
	if err := pairs(&text, r); err != nil {
		return err
	}
	broken(&text, r)
	excused(&text, r)
	lifted(&text, r)
	_, err := io.WriteString(w, text.String())
	return err
}

func pairs(w io.Writer, r *probe.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "PAIR\tVERSION\tHELD\tBREACHED\tFAILED\tNOT APPLICABLE\tTIME\n")
	for _, p := range r.Pairs {
		t := pairTally(r, p)
		fmt.Fprintf(table, "%s\t%s\t%d/%d\t%d\t%d\t%d\t%s\n", line(name(p)), line(p.RuntimeVersion), t.Held, t.All(), t.Breached, t.Failed, t.NotApplicable, seconds(p.DurationMs))
	}
	return table.Flush()
}

// broken tells of each claim that does not hold, and by what that was seen.
func broken(w io.Writer, r *probe.Report) {
	for _, row := range r.Rows {
		if row.Verdict.OK() {
			continue
		}
		if row.Verdict == "" {
			fmt.Fprintf(w, "\nfailed  %s: %s\n    it was not tried\n", row.ID, row.Claim)
			continue
		}
		fmt.Fprintf(w, "\n%s  %s: %s\n", row.Verdict, row.ID, row.Claim)
		for _, o := range row.Outcomes {
			if !o.Verdict.OK() {
				fmt.Fprintf(w, "    %s with %s, %s: %s: %s\n", line(o.Driver), line(o.Runtime), o.Stage, o.Verdict, line(o.Why))
			}
		}
		for _, c := range row.Controls {
			if c.Result == probe.StillStopped && !c.NotApplicable && c.LiftsAll(row.Probe) {
				fmt.Fprintf(w, "    a control without %s is stopped all the same: %s\n", strings.Join(c.Lifted, ", "), line(c.Why))
			}
		}
	}
}

// excused names what is not applicable, with the proof.
func excused(w io.Writer, r *probe.Report) {
	first := true
	for _, row := range r.Rows {
		if row.Verdict != probe.NotApplicable {
			continue
		}
		if first {
			fmt.Fprint(w, "\nNot applicable here:\n")
			first = false
		}
		why := ""
		if len(row.Outcomes) > 0 {
			why = row.Outcomes[0].Why
		}
		fmt.Fprintf(w, "    %s: %s\n", row.ID, line(why))
	}
}

// lifted tells what the controls show.
func lifted(w io.Writer, r *probe.Report) {
	c := controlsOf(r)
	if c.all() == 0 {
		return
	}
	fmt.Fprintf(w, "\nControls: %d of %d probes succeed with their layers lifted, %d are stopped all the same, %d this kernel refuses in any case, %d are not run.\n",
		len(c.Succeeded), c.all(), len(c.Failed), len(c.NotApplicable), len(c.NotRun))
	if note := noteOnGVisor(r); note != "" {
		fmt.Fprintln(w, note)
	}
	list := func(title string, of []probe.Control) {
		if len(of) == 0 {
			return
		}
		fmt.Fprintf(w, "%s:\n", title)
		for _, control := range of {
			fmt.Fprintf(w, "    %s: %s\n", control.Probe, line(control.Why))
		}
	}
	list("Refused by this kernel", c.NotApplicable)
	list("Not run", c.NotRun)
	if len(r.SingleLayers) > 0 {
		fmt.Fprint(w, "On one layer alone hang:\n")
	}
	for _, single := range r.SingleLayers {
		fmt.Fprintf(w, "    on %s: %s\n", single.Layer, strings.Join(single.Probes, ", "))
	}
}
