package repair

import (
	"math"
	"strings"
	"time"
)

// none marks what a date string did not say.
const none = math.MinInt

// parseDate reads a date as V8 does: the format of ECMAScript, and whatever else people write, such as
// "Mar 15, 2024 10:20 PM EST". It gives milliseconds since the epoch; ok is false where it is no date.
// What says no zone is in the zone `local`, except that a date alone in ECMAScript's format is in UTC.
func parseDate(s string, local *time.Location) (ms float64, ok bool) {
	p := dateParser{scan: newDateScanner(s), zone: zonePart{none, none, none}, day: dayPart{month: none}, clock: clockPart{shift: none}}
	next, ok := p.standard()
	if !ok || !p.legacy(next) {
		return 0, false
	}
	return p.value(local)
}

// A dateParser puts the pieces of a date string where they belong.
type dateParser struct {
	scan  dateScanner
	day   dayPart
	clock clockPart
	zone  zonePart
}

// A dayPart collects up to three numbers, and the name of a month.
type dayPart struct {
	n     []int
	month int
	iso   bool
}

func (d *dayPart) add(n int) bool {
	if len(d.n) == 3 {
		return false
	}
	d.n = append(d.n, n)
	return true
}

func isDay(n int) bool   { return n >= 1 && n <= 31 }
func isMonth(n int) bool { return n >= 1 && n <= 12 }

// read decides which of the numbers is which.
func (d *dayPart) read() (year, month, day int, ok bool) {
	if len(d.n) == 0 {
		return 0, 0, 0, false
	}
	for len(d.n) < 3 {
		d.n = append(d.n, 1)
	}
	a, b, c := d.n[0], d.n[1], d.n[2]
	switch {
	case d.month == none && (d.iso || !isDay(a)):
		year, month, day = a, b, c
	case d.month == none:
		month, day, year = a, b, c
	case !isDay(a):
		year, month, day = a, d.month, b
	default:
		day, month, year = a, d.month, b
	}
	if !d.iso {
		switch {
		case year >= 0 && year <= 49:
			year += 2000
		case year >= 50 && year <= 99:
			year += 1900
		}
	}
	return year, month, day, isMonth(month) && isDay(day)
}

// A clockPart collects hour, minute, second and millisecond.
type clockPart struct {
	n     []int
	shift int // 0 for AM, 12 for PM
}

func (c *clockPart) add(n int) bool {
	if len(c.n) == 4 {
		return false
	}
	c.n = append(c.n, n)
	return true
}

// last adds the number that ends the time of day.
func (c *clockPart) last(n int) bool {
	ok := c.add(n)
	for len(c.n) < 4 {
		c.n = append(c.n, 0)
	}
	return ok
}

func (c *clockPart) expects(n int) bool {
	switch len(c.n) {
	case 1, 2:
		return n >= 0 && n <= 59
	case 3:
		return n >= 0 && n <= 999
	}
	return false
}

func (c *clockPart) read() (ms int, ok bool) {
	for len(c.n) < 4 {
		c.n = append(c.n, 0)
	}
	hour, minute, second, milli := c.n[0], c.n[1], c.n[2], c.n[3]
	if c.shift != none {
		if hour > 12 {
			return 0, false
		}
		hour = hour%12 + c.shift
	}
	valid := hour <= 23 && minute <= 59 && second <= 59 && milli <= 999
	midnight := hour == 24 && minute == 0 && second == 0 && milli == 0
	return ((hour*60+minute)*60+second)*1000 + milli, valid || midnight
}

// A zonePart collects an offset from UTC.
type zonePart struct{ sign, hour, minute int }

func (z *zonePart) set(hours int) {
	*z = zonePart{1, hours, 0}
	if hours < 0 {
		*z = zonePart{-1, -hours, 0}
	}
}

func (z *zonePart) expects(n int) bool {
	return z.hour != none && z.minute == none && n >= 0 && n <= 59
}

func (p *dateParser) value(local *time.Location) (float64, bool) {
	year, month, day, ok := p.day.read()
	if !ok || year > 400000 || year < -400000 {
		return 0, false
	}
	clock, ok := p.clock.read()
	if !ok {
		return 0, false
	}
	loc := local
	if z := p.zone; z.sign != none {
		loc = time.FixedZone("", z.sign*(max(z.hour, 0)*3600+max(z.minute, 0)*60))
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, clock%1000*1e6, loc)
	t = time.Date(year, time.Month(month), day, clock/3600000, clock/60000%60, clock/1000%60, t.Nanosecond(), loc)
	ms := float64(t.UnixMilli())
	return ms, math.Abs(ms) <= 8.64e15
}

// standard reads the format of ECMAScript as far as the string follows it, and gives the first token
// that does not; ok is false where the string cannot be a date any more.
func (p *dateParser) standard() (next dateToken, ok bool) {
	s := &p.scan
	if t := s.peek(); t.isSign() {
		sign := s.next()
		if !s.peek().isNumber(6) || sign.symbol == '-' && s.peek().n == 0 {
			return sign, true
		}
		year := s.next().n
		if sign.symbol == '-' {
			year = -year
		}
		p.day.add(year)
	} else if t.isNumber(4) {
		p.day.add(s.next().n)
	} else {
		return s.next(), true
	}
	if s.skip('-') {
		if !s.peek().isNumber(2) || !isMonth(s.peek().n) {
			return s.next(), true
		}
		p.day.add(s.next().n)
		if s.skip('-') {
			if !s.peek().isNumber(2) || !isDay(s.peek().n) {
				return s.next(), true
			}
			p.day.add(s.next().n)
		}
	}
	if s.peek().word != "t" {
		if s.peek().kind != tokenEnd {
			return s.next(), true
		}
	} else {
		s.next()
		if !p.standardClock() || s.peek().kind != tokenEnd {
			return dateToken{}, false
		}
	}
	if p.zone.sign == none && len(p.clock.n) == 0 {
		p.zone.set(0)
	}
	p.day.iso = true
	return dateToken{kind: tokenEnd}, true
}

