package web

import (
	"math"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// A signalState is what an AbortSignal holds beside its listeners.
type signalState struct {
	aborted bool
	reason  goja.Value
	object  *goja.Object
	target  *targetState
	then    []func()       // called when it aborts, before its listeners are
	depend  []*signalState // signals that AbortSignal.any made of it
}

type controllerState struct{ signal *signalState }

type signalClasses struct {
	signal     *native.Class[*signalState]
	controller *native.Class[*controllerState]
}

// signals makes AbortSignal and AbortController on first use.
func (h *host) signals() *signalClasses {
	if h.signal == nil {
		h.signal = &signalClasses{}
		h.signal.signal = h.signalClass()
		h.signal.controller = h.controllerClass()
	}
	return h.signal
}

// newSignal makes a signal that has not aborted.
func (h *host) newSignal() *signalState {
	s := &signalState{reason: goja.Undefined()}
	s.object = h.signal.signal.New(s)
	s.target, _ = h.events().target.State(s.object)
	return s
}

func (h *host) signalClass() *native.Class[*signalState] {
	c := native.NewClass(h.classes, native.Spec[*signalState]{Name: "AbortSignal", Extends: h.events().target.Constructor})
	c.Getter("aborted", func(s *signalState) goja.Value { return h.rt.ToValue(s.aborted) })
	c.Getter("reason", func(s *signalState) goja.Value { return s.reason })
	c.Method("throwIfAborted", 0, func(s *signalState, _ goja.FunctionCall) goja.Value {
		if s.aborted {
			panic(s.reason)
		}
		return goja.Undefined()
	})
	h.handler(c.Prototype, "abort")
	native.Method(h.rt, c.Constructor, "abort", 0, func(call goja.FunctionCall) goja.Value {
		s := h.newSignal()
		s.aborted, s.reason = true, h.reasonOf(call.Argument(0))
		return s.object
	})
	native.Method(h.rt, c.Constructor, "timeout", 1, func(call goja.FunctionCall) goja.Value {
		ms := call.Argument(0).ToFloat()
		if math.IsNaN(ms) {
			panic(h.rt.NewTypeError("AbortSignal.timeout takes a number of milliseconds"))
		}
		if ms < 0 || ms > 1<<53 {
			panic(h.rangeError("AbortSignal.timeout takes a number of milliseconds from 0"))
		}
		if h.opts.SetTimeout == nil {
			panic(h.exception("NotSupportedError", "AbortSignal.timeout is not available: there are no timers here"))
		}
		s := h.newSignal()
		after := time.Duration(math.MaxInt64)
		if ms < float64(math.MaxInt64/time.Millisecond) {
			after = time.Duration(ms * float64(time.Millisecond))
		}
		h.opts.SetTimeout(func() {
			h.abort(s, func() goja.Value { return h.exception("TimeoutError", "The operation was aborted due to timeout") })
		}, after)
		return s.object
	})
	native.Method(h.rt, c.Constructor, "any", 1, func(call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 1, "AbortSignal.any takes a list of signals")
		return h.anySignal(call.Argument(0))
	})
	return c
}

// anySignal makes a signal that aborts with the first of a list.
func (h *host) anySignal(list goja.Value) goja.Value {
	if _, ok := list.(*goja.Object); !ok {
		panic(h.rt.NewTypeError("AbortSignal.any takes a list of signals"))
	}
	var sources []*signalState
	h.rt.ForOf(list, func(v goja.Value) bool {
		s, ok := h.signal.signal.State(v)
		if !ok {
			panic(h.rt.NewTypeError("AbortSignal.any takes a list of signals"))
		}
		sources = append(sources, s)
		return true
	})
	s := h.newSignal()
	for _, source := range sources {
		if source.aborted {
			s.aborted, s.reason = true, source.reason
			return s.object
		}
	}
	for _, source := range sources {
		source.depend = append(source.depend, s)
	}
	return s.object
}

func (h *host) controllerClass() *native.Class[*controllerState] {
	c := native.NewClass(h.classes, native.Spec[*controllerState]{Name: "AbortController",
		Construct: func([]goja.Value) *controllerState { return &controllerState{signal: h.newSignal()} }})
	c.Getter("signal", func(s *controllerState) goja.Value { return s.signal.object })
	c.Method("abort", 0, func(s *controllerState, call goja.FunctionCall) goja.Value {
		h.abort(s.signal, func() goja.Value { return h.reasonOf(call.Argument(0)) })
		return goja.Undefined()
	})
	return c
}

// reasonOf is the reason that a script gave, else the usual one.
func (h *host) reasonOf(v goja.Value) goja.Value {
	if goja.IsUndefined(v) {
		return h.exception("AbortError", "This operation was aborted")
	}
	return v
}

// abort aborts a signal, if it has not aborted, and those that depend on it: all of them first, then
// the listeners of each are called.
func (h *host) abort(s *signalState, reason func() goja.Value) {
	if s.aborted {
		return
	}
	s.aborted = true // so that making the reason cannot come here again
	s.reason = reason()
	due := []*signalState{s}
	for i := 0; i < len(due); i++ {
		for _, d := range due[i].depend {
			if !d.aborted {
				d.aborted, d.reason = true, s.reason
				due = append(due, d)
			}
		}
		due[i].depend = nil
	}
	var first any
	for _, d := range due {
		for _, f := range d.then {
			f()
		}
		d.then = nil
		e := h.newEvent("abort")
		event := h.event.event.New(e)
		if thrown := h.rt.Try(func() { h.dispatch(d.target, d.object, e, event) }); thrown != nil && first == nil {
			first = thrown
		}
	}
	if first != nil {
		panic(first)
	}
}
