package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// number writes a value with three digits that matter.
func number(v float64) string {
	switch abs := max(v, -v); {
	case v == float64(int64(v)) && abs < 1e7:
		return strconv.FormatInt(int64(v), 10)
	case abs >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func (f figure) goalText() string {
	if f.Goal == nil {
		return "–"
	}
	sign := "≤ "
	if f.Goal.AtLeast {
		sign = "≥ "
	}
	if f.Goal.OfRatio {
		return sign + number(f.Goal.Bound) + "×"
	}
	return strings.TrimSpace(sign + number(f.Goal.Bound) + " " + f.Unit)
}

func (f figure) ratioText() string {
	if f.Ratio == nil {
		return "–"
	}
	return strconv.FormatFloat(*f.Ratio, 'f', 2, 64) + "×"
}

func (f figure) metText() string {
	switch {
	case f.Met != nil && *f.Met:
		return "met"
	case f.Met != nil:
		return "not met"
	case f.Goal != nil:
		return "not judged"
	}
	return "–"
}

func (f figure) oursText() string { return strings.TrimSpace(number(f.Ours) + " " + f.Unit) }

func (f figure) peerText() string {
	switch {
	case f.PeerName == "":
		return "–"
	case f.Peer == nil:
		return f.PeerName + ": not here"
	}
	return f.PeerName + ": " + strings.TrimSpace(number(*f.Peer)+" "+f.Unit)
}

// cells are a table's lines, ratios first: the heading, and a line for each figure or row that has none.
func (r report) cells() (lines [][]string) {
	lines = append(lines, []string{"ratio", "goal", "", "what", "boxes", "figure", "ours", "peer", "n"})
	for _, row := range r.Rows {
		switch {
		case row.Failed != "":
			lines = append(lines, []string{"–", "–", "FAILED", row.What, row.Target, row.Failed, "", "", ""})
		case row.Skipped != "":
			lines = append(lines, []string{"–", "–", "not run", row.What, row.Target, row.Skipped, "", "", ""})
		}
		for _, f := range row.Figures {
			lines = append(lines, []string{f.ratioText(), f.goalText(), f.metText(), row.What, row.Target, f.Name, f.oursText(),
				f.peerText(), strconv.Itoa(f.N)})
		}
	}
	return lines
}

// heading says what ran where.
func (r report) heading() []string {
	m := r.Machine
	lines := []string{
		fmt.Sprintf("On %s, in %.0f s%s.", r.Began.Format("2006-01-02 15:04 MST"), r.Took, r.scaleText()),
		fmt.Sprintf("%s, %d cores, %.1f GiB, Linux %s, cgroups: %s; load %s at the start and %s at the end.",
			m.CPU, m.Cores, float64(m.MemoryBytes)/(1<<30), m.Kernel, m.Cgroups, m.LoadBegin, m.LoadEnd),
	}
	var names []string
	for _, v := range r.Versions {
		names = append(names, v.Name+" "+v.Version)
	}
	lines = append(lines, strings.Join(names, ", ")+".")
	if !r.Complete {
		lines = append(lines, "This run was cut short: what is missing was not reached.")
	}
	return lines
}

func (r report) scaleText() string {
	switch r.Scale {
	case 1:
		return ""
	case shortScale:
		return ", as a short run, which shows that the bench works and nothing else"
	}
	return fmt.Sprintf(", with %s of the rounds of a whole run", number(r.Scale))
}

// tally counts the goals.
func (r report) tally() string {
	var met, missed, unjudged int
	for _, row := range r.Rows {
		for _, f := range row.Figures {
			switch {
			case f.Goal == nil:
			case f.Met == nil:
				unjudged++
			case *f.Met:
				met++
			default:
				missed++
			}
		}
	}
	return fmt.Sprintf("%d goals met, %d not met, %d not judged", met, missed, unjudged)
}

// notes are what rows have to say beside their figures, each once.
func (r report) notes() (lines []string) {
	for _, row := range r.Rows {
		for _, note := range row.Notes {
			lines = append(lines, row.What+", "+row.Target+": "+note)
		}
	}
	return lines
}

// writeText writes the table for people.
func (r report) writeText(w io.Writer) error {
	for _, line := range r.heading() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "%s.\n\n", r.tally())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range r.cells() {
		fmt.Fprintln(table, strings.TrimRight(strings.Join(line, "\t"), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if notes := r.notes(); len(notes) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
	}
	return nil
}

// writeJSON writes everything for programs.
func (r report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// writeMarkdown writes the same for a page, with the picture, where one is named.
func (r report) writeMarkdown(w io.Writer, picture string) error {
	plain := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	for _, line := range append(r.heading(), r.tally()+".") {
		fmt.Fprintf(w, "%s\n\n", plain.Replace(line))
	}
	if picture != "" {
		fmt.Fprintf(w, "![How much of each goal is used](%s)\n\n", picture)
	}
	for i, line := range r.cells() {
		for j, cell := range line {
			line[j] = plain.Replace(cell)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			fmt.Fprintln(w, strings.Repeat("|---", len(line))+"|")
		}
	}
	for i, note := range r.notes() {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "- %s\n", plain.Replace(note))
	}
	return nil
}
