package intl

import (
	"strings"

	"github.com/dop251/goja"
)

// A pluralRules is what stands behind an Intl.PluralRules.
type pluralRules struct {
	kind   string
	digits digitOptions
}

func (h *host) pluralRules(locales, opts goja.Value) *pluralRules {
	h.locale(locales)
	o := h.options(opts, "PluralRules")
	o.matcher()
	return &pluralRules{o.choice("type", "cardinal", "cardinal", "ordinal"), o.digits(digitDefaults{0, 3}, "standard")}
}

// category is the rule of English, by the digits that are shown.
func (p *pluralRules) category(x decimal) string {
	if x.kind != finite {
		return "other"
	}
	d, minFrac := p.digits.round(x)
	whole, frac := d.text(p.digits.minInt, minFrac)
	whole = strings.TrimLeft(whole, "0")
	if p.kind == "cardinal" {
		if whole == "1" && frac == "" {
			return "one"
		}
		return "other"
	}
	if strings.Trim(frac, "0") != "" || whole == "" {
		return "other"
	}
	if n := len(whole); n >= 2 && whole[n-2] == '1' {
		return "other"
	}
	switch whole[len(whole)-1] {
	case '1':
		return "one"
	case '2':
		return "two"
	case '3':
		return "few"
	}
	return "other"
}

func (h *host) definePluralRules(intl *goja.Object) {
	c := newClass(h, intl, "PluralRules", 0, h.pluralRules)
	c.method("select", 1, func(p *pluralRules, call goja.FunctionCall) goja.Value {
		return h.rt.ToValue(p.category(fromFloat(call.Argument(0).ToNumber().ToFloat())))
	})
	c.method("resolvedOptions", 0, func(p *pluralRules, _ goja.FunctionCall) goja.Value {
		categories := []any{"one", "other"}
		if p.kind == "ordinal" {
			categories = []any{"few", "one", "two", "other"}
		}
		fields := append([]field{{"locale", "en"}, {"type", p.kind}, {"minimumIntegerDigits", p.digits.minInt}}, p.digits.fields()...)
		return h.fieldsValue(append(fields, field{"pluralCategories", h.rt.NewArray(categories...)})...)
	})
	h.unsupported(c.proto, "PluralRules", "selectRange")
}

// A listFormat is what stands behind an Intl.ListFormat.
type listFormat struct{ locale, kind, style string }

func (h *host) listFormat(locales, opts goja.Value) *listFormat {
	loc := h.locale(locales)
	o := h.options(opts, "ListFormat")
	o.matcher()
	return &listFormat{loc.tag, o.choice("type", "conjunction", "conjunction", "disjunction", "unit"),
		o.choice("style", "long", "long", "short", "narrow")}
}

// separators gives what stands between two items, between most of many, and before the last of many.
func (l *listFormat) separators() (pair, middle, last string) {
	switch {
	case l.kind == "disjunction":
		return " or ", ", ", ", or "
	case l.kind == "unit" && l.style == "narrow":
		return " ", " ", " "
	case l.kind == "unit":
		return ", ", ", ", ", "
	case l.style == "short":
		return " & ", ", ", ", & "
	case l.style == "narrow":
		return ", ", ", ", ", "
	}
	return " and ", ", ", ", and "
}

func (l *listFormat) parts(items []string) []part {
	pair, middle, last := l.separators()
	var out []part
	for i, s := range items {
		if i > 0 {
			between := middle
			switch {
			case len(items) == 2:
				between = pair
			case i == len(items)-1:
				between = last
			}
			out = append(out, part{"literal", between})
		}
		out = append(out, part{"element", s})
	}
	return out
}

func (h *host) defineListFormat(intl *goja.Object) {
	c := newClass(h, intl, "ListFormat", 0, h.listFormat)
	items := func(v goja.Value) []string {
		var out []string
		if undefined(v) {
			return out
		}
		h.rt.ForOf(v, func(item goja.Value) bool {
			s, ok := item.(goja.String)
			if !ok {
				h.typeError("Iterable yielded %s which is not a string", h.text(item))
			}
			out = append(out, s.String())
			return true
		})
		return out
	}
	c.method("format", 1, func(l *listFormat, call goja.FunctionCall) goja.Value {
		return h.rt.ToValue(join(l.parts(items(call.Argument(0)))))
	})
	c.method("formatToParts", 1, func(l *listFormat, call goja.FunctionCall) goja.Value {
		return h.partsValue(l.parts(items(call.Argument(0))))
	})
	c.method("resolvedOptions", 0, func(l *listFormat, _ goja.FunctionCall) goja.Value {
		return h.fieldsValue(field{"locale", l.locale}, field{"type", l.kind}, field{"style", l.style})
	})
}
