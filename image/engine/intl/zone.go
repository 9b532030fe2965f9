package intl

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // there are no files where this runs
)

// A zone is a time zone with its English names.
type zone struct {
	name  string // the canonical one
	loc   *time.Location
	names []zoneName
}

// A zoneName is how an offset is called in a zone; short is "" where it is GMT+1 and the like.
type zoneName struct{ offset, long, short string }

// zone finds a time zone by its name, in any case.
func (h *host) zone(name string) *zone {
	if z, ok := h.zones[name]; ok {
		return z
	}
	z := h.loadZone(name)
	h.zones[name] = z
	return z
}

func (h *host) loadZone(name string) *zone {
	invalid := func() { h.rangeError("Invalid time zone specified: %s", name) }
	if name == "" || strings.ContainsAny(name, " \n") {
		invalid()
	}
	known, rest := "", ""
	for l := range strings.Lines(zoneData) {
		if n, r, _ := strings.Cut(strings.TrimSuffix(l, "\n"), " "); strings.EqualFold(n, name) {
			known, rest = n, r
			break
		}
	}
	if known == "" {
		invalid()
	}
	index, canonical, _ := strings.Cut(rest, " ")
	if canonical == "" {
		canonical = known
	}
	loc, err := time.LoadLocation(known)
	if err != nil {
		h.rangeError("Glovebox has no rules for the time zone %s", known)
	}
	z := &zone{name: canonical, loc: loc}
	want, _ := strconv.Atoi(index) // the table is ours
	i := 0
	for l := range strings.Lines(zoneNames) {
		if i == want {
			for entry := range strings.SplitSeq(strings.TrimSuffix(l, "\n"), "|") {
				if f := strings.Split(entry, "~"); len(f) == 3 {
					z.names = append(z.names, zoneName{f[0], f[1], f[2]})
				}
			}
			break
		}
		i++
	}
	return z
}

// nameAt gives the name of the zone at a time, in the way that timeZoneName asks for.
func (z *zone) nameAt(t time.Time, how string) string {
	_, seconds := t.In(z.loc).Zone()
	padded := offsetText(seconds, true)
	if z.name == "UTC" && (how == "short" || how == "long") {
		return map[string]string{"short": "UTC", "long": "Coordinated Universal Time"}[how]
	}
	switch how {
	case "short", "long":
		for _, n := range z.names {
			if n.offset != padded {
				continue
			}
			if how == "long" && n.long != "" {
				return n.long
			}
			if how == "short" && n.short != "" {
				return n.short
			}
		}
	}
	if seconds == 0 && (how == "short" || how == "long") {
		return "GMT"
	}
	if how == "short" || how == "shortOffset" {
		return "GMT" + offsetText(seconds, false)
	}
	return "GMT" + padded
}

// offsetText writes an offset as +05:30, or in short as +5:30 and +5.
func offsetText(seconds int, padded bool) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	hours, minutes, rest := seconds/3600, seconds/60%60, seconds%60
	var b strings.Builder
	if padded {
		fmt.Fprintf(&b, "%c%02d:%02d", sign, hours, minutes)
	} else {
		fmt.Fprintf(&b, "%c%d", sign, hours)
		if minutes > 0 || rest > 0 {
			fmt.Fprintf(&b, ":%02d", minutes)
		}
	}
	if rest > 0 {
		fmt.Fprintf(&b, ":%02d", rest)
	}
	return b.String()
}
