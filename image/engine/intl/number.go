package intl

import (
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// A digitOptions says how a number is rounded and how many digits it shows.
type digitOptions struct {
	minInt           int
	minFrac, maxFrac int // maxFrac is -1 where only significant digits count
	minSig, maxSig   int // maxSig is 0 where only fraction digits count
	mode             roundingMode
	priority         string // auto, morePrecision or lessPrecision
	stripIfInteger   bool
	trailingZero     string
}

// A numberFormat is what stands behind an Intl.NumberFormat.
type numberFormat struct {
	locale                 string
	style                  string
	currency               currency
	currencyDisplay        string
	accounting             bool
	unit                   unit
	unitDisplay            string
	notation               string
	compactDisplay         string
	grouping               string // always, auto, min2 or "" for none
	sign                   string
	digits                 digitOptions
	currencySign, unitName string
}

// digitDefaults are the numbers of fraction digits where none are asked for.
type digitDefaults struct{ min, max int }

// digits is SetNumberFormatDigitOptions.
func (o options) digits(def digitDefaults, notation string) digitOptions {
	d := digitOptions{minInt: o.number("minimumIntegerDigits", 1, 21, 1)}
	minFrac, maxFrac := o.get("minimumFractionDigits"), o.get("maximumFractionDigits")
	minSig, maxSig := o.get("minimumSignificantDigits"), o.get("maximumSignificantDigits")
	if inc := o.number("roundingIncrement", 1, 5000, 1); inc != 1 {
		o.refuse("roundingIncrement", inc)
	}
	d.mode = roundingMode(o.choice("roundingMode", "halfExpand", "ceil", "floor", "expand", "trunc", "halfCeil", "halfFloor",
		"halfExpand", "halfTrunc", "halfEven"))
	d.priority = o.choice("roundingPriority", "auto", "auto", "morePrecision", "lessPrecision")
	d.trailingZero = o.choice("trailingZeroDisplay", "auto", "auto", "stripIfInteger")
	d.stripIfInteger = d.trailingZero == "stripIfInteger"
	hasSig, hasFrac := minSig != nil || maxSig != nil, minFrac != nil || maxFrac != nil
	needSig, needFrac := true, true
	if d.priority == "auto" {
		needSig = hasSig
		needFrac = !needSig && (hasFrac || notation != "compact")
	}
	d.maxFrac = -1
	if needSig {
		d.minSig, d.maxSig = 1, 21
		if hasSig {
			d.minSig = o.bounded(minSig, "minimumSignificantDigits", 1, 21, 1)
			d.maxSig = o.bounded(maxSig, "maximumSignificantDigits", d.minSig, 21, 21)
		}
	}
	if needFrac {
		d.minFrac, d.maxFrac = def.min, def.max
		if hasFrac {
			lo := o.bounded(minFrac, "minimumFractionDigits", 0, maxFractionDigits, -1)
			hi := o.bounded(maxFrac, "maximumFractionDigits", 0, maxFractionDigits, -1)
			switch {
			case lo < 0:
				lo = min(def.min, hi)
			case hi < 0:
				hi = max(def.max, lo)
			case lo > hi:
				o.h.rangeError("maximumFractionDigits value is out of range.")
			}
			d.minFrac, d.maxFrac = lo, hi
		}
	}
	if !needSig && !needFrac {
		d.minFrac, d.maxFrac, d.minSig, d.maxSig = 0, 0, 1, 2
		d.priority = "morePrecision"
	}
	return d
}

// maxFractionDigits is that of ECMA-402 since 2023; Node.js 20 stops at 20.
const maxFractionDigits = 100

func (h *host) numberFormat(locales, opts goja.Value) *numberFormat {
	loc := h.locale(locales)
	o := h.options(opts, "NumberFormat")
	o.matcher()
	if nu := o.choice("numberingSystem", "latn"); nu != "latn" {
		o.refuse("numberingSystem", nu)
	}
	f := &numberFormat{locale: loc.tag}
	f.style = o.choice("style", "decimal", "decimal", "percent", "currency", "unit")
	h.currencyOptions(f, o)
	h.unitOptions(f, o)
	f.notation = o.choice("notation", "standard", "standard", "scientific", "engineering", "compact")
	def := digitDefaults{0, 3}
	switch {
	case f.style == "currency":
		def = digitDefaults{f.currency.digits, f.currency.digits}
	case f.style == "percent":
		def.max = 0
	}
	f.digits = o.digits(def, f.notation)
	f.compactDisplay = o.choice("compactDisplay", "short", "short", "long")
	f.grouping = "auto"
	if f.notation == "compact" {
		f.grouping = "min2"
	} else {
		f.compactDisplay = ""
	}
	f.grouping = o.grouping(f.grouping)
	f.sign = o.choice("signDisplay", "auto", "auto", "never", "always", "exceptZero", "negative")
	return f
}

// grouping reads useGrouping, which is a boolean or a string.
func (o options) grouping(fallback string) string {
	v := o.get("useGrouping")
	switch {
	case v == nil:
		return fallback
	case v.ExportType() != nil && v.ExportType().Kind().String() == "bool":
		if v.ToBoolean() {
			return "always"
		}
		return ""
	case !v.ToBoolean():
		return ""
	}
	s := o.h.text(v)
	if s == "true" || s == "false" {
		return fallback
	}
	if !slices.Contains([]string{"min2", "auto", "always"}, s) {
		o.h.rangeError("Value %s out of range for Intl.NumberFormat options property useGrouping", s)
	}
	return s
}

func (h *host) currencyOptions(f *numberFormat, o options) {
	code := o.choice("currency", "")
	if code == "" && f.style == "currency" {
		h.typeError("Currency code is required with currency style.")
	}
	f.currencyDisplay = o.choice("currencyDisplay", "symbol", "code", "symbol", "narrowSymbol", "name")
	f.currencySign = o.choice("currencySign", "standard", "standard", "accounting")
	if code != "" {
		code = strings.ToUpper(code)
		if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			h.rangeError("Invalid currency code : %s", code)
		}
		f.currency = currencyOf(code)
	}
	if f.style != "currency" {
		f.currency, f.currencyDisplay, f.currencySign = currency{}, "", ""
	}
	f.accounting = f.currencySign == "accounting"
}

