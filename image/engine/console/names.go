package console

import (
	"github.com/dop251/goja"
)

// dataString returns a data property of the object or its prototypes where it is a string.
func (p *printer) dataString(o *goja.Object, name string) (string, bool) {
	pr := p.find(o, key{text: name})
	if s, ok := asString(pr.value); ok {
		return stringOf(s, p.limit), true
	}
	return "", false
}

// tag returns Symbol.toStringTag where it is a plain string and not printed as a property anyway.
// A getter isn't run; that of typed arrays, which is goja's own, is known to say the class.
func (p *printer) tag(o *goja.Object) string {
	if own := p.own(o, key{symbol: goja.SymToStringTag}); own.exists {
		if s, ok := asString(own.value); ok && !own.enumerable && !p.showHidden {
			return stringOf(s, p.limit)
		}
		return ""
	}
	proto := p.parent(o)
	if proto == nil {
		return ""
	}
	tag, ok := p.tags[proto]
	if !ok {
		pr := p.find(proto, key{symbol: goja.SymToStringTag})
		if s, ok := asString(pr.value); ok {
			tag = stringOf(s, p.limit)
		} else if pr.getter && p.kindOf(o) == kindTypedArray {
			tag = p.typedArrayName(o)
		}
		p.tags[proto] = tag
	}
	return tag
}

// constructorName returns what the object's class is called; isNull is true where it has none,
// because its chain of prototypes is empty.
func (p *printer) constructorName(o *goja.Object, depth int) (name string, isNull bool) {
	proto := p.parent(o)
	own := p.own(o, key{text: "constructor"})
	if own.exists {
		if name := p.nameOfConstructor(own, o); name != "" {
			return name, false
		}
	}
	if proto == nil {
		return "", true
	}
	name, ok := p.names[proto]
	if !ok {
		name = p.nameFromChain(o, proto)
		p.names[proto] = name
	}
	if name != "" {
		return name, false
	}
	base := className(p.kindOf(o))
	if depth > p.depth || depth > maxNesting {
		return base + " <Complex prototype>", false
	}
	name, isNull = p.constructorName(proto, depth+1)
	if !isNull {
		return base + " <" + name + ">", false
	}
	was := *p
	p.depth, p.indent = -1, 0
	text := p.value(proto, 0)
	p.settings, p.indent = was.settings, was.indent
	return base + " <" + text + ">", false
}

// nameFromChain looks for a constructor along the prototypes, the empty string where there is none.
func (p *printer) nameFromChain(o, proto *goja.Object) string {
	for at, depth := proto, 0; at != nil && depth < maxNesting; at, depth = p.parent(at), depth+1 {
		switch at {
		case p.objectProto:
			return "Object"
		case p.functionProto:
			return "Function"
		}
		if name := p.nameOfConstructor(p.own(at, key{text: "constructor"}), o); name != "" {
			return name
		}
	}
	return ""
}

// nameOfConstructor returns the name of the function in a property `constructor`, where o is an
// instance of it.
func (p *printer) nameOfConstructor(pr prop, o *goja.Object) string {
	fn, ok := pr.value.(*goja.Object)
	if !ok || !pr.exists {
		return ""
	}
	if fn = p.bare(fn); fn == nil || !p.isFunction(fn) {
		return ""
	}
	name, ok := p.dataString(fn, "name")
	if !ok || name == "" {
		return ""
	}
	proto, ok := p.find(fn, key{text: "prototype"}).value.(*goja.Object)
	if !ok {
		return ""
	}
	proto = p.bare(proto)
	for at, depth := p.parent(o), 0; at != nil && depth < maxNesting; at, depth = p.parent(at), depth+1 {
		if at == proto {
			return name
		}
	}
	return ""
}

func (r *reader) isFunction(o *goja.Object) bool {
	switch r.kindOf(o) {
	case kindFunction, kindClass, kindAsyncFunction, kindGeneratorFunction:
		return true
	}
	return false
}

