// Package intl gives goja the internationalization of ECMA-402 for one locale, en-US: Intl, and the
// toLocaleString methods that rest on it. The texts are those of Node.js 20.
//
// What it does not know it refuses by name, with a RangeError: another locale, calendar or numbering
// system; combinations of date fields that the locale data has no pattern for; the options
// roundingIncrement, caseFirst, ignorePunctuation, sensitivity "case" and the generic time zone names;
// compound units beyond the usual ones. formatRange and formatRangeToParts throw. Segmenter, DisplayNames,
// Locale and supportedValuesOf are not there. Time zones are called as they are called now, at any time.
package intl

import (
	"math/big"
	"strings"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/intl/repair"
	"glovebox/image/engine/web/native"
)

// Options are what Install needs from the outside.
type Options struct {
	// Now is the time that a format without an argument shows; nil means time.Now.
	Now func() time.Time
}

// Install defines Intl and replaces the toLocale methods in rt, after it has mended the builtins as
// package repair does. It is to be called before any script
// runs, on the goroutine that rt belongs to. It is cheap: Intl itself is made when it is first looked at.
// The default time zone is that of time.Local where it has a name, else UTC.
func Install(rt *goja.Runtime, opts Options) {
	repair.Install(rt)
	h := &host{rt: rt, now: opts.Now, zones: map[string]*zone{}, collators: map[string]*collator{}}
	if h.now == nil {
		h.now = time.Now
	}
	h.installNumbers()
	h.installDates()
	h.installArrays()
	h.installStrings()
	native.Lazy(rt, "Intl", func() goja.Value {
		o := rt.NewObject()
		native.Tag(rt, o, "Intl")
		native.Method(h.rt, o, "getCanonicalLocales", 1, func(call goja.FunctionCall) goja.Value {
			var out []any
			for _, tag := range h.tags(call.Argument(0)) {
				out = append(out, tag)
			}
			return rt.NewArray(out...)
		})
		h.defineNumberFormat(o)
		h.defineDateTimeFormat(o)
		h.defineCollator(o)
		h.definePluralRules(o)
		h.defineListFormat(o)
		h.defineRelativeTimeFormat(o)
		return o
	})
}

func (h *host) prototype(ctor string) *goja.Object {
	return h.rt.GlobalObject().Get(ctor).(*goja.Object).Get("prototype").(*goja.Object)
}

func (h *host) callable(on *goja.Object, name string) goja.Callable {
	f, _ := goja.AssertFunction(on.Get(name))
	return f
}

func (h *host) installNumbers() {
	number, bigint := h.prototype("Number"), h.prototype("BigInt")
	h.numberOf, h.bigOf = h.callable(number, "valueOf"), h.callable(bigint, "valueOf")
	install := func(on *goja.Object, value *goja.Callable) {
		native.Method(h.rt, on, "toLocaleString", 0, func(call goja.FunctionCall) goja.Value {
			v, err := (*value)(call.This)
			check(err)
			return h.rt.ToValue(join(h.numberFor(call).parts(h.decimal(v))))
		})
	}
	install(number, &h.numberOf)
	install(bigint, &h.bigOf)
}

// numberFor gives the format for the arguments of a toLocaleString.
func (h *host) numberFor(call goja.FunctionCall) *numberFormat {
	if !undefined(call.Argument(0)) || !undefined(call.Argument(1)) {
		return h.numberFormat(call.Argument(0), call.Argument(1))
	}
	if h.plain == nil {
		h.plain = h.numberFormat(nil, nil)
	}
	return h.plain
}

// decimal is ToIntlMathematicalValue: BigInts and strings count exactly.
func (h *host) decimal(v goja.Value) decimal {
	if n, ok := v.Export().(*big.Int); ok {
		return fromBig(n)
	}
	if s, ok := v.(goja.String); ok {
		text := strings.TrimFunc(s.String(), isSpace)
		if d, ok := parseDecimal(text); ok {
			return d
		}
	}
	return fromFloat(v.ToNumber().ToFloat())
}

func isSpace(r rune) bool {
	return strings.ContainsRune("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff", r) || r >= 0x2000 && r <= 0x200A
}

