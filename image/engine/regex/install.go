// Package regex gives goja the regular expressions of ECMAScript 2025.
//
// goja translates patterns for two Go packages that mean other things by some of them: \p{L} never
// matches, captures in a loop keep what an earlier turn matched, named groups vanish, and so on, all in
// silence. Here is a parser, a compiler and a backtracking matcher of their own, written after the
// specification. It refuses by name the properties of strings (\p{RGI_Emoji}) and Changes_When_…; its
// Unicode tables are those of Go, but for emoji and Script_Extensions. goja's RegExp objects and their prototype stay, so that identity, literals and
// subclasses work as ever; the constructor, the methods and the accessors are replaced.
package regex

import (
	"sync"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// Install replaces what RegExp does in rt. It is to be called before any script runs, and on the
// goroutine that rt belongs to. It costs about a tenth of a millisecond.
//
// A match looks now and then whether the runtime was interrupted, and stops then. One that needs more
// than 64 MiB to remember its choices is a RangeError.
func Install(rt *goja.Runtime) {
	original := rt.GlobalObject().Get("RegExp").(*goja.Object)
	h := &host{
		rt:       rt,
		proto:    original.Get("prototype").(*goja.Object),
		programs: map[string]*regex{},
	}
	h.newNative, _ = goja.AssertConstructor(original)
	h.marker = rt.ToValue(markerSource)
	var err error
	h.template, err = h.newNative(nil, h.marker)
	check(err)
	h.nativeComp, _ = goja.AssertFunction(h.proto.Get("compile"))
	h.nativeAll, _ = goja.AssertFunction(h.proto.GetSymbol(goja.SymMatchAll))
	h.captureNative()
	h.installConstructor()
	h.installAccessors()
	h.installMethods()
	h.installStringMethods()
}

// captureNative takes hold of what tells about an object that goja made, and of a way to learn that
// the script was interrupted: calling any function of JavaScript fails then.
func (h *host) captureNative() {
	descriptor, _ := goja.AssertFunction(h.rt.GlobalObject().Get("Object").(*goja.Object).Get("getOwnPropertyDescriptor"))
	getter := func(name string) goja.Callable {
		d, err := descriptor(nil, h.proto, h.rt.ToValue(name))
		check(err)
		get, _ := goja.AssertFunction(d.(*goja.Object).Get("get"))
		return get
	}
	h.source = getter("source")
	for _, f := range []struct {
		name string
		flag byte
	}{{"global", 'g'}, {"ignoreCase", 'i'}, {"multiline", 'm'}, {"dotAll", 's'}, {"unicode", 'u'}, {"sticky", 'y'}} {
		h.getters = append(h.getters, nativeFlag{getter(f.name), f.flag})
	}
	var nothing goja.Callable
	h.poll = func() {
		if nothing == nil {
			v, err := h.rt.RunString("(function () {})")
			check(err)
			nothing, _ = goja.AssertFunction(v)
		}
		_, err := nothing(goja.Undefined())
		check(err)
	}
}

// constructor is written in JavaScript since a function of Go's cannot tell whether new was said.
var constructor = sync.OnceValue(func() *goja.Program {
	return goja.MustCompile("native", `"use strict";
(construct) => function RegExp(pattern, flags) { return construct(new.target, pattern, flags); }`, true)
})

func (h *host) installConstructor() {
	wrap, err := h.rt.RunProgram(constructor())
	check(err)
	call, _ := goja.AssertFunction(wrap)
	fn, err := call(goja.Undefined(), h.rt.ToValue(h.construct))
	check(err)
	h.ctor = fn.(*goja.Object)
	check(h.ctor.DefineDataProperty("prototype", h.proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	species := native.Func(h.rt, "get [Symbol.species]", 0, func(c goja.FunctionCall) goja.Value { return c.This })
	check(h.ctor.DefineAccessorPropertySymbol(goja.SymSpecies, species, nil, goja.FLAG_TRUE, goja.FLAG_FALSE))
	native.Hidden(h.proto, "constructor", h.ctor)
	native.Hidden(h.rt.GlobalObject(), "RegExp", h.ctor)
	h.installStatics()
}

func (h *host) installAccessors() {
	define := func(name string, get func(goja.FunctionCall) goja.Value) {
		native.Accessor(h.rt, h.proto, name, get, nil)
	}
	flag := func(name string, of func(*regex) bool) {
		define(name, func(c goja.FunctionCall) goja.Value {
			if re := h.find(c.This); re != nil {
				return h.rt.ToValue(of(re))
			}
			if h.proto.SameAs(c.This) {
				return goja.Undefined()
			}
			h.typeError("RegExp.prototype.%s getter called on an object that is no RegExp", name)
			return nil
		})
	}
	flag("hasIndices", func(re *regex) bool { return re.flags.hasIndices })
	flag("global", func(re *regex) bool { return re.flags.global })
	flag("ignoreCase", func(re *regex) bool { return re.flags.ignoreCase })
	flag("multiline", func(re *regex) bool { return re.flags.multiline })
	flag("dotAll", func(re *regex) bool { return re.flags.dotAll })
	flag("unicode", func(re *regex) bool { return re.flags.unicode })
	flag("unicodeSets", func(re *regex) bool { return re.flags.sets })
	flag("sticky", func(re *regex) bool { return re.flags.sticky })
	define("source", func(c goja.FunctionCall) goja.Value {
		if re := h.find(c.This); re != nil {
			return re.source
		}
		if h.proto.SameAs(c.This) {
			return h.rt.ToValue("(?:)")
		}
		h.typeError("RegExp.prototype.source getter called on an object that is no RegExp")
		return nil
	})
	define("flags", h.getFlags)
}

// getFlags answers from what it knows where the object is as it came from the constructor; the
// specification's way, by every single property, is for all else.
func (h *host) getFlags(c goja.FunctionCall) goja.Value {
	obj, ok := c.This.(*goja.Object)
	if !ok {
		h.typeError("RegExp.prototype.flags getter called on a value that is no object")
	}
	if re := h.find(obj); re != nil && obj.Prototype() == h.proto {
		return h.rt.ToValue(re.flags.String())
	}
	var f flags
	for _, p := range []struct {
		name string
		flag byte
	}{{"hasIndices", 'd'}, {"global", 'g'}, {"ignoreCase", 'i'}, {"multiline", 'm'}, {"dotAll", 's'},
		{"unicode", 'u'}, {"unicodeSets", 'v'}, {"sticky", 'y'}} {
		if v := obj.Get(p.name); v != nil && v.ToBoolean() {
			f.set(p.flag)
		}
	}
	return h.rt.ToValue(f.String())
}
