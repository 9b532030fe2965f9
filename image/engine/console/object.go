package console

import (
	"math"
	"strconv"

	"github.com/dop251/goja"
	"github.com/dop251/goja/unistring"
)

// A key names a property: a symbol, or a string. exact holds the string where Go text cannot (a lone
// surrogate in it).
type key struct {
	text   string
	exact  goja.String
	symbol *goja.Symbol
}

// A prop is one own property, read without running a getter.
type prop struct {
	slot
	value goja.Value // undefined for an accessor
}

// A reader looks at objects without running any of the script's code: no getter, no trap of a proxy,
// no conversion. It holds the few built-ins that it needs as they were before the script began.
type reader struct {
	rt *goja.Runtime
	*internals
	objectProto, functionProto, errorProto *goja.Object
	descriptor, names, symbols, enumerable func(goja.FunctionCall) goja.Value
	// firstNames lists the first names of an object that has very many; compiled when first needed.
	firstNames goja.Callable
}

func newReader(rt *goja.Runtime) *reader {
	object := rt.Get("Object").(*goja.Object)
	native := func(name string) func(goja.FunctionCall) goja.Value {
		return object.Get(name).Export().(func(goja.FunctionCall) goja.Value)
	}
	proto := func(of string) *goja.Object {
		return rt.Get(of).(*goja.Object).Get("prototype").(*goja.Object)
	}
	return &reader{
		rt: rt, internals: newInternals(),
		objectProto: proto("Object"), functionProto: proto("Function"), errorProto: proto("Error"),
		descriptor: native("getOwnPropertyDescriptor"), names: native("getOwnPropertyNames"),
		symbols: native("getOwnPropertySymbols"), enumerable: native("keys"),
	}
}

// bare takes proxies off an object; nil means that one of them was revoked, or that they are too
// many.
func (r *reader) bare(o *goja.Object) *goja.Object {
	for depth := 0; r.kindOf(o) == kindProxy; depth++ {
		p, ok := o.Export().(goja.Proxy)
		if !ok || p.Target() == nil || depth > maxNesting {
			return nil
		}
		o = p.Target()
	}
	return o
}

// parent returns the object's prototype, nil at the end of the chain. A proxy on the way stands for
// its target.
func (r *reader) parent(o *goja.Object) *goja.Object {
	p := o.Prototype()
	if p == nil {
		return nil
	}
	return r.bare(p)
}

// own reads an own property; exists is false where there is none. o is not a proxy.
func (r *reader) own(o *goja.Object, k key) prop {
	if k.symbol == nil && k.exact == nil {
		if s, known := r.slot(o, unistring.NewFromString(k.text)); known {
			p := prop{slot: s, value: goja.Undefined()}
			if s.exists && !s.accessor() {
				p.value = orUndefined(o.Get(k.text))
			}
			return p
		}
	}
	var name goja.Value = k.symbol
	if k.symbol == nil {
		name = r.name(k)
		if k.text == "stack" && !r.stackIsSafe(o) {
			return prop{value: goja.Undefined()}
		}
	}
	d, ok := r.descriptor(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{o, name}}).(*goja.Object)
	if !ok {
		return prop{value: goja.Undefined()}
	}
	_ = d.SetPrototype(nil) // so that what it lacks is not found on Object.prototype
	p := prop{value: orUndefined(d.Get("value"))}
	p.exists = true
	p.enumerable = d.Get("enumerable").ToBoolean()
	p.getter, p.setter = isObject(d.Get("get")), isObject(d.Get("set"))
	return p
}

// name returns the string that a key is; k is not a symbol.
func (r *reader) name(k key) goja.String {
	if k.exact != nil {
		return k.exact
	}
	return r.rt.ToValue(k.text).(goja.String)
}

func orUndefined(v goja.Value) goja.Value {
	if v == nil {
		return goja.Undefined()
	}
	return v
}

func isObject(v goja.Value) bool {
	_, ok := v.(*goja.Object)
	return ok
}

// find looks a property up along the chain of prototypes. A property that is an accessor is found
// with the value undefined.
func (r *reader) find(o *goja.Object, k key) prop {
	for depth := 0; o != nil && depth < maxNesting; depth++ {
		if p := r.own(o, k); p.exists {
			return p
		}
		o = r.parent(o)
	}
	return prop{value: goja.Undefined()}
}

// keys lists own properties: the enumerable ones, or all. Of an object with more than limit of them,
// the first limit enumerable ones.
func (r *reader) keys(o *goja.Object, all bool, limit int) []key {
	if r.kindOf(o) == kindError && !r.stackIsSafe(o) {
		return r.extraKeys(o, all, limit)
	}
	var list []key
	if r.ownCount(o) > limit {
		for _, s := range r.namesUpTo(o, limit) {
			list = append(list, key{text: s})
		}
	} else {
		names, lossy := o.Keys, false
		if all {
			names = o.GetOwnPropertyNames
		}
		for _, s := range names() {
			list = append(list, key{text: s})
			lossy = lossy || hasReplacement(s)
		}
		if lossy {
			list = r.exactKeys(o, all)
		}
	}
	return append(list, r.symbolKeys(o, all)...)
}