func (h *host) defineNumberFormat(intl *goja.Object) {
	c := newClass(h, intl, "NumberFormat", 0, h.numberFormat)
	c.bound("format", 1, func(f *numberFormat, call goja.FunctionCall) goja.Value {
		return h.rt.ToValue(join(f.parts(h.decimal(call.Argument(0)))))
	})
	c.method("formatToParts", 1, func(f *numberFormat, call goja.FunctionCall) goja.Value {
		return h.partsValue(f.parts(h.decimal(call.Argument(0))))
	})
	c.method("resolvedOptions", 0, func(f *numberFormat, _ goja.FunctionCall) goja.Value { return f.resolved(h) })
	h.unsupported(c.proto, "NumberFormat", "formatRange", "formatRangeToParts")
}

// unsupported defines methods that say that they are not there, for scripts that would call them.
func (h *host) unsupported(proto *goja.Object, class string, names ...string) {
	for _, name := range names {
		native.Method(h.rt, proto, name, 2, func(goja.FunctionCall) goja.Value {
			h.throw("Error", "Glovebox does not support Intl.%s.prototype.%s", class, name)
			return nil
		})
	}
}

func (h *host) installDates() {
	proto := h.prototype("Date")
	h.timeOf = h.callable(proto, "getTime")
	for _, m := range []struct {
		name string
		need needs
	}{{"toLocaleString", needs{"any", "all"}}, {"toLocaleDateString", needs{"date", "date"}}, {"toLocaleTimeString", needs{"time", "time"}}} {
		var plain *dateTimeFormat
		native.Method(h.rt, proto, m.name, 0, func(call goja.FunctionCall) goja.Value {
			v, err := h.timeOf(call.This)
			check(err)
			f := plain
			if f == nil || !undefined(call.Argument(0)) || !undefined(call.Argument(1)) {
				ms := v.ToFloat()
				if ms != ms {
					return h.rt.ToValue("Invalid Date")
				}
				f = h.dateTimeFormat(call.Argument(0), call.Argument(1), m.need)
				if undefined(call.Argument(0)) && undefined(call.Argument(1)) {
					plain = f
				}
			}
			ms := v.ToFloat()
			if ms != ms {
				return h.rt.ToValue("Invalid Date")
			}
			return h.rt.ToValue(f.format(fromMillis(ms)))
		})
	}
}

func (h *host) defineDateTimeFormat(intl *goja.Object) {
	c := newClass(h, intl, "DateTimeFormat", 0, func(locales, opts goja.Value) *dateTimeFormat {
		return h.dateTimeFormat(locales, opts, needs{"any", "date"})
	})
	c.bound("format", 1, func(f *dateTimeFormat, call goja.FunctionCall) goja.Value {
		return h.rt.ToValue(f.format(h.timeArg(call.Argument(0))))
	})
	c.method("formatToParts", 1, func(f *dateTimeFormat, call goja.FunctionCall) goja.Value {
		return h.partsValue(f.parts(h.timeArg(call.Argument(0))))
	})
	c.method("resolvedOptions", 0, func(f *dateTimeFormat, _ goja.FunctionCall) goja.Value { return f.resolved(h) })
	h.unsupported(c.proto, "DateTimeFormat", "formatRange", "formatRangeToParts")
}

// installArrays passes locales and options on to the elements, which goja does not.
func (h *host) installArrays() {
	var within []*goja.Object
	join := func(call goja.FunctionCall) goja.Value {
		obj := call.This.ToObject(h.rt)
		for _, outer := range within {
			if outer == obj {
				return h.rt.ToValue("")
			}
		}
		within = append(within, obj)
		defer func() { within = within[:len(within)-1] }()
		n := 0
		if l := obj.Get("length"); l != nil {
			n = int(min(max(l.ToInteger(), 0), 1<<32))
		}
		var b goja.StringBuilder
		for i := range n {
			if i > 0 {
				b.WriteRune(',')
			}
			item := obj.Get(h.rt.ToValue(i).String())
			if undefined(item) || goja.IsNull(item) {
				continue
			}
			f, ok := goja.AssertFunction(item.ToObject(h.rt).Get("toLocaleString"))
			if !ok {
				h.typeError("toLocaleString is not a function")
			}
			v, err := f(item, call.Argument(0), call.Argument(1))
			check(err)
			if s, ok := v.(goja.String); ok {
				b.WriteString(s)
			} else {
				for _, r := range h.text(v) {
					b.WriteRune(r)
				}
			}
		}
		return b.String()
	}
	native.Method(h.rt, h.prototype("Array"), "toLocaleString", 0, join)
	native.Method(h.rt, h.prototype("Int8Array").Prototype(), "toLocaleString", 0, join)
}
