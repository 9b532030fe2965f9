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

// A report is what all of it came to.
type report struct {
	options options
	stages  []*stageReport
}

// good reports whether nothing was lost, wrong, run twice, left behind or leaked.
func (r *report) good() bool {
	for _, st := range r.stages {
		for _, list := range st.faultsFound() {
			if len(list) > 0 {
				return false
			}
		}
	}
	return true
}

// faultsFound are all that must not be.
func (st *stageReport) faultsFound() [][]string {
	return append(wrongs(st.rounds), st.accepted.lost, st.accepted.wrong, st.twice, st.left, st.leaks)
}

func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%d tenants, %d requests at once, on %s.\n", r.options.tenants, r.options.concurrency, r.options.runtime)
	for _, st := range r.stages {
		st.write(w)
	}
}

func (st *stageReport) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s:\n", st.name)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\ttook\tanswered\tp50 ms\tp95\tp99\taccepted\trefused\tno answer\tby the fault\twrong\tback after\tat rest: fds\tgoroutines\t")
	for _, one := range st.rounds {
		slices.Sort(one.answered)
		back := "–"
		if one.recovery > 0 {
			back = one.recovery.Round(time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s\t%.1f s\t%d\t%.1f\t%.1f\t%.1f\t%d\t%s\t%d\t%s\t%d\t%s\t%d\t%d\t%s\n", one.name, one.took.Seconds(), len(one.answered),
			quantile(one.answered, 0.5), quantile(one.answered, 0.95), quantile(one.answered, 0.99), one.queued,
			counts(one.refused), one.broken, counts(one.others), len(one.wrong), back, one.descriptors, one.goroutines, one.told)
	}
	_ = table.Flush() // w's errors are w's
	a := st.accepted
	fmt.Fprintf(w, "Of %d accepted executions %d ended as they must, %d as EXECUTION_FAILED, %d in a box that was killed; lost: %d, wrong: %d.\n",
		a.accepted, a.asExpected, a.retryable, a.killed, len(a.lost), len(a.wrong))
	fmt.Fprintf(w, "The ledger is whole (%d lines); begun twice: %d. Left behind: %d. Leaks: %d.\n", st.entries, len(st.twice), len(st.left), len(st.leaks))
	const most = 5
	for _, list := range st.faultsFound() {
		for _, line := range list[:min(most, len(list))] {
			fmt.Fprintln(w, "  "+line)
		}
	}
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
