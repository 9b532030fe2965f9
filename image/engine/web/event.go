package web

import (
	"slices"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// An eventState is what an Event holds.
type eventState struct {
	kind                             string
	bubbles, cancelable, composed    bool
	stamp                            float64 // milliseconds since the script began
	target, current                  goja.Value
	dispatching, prevented, stopped  bool
	stoppedAtOnce, passive, atTarget bool
}

type customState struct{ detail goja.Value }

// A targetState is the listeners of an EventTarget.
type targetState struct{ listeners []*listener }

// A listener is one callback of one type of event.
type listener struct {
	kind                            string
	callback                        *goja.Object
	capture, once, passive, removed bool
	handler                         bool // it came through an on… property
}

type eventClasses struct {
	event  *native.Class[*eventState]
	custom *native.Class[*customState]
	target *native.Class[*targetState]
}

// events makes Event, CustomEvent and EventTarget on first use.
func (h *host) events() *eventClasses {
	if h.event == nil {
		h.event = &eventClasses{}
		h.event.event = h.eventClass()
		h.event.custom = native.NewClass(h.classes, native.Spec[*customState]{Name: "CustomEvent", Length: 1,
			Extends: h.event.event.Constructor,
			Construct: func(args []goja.Value) *customState {
				if v := h.option(argument(args, 1), "detail"); !goja.IsUndefined(v) {
					return &customState{detail: v}
				}
				return &customState{detail: goja.Null()}
			}})
		h.event.custom.Getter("detail", func(s *customState) goja.Value { return s.detail })
		h.event.target = h.targetClass()
	}
	return h.event
}

func (h *host) newEvent(kind string) *eventState {
	return &eventState{kind: kind, stamp: h.nowMillis(), target: goja.Null(), current: goja.Null()}
}

func (h *host) eventClass() *native.Class[*eventState] {
	c := native.NewClass(h.classes, native.Spec[*eventState]{Name: "Event", Length: 1,
		Construct: func(args []goja.Value) *eventState {
			h.need(args, 1, "An Event takes a type")
			e := h.newEvent(h.str(args[0]))
			options := argument(args, 1)
			e.bubbles = h.option(options, "bubbles").ToBoolean()
			e.cancelable = h.option(options, "cancelable").ToBoolean()
			e.composed = h.option(options, "composed").ToBoolean()
			return e
		}})
	c.Getter("type", func(e *eventState) goja.Value { return h.rt.ToValue(e.kind) })
	c.Getter("target", func(e *eventState) goja.Value { return e.target })
	c.Getter("srcElement", func(e *eventState) goja.Value { return e.target })
	c.Getter("currentTarget", func(e *eventState) goja.Value { return e.current })
	c.Method("composedPath", 0, func(e *eventState, _ goja.FunctionCall) goja.Value {
		if goja.IsNull(e.current) {
			return h.rt.NewArray()
		}
		return h.rt.NewArray(e.current)
	})
	c.Getter("eventPhase", func(e *eventState) goja.Value {
		if e.atTarget {
			return h.rt.ToValue(2)
		}
		return h.rt.ToValue(0)
	})
	c.Method("stopPropagation", 0, func(e *eventState, _ goja.FunctionCall) goja.Value {
		e.stopped = true
		return goja.Undefined()
	})
	c.Method("stopImmediatePropagation", 0, func(e *eventState, _ goja.FunctionCall) goja.Value {
		e.stopped, e.stoppedAtOnce = true, true
		return goja.Undefined()
	})
	flag := func(name string, get func(e *eventState) bool) {
		c.Getter(name, func(e *eventState) goja.Value { return h.rt.ToValue(get(e)) })
	}
	flag("bubbles", func(e *eventState) bool { return e.bubbles })
	flag("cancelable", func(e *eventState) bool { return e.cancelable })
	c.Method("preventDefault", 0, func(e *eventState, _ goja.FunctionCall) goja.Value {
		e.prevent()
		return goja.Undefined()
	})
	flag("defaultPrevented", func(e *eventState) bool { return e.prevented })
	flag("composed", func(e *eventState) bool { return e.composed })
	flag("isTrusted", func(*eventState) bool { return false })
	c.Getter("timeStamp", func(e *eventState) goja.Value { return h.rt.ToValue(e.stamp) })
	native.Accessor(h.rt, c.Prototype, "cancelBubble",
		func(f goja.FunctionCall) goja.Value { return h.rt.ToValue(c.This(f).stopped) },
		func(f goja.FunctionCall) goja.Value {
			if e := c.This(f); f.Argument(0).ToBoolean() {
				e.stopped = true
			}
			return goja.Undefined()
		})
	native.Accessor(h.rt, c.Prototype, "returnValue",
		func(f goja.FunctionCall) goja.Value { return h.rt.ToValue(!c.This(f).prevented) },
		func(f goja.FunctionCall) goja.Value {
			if e := c.This(f); !f.Argument(0).ToBoolean() {
				e.prevent()
			}
			return goja.Undefined()
		})
	for i, phase := range []string{"NONE", "CAPTURING_PHASE", "AT_TARGET", "BUBBLING_PHASE"} {
		native.Constant(c.Constructor, phase, h.rt.ToValue(i))
		native.Constant(c.Prototype, phase, h.rt.ToValue(i))
	}
	return c
}

func (e *eventState) prevent() {
	if e.cancelable && !e.passive {
		e.prevented = true
	}
}

func (h *host) targetClass() *native.Class[*targetState] {
	c := native.NewClass(h.classes, native.Spec[*targetState]{Name: "EventTarget",
		Construct: func([]goja.Value) *targetState { return &targetState{} }})
	c.Method("addEventListener", 2, func(t *targetState, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 2, "addEventListener takes a type and a listener")
		h.addListener(t, call)
		return goja.Undefined()
	})
	c.Method("removeEventListener", 2, func(t *targetState, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 2, "removeEventListener takes a type and a listener")
		kind := h.str(call.Argument(0))
		callback, ok := call.Argument(1).(*goja.Object)
		if !ok {
			return goja.Undefined()
		}
		if l := t.find(kind, callback, h.capture(call.Argument(2))); l != nil {
			t.remove(l)
		}
		return goja.Undefined()
	})
	c.Method("dispatchEvent", 1, func(t *targetState, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 1, "dispatchEvent takes an Event")
		e, ok := h.event.event.State(call.Argument(0))
		if !ok {
			panic(h.rt.NewTypeError("dispatchEvent takes an Event"))
		}
		if e.dispatching {
			panic(h.exception("InvalidStateError", "The event is already being dispatched"))
		}
		return h.rt.ToValue(h.dispatch(t, call.This, e, call.Argument(0)))
	})
	return c
}

