package intl

import (
	"strings"
	"unicode"

	"github.com/dop251/goja"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"glovebox/image/engine/web/native"
)

// A collator is what stands behind an Intl.Collator. The order is that of the root collation, which is
// that of English.
type collator struct {
	locale, usage, sensitivity string
	numeric                    bool
	by                         *collate.Collator
}

func (h *host) collator(locales, opts goja.Value) *collator {
	loc := h.locale(locales)
	o := h.options(opts, "Collator")
	c := &collator{locale: loc.tag}
	c.usage = o.choice("usage", "sort", "sort", "search")
	o.matcher()
	if name := o.choice("collation", "default"); name != "default" {
		o.refuse("collation", name)
	}
	c.numeric = loc.numeric == "true"
	if v, given := o.flag("numeric"); given {
		c.numeric = v
	}
	first := loc.caseFirst
	if first == "" {
		first = "false"
	}
	if first = o.choice("caseFirst", first, "upper", "lower", "false"); first != "false" {
		o.refuse("caseFirst", first)
	}
	if c.sensitivity = o.choice("sensitivity", "variant", "base", "accent", "case", "variant"); c.sensitivity == "case" {
		o.refuse("sensitivity", c.sensitivity)
	}
	if v, _ := o.flag("ignorePunctuation"); v {
		o.refuse("ignorePunctuation", true)
	}
	key := c.sensitivity
	if c.numeric {
		key += "+"
	}
	if made, ok := h.collators[key]; ok {
		c.by = made.by
		return c
	}
	c.make()
	h.collators[key] = c
	return c
}

// make builds the tables that compare needs; the first ones of a process take some milliseconds.
func (c *collator) make() {
	var opts []collate.Option
	if c.numeric {
		opts = append(opts, collate.Numeric)
	}
	switch c.sensitivity {
	case "base":
		opts = append(opts, collate.Loose)
	case "accent":
		opts = append(opts, collate.IgnoreCase)
	}
	c.by = collate.New(language.Und, opts...)
}

func (h *host) compare(c *collator, a, b string) int {
	if c.numeric && (hasOtherNumbers(a) || hasOtherNumbers(b)) {
		h.rangeError("Glovebox does not support numeric collation of other digits than 0 to 9")
	}
	return c.by.CompareString(a, b)
}

// hasOtherNumbers finds ½ and the like, which the tables would take for digits.
func hasOtherNumbers(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7F && unicode.IsNumber(r) }) >= 0
}

func (h *host) defineCollator(intl *goja.Object) {
	c := newClass(h, intl, "Collator", 0, h.collator)
	c.bound("compare", 2, func(c *collator, call goja.FunctionCall) goja.Value {
		return h.rt.ToValue(h.compare(c, h.text(call.Argument(0)), h.text(call.Argument(1))))
	})
	c.method("resolvedOptions", 0, func(c *collator, _ goja.FunctionCall) goja.Value {
		return h.fieldsValue(field{"locale", c.locale}, field{"usage", c.usage}, field{"sensitivity", c.sensitivity},
			field{"ignorePunctuation", false}, field{"collation", "default"}, field{"numeric", c.numeric}, field{"caseFirst", "false"})
	})
}

// installStrings makes the methods of strings that take a locale look at it.
func (h *host) installStrings() {
	proto := h.prototype("String")
	receiver := func(call goja.FunctionCall, name string) goja.Value {
		if undefined(call.This) || goja.IsNull(call.This) {
			h.typeError("String.prototype.%s called on null or undefined", name)
		}
		return call.This
	}
	var plain *collator
	native.Method(h.rt, proto, "localeCompare", 1, func(call goja.FunctionCall) goja.Value {
		a, b := h.text(receiver(call, "localeCompare")), h.text(call.Argument(0))
		c := plain
		if c == nil || !undefined(call.Argument(1)) || !undefined(call.Argument(2)) {
			c = h.collator(call.Argument(1), call.Argument(2))
			if undefined(call.Argument(1)) && undefined(call.Argument(2)) {
				plain = c
			}
		}
		return h.rt.ToValue(h.compare(c, a, b))
	})
	for locale, name := range map[string]string{"toLocaleUpperCase": "toUpperCase", "toLocaleLowerCase": "toLowerCase"} {
		change := h.callable(proto, name)
		native.Method(h.rt, proto, locale, 0, func(call goja.FunctionCall) goja.Value {
			this := receiver(call, locale)
			// Four languages have cases of their own; the rest change as English does.
			for _, tag := range h.tags(call.Argument(0))[:min(1, len(h.tags(call.Argument(0))))] {
				switch base, _, _ := strings.Cut(tag, "-"); base {
				case "tr", "az", "lt", "el":
					h.rangeError("Glovebox supports the locale en-US only, not %s", tag)
				}
			}
			v, err := change(this)
			check(err)
			return v
		})
	}
}
