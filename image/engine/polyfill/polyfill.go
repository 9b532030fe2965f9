// Package polyfill gives a goja runtime the built-ins of ECMAScript 2015–2026, and of the web's small
// interfaces, that goja lacks. What is tiny is made in Go at once; the rest is core-js, whose modules
// package lib holds, compiled when a script first touches a feature and never before: all of it
// would cost every run tens of milliseconds, a feature costs those that use it a few.
//
// Until then the feature is an accessor that is hidden from enumeration. A script can tell it from a method only by
// asking for its descriptor: `in`, typeof and calls see the real thing.
package polyfill

import (
	"fmt"
	"strings"

	"github.com/dop251/goja"
)

// Install adds what rt lacks; what rt has already, its host's own globals for one, stays. It must be called
// once for a runtime, after the host's globals are there and before a script runs: what it finds then is what it
// trusts later. eval and Function may be replaced before or after.
//
// Where the libraries are not bundled (lib.Available) it installs all the same, and touching a feature of
// core-js throws an Error that says what to type.
func Install(rt *goja.Runtime) error {
	p := &polyfills{rt: rt, modules: map[string]*goja.Object{}}
	p.require = rt.ToValue(p.requireModule)
	if err := p.trust(); err != nil {
		return err
	}
	if err := p.installNatives(); err != nil {
		return err
	}
	for i := range groups {
		if err := p.stub(i); err != nil {
			return err
		}
	}
	return nil
}

// polyfills is the state of one runtime. It is used on the runtime's goroutine alone.
type polyfills struct {
	rt      *goja.Runtime
	owners  [owners]*goja.Object
	symbol  *goja.Object
	require goja.Value
	modules map[string]*goja.Object // core-js's, by name: loaded, or being loaded
	order   []string                // their names, as they came
	stubs   [len(groups)][]*stub
	loaded  [len(groups)]bool
	loading int // how deep in loading we are; stubs are then absent, as core-js must see goja as it is

	sourceParse   goja.Callable // core-js's JSON.parse; nil until it is needed
	functionProto *goja.Object
	descriptor    goja.Callable // Object.getOwnPropertyDescriptor
	define        goja.Callable // Object.defineProperty
	remove        goja.Callable // Reflect.deleteProperty
}

// A stub stands for one built-in until it is touched.
type stub struct {
	key    key
	owner  *goja.Object
	name   goja.Value // the property key
	getter goja.Value
	setter goja.Value
	value  goja.Value // what core-js made; nil until then
}

// trust takes hold of the objects that built-ins belong to, before a script can replace them.
func (p *polyfills) trust() error {
	object := func(path string) *goja.Object {
		at := p.rt.GlobalObject()
		for name := range strings.SplitSeq(path, ".") {
			if at == nil {
				return nil
			}
			at, _ = at.Get(name).(*goja.Object)
		}
		return at
	}
	p.owners = [owners]*goja.Object{
		global:         p.rt.GlobalObject(),
		arrayStatics:   object("Array"),
		dataViewProto:  object("DataView.prototype"),
		dateProto:      object("Date.prototype"),
		jsonStatics:    object("JSON"),
		mapStatics:     object("Map"),
		mapProto:       object("Map.prototype"),
		mathStatics:    object("Math"),
		objectStatics:  object("Object"),
		objectProto:    object("Object.prototype"),
		promiseStatics: object("Promise"),
		regexpStatics:  object("RegExp"),
		stringProto:    object("String.prototype"),
		weakMapProto:   object("WeakMap.prototype"),
	}
	p.symbol = object("Symbol")
	p.functionProto = object("Function.prototype")
	// %IteratorPrototype% has no name: it is what the prototype of array iterators inherits from.
	if values, ok := goja.AssertFunction(object("Array.prototype").Get("values")); ok {
		iterator, err := values(p.rt.NewArray())
		if err != nil {
			return err
		}
		p.owners[iteratorProto] = iterator.(*goja.Object).Prototype().Prototype()
	}
	for _, f := range []struct {
		path string
		to   *goja.Callable
	}{
		{"Object.getOwnPropertyDescriptor", &p.descriptor}, {"Object.defineProperty", &p.define},
		{"Reflect.deleteProperty", &p.remove},
	} {
		var ok bool
		if *f.to, ok = goja.AssertFunction(object(f.path)); !ok {
			return fmt.Errorf("polyfill: %s is not there", f.path)
		}
	}
	return nil
}

