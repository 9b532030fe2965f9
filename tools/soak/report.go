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
	options  options
	rounds   []*round
	accepted settlement
	twice    []string // executions that began more than once
	entries  int      // of the ledger's export, which was found whole
	left     []string
}

// good reports whether nothing was lost, wrong, run twice or left behind.
func (r *report) good() bool {
	for _, one := range r.rounds {
		if len(one.wrong) > 0 {
			return false
		}
	}
	return len(r.accepted.lost)+len(r.accepted.wrong)+len(r.twice)+len(r.left) == 0
}

func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%d tenants, %d requests at once, on oci+%s.\n\n", r.options.tenants, r.options.concurrency, r.options.runtime)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\ttook\tanswered\tp50 ms\tp95\tp99\taccepted\trefused\tno answer\tby the fault\twrong\tback after\t")
	for _, one := range r.rounds {
		slices.Sort(one.answered)
		back := "–"
		if one.recovery > 0 {
			back = one.recovery.Round(time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s\t%.1f s\t%d\t%.1f\t%.1f\t%.1f\t%d\t%s\t%d\t%s\t%d\t%s\t%s\n", one.name, one.took.Seconds(), len(one.answered),
			quantile(one.answered, 0.5), quantile(one.answered, 0.95), quantile(one.answered, 0.99), one.queued,
			counts(one.refused), one.broken, counts(one.others), len(one.wrong), back, one.told)
	}
	_ = table.Flush() // w's errors are w's
	a := r.accepted
	fmt.Fprintf(w, "\nOf %d accepted executions %d ended as they must, %d as EXECUTION_FAILED, %d in a box that was killed; lost: %d, wrong: %d.\n",
		a.accepted, a.asExpected, a.retryable, a.killed, len(a.lost), len(a.wrong))
	fmt.Fprintf(w, "The ledger is whole (%d lines); begun twice: %d. Left behind: %d.\n", r.entries, len(r.twice), len(r.left))
	const most = 5
	for _, list := range append(wrongs(r.rounds), a.lost, a.wrong, r.twice, r.left) {
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
