package console

import (
	"math"
	"strconv"
	"strings"
)

// parseFloat reads the longest leading decimal number of a text as JavaScript's parseFloat does; NaN
// where there is none.
func parseFloat(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r\u00a0\ufeff\u2028\u2029")
	end := 0
	sign := func() {
		if end < len(s) && (s[end] == '+' || s[end] == '-') {
			end++
		}
	}
	digits := func() (n int) {
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
			n++
		}
		return n
	}
	sign()
	if strings.HasPrefix(s[end:], "Infinity") {
		if s[0] == '-' {
			return math.Inf(-1)
		}
		return math.Inf(1)
	}
	n := digits()
	if end < len(s) && s[end] == '.' {
		end++
		if m := digits(); m > 0 {
			n += m
		} else {
			end--
		}
	}
	if n == 0 {
		return math.NaN()
	}
	if end < len(s) && s[end]|0x20 == 'e' {
		before := end
		end++
		sign()
		if digits() == 0 {
			end = before
		}
	}
	f, _ := strconv.ParseFloat(s[:end], 64) // out of range gives an infinity, as it should
	return f
}