// stub puts the accessors of one group in place.
func (p *polyfills) stub(i int) error {
	for _, k := range groups[i].keys {
		owner := p.owners[k.owner]
		if owner == nil {
			return fmt.Errorf("polyfill: the owner of %s is not there", k.name)
		}
		s := &stub{key: k, owner: owner}
		symbol := p.symbolKey(k)
		if symbol != nil {
			if owner.GetSymbol(symbol) != nil {
				continue
			}
			s.name = symbol
		} else {
			if owner.Get(k.name) != nil {
				continue
			}
			s.name = p.rt.ToValue(k.name)
		}
		var err error
		if s.getter, err = p.function("get "+k.name, 0, func(goja.FunctionCall) goja.Value { return p.touch(i, s) }); err != nil {
			return err
		}
		if s.setter, err = p.function("set "+k.name, 0, func(call goja.FunctionCall) goja.Value {
			p.assign(s, call.This, call.Argument(0))
			return goja.Undefined()
		}); err != nil {
			return err
		}
		p.stubs[i] = append(p.stubs[i], s)
		if err := p.place(s); err != nil {
			return err
		}
	}
	return nil
}

// function makes a native function that looks like a built-in's: goja itself would name it after the Go function.
func (p *polyfills) function(name string, length int, f func(goja.FunctionCall) goja.Value) (*goja.Object, error) {
	object := p.rt.ToValue(f).(*goja.Object)
	if err := object.DefineDataProperty("name", p.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		return nil, err
	}
	if length == 0 { // as goja makes it
		return object, nil
	}
	return object, object.DefineDataProperty("length", p.rt.ToValue(length), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// symbolKey is the well-known symbol that a key names, nil where it names a string.
func (p *polyfills) symbolKey(k key) *goja.Symbol {
	name, ok := strings.CutPrefix(k.name, "@@")
	if !ok {
		return nil
	}
	symbol, _ := p.symbol.Get(name).(*goja.Symbol)
	return symbol
}

// place defines a stub's accessor.
func (p *polyfills) place(s *stub) error {
	if symbol, ok := s.name.(*goja.Symbol); ok {
		return s.owner.DefineAccessorPropertySymbol(symbol, s.getter, s.setter, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
	return s.owner.DefineAccessorProperty(s.key.name, s.getter, s.setter, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// touch answers a script's read of a stub. It never reads the property itself: a script may have put
// the accessor back in its place.
func (p *polyfills) touch(i int, s *stub) goja.Value {
	if p.loading > 0 {
		return goja.Undefined()
	}
	p.load(i)
	if s.value == nil {
		return goja.Undefined()
	}
	return s.value
}

// assign does what an assignment would do to a plain data property: on the owner it replaces the built-in, on what
// inherits from it (an array, a class's prototype) it makes a property of its own.
func (p *polyfills) assign(s *stub, this, value goja.Value) {
	target, ok := this.(*goja.Object)
	switch {
	case !ok && !goja.IsUndefined(this) && !goja.IsNull(this):
		return // a primitive keeps nothing
	case !ok:
		target = s.owner // an unqualified assignment to a global
	}
	enumerable := goja.FLAG_TRUE
	if target == s.owner {
		enumerable = goja.FLAG_FALSE
	}
	var err error
	if symbol, ok := s.name.(*goja.Symbol); ok {
		err = target.DefineDataPropertySymbol(symbol, value, goja.FLAG_TRUE, goja.FLAG_TRUE, enumerable)
	} else {
		err = target.DefineDataProperty(s.key.name, value, goja.FLAG_TRUE, goja.FLAG_TRUE, enumerable)
	}
	if err != nil {
		p.throw(err)
	}
}
