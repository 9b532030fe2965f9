package engine

import (
	"math"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// delayOf reads a delay as Node does: what is no number between 1 and 2^31−1 is 1.
func delayOf(v goja.Value) int64 {
	f := v.ToFloat()
	if !(f >= 1 && f <= math.MaxInt32) {
		return 1
	}
	return int64(f)
}

// installTimers makes the globals of the event loop.
func (g *Goja) installTimers() {
	rt, global := g.rt, g.rt.GlobalObject()
	timeouts := g.timerPrototype("Timeout")
	immediates := g.timerPrototype("Immediate")
	starter := func(name string, prototype *goja.Object, repeat, immediate bool) {
		native.Method(rt, global, name, 1, func(call goja.FunctionCall) goja.Value {
			t := &timer{call: g.callback(name, call.Argument(0)), immediate: immediate}
			rest := 1
			if !immediate {
				t.delay, rest = delayOf(call.Argument(1)), 2
			}
			if repeat {
				t.every = t.delay
			}
			if len(call.Arguments) > rest {
				t.arguments = call.Arguments[rest:]
			}
			t.object = rt.CreateObject(prototype)
			g.loop.add(t)
			return t.object
		})
	}
	starter("setTimeout", timeouts, false, false)
	starter("setInterval", timeouts, true, false)
	starter("setImmediate", immediates, false, true)
	for _, name := range [...]string{"clearTimeout", "clearInterval", "clearImmediate"} {
		native.Method(rt, global, name, 1, func(call goja.FunctionCall) goja.Value {
			if t := g.timerOf(call.Argument(0)); t != nil {
				g.loop.remove(t)
			}
			return goja.Undefined()
		})
	}
	native.Method(rt, global, "queueMicrotask", 1, func(call goja.FunctionCall) goja.Value {
		g.callback("queueMicrotask", call.Argument(0))
		g.builtin.microtask(call.Argument(0))
		return goja.Undefined()
	})
}

// callback returns the function that a timer is to call. A string, which would be code, is refused as
// eval is.
func (g *Goja) callback(name string, v goja.Value) goja.Callable {
	if call, ok := goja.AssertFunction(v); ok {
		return call
	}
	if _, ok := v.(goja.String); ok {
		panic(g.deny("eval", name+" takes a function: code in a string is not run in a box"))
	}
	panic(g.rt.NewTypeError("%s: the callback must be a function", name))
}

// timerOf returns the timer that a handle, or its number, stands for.
func (g *Goja) timerOf(v goja.Value) *timer {
	switch v := v.(type) {
	case *goja.Object:
		return g.loop.objects[v]
	case goja.String:
		return nil
	}
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	if _, isSymbol := v.(*goja.Symbol); isSymbol {
		return nil
	}
	return g.loop.byID[v.ToInteger()]
}

// timerPrototype makes what the handles of timers inherit from, as in Node.
func (g *Goja) timerPrototype(class string) *goja.Object {
	rt := g.rt
	p := rt.NewObject()
	native.Tag(rt, p, class)
	method := func(name string, f func(*timer)) {
		native.Method(rt, p, name, 0, func(call goja.FunctionCall) goja.Value {
			if t := g.timerOf(call.This); t != nil {
				f(t)
			}
			return call.This
		})
	}
	method("ref", func(t *timer) { g.loop.setRef(t, true) })
	method("unref", func(t *timer) { g.loop.setRef(t, false) })
	method("refresh", g.loop.schedule)
	method("close", g.loop.remove)
	native.Method(rt, p, "hasRef", 0, func(call goja.FunctionCall) goja.Value {
		t := g.timerOf(call.This)
		return rt.ToValue(t != nil && !t.unref)
	})
	toPrimitive := native.Func(rt, "[Symbol.toPrimitive]", 0, func(call goja.FunctionCall) goja.Value {
		if t := g.timerOf(call.This); t != nil {
			return rt.ToValue(t.id)
		}
		return rt.ToValue(0)
	})
	_ = p.DefineDataPropertySymbol(goja.SymToPrimitive, toPrimitive, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	return p
}
