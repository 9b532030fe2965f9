package web

import (
	"math"
	"slices"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// A timingEntry is what performance.mark and performance.measure leave.
type timingEntry struct {
	name, kind      string
	start, duration float64 // milliseconds since the script began
	detail          goja.Value
	object          *goja.Object
}

type performanceState struct{}

// timingClasses are performance and what belongs to it. Each class of an entry has the entry itself
// as its state, so that an accessor works for what extends it too.
type timingClasses struct {
	performance, class *goja.Object
	entry              *native.Class[*timingEntry]
	mark, measure      *native.Class[*timingEntry]
	entries            []*timingEntry // by the order in which they were made
}

// timings makes performance on first use.
func (h *host) timings(started time.Time) *timingClasses {
	if h.timing != nil {
		return h.timing
	}
	t := &timingClasses{}
	h.timing = t
	t.entry = native.NewClass(h.classes, native.Spec[*timingEntry]{Name: "PerformanceEntry"})
	t.entry.Getter("name", func(e *timingEntry) goja.Value { return h.rt.ToValue(e.name) })
	t.entry.Getter("entryType", func(e *timingEntry) goja.Value { return h.rt.ToValue(e.kind) })
	t.entry.Getter("startTime", func(e *timingEntry) goja.Value { return h.rt.ToValue(e.start) })
	t.entry.Getter("duration", func(e *timingEntry) goja.Value { return h.rt.ToValue(e.duration) })
	t.entry.Getter("detail", func(e *timingEntry) goja.Value { return e.detail })
	t.entry.Method("toJSON", 0, func(e *timingEntry, _ goja.FunctionCall) goja.Value {
		o := h.rt.NewObject()
		_ = o.Set("name", e.name)
		_ = o.Set("entryType", e.kind)
		_ = o.Set("startTime", e.start)
		_ = o.Set("duration", e.duration)
		_ = o.Set("detail", e.detail)
		return o
	})
	t.mark = native.NewClass(h.classes, native.Spec[*timingEntry]{Name: "PerformanceMark", Extends: t.entry.Constructor})
	t.measure = native.NewClass(h.classes, native.Spec[*timingEntry]{Name: "PerformanceMeasure", Extends: t.entry.Constructor})

	c := native.NewClass(h.classes, native.Spec[*performanceState]{Name: "Performance"})
	origin := float64(started.UnixNano()) / 1e6
	c.Method("now", 0, func(*performanceState, goja.FunctionCall) goja.Value { return h.millis(h.opts.Elapsed()) })
	c.Getter("timeOrigin", func(*performanceState) goja.Value { return h.rt.ToValue(origin) })
	c.Method("mark", 1, func(_ *performanceState, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 1, "mark takes a name")
		return h.addMark(t, h.str(call.Argument(0)), call.Argument(1))
	})
	c.Method("measure", 1, func(_ *performanceState, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 1, "measure takes a name")
		return h.addMeasure(t, h.str(call.Argument(0)), call.Argument(1), call.Argument(2))
	})
	for _, clears := range [][2]string{{"clearMarks", "mark"}, {"clearMeasures", "measure"}} {
		kind := clears[1]
		c.Method(clears[0], 0, func(_ *performanceState, call goja.FunctionCall) goja.Value {
			only, all := "", goja.IsUndefined(call.Argument(0))
			if !all {
				only = h.str(call.Argument(0))
			}
			t.entries = slices.DeleteFunc(t.entries, func(e *timingEntry) bool { return e.kind == kind && (all || e.name == only) })
			return goja.Undefined()
		})
	}
	c.Method("getEntries", 0, func(*performanceState, goja.FunctionCall) goja.Value {
		return t.list(h.rt, func(*timingEntry) bool { return true })
	})
	c.Method("getEntriesByName", 1, func(_ *performanceState, call goja.FunctionCall) goja.Value {
		name, kind := h.str(call.Argument(0)), call.Argument(1)
		return t.list(h.rt, func(e *timingEntry) bool {
			return e.name == name && (goja.IsUndefined(kind) || e.kind == h.str(kind))
		})
	})
	c.Method("getEntriesByType", 1, func(_ *performanceState, call goja.FunctionCall) goja.Value {
		kind := h.str(call.Argument(0))
		return t.list(h.rt, func(e *timingEntry) bool { return e.kind == kind })
	})
	c.Method("toJSON", 0, func(*performanceState, goja.FunctionCall) goja.Value {
		o := h.rt.NewObject()
		_ = o.Set("timeOrigin", origin)
		return o
	})
	t.class = c.Constructor
	t.performance = c.New(&performanceState{})
	return t
}

// list returns the entries that are asked for, by the time at which they start.
func (t *timingClasses) list(rt *goja.Runtime, want func(*timingEntry) bool) goja.Value {
	var found []*timingEntry
	for _, e := range t.entries {
		if want(e) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b *timingEntry) int {
		if a.start < b.start {
			return -1
		} else if a.start > b.start {
			return 1
		}
		return 0
	})
	items := make([]any, len(found))
	for i, e := range found {
		items[i] = e.object
	}
	return rt.NewArray(items...)
}

func (h *host) addMark(t *timingClasses, name string, options goja.Value) goja.Value {
	e := &timingEntry{name: name, kind: "mark", start: h.nowMillis(), detail: goja.Null()}
	if v := h.option(options, "startTime"); !goja.IsUndefined(v) {
		if e.start = v.ToFloat(); math.IsNaN(e.start) || e.start < 0 {
			panic(h.rt.NewTypeError("The startTime of a mark is a number from 0"))
		}
	}
	if v := h.option(options, "detail"); !goja.IsUndefined(v) {
		e.detail = v
	}
	return t.add(e, t.mark)
}

// addMeasure measures from one point to another: names of marks, times, or both in an options
// object; from the beginning to now where nothing is said.
func (h *host) addMeasure(t *timingClasses, name string, from, to goja.Value) goja.Value {
	e := &timingEntry{name: name, kind: "measure", detail: goja.Null()}
	var length goja.Value
	if o, ok := from.(*goja.Object); ok {
		from, to, length = h.option(o, "start"), h.option(o, "end"), h.option(o, "duration")
		if v := h.option(o, "detail"); !goja.IsUndefined(v) {
			e.detail = v
		}
	}
	end := h.nowMillis()
	hasLength := length != nil && !goja.IsUndefined(length)
	switch {
	case !goja.IsUndefined(to):
		end = h.point(t, to)
	case hasLength && !goja.IsUndefined(from):
		end = h.point(t, from) + length.ToFloat()
	}
	switch {
	case !goja.IsUndefined(from):
		e.start = h.point(t, from)
	case hasLength:
		e.start = end - length.ToFloat()
	}
	e.duration = end - e.start
	return t.add(e, t.measure)
}

// point is a time that a measure names: a number, or the last mark of a name.
func (h *host) point(t *timingClasses, v goja.Value) float64 {
	if goja.IsNumber(v) {
		return v.ToFloat()
	}
	name := h.str(v)
	for _, e := range slices.Backward(t.entries) {
		if e.kind == "mark" && e.name == name {
			return e.start
		}
	}
	panic(h.exception("SyntaxError", "The performance mark '"+short(name)+"' has not been set"))
}

func (t *timingClasses) add(e *timingEntry, class *native.Class[*timingEntry]) goja.Value {
	e.object = t.entry.NewOf(class, e)
	t.entries = append(t.entries, e)
	return e.object
}

func (h *host) nowMillis() float64 { return float64(h.opts.Elapsed()) / float64(time.Millisecond) }
