package intl

import (
	"strconv"
	"strings"
)

// parts formats one number.
func (f *numberFormat) parts(x decimal) []part {
	if f.style == "percent" {
		x = x.shift(2)
	}
	number, rounded, one := f.number(x)
	return f.affixes(number, f.signOf(x.negative, rounded), one)
}

// signOf decides which sign is shown, by the number as it is shown.
func (f *numberFormat) signOf(negative bool, rounded decimal) string {
	zero := rounded.isZero() || rounded.kind == notANumber
	if rounded.kind == notANumber {
		negative = false
	}
	switch f.sign {
	case "never":
		return ""
	case "negative":
		if negative && !zero {
			return "-"
		}
		return ""
	case "exceptZero":
		if zero {
			return ""
		}
	}
	switch {
	case negative:
		return "-"
	case f.sign == "always", f.sign == "exceptZero":
		return "+"
	}
	return ""
}

func signPart(sign string) []part {
	switch sign {
	case "-":
		return []part{{"minusSign", "-"}}
	case "+":
		return []part{{"plusSign", "+"}}
	}
	return nil
}

// affixes puts the sign, and the currency, the unit or the percent sign, around a number.
func (f *numberFormat) affixes(number []part, sign string, one bool) []part {
	out := signPart(sign)
	switch f.style {
	case "percent":
		return append(append(out, number...), part{"percentSign", "%"})
	case "currency":
		if f.currencyDisplay == "name" {
			name := f.currency.more
			if one {
				name = f.currency.one
			}
			return append(append(out, number...), part{"literal", " "}, part{"currency", name})
		}
		text, spaced := f.currency.display(f.currencyDisplay)
		money := []part{{"currency", text}}
		if spaced && number[0].kind == "integer" {
			money = append(money, part{"literal", "\u00a0"})
		}
		money = append(money, number...)
		if f.accounting && sign == "-" {
			return append(append([]part{{"literal", "("}}, money...), part{"literal", ")"})
		}
		return append(out, money...)
	case "unit":
		before, behind := f.unit.pattern(f.unitDisplay, one)
		out = append(unitParts(before), append(out, number...)...)
		return append(out, unitParts(behind)...)
	}
	return append(out, number...)
}

// unitParts tells the space around a unit's name from the name.
func unitParts(s string) []part {
	var out []part
	name := strings.TrimLeft(s, " ")
	if n := len(s) - len(name); n > 0 {
		out = append(out, part{"literal", s[:n]})
	}
	rest := strings.TrimRight(name, " ")
	if rest != "" {
		out = append(out, part{"unit", rest})
	}
	if n := len(name) - len(rest); n > 0 {
		out = append(out, part{"literal", name[len(rest):]})
	}
	return out
}

// number formats the digits; one is whether the plural category is that of one.
func (f *numberFormat) number(x decimal) (parts []part, rounded decimal, one bool) {
	switch x.kind {
	case notANumber:
		return []part{{"nan", "NaN"}}, x, false
	case infinite:
		return []part{{"infinity", "∞"}}, x, false
	}
	exp := f.exponent(x)
	d, minFrac := f.digits.round(x.shift(-exp))
	whole, frac := d.text(f.digits.minInt, minFrac)
	if f.digits.stripIfInteger && strings.Trim(frac, "0") == "" {
		frac = ""
	}
	parts = f.group(whole)
	if frac != "" {
		parts = append(parts, part{"decimal", "."}, part{"fraction", frac})
	}
	one = strings.TrimLeft(whole, "0") == "1" && frac == ""
	switch f.notation {
	case "scientific", "engineering":
		parts = append(parts, part{"exponentSeparator", "E"})
		if exp < 0 {
			parts = append(parts, part{"exponentMinusSign", "-"})
			exp = -exp
		}
		parts = append(parts, part{"exponentInteger", strconv.Itoa(exp)})
		one = false
	case "compact":
		if exp > 0 {
			one = false
			i := exp/3 - 1
			if f.compactDisplay == "long" && f.style != "currency" || f.compactDisplay == "long" && f.currencyDisplay == "name" {
				parts = append(parts, part{"literal", " "}, part{"compact", []string{"thousand", "million", "billion", "trillion"}[i]})
			} else {
				parts = append(parts, part{"compact", "KMBT"[i : i+1]})
			}
		}
	}
	return parts, d, one
}

// exponent is the power of ten that the notation takes out of x.
func (f *numberFormat) exponent(x decimal) int {
	if x.isZero() || f.notation == "standard" {
		return 0
	}
	exp := f.exponentFor(x.magnitude())
	d, _ := f.digits.round(x.shift(-exp))
	if d.isZero() || d.magnitude()+exp == x.magnitude() {
		return exp
	}
	return f.exponentFor(x.magnitude() + 1)
}

func (f *numberFormat) exponentFor(magnitude int) int {
	switch f.notation {
	case "scientific":
		return magnitude
	case "engineering":
		return floorDiv(magnitude, 3) * 3
	case "compact":
		return min(max(floorDiv(magnitude, 3)*3, 0), 12)
	}
	return 0
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// round rounds as the options say, and gives the least number of fraction digits to show.
func (d digitOptions) round(x decimal) (decimal, int) {
	magnitude := 0
	if !x.isZero() {
		magnitude = x.magnitude()
	}
	bySig := func() (decimal, int) {
		out := x.round(magnitude-d.maxSig+1, d.mode)
		m := 0
		if !out.isZero() {
			m = out.magnitude()
		}
		return out, max(0, d.minSig-1-m)
	}
	byFrac := func() (decimal, int) { return x.round(-d.maxFrac, d.mode), d.minFrac }
	switch {
	case d.maxSig == 0:
		return byFrac()
	case d.maxFrac < 0:
		return bySig()
	}
	finer := magnitude-d.maxSig+1 <= -d.maxFrac
	if finer == (d.priority == "morePrecision") {
		return bySig()
	}
	return byFrac()
}

// group writes a whole number with its thousands set off.
func (f *numberFormat) group(whole string) []part {
	least := 4
	switch f.grouping {
	case "":
		return []part{{"integer", whole}}
	case "min2":
		least = 5
	}
	if len(whole) < least {
		return []part{{"integer", whole}}
	}
	var out []part
	for head := (len(whole)-1)%3 + 1; ; head = 3 {
		out = append(out, part{"integer", whole[:head]})
		if whole = whole[head:]; whole == "" {
			return out
		}
		out = append(out, part{"group", ","})
	}
}
