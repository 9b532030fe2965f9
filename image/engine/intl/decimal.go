package intl

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A decimal is an exact decimal number: 0.d₁d₂d₃… × 10^point, without zeros at either end. Zero has no
// digits. kind tells it from what is no number.
type decimal struct {
	negative bool
	digits   []byte // '0' to '9'
	point    int
	kind     decimalKind
}

type decimalKind uint8

const (
	finite decimalKind = iota
	infinite
	notANumber
)

// fromFloat takes the shortest decimal that reads back as f, as ICU does: 1.005 is 1.005, and not the
// binary fraction just below it.
func fromFloat(f float64) decimal {
	switch {
	case math.IsNaN(f):
		return decimal{kind: notANumber}
	case math.IsInf(f, 0):
		return decimal{kind: infinite, negative: f < 0}
	}
	d, _ := parseDecimal(strconv.FormatFloat(math.Abs(f), 'e', -1, 64))
	d.negative = math.Signbit(f)
	return d
}

func fromBig(n *big.Int) decimal {
	d, _ := parseDecimal(new(big.Int).Abs(n).String())
	d.negative = n.Sign() < 0
	return d
}

// maxExponent is how far from the point a digit of a string may lie.
const maxExponent = 10000

// parseDecimal reads the decimal literals of StringNumericLiteral: digits, a point and an exponent.
func parseDecimal(s string) (d decimal, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	if s == "Infinity" {
		d.kind = infinite
		return d, true
	}
	mantissa, exp, hasExp := s, 0, false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || s[i+1] == '+' && len(s) == i+2 {
			return d, false
		}
		mantissa, exp, hasExp = s[:i], n, true
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	if whole == "" && frac == "" {
		return d, false
	}
	for _, c := range whole + frac {
		if c < '0' || c > '9' {
			return d, false
		}
	}
	d.digits = []byte(whole + frac)
	d.point = len(whole) + exp
	d.trim()
	if hasExp && len(d.digits) > 0 && (d.point > maxExponent || d.point < -maxExponent) {
		return d, false
	}
	return d, true
}

func (d *decimal) trim() {
	n := 0
	for n < len(d.digits) && d.digits[n] == '0' {
		n++
	}
	d.digits = d.digits[n:]
	d.point -= n
	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == '0' {
		d.digits = d.digits[:len(d.digits)-1]
	}
	if len(d.digits) == 0 {
		d.point = 0
	}
}

func (d decimal) isZero() bool { return d.kind == finite && len(d.digits) == 0 }

// magnitude is the power of ten of the first digit: 0 for 1 to 9.
func (d decimal) magnitude() int { return d.point - 1 }

// shift multiplies by a power of ten.
func (d decimal) shift(n int) decimal {
	if len(d.digits) > 0 {
		d.point += n
	}
	return d
}

// round keeps the digits down to the power of ten `least` (-2 for hundredths) and rounds there.
func (d decimal) round(least int, mode roundingMode) decimal {
	keep := d.point - least
	if d.kind != finite || d.isZero() || keep >= len(d.digits) {
		return d
	}
	// How what is cut off compares with half of the last place that is kept.
	half := -1
	if keep >= 0 {
		switch rest := d.digits[keep:]; {
		case rest[0] > '5', rest[0] == '5' && len(rest) > 1:
			half = 1
		case rest[0] == '5':
			half = 0
		}
	}
	odd := keep > 0 && keep <= len(d.digits) && d.digits[keep-1]%2 == 1
	out := decimal{negative: d.negative, point: d.point}
	if keep > 0 {
		out.digits = append([]byte(nil), d.digits[:keep]...)
	}
	if mode.up(half, odd, d.negative) {
		out = out.increment(least)
	}
	out.trim()
	return out
}

// increment adds one in the place of the power of ten `least`, which is that of the last digit.
func (d decimal) increment(least int) decimal {
	i := len(d.digits) - 1
	for ; i >= 0 && d.digits[i] == '9'; i-- {
		d.digits[i] = '0'
	}
	switch {
	case i >= 0:
		d.digits[i]++
	case len(d.digits) == 0:
		d.digits, d.point = []byte{'1'}, least+1
	default:
		d.digits = append([]byte{'1'}, d.digits...)
		d.point++
	}
	return d
}

// A roundingMode is one of those of ECMA-402.
type roundingMode string

// up reports whether to round away from zero: half compares what is cut off with half a place, odd is
// whether the last digit kept is.
func (m roundingMode) up(half int, odd, negative bool) bool {
	switch m {
	case "ceil":
		return !negative
	case "floor":
		return negative
	case "expand":
		return true
	case "trunc":
		return false
	}
	if half != 0 {
		return half > 0
	}
	switch m {
	case "halfCeil":
		return !negative
	case "halfFloor":
		return negative
	case "halfTrunc":
		return false
	case "halfEven":
		return odd
	}
	return true // halfExpand
}

// text writes the digits before and behind the point, with at least minInt and minFrac of them.
func (d decimal) text(minInt, minFrac int) (whole, frac string) {
	var w, f []byte
	for i, c := range d.digits {
		if i < d.point {
			w = append(w, c)
		}
	}
	for len(w) < d.point {
		w = append(w, '0')
	}
	for i := d.point; i < 0 && len(d.digits) > 0; i++ {
		f = append(f, '0')
	}
	if start := max(d.point, 0); start < len(d.digits) {
		f = append(f, d.digits[start:]...)
	}
	for len(f) < minFrac {
		f = append(f, '0')
	}
	return strings.Repeat("0", max(0, minInt-len(w))) + string(w), string(f)
}
