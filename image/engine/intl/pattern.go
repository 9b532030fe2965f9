package intl

import (
	"fmt"
	"strconv"
	"time"
)

// An item is a piece of a pattern: literal text, or a field and how wide it is.
type item struct{ kind, text string }

// datePatterns gives the order of the fields of a date. A key names those that are there: w weekday,
// G era, y year, N month in numbers, T month in words, d day. They are those of the locale data, with
// the ones left out that the data itself has no pattern for, as "2024 (day: 5)".
func datePattern(key string) string {
	switch key {
	case "d", "N", "T", "y", "w", "G":
		return key
	case "Nd":
		return "N/d"
	case "Td":
		return "T d"
	case "yN":
		return "N/y"
	case "yNd":
		return "N/d/y"
	case "yT":
		return "T y"
	case "yTd":
		return "T d, y"
	case "GNd":
		return "N/d G"
	case "GTd":
		return "T d G"
	case "Gy":
		return "y G"
	case "GyN":
		return "N/y G"
	case "GyNd":
		return "N/d/y G"
	case "GyT":
		return "T y G"
	case "GyTd":
		return "T d, y G"
	case "wd":
		return "d w"
	case "wN", "wT":
		return key[1:] + " w"
	case "wNd":
		return "w, N/d"
	case "wTd":
		return "w, T d"
	case "wy":
		return "y w"
	case "wyd":
		return "d w y"
	case "wyN":
		return "N/y w"
	case "wyNd":
		return "w, N/d/y"
	case "wyT":
		return "T y w"
	case "wyTd":
		return "w, T d, y"
	case "wG":
		return "G w"
	case "wGd":
		return "d w G"
	case "wGNd":
		return "w, N/d G"
	case "wGTd":
		return "w, T d G"
	case "wGy":
		return "y G w"
	case "wGyN":
		return "N/y G w"
	case "wGyNd":
		return "w, N/d/y G"
	case "wGyT":
		return "T y G w"
	case "wGyTd":
		return "w, T d, y G"
	}
	return ""
}

// twelve reports whether hours are counted to twelve.
func (f *dateTimeFormat) twelve() bool { return f.hourCycle == "h12" || f.hourCycle == "h11" }

func isNumeric(month string) bool { return month == "numeric" || month == "2-digit" }

// fieldPattern joins the patterns of date and time; ok is false where there is none for the fields.
func fieldPattern(f *dateTimeFormat) (p []item, ok bool) {
	key := ""
	for _, k := range []struct {
		on     bool
		letter string
	}{{f.weekday != "", "w"}, {f.era != "", "G"}, {f.year != "", "y"}, {isNumeric(f.month), "N"},
		{f.month != "" && !isNumeric(f.month), "T"}, {f.day != "", "d"}} {
		if k.on {
			key += k.letter
		}
	}
	clock, ok := timePattern(f)
	if !ok {
		return nil, false
	}
	if key == "" {
		return clock, len(clock) > 0
	}
	pattern := datePattern(key)
	odd := key == "wT" && f.month != "short" || key == "wN" && f.month != "numeric" || key == "wy" && f.year != "numeric"
	if pattern == "" || odd {
		return nil, false
	}
	p = f.dateItems(pattern)
	if len(clock) == 0 {
		return p, true
	}
	between := ", "
	long := f.month == "long"
	switch {
	case key == "w" && f.hour != "" && f.zname == "" && f.fraction == 0 && (f.minute != "" || f.twelve()):
		between = " "
	case key == "wyT" && long:
		return nil, false
	case long:
		between = " at "
	}
	return append(append(p, item{"literal", between}), clock...), true
}

// dateItems turns a pattern into items.
func (f *dateTimeFormat) dateItems(pattern string) []item {
	var out []item
	for _, c := range pattern {
		switch c {
		case 'w':
			out = append(out, item{"weekday", f.weekday})
		case 'G':
			out = append(out, item{"era", f.era})
		case 'y':
			out = append(out, item{"year", f.year})
		case 'N', 'T':
			out = append(out, item{"month", f.month})
		case 'd':
			out = append(out, item{"day", f.day})
		default:
			if n := len(out); n > 0 && out[n-1].kind == "literal" {
				out[n-1].text += string(c)
			} else {
				out = append(out, item{"literal", string(c)})
			}
		}
	}
	return out
}