// capture reads the third argument of addEventListener and its opposite.
func (h *host) capture(options goja.Value) bool {
	if _, ok := options.(*goja.Object); ok {
		return h.option(options, "capture").ToBoolean()
	}
	return options.ToBoolean()
}

func (h *host) addListener(t *targetState, call goja.FunctionCall) {
	l := &listener{kind: h.str(call.Argument(0)), capture: h.capture(call.Argument(2))}
	var until *signalState
	if options, ok := call.Argument(2).(*goja.Object); ok {
		l.once = h.option(options, "once").ToBoolean()
		l.passive = h.option(options, "passive").ToBoolean()
		if v := h.option(options, "signal"); !goja.IsUndefined(v) {
			s, ok := h.signals().signal.State(v)
			if !ok {
				panic(h.rt.NewTypeError("The signal of a listener is an AbortSignal"))
			}
			until = s
		}
	}
	callback, ok := call.Argument(1).(*goja.Object)
	if !ok {
		if v := call.Argument(1); goja.IsNull(v) || goja.IsUndefined(v) {
			return
		}
		panic(h.rt.NewTypeError("A listener is a function, or an object with handleEvent"))
	}
	l.callback = callback
	if until != nil && until.aborted || t.find(l.kind, callback, l.capture) != nil {
		return
	}
	t.listeners = append(t.listeners, l)
	if until != nil {
		until.then = append(until.then, func() { t.remove(l) })
	}
}

// find returns the listener that was added with the same type, callback and capture.
func (t *targetState) find(kind string, callback *goja.Object, capture bool) *listener {
	for _, l := range t.listeners {
		if l.kind == kind && l.callback == callback && l.capture == capture && !l.handler {
			return l
		}
	}
	return nil
}

func (t *targetState) remove(l *listener) {
	l.removed = true
	if i := slices.Index(t.listeners, l); i >= 0 {
		t.listeners = slices.Delete(slices.Clone(t.listeners), i, i+1)
	}
}

// dispatch calls the listeners of the event's type that there are when it begins. It returns false
// where one of them has prevented the default.
func (h *host) dispatch(t *targetState, target goja.Value, e *eventState, event goja.Value) bool {
	e.dispatching, e.atTarget = true, true
	e.target, e.current = target, target
	defer func() {
		e.dispatching, e.atTarget, e.passive = false, false, false
		e.stopped, e.stoppedAtOnce = false, false
		e.current = goja.Null()
	}()
	var first *goja.Exception
	listeners := t.listeners
	for _, capturing := range []bool{true, false} {
		for _, l := range listeners {
			if l.kind != e.kind || l.removed || l.capture != capturing || e.stoppedAtOnce {
				continue
			}
			if l.once {
				t.remove(l)
			}
			e.passive = l.passive
			thrown := h.call(l, target, event)
			e.passive = false
			switch {
			case thrown == nil:
			case h.opts.Report != nil:
				h.opts.Report(thrown)
			case first == nil:
				first = thrown
			}
		}
	}
	if first != nil {
		panic(first)
	}
	return !e.prevented
}

// call calls one listener and returns what it has thrown. An interrupt goes on as a panic.
func (h *host) call(l *listener, target, event goja.Value) *goja.Exception {
	return h.rt.Try(func() {
		this, fn := target, l.callback
		call, ok := goja.AssertFunction(fn)
		if !ok {
			this = fn
			if call, ok = goja.AssertFunction(fn.Get("handleEvent")); !ok {
				panic(h.rt.NewTypeError("A listener has no handleEvent to call"))
			}
		}
		if _, err := call(this, event); err != nil {
			panic(err)
		}
	})
}

// handler defines an on… property of a class: one listener, which a script sets and takes away.
func (h *host) handler(on *goja.Object, kind string) {
	class := h.event.target
	current := func(t *targetState) *listener {
		for _, l := range t.listeners {
			if l.handler && l.kind == kind {
				return l
			}
		}
		return nil
	}
	native.Accessor(h.rt, on, "on"+kind,
		func(f goja.FunctionCall) goja.Value {
			if l := current(class.This(f)); l != nil {
				return l.callback
			}
			return goja.Null()
		},
		func(f goja.FunctionCall) goja.Value {
			t := class.This(f)
			fn, ok := f.Argument(0).(*goja.Object)
			l := current(t)
			switch {
			case l != nil && ok:
				l.callback = fn
			case l != nil:
				t.remove(l)
			case ok:
				t.listeners = append(slices.Clone(t.listeners), &listener{kind: kind, callback: fn, handler: true})
			}
			return goja.Undefined()
		})
}