// standardClock reads what stands behind the T.
func (p *dateParser) standardClock() bool {
	s := &p.scan
	two := func(most int) bool {
		t := s.peek()
		if !t.isNumber(2) || t.n > most {
			return false
		}
		s.next()
		return p.clock.add(t.n)
	}
	if !two(24) || !s.skip(':') || !two(59) {
		return false
	}
	if s.skip(':') {
		if !two(59) {
			return false
		}
		if s.skip('.') {
			if s.peek().kind != tokenNumber {
				return false
			}
			p.clock.add(s.next().millis())
		}
	}
	switch t := s.peek(); {
	case t.word == "z":
		s.next()
		p.zone.set(0)
	case t.isSign():
		s.next()
		p.zone.sign = t.sign()
		n := s.next()
		switch {
		case n.isNumber(4):
			p.zone.hour, p.zone.minute = n.n/100, n.n%100
		case n.isNumber(2) && s.skip(':') && s.peek().isNumber(2):
			p.zone.hour, p.zone.minute = n.n, s.next().n
		default:
			return false
		}
		return p.zone.hour <= 23 && p.zone.minute <= 59
	}
	return true
}

// legacy reads the rest, from t on, in any order.
func (p *dateParser) legacy(t dateToken) bool {
	s := &p.scan
	counted := len(p.day.n) > 0
	if t.kind == tokenEnd {
		return true
	}
	for ; t.kind != tokenEnd; t = s.next() {
		switch {
		case t.kind == tokenNumber:
			counted = true
			if !p.legacyNumber(t) {
				return false
			}
		case t.kind == tokenWord:
			if !p.legacyWord(t, &counted) {
				return false
			}
		case t.isSign() && (p.zone.hour == 0 && p.zone.minute == 0 || len(p.clock.n) > 0):
			counted = true
			if !p.legacyOffset(t) {
				return false
			}
		case (t.isSign() || t.symbol == ')') && counted:
			return false
		}
	}
	return true
}

func (p *dateParser) legacyNumber(t dateToken) bool {
	s := &p.scan
	switch {
	case s.skip(':'):
		if s.skip(':') { // as in 10::30
			if len(p.clock.n) > 0 {
				return false
			}
			p.clock.add(t.n)
			return p.clock.add(0)
		}
		if !p.clock.add(t.n) {
			return false
		}
		s.skip('.')
	case s.peek().symbol == '.' && p.clock.expects(t.n):
		s.next()
		p.clock.add(t.n)
		if s.peek().kind != tokenNumber {
			return false
		}
		p.clock.last(s.next().millis())
	case p.zone.expects(t.n):
		s.skip('.')
		p.zone.minute = t.n
	case p.clock.expects(t.n):
		s.skip('.')
		p.clock.last(t.n)
		next := s.peek()
		return next.kind == tokenEnd || next.kind == tokenSpace || next.word == "z" || next.isSign()
	default:
		s.skip('.')
		if !p.day.add(t.n) {
			return false
		}
		s.skip('-')
	}
	return true
}

func (p *dateParser) legacyWord(t dateToken, counted *bool) bool {
	kind, value := keyword(t)
	switch {
	case kind == wordHalf && len(p.clock.n) > 0:
		p.clock.shift = value
	case kind == wordMonth:
		p.day.month = value
		p.scan.skip('-')
	case kind == wordZone && *counted:
		p.zone.set(value)
	default:
		return !*counted && p.scan.peek().kind != tokenNumber
	}
	return true
}

func (p *dateParser) legacyOffset(t dateToken) bool {
	s := &p.scan
	p.zone.sign = t.sign()
	n := dateToken{}
	if s.peek().kind == tokenNumber {
		n = s.next()
	}
	switch {
	case s.peek().symbol == ':':
		p.zone.hour, p.zone.minute = n.n, none
	case n.length == 1 || n.length == 2:
		p.zone.hour, p.zone.minute = n.n, 0
	case n.length == 3 || n.length == 4:
		p.zone.hour, p.zone.minute = n.n/100, n.n%100
	default:
		return false
	}
	return true
}

type wordKind uint8

const (
	wordOther wordKind = iota
	wordMonth
	wordHalf
	wordZone
)

// keyword tells what a word means. Months may be written out, or cut after three letters.
func keyword(t dateToken) (wordKind, int) {
	if i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", t.word); len(t.word) == 3 && i >= 0 && i%3 == 0 {
		return wordMonth, i/3 + 1
	}
	if t.length > 3 {
		return wordOther, 0
	}
	switch t.word {
	case "am":
		return wordHalf, 0
	case "pm":
		return wordHalf, 12
	case "ut", "utc", "z", "gmt":
		return wordZone, 0
	case "edt":
		return wordZone, -4
	case "est", "cdt":
		return wordZone, -5
	case "cst", "mdt":
		return wordZone, -6
	case "mst", "pdt":
		return wordZone, -7
	case "pst":
		return wordZone, -8
	}
	return wordOther, 0
}