// timePattern gives the pattern of the time of day and of the zone.
func timePattern(f *dateTimeFormat) (p []item, ok bool) {
	second := f.second != "" || f.fraction > 0 && f.minute != ""
	literal := func(s string) { p = append(p, item{"literal", s}) }
	seconds := func(width string) {
		p = append(p, item{"second", width})
		if f.fraction > 0 {
			literal(".")
			p = append(p, item{"fractionalSecond", strconv.Itoa(f.fraction)})
		}
	}
	twelve := f.twelve()
	switch {
	case f.hour != "":
		if f.minute == "" && (second || f.fraction > 0) {
			return nil, false
		}
		width := f.hour
		if !twelve {
			width = "2-digit"
		}
		p = append(p, item{"hour", width})
		if f.minute != "" {
			literal(":")
			p = append(p, item{"minute", "2-digit"})
		}
		if second {
			literal(":")
			seconds("2-digit")
		}
		switch {
		case twelve && f.dayPeriod != "":
			literal(" ")
			p = append(p, item{"dayPeriod", f.dayPeriod})
		case twelve:
			literal(narrowSpace)
			p = append(p, item{"dayPeriod", "ampm"})
		}
	case f.dayPeriod != "":
		if f.minute+f.second != "" || f.fraction > 0 || f.zname != "" {
			return nil, false
		}
		return []item{{"dayPeriod", f.dayPeriod}}, true
	case f.minute != "" && second:
		p = append(p, item{"minute", "2-digit"})
		literal(":")
		seconds("2-digit")
	case f.minute != "":
		p = append(p, item{"minute", "numeric"})
	case f.second != "":
		seconds("numeric")
	case f.fraction > 0:
		p = append(p, item{"fractionalSecond", strconv.Itoa(f.fraction)})
	}
	if f.zname != "" {
		if len(p) > 0 {
			literal(" ")
		}
		p = append(p, item{"timeZoneName", f.zname})
	}
	return p, true
}

// stylePattern gives the pattern of dateStyle and timeStyle.
func stylePattern(f *dateTimeFormat) []item {
	var p []item
	date := dateTimeFormat{year: "numeric", month: "long", day: "numeric"}
	switch f.dateStyle {
	case "full":
		date.weekday = "long"
		p = date.dateItems("w, T d, y")
	case "long":
		p = date.dateItems("T d, y")
	case "medium":
		date.month = "short"
		p = date.dateItems("T d, y")
	case "short":
		date.month, date.year = "numeric", "2-digit"
		p = date.dateItems("N/d/y")
	}
	if f.timeStyle == "" {
		return p
	}
	if len(p) > 0 {
		between := ", "
		if f.dateStyle == "full" || f.dateStyle == "long" {
			between = " at "
		}
		p = append(p, item{"literal", between})
	}
	clock := dateTimeFormat{hourCycle: f.hourCycle, hour: "numeric", minute: "2-digit", second: "2-digit"}
	switch f.timeStyle {
	case "full":
		clock.zname = "long"
	case "long":
		clock.zname = "short"
	case "short":
		clock.second = ""
	}
	items, _ := timePattern(&clock)
	return append(p, items...)
}

// value writes one field.
func (f *dateTimeFormat) value(it item, t, local time.Time) string {
	switch it.kind {
	case "weekday":
		return width(local.Weekday().String(), it.text)
	case "month":
		if isNumeric(it.text) {
			return number(int(local.Month()), it.text)
		}
		return width(local.Month().String(), it.text)
	case "day":
		return number(local.Day(), it.text)
	case "era":
		return era(local.Year(), it.text)
	case "year":
		year := local.Year()
		if year <= 0 {
			year = 1 - year // years before Christ have no zero
		}
		if it.text == "2-digit" {
			return fmt.Sprintf("%02d", year%100)
		}
		return strconv.Itoa(year)
	case "hour":
		return number(hourIn(f.hourCycle, local.Hour()), it.text)
	case "minute":
		return number(local.Minute(), it.text)
	case "second":
		return number(local.Second(), it.text)
	case "fractionalSecond":
		return fmt.Sprintf("%03d", local.Nanosecond()/1e6)[:it.text[0]-'0']
	case "timeZoneName":
		return f.zone.nameAt(t, it.text)
	}
	if it.text == "ampm" {
		if local.Hour() < 12 {
			return "AM"
		}
		return "PM"
	}
	return f.partOfDay(local, it.text)
}

func hourIn(cycle string, hour int) int {
	switch cycle {
	case "h11":
		return hour % 12
	case "h12":
		return (hour+11)%12 + 1
	case "h24":
		return (hour+23)%24 + 1
	}
	return hour
}

func number(n int, how string) string {
	if how == "2-digit" {
		return fmt.Sprintf("%02d", n)
	}
	return strconv.Itoa(n)
}

func width(name, how string) string {
	switch how {
	case "narrow":
		return name[:1]
	case "short":
		return name[:3]
	}
	return name
}

func era(year int, how string) string {
	names := map[string][2]string{"long": {"Before Christ", "Anno Domini"}, "short": {"BC", "AD"}, "narrow": {"B", "A"}}[how]
	if year <= 0 {
		return names[0]
	}
	return names[1]
}

// partOfDay names the part of the day. Noon is only said of the full hour, as far as it is shown.
func (f *dateTimeFormat) partOfDay(local time.Time, how string) string {
	exact := (f.minute == "" || local.Minute() == 0) && (f.second == "" || local.Second() == 0)
	switch hour := local.Hour(); {
	case hour == 12 && exact:
		if how == "narrow" {
			return "n"
		}
		return "noon"
	case hour >= 21:
		return "at night"
	case hour < 12:
		return "in the morning"
	case hour < 18:
		return "in the afternoon"
	}
	return "in the evening"
}
