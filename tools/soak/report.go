package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// good reports whether nothing was lost, wrong, run twice, left behind or leaked.
func (st *stageReport) good() bool {
	return !slices.ContainsFunc(st.faultsFound(), func(list []string) bool { return len(list) > 0 })
}

// faultsFound are all that must not be.
func (st *stageReport) faultsFound() [][]string {
	found := append(wrongs(st.rounds), st.told.lost, st.told.wrong, st.twice, st.books, st.left, st.leaks)
	for _, a := range st.accepted {
		found = append(found, a.lost, a.wrong)
	}
	return found
}

func (st *stageReport) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s:\n", st.name)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\tasked for\tanswered\tp50 ms\tp95\tp99\taccepted\trefused\tno answer\tby the fault\t")
	for _, one := range st.rounds {
		one.scripts.write(table, one.name, "scripts")
		one.runs.write(table, "", "runs of the agent")
		one.calls.write(table, "", "calls of /mcp")
	}
	fmt.Fprintln(table)
	fmt.Fprintln(table, "fault\ttook\twrong\tback after\tat rest: fds\tgoroutines\t")
	for _, one := range st.rounds {
		back := "–"
		if one.recovery > 0 {
			back = one.recovery.Round(time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s\t%.1f s\t%d\t%s\t%d\t%d\t%s\n", one.name, one.took.Seconds(), len(one.wrong), back, one.descriptors, one.goroutines, one.told)
	}
	_ = table.Flush() // w's errors are w's
	for _, a := range st.accepted {
		fmt.Fprintf(w, "Of %d accepted (%s) %d ended as they must, %d as %s; lost: %d, wrong: %d.\n",
			a.accepted, a.sort.name, a.asExpected, a.retryable, a.sort.failed, len(a.lost), len(a.wrong))
	}
	d := st.told
	fmt.Fprintf(w, "Webhooks were told %d ends in %d posts: %d were refused, %d slow, %d hung up on, and %d came though they had been answered; lost: %d, wrong: %d.\n",
		d.ends, d.all, d.refused, d.slow, d.hungUp, d.again, len(d.lost), len(d.wrong))
	fmt.Fprintf(w, "The ledger is whole (%d lines), and differs from what was seen in %d; the model began %d tasks; begun twice: %d. Left behind: %d. Leaks: %d.\n",
		st.entries, len(st.books), st.tasks, len(st.twice), len(st.left), len(st.leaks))
	const most = 5
	for _, list := range st.faultsFound() {
		for _, line := range list[:min(most, len(list))] {
			fmt.Fprintln(w, "  "+line)
		}
	}
}

func (t *tally) write(w io.Writer, fault, what string) {
	slices.Sort(t.answered)
	fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%.1f\t%.1f\t%d\t%s\t%d\t%s\t\n", fault, what, len(t.answered),
		quantile(t.answered, 0.5), quantile(t.answered, 0.95), quantile(t.answered, 0.99), t.queued, counts(t.refused), t.broken, counts(t.others))
}

func wrongs(rounds []*round) (all [][]string) {
	for _, one := range rounds {
		all = append(all, one.wrong)
	}
	return all
}

// quantile of what is sorted; 0 of nothing.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func counts[K int | string](of map[K]int) string {
	if len(of) == 0 {
		return "–"
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%v: %d", key, of[key]))
	}
	return strings.Join(parts, ", ")
}
