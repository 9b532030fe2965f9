package engine

import (
	"runtime"
	"sync"
	"weak"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// brands remembers which error objects the engine made to say that something is forbidden. The set
// lives in Go: a script can copy every property of such an error and still not make another. It holds
// the objects weakly, so that a script that catches a million of them keeps none.
type brands struct {
	mu  sync.Mutex // the cleanups of collected objects run on another goroutine
	set map[weak.Pointer[goja.Object]]struct{}
}

func (b *brands) add(o *goja.Object) {
	p := weak.Make(o)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.set == nil {
		b.set = make(map[weak.Pointer[goja.Object]]struct{})
	}
	b.set[p] = struct{}{}
	runtime.AddCleanup(o, b.drop, p)
}

func (b *brands) drop(p weak.Pointer[goja.Object]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.set, p)
}

func (b *brands) has(o *goja.Object) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.set[weak.Make(o)]
	return ok
}

// deny returns an error to be thrown: one that a script can catch, and that ends it with SECURITY_ERROR
// where it does not. what names the thing that was asked for, as the error's property `denied`.
func (g *Goja) deny(what, message string) *goja.Object {
	o := g.newError("Error", message)
	native.Hidden(o, "name", g.rt.ToValue("SecurityError"))
	native.Hidden(o, "denied", g.rt.ToValue(what))
	g.brands.add(o)
	return o
}

// installDenials takes away every road to code that is made from text. What is left in its place can be
// called and constructed, and throws.
func (g *Goja) installDenials() {
	global := g.rt.GlobalObject()
	refuse := func(name string, length int) *goja.Object {
		fn := g.rt.ToValue(func(goja.ConstructorCall) *goja.Object {
			panic(g.deny(name, name+" is off: a box runs the code that it was given, and none that is made from text"))
		}).(*goja.Object)
		_ = fn.DefineDataProperty("name", g.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
		_ = fn.DefineDataProperty("length", g.rt.ToValue(length), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE)
		return fn
	}
	native.Hidden(global, "eval", native.Func(g.rt, "eval", 1, func(goja.FunctionCall) goja.Value {
		panic(g.deny("eval", "eval is off: a box runs the code that it was given, and none that is made from text"))
	}))
	for _, kind := range [...]struct {
		name     string
		instance goja.Value
	}{
		{"Function", global.Get("Function")},
		{"AsyncFunction", g.builtin.asyncFunction},
		{"GeneratorFunction", g.builtin.generatorFunction},
	} {
		prototype := kind.instance.(*goja.Object).Prototype()
		constructor := refuse(kind.name, 1)
		// instanceof goes by the prototype, so functions stay instances of Function.
		_ = constructor.DefineDataProperty("prototype", prototype, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
		if kind.name == "Function" {
			native.Hidden(global, kind.name, constructor)
		} else {
			_ = constructor.SetPrototype(global.Get("Function").(*goja.Object))
		}
		_ = prototype.DefineDataProperty("constructor", constructor, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	}
}

// absentNames are the globals of other hosts that a script may expect here and that say, when they are
// used, why they are not there. Asking for them with typeof, or as members of globalThis, gives undefined.
func absentNames() []string {
	return []string{
		"process", "fetch", "XMLHttpRequest", "WebSocket", "EventSource", "Worker", "SharedWorker", "importScripts",
		"Deno", "Bun", "indexedDB", "localStorage", "sessionStorage", "RTCPeerConnection", "WebTransport", "ShadowRealm",
	}
}

// whyAbsent says why a global is not there.
func whyAbsent(name string) string {
	switch name {
	case "process", "Deno", "Bun":
		return name + " is not available: a box shows a script nothing of its process, its environment or its host"
	case "Worker", "SharedWorker", "importScripts":
		return name + " is not available: a box runs one script, and starts nothing else"
	case "indexedDB", "localStorage", "sessionStorage":
		return name + " is not available: a box keeps nothing when the script ends"
	case "ShadowRealm":
		return name + " is not available: a box runs the code that it was given, and none that is made from text"
	}
	return name + " is not available: a box has no network. Pass the data in as input"
}

// absentGlobals answers for the names of absentNames in the script's own code (see lower.HostAbsent).
// A script that made such a global itself gets its own.
type absentGlobals struct {
	g    *Goja
	loud bool
}

// Get implements goja.DynamicObject.
func (a absentGlobals) Get(name string) goja.Value {
	if v := a.g.rt.GlobalObject().Get(name); v != nil {
		return v
	}
	if a.loud {
		panic(a.g.deny(name, whyAbsent(name)))
	}
	return goja.Undefined()
}

// Set implements goja.DynamicObject: the script makes such a global itself.
func (a absentGlobals) Set(name string, v goja.Value) bool {
	return a.g.rt.GlobalObject().Set(name, v) == nil
}

// Has implements goja.DynamicObject.
func (absentGlobals) Has(string) bool { return true }

// Delete implements goja.DynamicObject.
func (absentGlobals) Delete(string) bool { return false }

// Keys implements goja.DynamicObject.
func (absentGlobals) Keys() []string { return nil }
