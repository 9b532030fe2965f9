package native

import "github.com/dop251/goja"

// classSource makes one class whose instances hold a value that the script cannot reach, and the
// function that reads it. A class of the language itself refuses to be called without `new`, can be
// extended, and keeps private state in the object, where it dies with it: nothing that goja lets a
// host define does all three.
const classSource = `(init, Base) => {
	let read;
	const C = Base === undefined
		? class { #state; constructor(...args) { this.#state = init(...args) } static { read = (o) => #state in o ? o.#state : undefined } }
		: class extends Base { #state; constructor(...args) { super(...args); this.#state = init(...args) } static { read = (o) => #state in o ? o.#state : undefined } };
	return [C, read];
}`

// Classes makes the classes of one runtime.
type Classes struct {
	rt      *goja.Runtime
	factory func(goja.FunctionCall) goja.Value
}

// NewClasses returns a maker of classes. It compiles nothing until the first class is made.
func NewClasses(rt *goja.Runtime) *Classes { return &Classes{rt: rt} }

// A Class is one class of the script's, with state of type S, a pointer to a struct without exported
// fields or methods, behind each instance.
type Class[S any] struct {
	Constructor, Prototype *goja.Object

	rt      *goja.Runtime
	name    string
	read    func(goja.FunctionCall) goja.Value
	pending *S // what New gives to the constructor
}

// A Spec says what a class is.
type Spec[S any] struct {
	Name    string
	Length  int
	Extends *goja.Object // the constructor of the class that is extended; nil for none
	// Construct makes the state of an instance from the arguments, or throws by panicking with a
	// goja.Value. nil means that a script cannot construct the class.
	Construct func(args []goja.Value) S
}

// NewClass makes a class with nothing on its prototype but the tag.
func NewClass[S any](k *Classes, spec Spec[S]) *Class[S] {
	if k.factory == nil {
		p, err := goja.Compile("native", classSource, true)
		if err != nil {
			panic(err) // the source is ours
		}
		v, err := k.rt.RunProgram(p)
		if err != nil {
			panic(err)
		}
		k.factory = v.Export().(func(goja.FunctionCall) goja.Value)
	}
	c := &Class[S]{rt: k.rt, name: spec.Name}
	init := k.rt.ToValue(func(call goja.FunctionCall) goja.Value {
		if c.pending != nil {
			state := *c.pending
			c.pending = nil
			return k.rt.ToValue(state)
		}
		if spec.Construct == nil {
			panic(k.rt.NewTypeError("Illegal constructor"))
		}
		return k.rt.ToValue(spec.Construct(call.Arguments))
	})
	args := []goja.Value{init}
	if spec.Extends != nil {
		args = append(args, spec.Extends)
	}
	pair := k.factory(goja.FunctionCall{This: goja.Undefined(), Arguments: args}).(*goja.Object)
	c.Constructor = pair.Get("0").(*goja.Object)
	c.read = pair.Get("1").Export().(func(goja.FunctionCall) goja.Value)
	c.Prototype = c.Constructor.Get("prototype").(*goja.Object)
	rename(k.rt, c.Constructor, spec.Name, spec.Length)
	Tag(k.rt, c.Prototype, spec.Name)
	return c
}

// State returns the state behind a value; ok is false where it is not an instance of the class. It
// runs none of the script's code.
func (c *Class[S]) State(v goja.Value) (state S, ok bool) {
	o, isObject := v.(*goja.Object)
	if !isObject {
		return state, false
	}
	held, isObject := c.read(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{o}}).(*goja.Object)
	if !isObject {
		return state, false
	}
	state, ok = held.Export().(S)
	return state, ok
}

// This returns the state behind the receiver of a call, and throws a TypeError where the method was
// taken to another object.
func (c *Class[S]) This(call goja.FunctionCall) S {
	state, ok := c.State(call.This)
	if !ok {
		panic(c.rt.NewTypeError("Illegal invocation: this is not an instance of " + c.name))
	}
	return state
}

// New makes an instance around a state, whether a script may construct the class or not.
func (c *Class[S]) New(state S) *goja.Object {
	c.pending = &state
	defer func() { c.pending = nil }()
	o, err := c.rt.New(c.Constructor)
	if err != nil {
		panic(err)
	}
	return o
}

// NewOf makes an instance of a class that extends c and has the same state, which is seen through
// both.
func (c *Class[S]) NewOf(derived *Class[S], state S) *goja.Object {
	c.pending = &state
	defer func() { c.pending = nil }()
	return derived.New(state)
}

// Method defines a method that is given the state behind its receiver.
func (c *Class[S]) Method(name string, length int, call func(state S, call goja.FunctionCall) goja.Value) {
	Method(c.rt, c.Prototype, name, length, func(f goja.FunctionCall) goja.Value { return call(c.This(f), f) })
}

// Getter defines an accessor that is given the state behind its receiver.
func (c *Class[S]) Getter(name string, get func(state S) goja.Value) {
	Accessor(c.rt, c.Prototype, name, func(f goja.FunctionCall) goja.Value { return get(c.This(f)) }, nil)
}
