// Package repair mends builtins of goja that give wrong answers in silence: what dates mean and how they
// are written, JSON with lone surrogates, big BigInts as numbers, and the cases of lone surrogates. What
// it changes behaves as in Node.js.
package repair

import (
	"math/big"
	"reflect"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
)

// A host holds what one runtime needs. Like the runtime it belongs to one goroutine at a time.
type host struct {
	rt      *goja.Runtime
	texts   side.Viewer
	newDate goja.Constructor // goja's own
	getTime goja.Callable
	isArray goja.Callable
}

// Install mends rt. It is to be called before any script runs and before anything keeps hold of Date,
// Number or JSON.parse, on the goroutine that rt belongs to.
func Install(rt *goja.Runtime) {
	h := &host{rt: rt}
	h.installDate()
	h.installNumber()
	h.installStrings()
	h.installJSON()
}

func (h *host) throw(ctor, message string) {
	v, err := h.rt.New(h.rt.GlobalObject().Get(ctor), h.rt.ToValue(message))
	if err != nil {
		panic(err)
	}
	panic(v)
}

// check passes on what JavaScript threw within a call from Go.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func undefined(v goja.Value) bool { return v == nil || goja.IsUndefined(v) }

// text is ToString. goja leaves undefined and null as they are.
func (h *host) text(v goja.Value) goja.String {
	if s, ok := v.ToString().(goja.String); ok {
		return s
	}
	if _, ok := v.(*goja.Symbol); ok {
		h.throw("TypeError", "Cannot convert a Symbol value to a string")
	}
	return h.rt.ToValue(v.String()).(goja.String)
}

func (h *host) global(name string) *goja.Object { return h.rt.GlobalObject().Get(name).(*goja.Object) }

func (h *host) prototype(ctor string) *goja.Object {
	return h.global(ctor).Get("prototype").(*goja.Object)
}

func (h *host) callable(on *goja.Object, name string) goja.Callable {
	f, _ := goja.AssertFunction(on.Get(name))
	return f
}

