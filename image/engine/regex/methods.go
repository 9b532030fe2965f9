package regex

import (
	"strings"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
	"glovebox/image/engine/web/native"
)

func (h *host) installMethods() {
	method := func(name string, length int, f func(goja.FunctionCall) goja.Value) *goja.Object {
		fn := native.Func(h.rt, name, length, f)
		check(h.proto.DefineDataProperty(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
		return fn
	}
	symbol := func(sym *goja.Symbol, name string, length int, f func(goja.FunctionCall) goja.Value) {
		fn := native.Func(h.rt, name, length, f)
		check(h.proto.DefineDataPropertySymbol(sym, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	h.exec = method("exec", 1, h.builtinExec)
	method("test", 1, h.test)
	method("compile", 2, h.recompile)
	method("toString", 0, func(call goja.FunctionCall) goja.Value {
		obj := h.receiver(call, "toString")
		var b goja.StringBuilder
		b.WriteRune('/')
		b.WriteString(h.property(obj, "source"))
		b.WriteRune('/')
		b.WriteString(h.property(obj, "flags"))
		return b.String()
	})
	symbol(goja.SymMatch, "[Symbol.match]", 1, h.symbolMatch)
	symbol(goja.SymMatchAll, "[Symbol.matchAll]", 1, h.symbolMatchAll)
	symbol(goja.SymReplace, "[Symbol.replace]", 2, h.symbolReplace)
	symbol(goja.SymSearch, "[Symbol.search]", 1, h.symbolSearch)
	symbol(goja.SymSplit, "[Symbol.split]", 2, h.symbolSplit)
}

func (h *host) property(obj *goja.Object, name string) goja.String {
	v := obj.Get(name)
	if v == nil {
		v = goja.Undefined()
	}
	return h.text(v)
}

// modeOf reads from the flags property whether an operation is global and goes by code point.
func (h *host) modeOf(obj *goja.Object) (all goja.String, global, full bool) {
	all = h.property(obj, "flags")
	f := all.String()
	return all, strings.Contains(f, "g"), strings.ContainsAny(f, "uv")
}

func (h *host) symbolMatch(call goja.FunctionCall) goja.Value {
	obj := h.receiver(call, "[Symbol.match]")
	s := h.text(call.Argument(0))
	_, global, full := h.modeOf(obj)
	if !global {
		return h.regExpExec(obj, s)
	}
	h.setLastIndex(obj, 0)
	var found []any
	if re := h.plain(obj); re != nil {
		v := h.texts.Of(s)
		h.each(re, s, v, full, -1, func(caps []int32) { found = append(found, capture(s, caps, 0)) })
	} else {
		h.eachGeneric(obj, s, full, func(m *goja.Object) { found = append(found, h.property(m, "0")) })
	}
	if found == nil {
		return goja.Null()
	}
	return h.rt.NewArray(found...)
}

// each calls f with every match of re from the start of the string on, at most limit of them where
// that is not negative. It is what a global operation does when nobody can see lastIndex change.
func (h *host) each(re *regex, s goja.String, v side.View, full bool, limit int, f func(caps []int32)) {
	for from := 0; limit != 0 && from <= v.Len(); limit-- {
		caps := h.match(re, s, v, from, re.flags.sticky)
		if caps == nil {
			return
		}
		from = int(caps[1])
		if caps[0] == caps[1] {
			from = advance(v, from, full)
		}
		f(caps)
	}
}

// eachGeneric is each for objects whose exec a script has replaced.
func (h *host) eachGeneric(obj *goja.Object, s goja.String, full bool, f func(m *goja.Object)) {
	v := h.texts.Of(s)
	for {
		m, ok := h.regExpExec(obj, s).(*goja.Object)
		if !ok {
			return
		}
		f(m)
		if h.property(m, "0").Length() == 0 {
			h.setLastIndex(obj, advance(v, h.lastIndex(obj), full))
		}
	}
}

func (h *host) symbolSearch(call goja.FunctionCall) goja.Value {
	obj := h.receiver(call, "[Symbol.search]")
	s := h.text(call.Argument(0))
	if re := h.plain(obj); re != nil {
		caps := h.match(re, s, h.texts.Of(s), 0, re.flags.sticky)
		if caps == nil {
			return h.rt.ToValue(-1)
		}
		return h.rt.ToValue(int(caps[0]))
	}
	before := obj.Get("lastIndex")
	h.setLastIndex(obj, 0)
	m := h.regExpExec(obj, s)
	check(obj.Set("lastIndex", before))
	if found, ok := m.(*goja.Object); ok {
		return found.Get("index")
	}
	return h.rt.ToValue(-1)
}

// species is SpeciesConstructor of the specification.
func (h *host) species(obj *goja.Object) *goja.Object {
	c := obj.Get("constructor")
	if undefined(c) {
		return h.ctor
	}
	co, ok := c.(*goja.Object)
	if !ok {
		h.typeError("The constructor property is not an object")
	}
	sp := co.GetSymbol(goja.SymSpecies)
	if undefined(sp) || goja.IsNull(sp) {
		return h.ctor
	}
	so, ok := sp.(*goja.Object)
	if !ok {
		h.typeError("Symbol.species is not a constructor")
	}
	return so
}

func (h *host) symbolMatchAll(call goja.FunctionCall) goja.Value {
	obj := h.receiver(call, "[Symbol.matchAll]")
	s := h.text(call.Argument(0))
	flags, global, full := h.modeOf(obj)
	matcher, err := h.rt.New(h.species(obj), obj, flags)
	check(err)
	h.setLastIndex(matcher, h.lastIndex(obj))
	return h.iterator(matcher, s, global, full)
}

// iterator makes a RegExp String Iterator. goja's own knows nothing of the flag v, so that next is
// the object's and not the prototype's.
func (h *host) iterator(matcher *goja.Object, s goja.String, global, full bool) goja.Value {
	if h.iterProto == nil {
		it, err := h.nativeAll(h.template, h.rt.ToValue(""))
		check(err)
		h.iterProto = it.(*goja.Object).Prototype()
	}
	done := false
	next := func(goja.FunctionCall) goja.Value {
		result := h.rt.NewObject()
		give := func(v goja.Value) goja.Value {
			check(result.Set("value", v))
			check(result.Set("done", done && undefined(v)))
			return result
		}
		if done {
			return give(goja.Undefined())
		}
		m, ok := h.regExpExec(matcher, s).(*goja.Object)
		if !ok {
			done = true
			return give(goja.Undefined())
		}
		if !global {
			done = true
		} else if h.property(m, "0").Length() == 0 {
			h.setLastIndex(matcher, advance(h.texts.Of(s), h.lastIndex(matcher), full))
		}
		return give(m)
	}
	it := h.rt.CreateObject(h.iterProto)
	check(it.DefineDataProperty("next", native.Func(h.rt, "next", 0, next), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return it
}