// functionBase prints a function or a class.
func (p *printer) functionBase(o *goja.Object, k kind, ctor string, isNull bool, tag string) string {
	name, _ := p.dataString(o, "name")
	if k == kindClass {
		return p.classBase(o, ctor, isNull, tag)
	}
	kind := "Function"
	switch k {
	case kindAsyncFunction:
		kind = "AsyncFunction"
	case kindGeneratorFunction:
		kind = "GeneratorFunction"
	}
	base := "[" + kind
	if isNull {
		base += " (null prototype)"
	}
	if name == "" {
		base += " (anonymous)]"
	} else {
		base += ": " + name + "]"
	}
	// The host takes the constructors of functions away, and goja gives async methods none.
	if ctor == "Function" && !isNull {
		ctor = kind
	}
	if ctor != kind && !isNull {
		base += " " + ctor
	}
	if tag != "" && tag != ctor {
		base += " [" + tag + "]"
	}
	return base
}

func (p *printer) classBase(o *goja.Object, ctor string, isNull bool, tag string) string {
	name, _ := asString(p.own(o, key{text: "name"}).value)
	base := "class (anonymous)"
	if name != nil && name.Length() > 0 {
		base = "class " + stringOf(name, p.limit)
	}
	if ctor != "Function" && !isNull {
		base += " [" + ctor + "]"
	}
	if tag != "" && tag != ctor {
		base += " [" + tag + "]"
	}
	if isNull {
		return "[" + base + " extends [null prototype]]"
	}
	if super := p.parent(o); super != nil {
		if name, ok := p.dataString(super, "name"); ok && name != "" {
			base += " extends " + name
		}
	}
	return "[" + base + "]"
}

// prototypeProperties prints, for showHidden, the data properties of the script's own classes, up to
// three of them, stopping at what is built in.
func (p *printer) prototypeProperties(o *goja.Object, depth int) []string {
	if own := p.own(o, key{text: "constructor"}); own.exists && p.nameOfConstructor(own, o) != "" {
		return nil
	}
	var out []string
	above := map[string]bool{}
	p.open = append(p.open, o)
	for layer, at := 0, p.parent(o); layer < 3 && at != nil; layer, at = layer+1, p.parent(at) {
		if fn, ok := p.own(at, key{text: "constructor"}).value.(*goja.Object); ok {
			if name, _ := p.dataString(fn, "name"); isBuiltIn(name) {
				break
			}
		}
		keys := p.keys(at, true, p.limit/4)
		for _, k := range keys {
			if k.text == "constructor" && k.symbol == nil || p.own(o, k).exists || k.symbol == nil && above[k.text] {
				continue
			}
			pr := p.own(at, k)
			if fn, ok := pr.value.(*goja.Object); ok && p.kindOf(fn) != kindProxy && p.isFunction(fn) {
				continue
			}
			out = append(out, p.propertyOf(pr, k, depth, asProperties))
		}
		for _, k := range keys {
			above[k.text] = true
		}
	}
	p.open = p.open[:len(p.open)-1]
	return out
}

// isBuiltIn reports whether a constructor of that name is a global of the language or of the host.
func isBuiltIn(name string) bool {
	switch name {
	case "Object", "Function", "Array", "Number", "Boolean", "String", "Symbol", "Date", "Promise", "RegExp", "Error",
		"AggregateError", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError",
		"ArrayBuffer", "Uint8Array", "Int8Array", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array",
		"Float32Array", "Float64Array", "Uint8ClampedArray", "BigUint64Array", "BigInt64Array", "DataView", "Map",
		"BigInt", "Set", "WeakMap", "WeakSet", "WeakRef", "Proxy", "Iterator", "FinalizationRegistry", "AbortController",
		"AbortSignal", "Event", "EventTarget", "CustomEvent", "TextEncoder", "TextDecoder", "URL", "URLSearchParams",
		"DOMException", "Crypto", "Performance":
		return true
	}
	return false
}
