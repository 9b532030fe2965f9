package engine

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/console"
	"glovebox/image/engine/intl"
	"glovebox/image/engine/polyfill"
	"glovebox/image/engine/regex"
	"glovebox/image/engine/values"
	"glovebox/image/engine/web"
	"glovebox/image/engine/web/native"
)

// builtin holds the built-in objects that the engine itself needs, taken before any script could replace
// them.
type builtin struct {
	promise        *goja.Object
	promiseResolve goja.Callable
	promiseThen    goja.Callable
	jsonParse      goja.Callable
	errors         map[string]goja.Constructor

	referenceErrorPrototype *goja.Object
	aggregateErrorPrototype *goja.Object

	asyncFunction, generatorFunction goja.Value

	nothing       goja.Value // a function that does nothing
	dynamicImport goja.Value
	require       goja.Value
	resolved      goja.Value // a promise that is fulfilled
}

var typePromise = reflect.TypeFor[*goja.Promise]()

// install makes everything that a script sees.
func (g *Goja) install() error {
	if err := g.capture(); err != nil {
		return err
	}
	g.encoder = values.NewEncoder(g.rt)
	g.installDenials()
	g.installTimers()
	g.installJSON()
	g.installStacks()
	global := g.rt.GlobalObject()
	g.builtin.require = native.Func(g.rt, "require", 1, g.require)
	g.builtin.dynamicImport = native.Func(g.rt, "import", 1, g.dynamicImport)
	native.Hidden(global, "require", g.builtin.require)
	native.Hidden(global, "global", global)
	g.rt.SetPromiseRejectionTracker(g.loop.track)
	g.rt.SetAsyncContextTracker(&g.awaits)
	g.awaits.rt = g.rt
	g.console = console.Install(g.rt, console.Options{Log: g.log, Now: g.clock.now, Stack: g.callerStack})
	g.installWeb()
	intl.Install(g.rt, intl.Options{Now: g.clock.now})
	regex.Install(g.rt)
	if err := errors.Join(g.limitNesting(), g.limitSizes()); err != nil {
		return err
	}
	// Last, since it adds only what is still missing.
	return polyfill.Install(g.rt)
}

// installWeb makes the globals that browsers have as well.
func (g *Goja) installWeb() {
	web.Install(g.rt, web.Options{Rand: &g.entropy, Now: g.clock.now, Elapsed: g.clock.elapsed,
		SetTimeout: g.setTimeout, Report: g.loop.report})
}

// capture takes hold of the built-ins.
func (g *Goja) capture() error {
	b, rt, global := &g.builtin, g.rt, g.rt.GlobalObject()
	// Functions of the two kinds that have no name: their constructors are found through them.
	v, err := rt.RunString(`[async function(){},function*(){},function(){}]`)
	if err != nil {
		return err
	}
	kinds := v.(*goja.Object)
	b.asyncFunction, b.generatorFunction, b.nothing = kinds.Get("0"), kinds.Get("1"), kinds.Get("2")
	prototype := func(class string) *goja.Object {
		p, missing := g.builtinObject(class + ".prototype")
		err = errors.Join(err, missing)
		return p
	}
	b.promise, _ = global.Get("Promise").(*goja.Object)
	b.promiseResolve, _ = goja.AssertFunction(b.promise.Get("resolve"))
	b.promiseThen, _ = goja.AssertFunction(prototype("Promise").Get("then"))
	b.jsonParse, _ = goja.AssertFunction(global.Get("JSON").(*goja.Object).Get("parse"))
	b.errors = make(map[string]goja.Constructor)
	for _, name := range [...]string{"Error", "SyntaxError", "RangeError"} {
		b.errors[name], _ = goja.AssertConstructor(global.Get(name))
	}
	b.referenceErrorPrototype = prototype("ReferenceError")
	b.aggregateErrorPrototype = prototype("AggregateError")
	if err != nil {
		return err
	}
	b.resolved, err = b.promiseResolve(b.promise, goja.Undefined())
	return err
}

// builtinObject finds a built-in object by its path from the global object.
func (g *Goja) builtinObject(path string) (*goja.Object, error) {
	o := g.rt.GlobalObject()
	for name := range strings.SplitSeq(path, ".") {
		inner, ok := o.Get(name).(*goja.Object)
		if !ok {
			return nil, fmt.Errorf("%s is not there", path)
		}
		o = inner
	}
	return o, nil
}

// newError makes an error of one of the kinds in builtin.errors, to be thrown.
func (g *Goja) newError(kind, message string) *goja.Object {
	o, err := g.builtin.errors[kind](nil, g.rt.ToValue(message))
	if err != nil {
		panic(err) // interrupted, or out of stack
	}
	return o
}

// microtask queues a function after those that wait already.
func (b *builtin) microtask(f goja.Value) {
	if _, err := b.promiseThen(b.resolved, f); err != nil {
		panic(err)
	}
}

// ignore handles a promise's rejection, by doing nothing.
func (b *builtin) ignore(promise *goja.Object) error {
	_, err := b.promiseThen(promise, b.nothing, b.nothing)
	return err
}

// installJSON replaces JSON.parse by one that stops when it is told to, that does not take down the process for a
// million brackets, and that keeps lone surrogates.
func (g *Goja) installJSON() {
	json := g.rt.GlobalObject().Get("JSON").(*goja.Object)
	native.Method(g.rt, json, "parse", 2, func(call goja.FunctionCall) goja.Value {
		return g.parseJSON(call)
	})
}

// maxParseDepth is how deep JSON.parse goes.
const maxParseDepth = 10_000

func (g *Goja) parseJSON(call goja.FunctionCall) goja.Value {
	argument := call.Argument(0)
	s, ok := argument.ToString().(goja.String)
	if !ok {
		panic(g.rt.NewTypeError("Cannot convert a Symbol value to a string"))
	}
	v, err := values.Decode(g.rt, s.String(), maxParseDepth, g.stopped)
	var syntax *values.DecodeError
	switch {
	case err == nil:
	case errors.As(err, &syntax):
		panic(g.newError("SyntaxError", err.Error()))
	case errors.Is(err, values.ErrTooDeep):
		panic(g.newError("RangeError", err.Error()))
	default:
		panic(err) // told to stop
	}
	if _, ok := goja.AssertFunction(call.Argument(1)); !ok {
		return v
	}
	v, err = g.builtin.jsonParse(goja.Undefined(), s, call.Argument(1))
	if err != nil {
		panic(err)
	}
	return v
}

// log passes on what the script prints.
func (g *Goja) log(level api.LogLevel, message string) {
	if g.program.Log != nil {
		g.program.Log(level, message)
	}
}

// callerStack writes where the script is, for console.trace.
func (g *Goja) callerStack() string {
	return strings.TrimPrefix(frameLines(g.rt.CaptureCallStack(0, nil)), "\n")
}

// installStacks gives Error what V8 has there, and what classes of errors call without asking.
func (g *Goja) installStacks() {
	object := g.rt.GlobalObject().Get("Error").(*goja.Object)
	native.Hidden(object, "stackTraceLimit", g.rt.ToValue(10))
	native.Method(g.rt, object, "captureStackTrace", 2, func(call goja.FunctionCall) goja.Value {
		o, ok := call.Argument(0).(*goja.Object)
		if !ok {
			panic(g.rt.NewTypeError("Error.captureStackTrace takes an object"))
		}
		if o.ClassName() != classError { // an error has its stack
			native.Hidden(o, "stack", g.rt.ToValue("Error"+frameLines(g.rt.CaptureCallStack(0, nil))))
		}
		return goja.Undefined()
	})
}
