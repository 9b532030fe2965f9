package intl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A currency is one line of currencyData.
type currency struct {
	code           string
	digits         int
	symbol, narrow string
	one, more      string
}

// currencyOf finds a currency. Of one that nobody knows there is its code, and two digits.
func currencyOf(code string) currency {
	line, ok := line(currencyData, code+"|")
	switch {
	case code == "XXX":
		return currency{code, 2, "¤", "¤", "(unknown unit of currency)", "(unknown currency)"}
	case !ok:
		return currency{code, 2, code, code, code, code}
	}
	f := strings.Split(line, "|")
	return currency{code: code, digits: int(f[0][0] - '0'), symbol: f[1], narrow: f[2], one: f[3], more: f[4]}
}

// line finds the line that begins with a prefix, and gives the rest of it.
func line(table, prefix string) (string, bool) {
	start := 0
	if !strings.HasPrefix(table, prefix) {
		i := strings.Index(table, "\n"+prefix)
		if i < 0 {
			return "", false
		}
		start = i + 1
	}
	rest, _, _ := strings.Cut(table[start+len(prefix):], "\n")
	return rest, true
}

// display gives what is written for the currency, and whether it needs a space towards the number.
func (c currency) display(how string) (text string, spaced bool) {
	text = c.symbol
	switch how {
	case "code":
		text = c.code
	case "narrowSymbol":
		text = c.narrow
	}
	last, _ := utf8.DecodeLastRuneInString(text)
	return text, !unicode.IsSymbol(last)
}

// A unit is one line of unitData: patterns for short, narrow and long, each for one and for more.
type unit struct{ patterns []string }

func unitOf(name string) (unit, bool) {
	line, ok := line(unitData, name+"|")
	if !ok {
		return unit{}, false
	}
	return unit{strings.Split(line, "|")}, true
}

// pattern gives what stands before and behind the number.
func (u unit) pattern(display string, one bool) (before, behind string) {
	i := map[string]int{"short": 0, "narrow": 2, "long": 4}[display]
	if !one {
		i++
	}
	before, behind, _ = strings.Cut(u.patterns[i], "#")
	return before, behind
}
