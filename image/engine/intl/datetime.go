package intl

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// A dateTimeFormat is what stands behind an Intl.DateTimeFormat. Each field is "" where it is not shown.
type dateTimeFormat struct {
	locale                                 string
	zone                                   *zone
	hourCycle                              string // h11, h12, h23 or h24; "" where no hour is shown
	dateStyle, timeStyle                   string
	weekday, era, year, month, day         string
	dayPeriod, hour, minute, second, zname string
	fraction                               int
	pattern                                []item
}

// needs says which fields a format must show, and which it shows where it was asked for none.
type needs struct{ required, defaults string }

func (h *host) dateTimeFormat(locales, opts goja.Value, need needs) *dateTimeFormat {
	loc := h.locale(locales)
	o := h.options(opts, "DateTimeFormat")
	f := &dateTimeFormat{locale: loc.tag}
	o.matcher()
	if c := o.choice("calendar", "gregory"); c != "gregory" && c != "iso8601" {
		o.refuse("calendar", c)
	}
	if nu := o.choice("numberingSystem", "latn"); nu != "latn" {
		o.refuse("numberingSystem", nu)
	}
	hour12, given := o.flag("hour12")
	cycle := o.choice("hourCycle", loc.hourCycle, "h11", "h12", "h23", "h24")
	switch {
	case given && hour12:
		cycle = "h12"
	case given:
		cycle = "h24" // as Node.js 20 has it for en-US: midnight is 24:00
	case cycle == "":
		cycle = "h12"
	}
	name := "UTC"
	if v := o.get("timeZone"); v != nil {
		name = h.text(v)
	} else if l := time.Local.String(); l != "Local" {
		name = l
	}
	f.zone = h.zone(name)
	f.fields(o)
	f.dateStyle = o.choice("dateStyle", "", "full", "long", "medium", "short")
	f.timeStyle = o.choice("timeStyle", "", "full", "long", "medium", "short")
	if f.dateStyle != "" || f.timeStyle != "" {
		if name, ok := f.explicit(); ok {
			style := "dateStyle"
			if f.dateStyle == "" {
				style = "timeStyle"
			}
			h.typeError("Can't set option %s when %s is used", name, style)
		}
		if need.required == "date" && f.timeStyle != "" {
			h.typeError("Invalid option : timeStyle")
		}
		if need.required == "time" && f.dateStyle != "" {
			h.typeError("Invalid option : dateStyle")
		}
		if f.timeStyle != "" {
			f.hourCycle = cycle
		}
		f.pattern = stylePattern(f)
		return f
	}
	f.addDefaults(need)
	if f.hour != "" {
		f.hourCycle = cycle
	}
	p, ok := fieldPattern(f)
	if !ok {
		h.rangeError("Glovebox does not support this combination of fields in Intl.DateTimeFormat: %s", f.describe())
	}
	f.pattern = p
	return f
}

func (f *dateTimeFormat) fields(o options) {
	f.weekday = o.choice("weekday", "", "narrow", "short", "long")
	f.era = o.choice("era", "", "narrow", "short", "long")
	f.year = o.choice("year", "", "2-digit", "numeric")
	f.month = o.choice("month", "", "2-digit", "numeric", "narrow", "short", "long")
	f.day = o.choice("day", "", "2-digit", "numeric")
	f.dayPeriod = o.choice("dayPeriod", "", "narrow", "short", "long")
	f.hour = o.choice("hour", "", "2-digit", "numeric")
	f.minute = o.choice("minute", "", "2-digit", "numeric")
	f.second = o.choice("second", "", "2-digit", "numeric")
	f.fraction = o.number("fractionalSecondDigits", 1, 3, 0)
	f.zname = o.choice("timeZoneName", "", "short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric")
	if f.zname == "shortGeneric" || f.zname == "longGeneric" {
		o.refuse("timeZoneName", f.zname)
	}
	o.choice("formatMatcher", "best fit", "basic", "best fit")
}

