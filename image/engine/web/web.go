// Package web gives a script the globals that browsers and Node share and that need the host:
// TextEncoder and TextDecoder, crypto, performance, Event, EventTarget, CustomEvent, AbortController
// and AbortSignal.
//
// Each is made when a script first touches it. What reads randomness or a clock reads it from
// Options, so that a run can be made to repeat itself. crypto.subtle is not there, and says why.
package web

import (
	"io"
	"reflect"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// Options are what the globals need of their host. All of it is called on the goroutine that runs
// the script.
type Options struct {
	// Rand gives the bytes of crypto. Required.
	Rand io.Reader
	// Now is the wall clock, for performance.timeOrigin. Required.
	Now func() time.Time
	// Elapsed is how long the script has run, by a monotonic clock. Required.
	Elapsed func() time.Duration
	// SetTimeout calls f once, later, and between the script's own jobs; cancel keeps it from being
	// called. It serves AbortSignal.timeout, so it should not keep a script alive that has nothing
	// else to wait for. nil means that AbortSignal.timeout throws.
	SetTimeout func(f func(), after time.Duration) (cancel func())
	// Report receives what a listener has thrown: the others are still called, as the DOM says, and
	// dispatchEvent does not throw. An InterruptedError is not reported but goes on as a panic. nil
	// throws the first such exception out of dispatchEvent or abort when all listeners were called;
	// out of a timer it comes as a panic with the exception.
	Report func(thrown *goja.Exception)
}

// host is what the classes of one runtime share.
type host struct {
	rt      *goja.Runtime
	opts    Options
	classes *native.Classes

	newError  *goja.Object // the constructor Error, as it was before the script began
	bytesCtor *goja.Object // Uint8Array, when first needed

	event  *eventClasses
	signal *signalClasses
	timing *timingClasses
}

// Install defines the globals. It must run before the script's code does.
func Install(rt *goja.Runtime, opts Options) {
	h := &host{rt: rt, opts: opts, classes: native.NewClasses(rt), newError: rt.Get("Error").(*goja.Object)}
	started := opts.Now().Add(-opts.Elapsed())
	for _, g := range []struct {
		name string
		make func() *goja.Object
	}{
		{"TextEncoder", h.textEncoder},
		{"TextDecoder", h.textDecoder},
		{"Event", func() *goja.Object { return h.events().event.Constructor }},
		{"CustomEvent", func() *goja.Object { return h.events().custom.Constructor }},
		{"EventTarget", func() *goja.Object { return h.events().target.Constructor }},
		{"AbortSignal", func() *goja.Object { return h.signals().signal.Constructor }},
		{"AbortController", func() *goja.Object { return h.signals().controller.Constructor }},
		{"performance", func() *goja.Object { return h.timings(started).performance }},
	} {
		native.Lazy(rt, g.name, func() goja.Value { return g.make() })
	}
	h.lazyTogether([]string{"crypto", "Crypto"}, h.crypto)
	h.lazyTogether([]string{"Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure"}, func() []goja.Value {
		t := h.timings(started)
		return []goja.Value{t.class, t.entry.Constructor, t.mark.Constructor, t.measure.Constructor}
	})
}

// lazyTogether defines globals that are made by one function, once.
func (h *host) lazyTogether(names []string, makeAll func() []goja.Value) {
	var made []goja.Value
	for i, name := range names {
		native.Lazy(h.rt, name, func() goja.Value {
			if made == nil {
				made = makeAll()
			}
			return made[i]
		})
	}
}

// exception makes a DOMException to throw. The class is the script's global, which the polyfills
// bring; without it an Error gets the name.
func (h *host) exception(name, message string) *goja.Object {
	if ctor := h.rt.Get("DOMException"); ctor != nil {
		if construct, ok := goja.AssertConstructor(ctor); ok {
			if e, err := construct(nil, h.rt.ToValue(message), h.rt.ToValue(name)); err == nil {
				return e
			}
		}
	}
	e, err := h.rt.New(h.newError, h.rt.ToValue(message))
	if err != nil {
		panic(err)
	}
	native.Hidden(e, "name", h.rt.ToValue(name))
	return e
}

// str converts a value to a string as the language does; a lone surrogate becomes U+FFFD.
func (h *host) str(v goja.Value) string {
	if _, ok := v.(*goja.Symbol); ok {
		panic(h.rt.NewTypeError("Cannot convert a Symbol value to a string"))
	}
	return v.String()
}

// need throws a TypeError where a call has too few arguments.
func (h *host) need(args []goja.Value, n int, what string) {
	if len(args) < n {
		panic(h.rt.NewTypeError(what))
	}
}

// argument returns an argument of a constructor.
func argument(args []goja.Value, i int) goja.Value {
	if i < len(args) {
		return args[i]
	}
	return goja.Undefined()
}

// option reads a member of an options argument: undefined where there are no options.
func (h *host) option(options goja.Value, name string) goja.Value {
	o, ok := options.(*goja.Object)
	if !ok {
		if !goja.IsUndefined(options) && !goja.IsNull(options) {
			panic(h.rt.NewTypeError("The options are not an object"))
		}
		return goja.Undefined()
	}
	if v := o.Get(name); v != nil {
		return v
	}
	return goja.Undefined()
}

// millis is a duration as JavaScript counts.
func (h *host) millis(d time.Duration) goja.Value {
	return h.rt.ToValue(float64(d) / float64(time.Millisecond))
}

// view returns the bytes that an ArrayBuffer, a typed array or a DataView shows, not a copy; ok is
// false for anything else. No property of the object is read.
func (h *host) view(v goja.Value) (b []byte, ok bool) {
	o, isObject := v.(*goja.Object)
	if !isObject {
		return nil, false
	}
	switch t := o.ExportType(); {
	case t == reflect.TypeFor[goja.ArrayBuffer]():
		buf, _ := o.Export().(goja.ArrayBuffer)
		return buf.Bytes(), true
	case t.Kind() == reflect.Slice && t.Elem().Kind() >= reflect.Int && t.Elem().Kind() <= reflect.Float64:
		// a typed array
	case !h.isDataView(o):
		return nil, false
	}
	defer func() {
		if recover() != nil { // goja slices past the end of a detached buffer
			b, ok = nil, true
		}
	}()
	if err := h.rt.ExportTo(o, &b); err != nil {
		return nil, false
	}
	return b, true
}

// isDataView reports whether the object, which is no typed array, is a view of a buffer.
func (h *host) isDataView(o *goja.Object) bool {
	if o.ExportType() == reflect.TypeFor[goja.Proxy]() {
		return false
	}
	buffers, ok := h.rt.Get("ArrayBuffer").(*goja.Object)
	if !ok {
		return false
	}
	is, ok := buffers.Get("isView").Export().(func(goja.FunctionCall) goja.Value)
	return ok && is(goja.FunctionCall{This: buffers, Arguments: []goja.Value{o}}).ToBoolean()
}

// short cuts a text that a message quotes.
func short(s string) string {
	for i := range s {
		if i > 60 {
			return s[:i] + "..."
		}
	}
	return s
}

// bytes makes a Uint8Array that holds b, which it keeps.
func (h *host) bytes(b []byte) *goja.Object {
	if h.bytesCtor == nil {
		h.bytesCtor, _ = h.rt.Get("Uint8Array").(*goja.Object)
	}
	a, err := h.rt.New(h.bytesCtor, h.rt.ToValue(h.rt.NewArrayBuffer(b)))
	if err != nil {
		panic(err)
	}
	return a
}
