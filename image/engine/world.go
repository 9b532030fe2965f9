package engine

import (
	"slices"
	"strconv"

	"github.com/dop251/goja"
)

// A world is what a library may look at as it is made: the built-ins, as they were once. It holds the own properties and
// the prototype of the global object and of every constructor, prototype and namespace that can be reached from it. The own
// properties of functions that construct nothing are left out: they are half of all, and no library looks there.
type world struct {
	describe  func(goja.FunctionCall) goja.Value // Object.getOwnPropertyDescriptor
	symbols   func(goja.FunctionCall) goja.Value // Object.getOwnPropertySymbols; goja's own list has no hidden ones
	witnesses []witness
}

// A witness is one object with what it had.
type witness struct {
	object, prototype *goja.Object
	keys              []goja.Value
	properties        []property // of the keys, in their order
}

// A property is a descriptor. Of value, getter and setter those are nil that it lacks.
type property struct {
	value, getter, setter              goja.Value
	writable, enumerable, configurable bool
}

// hiddenRoots evaluates to objects whose prototypes no property of the global object leads to.
const hiddenRoots = `[[].values(),new Map().values(),new Set().values(),""[Symbol.iterator](),"".matchAll(/a/g),function*(){},(function*(){})(),async function(){}]`

// newWorld looks at all built-ins. No script may have run.
func newWorld(rt *goja.Runtime) (*world, error) {
	w, err := newBlankWorld(rt)
	if err != nil {
		return nil, err
	}
	hidden, err := rt.RunString(hiddenRoots)
	if err != nil {
		return nil, err
	}
	global := rt.GlobalObject()
	roots := []*goja.Object{global}
	rt.ForOf(hidden, func(v goja.Value) bool {
		roots = append(roots, v.(*goja.Object).Prototype())
		return true
	})
	known := make(map[*goja.Object]struct{})
	for len(roots) > 0 {
		o := roots[len(roots)-1]
		roots = roots[:len(roots)-1]
		if _, ok := known[o]; ok {
			continue
		}
		known[o] = struct{}{}
		seen := witness{object: o, prototype: o.Prototype(), keys: w.keys(rt, o)}
		if seen.prototype != nil {
			roots = append(roots, seen.prototype)
		}
		for _, key := range seen.keys {
			p := w.property(o, key)
			seen.properties = append(seen.properties, p)
			if inner, ok := p.value.(*goja.Object); ok && (inner.ClassName() != "Function" || isConstructor(inner)) {
				roots = append(roots, inner)
			}
		}
		w.witnesses = append(w.witnesses, seen)
	}
	return w, nil
}

// newBlankWorld returns one that has looked at nothing.
func newBlankWorld(rt *goja.Runtime) (*world, error) {
	object, _ := rt.GlobalObject().Get("Object").(*goja.Object)
	describe, _, err := rawNative(object, "Object", "getOwnPropertyDescriptor")
	if err != nil {
		return nil, err
	}
	symbols, _, err := rawNative(object, "Object", "getOwnPropertySymbols")
	return &world{describe: describe, symbols: symbols}, err
}

func isConstructor(o *goja.Object) bool {
	return slices.Contains(o.GetOwnPropertyNames(), "prototype")
}

// keys lists an object's own keys, without the globals that a program gets before it runs.
func (w *world) keys(rt *goja.Runtime, o *goja.Object) []goja.Value {
	names := o.GetOwnPropertyNames()
	keys := make([]goja.Value, 0, len(names)+2)
	for _, name := range names {
		if o != rt.GlobalObject() || name != "input" && name != "output" {
			keys = append(keys, rt.ToValue(name))
		}
	}
	symbols, _ := w.symbols(goja.FunctionCall{Arguments: []goja.Value{o}}).(*goja.Object)
	for i := range int(symbols.Get("length").ToInteger()) {
		keys = append(keys, symbols.Get(strconv.Itoa(i)))
	}
	return keys
}

// property reads a descriptor. It runs nothing of the script's unless the object is a proxy, which no built-in is.
func (w *world) property(o *goja.Object, key goja.Value) property {
	d, ok := w.describe(goja.FunctionCall{Arguments: []goja.Value{o, key}}).(*goja.Object)
	if !ok {
		return property{}
	}
	is := func(flag string) bool {
		v := d.Get(flag)
		return v != nil && v.ToBoolean()
	}
	return property{d.Get("value"), d.Get("get"), d.Get("set"), is("writable"), is("enumerable"), is("configurable")}
}

// untouched reports whether everything is as it was.
func (w *world) untouched(rt *goja.Runtime) bool {
	for i := range w.witnesses {
		seen := &w.witnesses[i]
		if seen.object.Prototype() != seen.prototype || !slices.EqualFunc(w.keys(rt, seen.object), seen.keys, same) {
			return false
		}
		for j, key := range seen.keys {
			if !seen.properties[j].equal(w.property(seen.object, key)) {
				return false
			}
		}
	}
	return true
}

func (p property) equal(q property) bool {
	return p.writable == q.writable && p.enumerable == q.enumerable && p.configurable == q.configurable &&
		same(p.value, q.value) && same(p.getter, q.getter) && same(p.setter, q.setter)
}

func same(a, b goja.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.SameAs(b)
}