// method defines a native function that looks like one of the language's own.
func (h *host) method(on *goja.Object, name string, length int, f func(goja.FunctionCall) goja.Value) {
	fn := h.rt.ToValue(f).(*goja.Object)
	h.constant(fn, "name", h.rt.ToValue(name))
	h.constant(fn, "length", h.rt.ToValue(length))
	check(on.DefineDataProperty(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

func (h *host) constant(on *goja.Object, name string, v goja.Value) {
	check(on.DefineDataProperty(name, v, goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// wrap puts a constructor of goja's behind a proxy, which costs little and keeps all else of it.
func (h *host) wrap(name string, traps goja.ProxyTrapConfig) {
	native := h.global(name)
	proto := h.prototype(name)
	wrapped := h.rt.ToValue(h.rt.NewProxy(native, &traps))
	// goja refuses instanceof with a proxy, so that the constructor itself is asked in its place.
	hasInstance, _ := goja.AssertFunction(h.prototype("Function").GetSymbol(goja.SymHasInstance))
	ask := h.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		ctor := call.This
		if ctor.SameAs(wrapped) {
			ctor = native
		}
		v, err := hasInstance(ctor, call.Argument(0))
		check(err)
		return v
	})
	h.constant(ask.(*goja.Object), "name", h.rt.ToValue("[Symbol.hasInstance]"))
	check(native.DefineDataPropertySymbol(goja.SymHasInstance, ask, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	check(proto.DefineDataProperty("constructor", wrapped, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	check(h.rt.GlobalObject().DefineDataProperty(name, wrapped, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// installNumber mends Number of a BigInt beyond 64 bits, for which goja gives what is left of it.
func (h *host) installNumber() {
	native := h.global("Number")
	convert, _ := goja.AssertFunction(native)
	construct, _ := goja.AssertConstructor(native)
	mend := func(args []goja.Value) []goja.Value {
		if len(args) == 0 {
			return args
		}
		if n, ok := args[0].Export().(*big.Int); ok && args[0].ExportType() == reflect.TypeFor[*big.Int]() {
			f, _ := new(big.Float).SetInt(n).Float64()
			return []goja.Value{h.rt.ToValue(f)}
		}
		return args
	}
	h.wrap("Number", goja.ProxyTrapConfig{
		Apply: func(_ *goja.Object, this goja.Value, args []goja.Value) goja.Value {
			v, err := convert(this, mend(args)...)
			check(err)
			return v
		},
		Construct: func(_ *goja.Object, args []goja.Value, target *goja.Object) *goja.Object {
			v, err := construct(target, mend(args)...)
			check(err)
			return v
		},
	})
}

// primitive is ToPrimitive without a hint.
func (h *host) primitive(obj *goja.Object) goja.Value {
	try := func(f goja.Value, args ...goja.Value) (goja.Value, bool) {
		fn, ok := goja.AssertFunction(f)
		if !ok {
			return nil, false
		}
		v, err := fn(obj, args...)
		check(err)
		_, isObject := v.(*goja.Object)
		return v, !isObject
	}
	if exotic := obj.GetSymbol(goja.SymToPrimitive); !undefined(exotic) && !goja.IsNull(exotic) {
		if v, ok := try(exotic, h.rt.ToValue("default")); ok {
			return v
		}
		h.throw("TypeError", "Cannot convert object to primitive value")
	}
	for _, name := range []string{"valueOf", "toString"} {
		if v, ok := try(obj.Get(name)); ok {
			return v
		}
	}
	h.throw("TypeError", "Cannot convert object to primitive value")
	return nil
}

func (h *host) parse(s goja.String) goja.Value {
	ms, ok := parseDate(s.String(), time.Local)
	if !ok {
		return goja.NaN()
	}
	return h.rt.ToValue(ms)
}

// installStrings mends the methods that go by way of UTF-8, and lose lone surrogates there.
func (h *host) installStrings() {
	proto := h.prototype("String")
	for _, name := range []string{"normalize", "toUpperCase", "toLowerCase", "toLocaleUpperCase", "toLocaleLowerCase"} {
		native := h.callable(proto, name)
		h.method(proto, name, 0, func(call goja.FunctionCall) goja.Value {
			s, ok := call.This.(goja.String)
			if !ok && !undefined(call.This) && !goja.IsNull(call.This) {
				s, ok = h.text(call.This), true
			}
			if !ok || reflect.ValueOf(s).Kind() == reflect.String || !h.hasLone(s) {
				v, err := native(call.This, call.Arguments...)
				check(err)
				return v
			}
			var b goja.StringBuilder
			h.pieces(s, func(piece goja.String, lone bool) {
				if !lone {
					v, err := native(piece, call.Arguments...)
					check(err)
					piece = v.(goja.String)
				}
				b.WriteString(piece)
			})
			return b.String()
		})
	}
}

func isHigh(r rune) bool { return r&0xFC00 == 0xD800 }
func isLow(r rune) bool  { return r&0xFC00 == 0xDC00 }

func (h *host) hasLone(s goja.String) bool {
	u := h.texts.Of(s).Units
	for i := 0; i < len(u); i++ {
		switch r := rune(u[i]); {
		case isHigh(r) && i+1 < len(u) && isLow(rune(u[i+1])):
			i++
		case isHigh(r), isLow(r):
			return true
		}
	}
	return false
}

// pieces cuts a string into lone surrogates and what is between them.
func (h *host) pieces(s goja.String, f func(piece goja.String, lone bool)) {
	u := h.texts.Of(s).Units
	plain := h.texts.Plain(s)
	start := 0
	for i := 0; i < len(u); i++ {
		r := rune(u[i])
		if isHigh(r) && i+1 < len(u) && isLow(rune(u[i+1])) {
			i++
			continue
		}
		if !isHigh(r) && !isLow(r) {
			continue
		}
		if i > start {
			f(plain.Substring(start, i), false)
		}
		f(plain.Substring(i, i+1), true)
		start = i + 1
	}
	if start < len(u) {
		f(plain.Substring(start, len(u)), false)
	}
}
