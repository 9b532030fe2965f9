// Package repair mends builtins of goja that give wrong answers in silence: what dates mean and how they
// are written, big BigInts as numbers, and the cases of lone surrogates. What it changes behaves as in
// Node.js.
package repair

import (
	"math/big"
	"reflect"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
	"glovebox/image/engine/web/native"
)

// A host holds what one runtime needs. Like the runtime it belongs to one goroutine at a time.
type host struct {
	rt      *goja.Runtime
	texts   side.Viewer
	newDate goja.Constructor // goja's own
	getTime goja.Callable
}

// Install mends rt. It is to be called before any script runs and before anything keeps hold of Date
// or Number, on the goroutine that rt belongs to.
func Install(rt *goja.Runtime) {
	h := &host{rt: rt}
	h.installDate()
	h.installNumber()
	h.installStrings()
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

// wrap puts a constructor of goja's behind a proxy, which costs little and keeps all else of it.
func (h *host) wrap(name string, traps goja.ProxyTrapConfig) {
	ctor := h.global(name)
	proto := h.prototype(name)
	wrapped := h.rt.ToValue(h.rt.NewProxy(ctor, &traps))
	// goja refuses instanceof with a proxy, so that the constructor itself is asked in its place.
	hasInstance, _ := goja.AssertFunction(h.prototype("Function").GetSymbol(goja.SymHasInstance))
	ask := native.Func(h.rt, "[Symbol.hasInstance]", 1, func(call goja.FunctionCall) goja.Value {
		asked := call.This
		if asked.SameAs(wrapped) {
			asked = ctor
		}
		v, err := hasInstance(asked, call.Argument(0))
		check(err)
		return v
	})
	check(ctor.DefineDataPropertySymbol(goja.SymHasInstance, ask, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	native.Hidden(proto, "constructor", wrapped)
	native.Hidden(h.rt.GlobalObject(), name, wrapped)
}

// installNumber mends Number of a BigInt beyond 64 bits, for which goja gives what is left of it.
func (h *host) installNumber() {
	ctor := h.global("Number")
	convert, _ := goja.AssertFunction(ctor)
	construct, _ := goja.AssertConstructor(ctor)
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
		original := h.callable(proto, name)
		native.Method(h.rt, proto, name, 0, func(call goja.FunctionCall) goja.Value {
			s, ok := call.This.(goja.String)
			if !ok && !undefined(call.This) && !goja.IsNull(call.This) {
				s, ok = h.text(call.This), true
			}
			if !ok || reflect.ValueOf(s).Kind() == reflect.String || !h.hasLone(s) {
				v, err := original(call.This, call.Arguments...)
				check(err)
				return v
			}
			var b goja.StringBuilder
			h.pieces(s, func(piece goja.String, lone bool) {
				if !lone {
					v, err := original(piece, call.Arguments...)
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