func (r *reader) symbolKeys(o *goja.Object, all bool) (list []key) {
	if !all {
		for _, s := range o.Symbols() {
			list = append(list, key{symbol: s})
		}
		return list
	}
	for _, v := range r.elements(r.symbols(goja.FunctionCall{Arguments: []goja.Value{o}})) {
		if s, ok := v.(*goja.Symbol); ok {
			list = append(list, key{symbol: s})
		}
	}
	return list
}

// exactKeys lists names that Go text cannot hold.
func (r *reader) exactKeys(o *goja.Object, all bool) (list []key) {
	get := r.enumerable
	if all {
		get = r.names
	}
	for _, v := range r.elements(get(goja.FunctionCall{Arguments: []goja.Value{o}})) {
		k := key{text: v.String()}
		if s, ok := asString(v); ok && hasReplacement(k.text) {
			k.exact = s
		}
		list = append(list, k)
	}
	return list
}

// elements returns the elements of a list that a built-in has just made.
func (r *reader) elements(v goja.Value) []goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	list := make([]goja.Value, o.Get("length").ToInteger())
	for i := range list {
		list[i] = orUndefined(o.Get(strconv.Itoa(i)))
	}
	return list
}

// extraKeys lists the own properties of an array-like object that are not its elements.
func (r *reader) extraKeys(o *goja.Object, all bool, limit int) []key {
	var list []key
	if names, ok := r.extraNames(o, limit); ok {
		for _, raw := range names {
			k := key{text: raw.String()}
			if u := raw.AsUtf16(); u != nil && hasReplacement(k.text) {
				k.exact = goja.StringFromUTF16(u[1:])
			}
			if all || r.own(o, k).enumerable {
				list = append(list, k)
			}
		}
		return append(list, r.symbolKeys(o, all)...)
	}
	for _, k := range r.keys(o, all, limit) {
		if k.symbol != nil || !isIndex(k.text) {
			list = append(list, k)
		}
	}
	return list
}

// isIndex reports whether the name is an array index.
func isIndex(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n < math.MaxUint32 && (s == "0" || s[0] != '0' && s[0] != '+')
}

func hasReplacement(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == 0xEF && s[i+1] == 0xBF && s[i+2] == 0xBD {
			return true
		}
	}
	return false
}

// namesUpTo lists the first names of an object that has more than anybody can print. `for in` is the
// one way that goja has to list without listing all; own names come first in it.
func (r *reader) namesUpTo(o *goja.Object, limit int) []string {
	if r.firstNames == nil {
		const src = `(function (o, n) { const a = []; for (const k in o) { if (a.length >= n) break; a[a.length] = k } return a })`
		p, err := goja.Compile("", src, true)
		if err != nil {
			return nil
		}
		v, err := r.rt.RunProgram(p)
		if err != nil {
			return nil
		}
		r.firstNames, _ = goja.AssertFunction(v)
	}
	v, err := r.firstNames(goja.Undefined(), o, r.rt.ToValue(limit))
	if err != nil {
		panic(err)
	}
	var list []string
	for _, e := range r.elements(v) {
		list = append(list, e.String())
	}
	return list
}

// prototypeOf returns the prototype of a built-in class by the class's global name; nil where the
// script has made something else of it.
func (r *reader) prototypeOf(class string) *goja.Object {
	ctor, ok := r.own(r.rt.GlobalObject(), key{text: class}).value.(*goja.Object)
	if !ok || r.kindOf(ctor) == kindProxy {
		return nil
	}
	proto, _ := r.own(ctor, key{text: "prototype"}).value.(*goja.Object)
	if proto == nil || r.kindOf(proto) == kindProxy {
		return nil
	}
	return proto
}

// nativeOn finds the built-in function of that name on the object and its prototypes: that of the
// property's getter where getter is set. It passes over what the script has put there.
func (r *reader) nativeOn(o *goja.Object, name string, getter bool) func(goja.FunctionCall) goja.Value {
	for ; o != nil; o = r.parent(o) {
		d, ok := r.descriptor(goja.FunctionCall{Arguments: []goja.Value{o, r.rt.ToValue(name)}}).(*goja.Object)
		if !ok {
			continue
		}
		_ = d.SetPrototype(nil)
		field := "value"
		if getter {
			field = "get"
		}
		fn, ok := d.Get(field).(*goja.Object)
		if !ok {
			continue
		}
		if v, _, ok := r.impl(fn); !ok || v.Type().Name() != "nativeFuncObject" {
			continue
		}
		if call, ok := fn.Export().(func(goja.FunctionCall) goja.Value); ok {
			return call
		}
	}
	return nil
}
