package intl

import (
	"math"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// options reads the options of one constructor.
type options struct {
	h     *host
	obj   *goja.Object // nil where none were given
	owner string       // for errors
}

func (h *host) options(v goja.Value, owner string) options {
	o := options{h: h, owner: owner}
	if !undefined(v) {
		if goja.IsNull(v) {
			h.typeError("Cannot convert undefined or null to object")
		}
		o.obj = v.ToObject(h.rt)
	}
	return o
}

func (o options) get(name string) goja.Value {
	if o.obj == nil {
		return nil
	}
	if v := o.obj.Get(name); !undefined(v) {
		return v
	}
	return nil
}

// choice reads an option that is one of a list of strings; without a list any string will do.
func (o options) choice(name, fallback string, allowed ...string) string {
	v := o.get(name)
	if v == nil {
		return fallback
	}
	s := o.h.text(v)
	if len(allowed) > 0 && !slices.Contains(allowed, s) {
		o.h.rangeError("Value %s out of range for Intl.%s options property %s", s, o.owner, name)
	}
	return s
}

// number reads an option that is a whole number within bounds.
func (o options) number(name string, lo, hi, fallback int) int {
	return o.bounded(o.get(name), name, lo, hi, fallback)
}

func (o options) bounded(v goja.Value, name string, lo, hi, fallback int) int {
	if v == nil {
		return fallback
	}
	f := v.ToNumber().ToFloat()
	if math.IsNaN(f) || f < float64(lo) || f > float64(hi) {
		o.h.rangeError("%s value is out of range.", name)
	}
	return int(math.Floor(f))
}

// flag reads an option that is true or false.
func (o options) flag(name string) (value, given bool) {
	v := o.get(name)
	if v == nil {
		return false, false
	}
	return v.ToBoolean(), true
}

// refuse throws for an option that ECMA-402 has and we have not.
func (o options) refuse(name string, value any) {
	o.h.rangeError("Intl.%s: Glovebox does not support the option %s: %v", o.owner, name, value)
}

// matcher reads localeMatcher, which changes nothing: there is one locale.
func (o options) matcher() {
	o.choice("localeMatcher", "best fit", "lookup", "best fit")
}

// A locale is what was asked for, as far as there is a choice.
type locale struct {
	tag       string
	hourCycle string // of the extension -u-hc-
	numeric   string // of -u-kn-
	caseFirst string // of -u-kf-
}

// locale resolves the first argument of every constructor: nothing, en or en-US. Anything else is an
// error that names it, since the answer would be one for the wrong place.
func (h *host) locale(v goja.Value) locale {
	tags := h.tags(v)
	if len(tags) == 0 {
		return locale{tag: "en-US"}
	}
	tag := tags[0]
	if !isEnglish(tag) {
		h.rangeError("Glovebox supports the locale en-US only, not %s", tag)
	}
	out := locale{}
	base, ext, _ := strings.Cut(tag, "-u-")
	out.tag = base
	keys := strings.Split(ext, "-")
	for i := 0; i < len(keys) && ext != ""; i++ {
		value := ""
		for j := i + 1; j < len(keys) && len(keys[j]) > 2; j++ {
			value = strings.TrimPrefix(value+"-"+keys[j], "-")
		}
		switch keys[i] {
		case "hc":
			if slices.Contains([]string{"h11", "h12", "h23", "h24"}, value) {
				out.hourCycle = value
			}
		case "kn":
			out.numeric = value
			if value == "" {
				out.numeric = "true"
			}
		case "kf":
			out.caseFirst = value
		case "nu":
			if value != "latn" {
				h.rangeError("Glovebox supports the numbering system latn only, not %s", value)
			}
		case "ca":
			if value != "gregory" && value != "iso8601" {
				h.rangeError("Glovebox supports the calendar gregory only, not %s", value)
			}
		}
	}
	return out
}

// isEnglish reports whether a tag means en-US, whatever its extensions.
func isEnglish(tag string) bool {
	base, _, _ := strings.Cut(tag, "-u-")
	return base == "en" || base == "en-US" || base == "en-Latn-US" || base == "en-Latn"
}

// tags is CanonicalizeLocaleList.
func (h *host) tags(v goja.Value) []string {
	if undefined(v) {
		return nil
	}
	if goja.IsNull(v) {
		h.typeError("Cannot convert undefined or null to object")
	}
	if s, ok := v.(goja.String); ok {
		return []string{h.canonical(s.String())}
	}
	obj := v.ToObject(h.rt)
	n := 0
	if l := obj.Get("length"); l != nil {
		n = int(min(max(l.ToInteger(), 0), 1000))
	}
	var out []string
	for i := range n {
		item := obj.Get(h.rt.ToValue(i).String())
		if item == nil {
			continue
		}
		switch item.(type) {
		case goja.String, *goja.Object:
		default:
			h.typeError("Language ID should be string or object.")
		}
		if tag := h.canonical(h.text(item)); !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}

// canonical checks the shape of a language tag and puts its parts into their usual case.
func (h *host) canonical(tag string) string {
	bad := func() { h.rangeError("Incorrect locale information provided") }
	subtags := strings.Split(tag, "-")
	for i, s := range subtags {
		letters := strings.IndexFunc(s, func(r rune) bool { return !(r|0x20 >= 'a' && r|0x20 <= 'z') }) < 0
		alphanumeric := strings.IndexFunc(s, func(r rune) bool {
			return !(r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9')
		}) < 0
		switch {
		case s == "" || len(s) > 8 || !alphanumeric:
			bad()
		case i == 0 && (!letters || len(s) < 2 || len(s) == 4):
			bad()
		}
		subtags[i] = strings.ToLower(s)
	}
	for i := 1; i < len(subtags) && len(subtags[i]) > 1; i++ {
		switch s := subtags[i]; {
		case i == 1 && len(s) == 4 && s[0] > '9':
			subtags[i] = strings.ToUpper(s[:1]) + s[1:]
		case len(s) == 2 && s[0] > '9':
			subtags[i] = strings.ToUpper(s)
		case len(s) == 3 && s[0] <= '9', len(s) >= 5, len(s) == 4 && s[0] <= '9':
		default:
			bad()
		}
	}
	if last := subtags[len(subtags)-1]; len(last) == 1 {
		bad()
	}
	return strings.Join(subtags, "-")
}
