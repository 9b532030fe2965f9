package console

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// layoutOfEntries is one object's printed entries with what goes around them.
type layoutOfEntries struct {
	entries   []string
	base      string
	open, end string
	style     entryStyle
	depth     int
	elements  func(i int) goja.Value // nil: nothing is known of the elements
}

// join lays the entries out as Node does: on one line where few levels are inside and the line is
// short enough, in columns for long arrays, else one a line.
func (p *printer) join(l layoutOfEntries) string {
	entries := l.entries
	var text string
	if p.dense {
		text = p.joinDense(l)
	} else {
		base := l.base
		if base != "" {
			base += " "
		}
		if p.compact >= 1 {
			if l.style == asArray && len(entries) > 6 {
				entries = p.columns(entries, l.elements)
			}
			if p.deepest-l.depth < p.compact && len(entries) == len(l.entries) {
				start := len(entries) + p.indent + utf16Len(l.open) + utf16Len(l.base) + 10
				if p.fits(entries, start, l.base) {
					if one := strings.Join(entries, ", "); !strings.Contains(one, "\n") {
						text = base + l.open + " " + one + " " + l.end
					}
				}
			}
		}
		if text == "" {
			line := "\n" + spaces(p.indent)
			p.spend(len(line) * (len(entries) + 1))
			text = base + l.open + line + "  " + strings.Join(entries, ","+line+"  ") + line + l.end
		}
	}
	p.pay(len(text))
	// What is beyond the limit here is beyond it in the whole message too, and would be copied again
	// at each level above.
	return text[:cutAt(text, p.limit+1)]
}

func (p *printer) joinDense(l layoutOfEntries) string {
	base := ""
	if l.base != "" {
		base = " " + l.base
	}
	if p.fits(l.entries, 0, l.base) {
		return l.open + base + " " + strings.Join(l.entries, ", ") + " " + l.end
	}
	line := "\n" + spaces(p.indent) + "  "
	first := base + line
	if l.base == "" && len(l.open) == 1 {
		first = " "
	}
	p.spend(len(line) * (len(l.entries) + 1))
	return l.open + first + strings.Join(l.entries, ","+line) + " " + l.end
}

// fits reports whether the entries may stand on one line.
func (p *printer) fits(entries []string, start int, base string) bool {
	total := len(entries) + start
	if total+len(entries) > p.breakLength {
		return false
	}
	for _, e := range entries {
		if total += utf16Len(e); total > p.breakLength {
			return false
		}
	}
	return !strings.Contains(base, "\n")
}

// columns arranges the entries of a long array in columns whose width suits them; where that would
// not look well it returns the entries as they are.
func (p *printer) columns(entries []string, elements func(i int) goja.Value) []string {
	const separator = 2 // a comma and a space
	n := len(entries)
	if p.maxArrayLength < n {
		n-- // the last entry tells how many more there are
	}
	total, widest := 0, 0
	widths := make([]int, n)
	for i := range widths {
		widths[i] = displayWidth(entries[i])
		total += widths[i] + separator
		widest = max(widest, widths[i])
	}
	cell := widest + separator
	if cell*3+p.indent >= p.breakLength || float64(total)/float64(cell) <= 5 && widest > 6 {
		return entries
	}
	bias := math.Sqrt(float64(cell) - float64(total)/float64(len(entries)))
	biased := math.Max(float64(cell)-3-bias, 1)
	// A character is about 2.5 times as high as wide: this many columns make about a square.
	count := min(int(math.Round(math.Sqrt(2.5*biased*float64(n))/biased)), (p.breakLength-p.indent)/cell, p.compact*4, 15)
	if count <= 1 {
		return entries
	}
	column := make([]int, count)
	for i := range column {
		for j := i; j < n; j += count {
			column[i] = max(column[i], widths[j])
		}
		column[i] += separator
	}
	right := elements == nil || p.allNumbers(len(entries), elements)
	var lines []string
	for i := 0; i < n; i += count {
		last := min(i+count, n) - 1
		var b strings.Builder
		for j := i; j < last; j++ {
			pad := spaces(column[j-i] - widths[j] - separator)
			if right {
				b.WriteString(pad)
			}
			b.WriteString(entries[j])
			b.WriteString(", ")
			if !right {
				b.WriteString(pad)
			}
		}
		if right {
			b.WriteString(spaces(column[last-i] - separator - widths[last]))
		}
		b.WriteString(entries[last])
		p.spend(b.Len())
		lines = append(lines, b.String())
	}
	if n < len(entries) {
		lines = append(lines, entries[n])
	}
	return lines
}

func (p *printer) allNumbers(n int, elements func(i int) goja.Value) bool {
	for i := range n {
		if v := elements(i); v == nil || !goja.IsNumber(v) && !goja.IsBigInt(v) {
			return false
		}
	}
	return true
}

// sortEntries sorts as the option sorted asks: all entries of an object, the named ones of an array.
func sortEntries(entries []string, keys int, style entryStyle) {
	if style == asProperties {
		slices.Sort(entries)
	} else if keys > 1 && keys <= len(entries) {
		slices.Sort(entries[len(entries)-keys:])
	}
}

const blanks = "                                                                "

func spaces(n int) string {
	if n <= 0 {
		return ""
	}
	if n <= len(blanks) {
		return blanks[:n]
	}
	return strings.Repeat(" ", n)
}

func itoa(n int) string { return strconv.Itoa(n) }
