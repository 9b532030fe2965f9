package regex

import (
	"slices"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
)

// A found is one match, held until all are known: the callback of replace may match anything itself.
type found struct {
	caps   []int32
	object *goja.Object // the result of an exec that is not ours; caps is nil then
}

func (h *host) symbolReplace(call goja.FunctionCall) goja.Value {
	obj := h.receiver(call, "[Symbol.replace]")
	s := h.text(call.Argument(0))
	callback, isFunc := goja.AssertFunction(call.Argument(1))
	var template goja.String
	if !isFunc {
		template = h.text(call.Argument(1))
	}
	_, global, full := h.modeOf(obj)
	if global {
		h.setLastIndex(obj, 0)
	}
	re := h.plain(obj)
	v := h.texts.Of(s)
	var all []found
	keep := func(caps []int32) { all = append(all, found{caps: append([]int32(nil), caps...)}) }
	switch {
	case re != nil && global:
		h.each(re, s, v, full, -1, keep)
	case re != nil:
		if caps := h.find1(obj, re, s, v); caps != nil {
			keep(caps)
		}
	case global:
		h.eachGeneric(obj, s, full, func(m *goja.Object) { all = append(all, found{object: m}) })
	default:
		if m, ok := h.regExpExec(obj, s).(*goja.Object); ok {
			all = append(all, found{object: m})
		}
	}
	if len(all) == 0 {
		return s
	}
	var out goja.StringBuilder
	next := 0
	for _, f := range all {
		at, captures, groups := h.read(re, s, f)
		matched := captures[0].(goja.String)
		var replacement goja.String
		if isFunc {
			args := append(slices.Clip(captures), h.rt.ToValue(at), s)
			if !undefined(groups) {
				args = append(args, groups)
			}
			r, err := callback(goja.Undefined(), args...)
			check(err)
			replacement = h.text(r)
		} else {
			replacement = h.substitute(template, s, v, at, captures, groups)
		}
		if at >= next {
			out.WriteString(s.Substring(next, at))
			out.WriteString(replacement)
			next = at + matched.Length()
		}
	}
	if next < v.Len() {
		out.WriteString(s.Substring(next, v.Len()))
	}
	return out.String()
}

// read takes from a match what its replacement needs: its place, the whole and the groups, and the
// object of the named ones.
func (h *host) read(re *regex, s goja.String, f found) (at int, captures []goja.Value, groups goja.Value) {
	if f.caps != nil {
		captures = make([]goja.Value, len(f.caps)/2, len(f.caps)/2+3)
		for i := range captures {
			captures[i] = capture(s, f.caps, i)
		}
		return int(f.caps[0]), captures, h.groups(re, func(i int) goja.Value { return captures[i] }, f.caps)
	}
	captures = append(captures, h.property(f.object, "0"))
	for i := 1; i < toLength(f.object.Get("length")); i++ {
		c := f.object.Get(h.rt.ToValue(i).String())
		if !undefined(c) {
			c = c.ToString()
		} else {
			c = goja.Undefined()
		}
		captures = append(captures, c)
	}
	at = 0
	if v := f.object.Get("index"); v != nil {
		at = int(max(min(v.ToInteger(), int64(s.Length())), 0))
	}
	return at, captures, f.object.Get("groups")
}

// substitute is GetSubstitution of the specification.
func (h *host) substitute(template, s goja.String, v side.View, at int, captures []goja.Value, groups goja.Value) goja.String {
	tv := h.texts.Of(template)
	n := tv.Len()
	var out goja.StringBuilder
	copied := 0
	for i := 0; i+1 < n; {
		if tv.At(i) != '$' {
			i++
			continue
		}
		piece, used := h.reference(template, tv, i, s, v, at, captures, groups)
		if used == 0 {
			i++
			continue
		}
		out.WriteString(template.Substring(copied, i))
		if piece != nil {
			out.WriteString(piece)
		}
		i += used
		copied = i
	}
	if copied == 0 {
		return template
	}
	out.WriteString(template.Substring(copied, n))
	return out.String()
}

// reference reads what the dollar at i of a template stands for, and how long it is written; 0 where
// the dollar is just that.
func (h *host) reference(template goja.String, tv side.View, i int, s goja.String, v side.View, at int, captures []goja.Value, groups goja.Value) (goja.String, int) {
	c := tv.At(i + 1)
	end := min(at+captures[0].(goja.String).Length(), v.Len())
	switch {
	case c == '$':
		return template.Substring(i, i+1), 2
	case c == '&':
		return captures[0].(goja.String), 2
	case c == '`':
		return s.Substring(0, at), 2
	case c == '\'':
		return s.Substring(end, v.Len()), 2
	case c == '<':
		if undefined(groups) {
			return nil, 0
		}
		for j := i + 2; j < tv.Len(); j++ {
			if tv.At(j) != '>' {
				continue
			}
			value := groups.ToObject(h.rt).Get(template.Substring(i+2, j).String())
			if undefined(value) {
				return nil, j + 1 - i
			}
			return h.text(value), j + 1 - i
		}
		return nil, 0
	case c >= '0' && c <= '9':
		g, used := int(c-'0'), 2
		if i+2 < tv.Len() {
			if d := tv.At(i + 2); d >= '0' && d <= '9' && g*10+int(d-'0') < len(captures) && g*10+int(d-'0') > 0 {
				g, used = g*10+int(d-'0'), 3
			}
		}
		if g == 0 || g >= len(captures) {
			return nil, 0
		}
		if undefined(captures[g]) {
			return nil, used
		}
		return captures[g].(goja.String), used
	}
	return nil, 0
}
