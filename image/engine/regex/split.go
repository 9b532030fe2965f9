package regex

import (
	"github.com/dop251/goja"
)

func (h *host) symbolSplit(call goja.FunctionCall) goja.Value {
	obj := h.receiver(call, "[Symbol.split]")
	s := h.text(call.Argument(0))
	c := h.species(obj)
	flags, _, full := h.modeOf(obj)
	limit := uint32(1<<32 - 1)
	plain := h.plain(obj)
	if plain == nil || c != h.ctor {
		return h.splitGeneric(obj, c, s, flags.String(), full, call.Argument(1))
	}
	if l := call.Argument(1); !undefined(l) {
		limit = toUint32(l)
	}
	if limit == 0 {
		return h.rt.NewArray()
	}
	v := h.texts.Of(s)
	size := v.Len()
	var out []any
	if size == 0 {
		if h.match(plain, s, v, 0, true) == nil {
			out = append(out, s)
		}
		return h.rt.NewArray(out...)
	}
	p, q := 0, 0
	for q < size {
		caps := h.match(plain, s, v, q, false)
		if caps == nil || int(caps[0]) >= size {
			break
		}
		at, end := int(caps[0]), min(int(caps[1]), size)
		if end == p {
			q = advance(v, max(at, q), full)
			continue
		}
		out = append(out, s.Substring(p, at))
		if uint32(len(out)) == limit {
			return h.rt.NewArray(out...)
		}
		for g := 1; g < len(caps)/2; g++ {
			out = append(out, capture(s, caps, g))
			if uint32(len(out)) == limit {
				return h.rt.NewArray(out...)
			}
		}
		p, q = end, end
		if at == end {
			// An empty match: the next one must lie behind it.
			q = advance(v, end, full)
		}
	}
	return h.rt.NewArray(append(out, s.Substring(p, size))...)
}

// splitGeneric is the specification's way for subclasses and for objects whose exec was replaced.
func (h *host) splitGeneric(obj, c *goja.Object, s goja.String, flags string, full bool, limitArg goja.Value) goja.Value {
	sticky := false
	for _, r := range flags {
		sticky = sticky || r == 'y'
	}
	if !sticky {
		flags += "y"
	}
	splitter, err := h.rt.New(c, obj, h.rt.ToValue(flags))
	check(err)
	limit := uint32(1<<32 - 1)
	if !undefined(limitArg) {
		limit = toUint32(limitArg)
	}
	if limit == 0 {
		return h.rt.NewArray()
	}
	v := h.texts.Of(s)
	size := v.Len()
	var out []any
	if size == 0 {
		if goja.IsNull(h.regExpExec(splitter, s)) {
			out = append(out, s)
		}
		return h.rt.NewArray(out...)
	}
	p := 0
	for q := 0; q < size; {
		h.setLastIndex(splitter, q)
		m, ok := h.regExpExec(splitter, s).(*goja.Object)
		end := min(h.lastIndex(splitter), size)
		if !ok || end == p {
			q = advance(v, q, full)
			continue
		}
		out = append(out, s.Substring(p, q))
		if uint32(len(out)) == limit {
			return h.rt.NewArray(out...)
		}
		p = end
		for g := 1; g < toLength(m.Get("length")); g++ {
			out = append(out, m.Get(h.rt.ToValue(g).String()))
			if uint32(len(out)) == limit {
				return h.rt.NewArray(out...)
			}
		}
		q = p
	}
	return h.rt.NewArray(append(out, s.Substring(p, size))...)
}

// toUint32 is ToUint32 of the specification.
func toUint32(v goja.Value) uint32 {
	n := v.ToNumber()
	if f := n.ToFloat(); f != f || f > 1<<62 || f < -1<<62 {
		return 0
	}
	return uint32(n.ToInteger())
}
