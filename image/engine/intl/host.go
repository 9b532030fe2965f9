package intl

import (
	"fmt"
	"strings"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
	"glovebox/image/engine/web/native"
)

// A host holds what one runtime needs. Like the runtime it belongs to one goroutine at a time.
type host struct {
	rt        *goja.Runtime
	now       func() time.Time
	states    side.Table[any] // what stands behind each object of Intl
	zones     map[string]*zone
	plain     *numberFormat // what toLocaleString of numbers uses where nothing was asked for
	numberOf  goja.Callable // Number.prototype.valueOf
	bigOf     goja.Callable // BigInt.prototype.valueOf
	timeOf    goja.Callable // Date.prototype.getTime
	collators map[string]*collator
}

func (h *host) throw(ctor, format string, args ...any) {
	v, err := h.rt.New(h.rt.GlobalObject().Get(ctor), h.rt.ToValue(fmt.Sprintf(format, args...)))
	if err != nil {
		panic(err)
	}
	panic(v)
}

func (h *host) rangeError(format string, args ...any) { h.throw("RangeError", format, args...) }
func (h *host) typeError(format string, args ...any)  { h.throw("TypeError", format, args...) }

// check passes on what JavaScript threw within a call from Go.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func undefined(v goja.Value) bool { return v == nil || goja.IsUndefined(v) }

// text is ToString.
func (h *host) text(v goja.Value) string {
	if _, ok := v.(*goja.Symbol); ok {
		h.typeError("Cannot convert a Symbol value to a string")
	}
	return v.String()
}

// A class describes one constructor of Intl. T is what stands behind its objects.
type class[T any] struct {
	h     *host
	name  string
	ctor  *goja.Object
	proto *goja.Object
}

// newClass makes a constructor that calls make with its two arguments. Unlike the classes of package
// native it may be called without new, as those of Intl may.
func newClass[T any](h *host, intl *goja.Object, name string, length int, make func(locales, options goja.Value) T) class[T] {
	c := class[T]{h: h, name: name}
	c.ctor = h.rt.ToValue(func(call goja.ConstructorCall) *goja.Object {
		state := make(call.Argument(0), call.Argument(1))
		obj := call.This
		if p := obj.Prototype(); p == nil || p != c.proto && !c.inherits(p) {
			obj = h.rt.CreateObject(c.proto)
		}
		h.states.Put(obj, state)
		return obj
	}).(*goja.Object)
	define := func(name string, v any) {
		check(c.ctor.DefineDataProperty(name, h.rt.ToValue(v), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	define("name", name)
	define("length", length)
	c.proto = c.ctor.Get("prototype").(*goja.Object)
	check(c.ctor.DefineDataProperty("prototype", c.proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	native.Tag(h.rt, c.proto, "Intl."+name)
	native.Method(h.rt, c.ctor, "supportedLocalesOf", 1, func(call goja.FunctionCall) goja.Value {
		var out []any
		for _, tag := range h.tags(call.Argument(0)) {
			if isEnglish(tag) {
				out = append(out, tag)
			}
		}
		return h.rt.NewArray(out...)
	})
	native.Hidden(intl, name, c.ctor)
	return c
}

func (c class[T]) inherits(p *goja.Object) bool {
	for ; p != nil; p = p.Prototype() {
		if p == c.proto {
			return true
		}
	}
	return false
}

// of gives what stands behind this, which must be an object of the class.
func (c class[T]) of(this goja.Value, method string) T {
	if obj, ok := this.(*goja.Object); ok {
		if v, ok := c.h.states.Get(obj); ok {
			if state, ok := v.(T); ok {
				return state
			}
		}
	}
	c.h.typeError("Method Intl.%s.prototype.%s called on incompatible receiver", c.name, method)
	panic("not reached")
}

func (c class[T]) method(name string, length int, f func(state T, call goja.FunctionCall) goja.Value) {
	native.Method(c.h.rt, c.proto, name, length, func(call goja.FunctionCall) goja.Value { return f(c.of(call.This, name), call) })
}

// bound defines an accessor that gives a function bound to its object, as format and compare are.
func (c class[T]) bound(name string, length int, f func(state T, call goja.FunctionCall) goja.Value) {
	var made side.Table[*goja.Object]
	native.Accessor(c.h.rt, c.proto, name, func(call goja.FunctionCall) goja.Value {
		state := c.of(call.This, name)
		obj := call.This.(*goja.Object)
		fn, ok := made.Get(obj)
		if !ok {
			fn = native.Func(c.h.rt, "", length, func(call goja.FunctionCall) goja.Value { return f(state, call) })
			made.Put(obj, fn)
		}
		return fn
	}, nil)
}

// A part is a piece of a formatted text, as formatToParts gives it.
type part struct{ kind, text string }

func join(parts []part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.text)
	}
	return b.String()
}

func (h *host) partsValue(parts []part) goja.Value {
	out := make([]any, len(parts))
	for i, p := range parts {
		o := h.rt.NewObject()
		check(o.Set("type", p.kind))
		check(o.Set("value", p.text))
		out[i] = o
	}
	return h.rt.NewArray(out...)
}

// A field is one entry of resolvedOptions.
type field struct {
	name  string
	value any
}

// fieldsValue makes an object of the fields, without those that are nil or "".
func (h *host) fieldsValue(fields ...field) goja.Value {
	o := h.rt.NewObject()
	for _, f := range fields {
		if f.value != nil && f.value != "" {
			check(o.Set(f.name, f.value))
		}
	}
	return o
}
