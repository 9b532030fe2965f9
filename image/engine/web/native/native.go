// Package native makes what a script takes for built-ins out of Go functions: functions with the
// right name and length, methods that do not enumerate, globals that come into being when they are
// first touched, and classes with private state.
//
// goja's own ToValue names a function after its Go symbol, which would tell a script how the host is
// built, and its native constructors cannot tell `new C()` from `C()`. Everything here belongs to
// one goja.Runtime and is used on the goroutine that runs it.
package native

import "github.com/dop251/goja"

// A Call is the Go body of a function that a script can call. It throws by panicking with a
// goja.Value, such as what Runtime.NewTypeError returns.
type Call = func(goja.FunctionCall) goja.Value

// Func returns a function with the given name and length.
func Func(rt *goja.Runtime, name string, length int, call Call) *goja.Object {
	fn := rt.ToValue(call).(*goja.Object)
	rename(rt, fn, name, length)
	return fn
}

// rename sets what every function has: both properties are configurable, so this cannot fail.
func rename(rt *goja.Runtime, fn *goja.Object, name string, length int) {
	_ = fn.DefineDataProperty("name", rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	if length != 0 {
		_ = fn.DefineDataProperty("length", rt.ToValue(length), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	}
}

// Method defines a method on the object, as classes do: writable, configurable, not enumerable.
func Method(rt *goja.Runtime, on *goja.Object, name string, length int, call Call) {
	Hidden(on, name, Func(rt, name, length, call))
}

// Hidden defines a value on the object that is writable and configurable and does not enumerate.
func Hidden(on *goja.Object, name string, v goja.Value) {
	define(on.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// Constant defines a value on the object that a script can neither write nor delete.
func Constant(on *goja.Object, name string, v goja.Value) {
	define(on.DefineDataProperty(name, v, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_TRUE))
}

// Accessor defines a getter, and a setter where set is not nil, that do not enumerate.
func Accessor(rt *goja.Runtime, on *goja.Object, name string, get, set Call) {
	var setter goja.Value
	if set != nil {
		setter = Func(rt, "set "+name, 1, set)
	}
	define(on.DefineAccessorProperty(name, Func(rt, "get "+name, 0, get), setter, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// Tag sets Symbol.toStringTag, as built-ins have it.
func Tag(rt *goja.Runtime, on *goja.Object, tag string) {
	define(on.DefineDataPropertySymbol(goja.SymToStringTag, rt.ToValue(tag), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// Lazy defines a global that is made when a script first reads it, so that a global which nobody
// uses costs next to nothing. Writing to it, reading it, or declaring it replaces the accessor by a
// plain property. The value is made once.
func Lazy(rt *goja.Runtime, name string, makeValue func() goja.Value) {
	global := rt.GlobalObject()
	settle := func(v goja.Value) { Hidden(global, name, v) }
	Accessor(rt, global, name,
		func(goja.FunctionCall) goja.Value {
			v := makeValue()
			settle(v)
			return v
		},
		func(call goja.FunctionCall) goja.Value {
			settle(call.Argument(0))
			return goja.Undefined()
		})
}

// define turns a refused definition into an exception: it means that the object was frozen, or the
// property taken, before we came.
func define(err error) {
	if err != nil {
		panic(err)
	}
}