func (h *host) unitOptions(f *numberFormat, o options) {
	name := o.choice("unit", "")
	if name == "" && f.style == "unit" {
		h.typeError("Unit is required with unit style.")
	}
	f.unitDisplay = o.choice("unitDisplay", "short", "short", "narrow", "long")
	if name != "" {
		u, ok := unitOf(name)
		if !ok && strings.Contains(name, "-per-") {
			numerator, denominator, _ := strings.Cut(name, "-per-")
			_, ok1 := unitOf(numerator)
			_, ok2 := unitOf(denominator)
			if ok1 && ok2 {
				h.rangeError("Glovebox does not support the unit %s", name)
			}
		}
		if !ok {
			h.rangeError("Invalid unit argument for Intl.NumberFormat() '%s'", name)
		}
		f.unit, f.unitName = u, name
	}
	if f.style != "unit" {
		f.unit, f.unitDisplay, f.unitName = unit{}, "", ""
	}
}

func (f *numberFormat) resolved(h *host) goja.Value {
	d := f.digits
	fields := []field{
		{"locale", f.locale}, {"numberingSystem", "latn"}, {"style", f.style}, {"currency", f.currency.code},
		{"currencyDisplay", f.currencyDisplay}, {"currencySign", f.currencySign}, {"unit", f.unitName},
		{"unitDisplay", f.unitDisplay}, {"minimumIntegerDigits", d.minInt},
	}
	fields = append(fields, d.fields()...)
	grouping := any(f.grouping)
	if f.grouping == "" {
		grouping = false
	}
	fields = append(fields, field{"useGrouping", grouping}, field{"notation", f.notation}, field{"compactDisplay", f.compactDisplay},
		field{"signDisplay", f.sign}, field{"roundingMode", string(d.mode)}, field{"roundingIncrement", 1},
		field{"trailingZeroDisplay", d.trailingZero}, field{"roundingPriority", d.priority})
	return h.fieldsValue(fields...)
}

// fields are the numbers of digits that are in force.
func (d digitOptions) fields() []field {
	var out []field
	if d.maxSig > 0 {
		out = append(out, field{"minimumSignificantDigits", d.minSig}, field{"maximumSignificantDigits", d.maxSig})
	}
	if d.maxFrac >= 0 {
		out = append(out, field{"minimumFractionDigits", d.minFrac}, field{"maximumFractionDigits", d.maxFrac})
	}
	return out
}
