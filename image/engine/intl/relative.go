package intl

import (
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// A relativeTimeFormat is what stands behind an Intl.RelativeTimeFormat.
type relativeTimeFormat struct {
	locale, style string
	auto          bool
	number        *numberFormat
}

func (h *host) relativeTimeFormat(locales, opts goja.Value) *relativeTimeFormat {
	loc := h.locale(locales)
	o := h.options(opts, "RelativeTimeFormat")
	o.matcher()
	if nu := o.choice("numberingSystem", "latn"); nu != "latn" {
		o.refuse("numberingSystem", nu)
	}
	return &relativeTimeFormat{loc.tag, o.choice("style", "long", "long", "short", "narrow"),
		o.choice("numeric", "always", "always", "auto") == "auto", h.numberFormat(nil, nil)}
}

// unit puts a unit's name into the singular.
func (h *host) relativeUnit(v goja.Value) string {
	s := h.text(v)
	unit := strings.TrimSuffix(s, "s")
	if !slices.Contains([]string{"second", "minute", "hour", "day", "week", "month", "quarter", "year"}, unit) {
		h.rangeError("Invalid unit argument for format() '%s'", s)
	}
	return unit
}

// named gives "yesterday" and the like, which numeric: "auto" asks for.
func (r *relativeTimeFormat) named(x decimal, unit string) string {
	whole, frac := x.text(1, 0)
	if frac != "" || len(whole) > 1 || x.kind != finite {
		return ""
	}
	which := map[string]int{"0": 1, "1": 2}[whole]
	if which == 0 {
		return ""
	}
	if whole == "1" && x.negative {
		which = 0
	}
	words := map[string][3]string{
		"second": {"", "now", ""}, "minute": {"", "this minute", ""}, "hour": {"", "this hour", ""},
		"day": {"yesterday", "today", "tomorrow"},
	}[unit]
	if words[1] == "" {
		name := r.abbreviate(unit)
		words = [3]string{"last " + name, "this " + name, "next " + name}
	}
	return words[which]
}

// abbreviate gives the name of a unit in the format's style.
func (r *relativeTimeFormat) abbreviate(unit string) string {
	if r.style == "long" {
		return unit
	}
	return map[string]string{"second": "sec.", "minute": "min.", "hour": "hr.", "day": "day", "week": "wk.", "month": "mo.",
		"quarter": "qtr.", "year": "yr."}[unit]
}

func (r *relativeTimeFormat) parts(x decimal, unit string) []part {
	if r.auto {
		if words := r.named(x, unit); words != "" {
			return []part{{"literal", words}}
		}
	}
	past := x.negative
	x.negative = false
	number, _, one := r.number.number(x)
	name := r.abbreviate(unit)
	plural := !one && (r.style == "long" || unit == "day")
	if r.style == "short" && unit == "quarter" && !one {
		name = "qtrs."
	}
	if plural {
		name += "s"
	}
	space := " "
	if r.style == "narrow" {
		space, name = "", map[string]string{"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w", "month": "mo",
			"quarter": "q", "year": "y"}[unit]
	}
	if past {
		return append(number, part{"literal", space + name + " ago"})
	}
	return append(append([]part{{"literal", "in "}}, number...), part{"literal", space + name})
}

func (h *host) defineRelativeTimeFormat(intl *goja.Object) {
	c := newClass(h, intl, "RelativeTimeFormat", 0, h.relativeTimeFormat)
	read := func(call goja.FunctionCall) (decimal, string) {
		x := fromFloat(call.Argument(0).ToNumber().ToFloat())
		unit := h.relativeUnit(call.Argument(1))
		if x.kind != finite {
			h.rangeError("Invalid time value")
		}
		return x, unit
	}
	c.method("format", 2, func(r *relativeTimeFormat, call goja.FunctionCall) goja.Value {
		x, unit := read(call)
		return h.rt.ToValue(join(r.parts(x, unit)))
	})
	c.method("formatToParts", 2, func(r *relativeTimeFormat, call goja.FunctionCall) goja.Value {
		x, unit := read(call)
		out := make([]any, 0, 8)
		for _, p := range r.parts(x, unit) {
			o := h.rt.NewObject()
			check(o.Set("type", p.kind))
			check(o.Set("value", p.text))
			if p.kind != "literal" {
				check(o.Set("unit", unit))
			}
			out = append(out, o)
		}
		return h.rt.NewArray(out...)
	})
	c.method("resolvedOptions", 0, func(r *relativeTimeFormat, _ goja.FunctionCall) goja.Value {
		numeric := "always"
		if r.auto {
			numeric = "auto"
		}
		return h.fieldsValue(field{"locale", r.locale}, field{"style", r.style}, field{"numeric", numeric}, field{"numberingSystem", "latn"})
	})
}