// asked lists the fields in the order of ECMA-402.
func (f *dateTimeFormat) asked() []field {
	fraction := ""
	if f.fraction > 0 {
		fraction = string(rune('0' + f.fraction))
	}
	return []field{{"weekday", f.weekday}, {"era", f.era}, {"year", f.year}, {"month", f.month}, {"day", f.day},
		{"dayPeriod", f.dayPeriod}, {"hour", f.hour}, {"minute", f.minute}, {"second", f.second},
		{"fractionalSecondDigits", fraction}, {"timeZoneName", f.zname}}
}

func (f *dateTimeFormat) explicit() (string, bool) {
	for _, a := range f.asked() {
		if a.value != "" {
			return a.name, true
		}
	}
	return "", false
}

func (f *dateTimeFormat) describe() string {
	out := ""
	for _, a := range f.asked() {
		if a.value != "" {
			if out != "" {
				out += ", "
			}
			out += a.name
		}
	}
	return out
}

// addDefaults is what ToDateTimeOptions does.
func (f *dateTimeFormat) addDefaults(need needs) {
	hasDate := f.weekday != "" || f.year != "" || f.month != "" || f.day != ""
	hasTime := f.dayPeriod != "" || f.hour != "" || f.minute != "" || f.second != "" || f.fraction > 0
	if need.required != "time" && hasDate || need.required != "date" && hasTime {
		return
	}
	if need.defaults != "time" {
		f.year, f.month, f.day = "numeric", "numeric", "numeric"
	}
	if need.defaults != "date" {
		f.hour, f.minute, f.second = "numeric", "numeric", "numeric"
	}
}

func (f *dateTimeFormat) resolved(h *host) goja.Value {
	fields := []field{{"locale", f.locale}, {"calendar", "gregory"}, {"numberingSystem", "latn"}, {"timeZone", f.zone.name}}
	if f.hourCycle != "" {
		fields = append(fields, field{"hourCycle", f.hourCycle}, field{"hour12", f.hourCycle == "h12" || f.hourCycle == "h11"})
	}
	for _, a := range f.asked() {
		switch {
		case a.name == "fractionalSecondDigits":
			if f.fraction > 0 {
				fields = append(fields, field{a.name, f.fraction})
			}
			continue
		case a.name == "minute" && f.minute != "" && f.hour+f.second != "", a.name == "second" && f.second != "" && f.minute != "":
			a.value = "2-digit"
		case a.name == "minute" && f.minute != "", a.name == "second" && f.second != "":
			a.value = "numeric"
		case a.name == "hour" && f.hour != "" && (f.hourCycle == "h23" || f.hourCycle == "h24"):
			a.value = "2-digit"
		}
		fields = append(fields, a)
	}
	fields = append(fields, field{"dateStyle", f.dateStyle}, field{"timeStyle", f.timeStyle})
	return h.fieldsValue(fields...)
}

// timeArg reads the argument of format: a Date, a number, or now.
func (h *host) timeArg(v goja.Value) time.Time {
	if undefined(v) {
		return h.now()
	}
	ms := v.ToNumber().ToFloat()
	if math.IsNaN(ms) || math.Abs(ms) > 8.64e15 {
		h.rangeError("Invalid time value")
	}
	return fromMillis(ms)
}

func fromMillis(ms float64) time.Time { return time.UnixMilli(int64(math.Trunc(ms))) }

// narrowSpace stands before AM and PM in the locale data. format writes a plain space for it, as every
// browser and Node.js do for the sake of old scripts; formatToParts does not.
const narrowSpace = "\u202f"

// format writes one time.
func (f *dateTimeFormat) format(t time.Time) string {
	return strings.ReplaceAll(join(f.parts(t)), narrowSpace, " ")
}

// parts formats one time.
func (f *dateTimeFormat) parts(t time.Time) []part {
	local := t.In(f.zone.loc)
	out := make([]part, 0, len(f.pattern))
	for _, it := range f.pattern {
		p := part(it)
		if it.kind != "literal" {
			p.text = f.value(it, t, local)
		}
		if n := len(out); p.kind == "literal" && n > 0 && out[n-1].kind == "literal" {
			out[n-1].text += p.text
			continue
		}
		out = append(out, p)
	}
	return slices.Clip(out)
}
