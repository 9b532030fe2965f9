package regex

import (
	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
)

// maxLength is 2^53-1, the largest lastIndex.
const maxLength = 1<<53 - 1

func toLength(v goja.Value) int {
	if v == nil {
		return 0
	}
	return int(min(max(v.ToInteger(), 0), maxLength))
}

func (h *host) lastIndex(obj *goja.Object) int { return toLength(obj.Get("lastIndex")) }

func (h *host) setLastIndex(obj *goja.Object, i int) { check(obj.Set("lastIndex", i)) }

// find1 is RegExpBuiltinExec up to the array: where the next match of re is, and lastIndex put behind
// it. The result lives until the next match.
func (h *host) find1(obj *goja.Object, re *regex, s goja.String, v side.View) []int32 {
	from := h.lastIndex(obj)
	tracks := re.flags.global || re.flags.sticky
	if !tracks {
		from = 0
	}
	if from > v.Len() {
		h.setLastIndex(obj, 0)
		return nil
	}
	caps := h.match(re, s, v, from, re.flags.sticky)
	if tracks {
		if caps == nil {
			h.setLastIndex(obj, 0)
		} else {
			h.setLastIndex(obj, int(caps[1]))
		}
	}
	return caps
}

// capture gives what group n matched.
func capture(s goja.String, caps []int32, n int) goja.Value {
	from, to := caps[2*n], caps[2*n+1]
	if from < 0 || to < 0 {
		return goja.Undefined()
	}
	return s.Substring(int(from), int(to))
}

// array makes the result of exec.
func (h *host) array(re *regex, s goja.String, caps []int32) *goja.Object {
	values := make([]any, len(caps)/2)
	for i := range values {
		values[i] = capture(s, caps, i)
	}
	out := h.rt.NewArray(values...)
	define := func(name string, v goja.Value) {
		check(out.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
	}
	define("index", h.rt.ToValue(int(caps[0])))
	define("input", s)
	define("groups", h.groups(re, func(i int) goja.Value { return values[i].(goja.Value) }, caps))
	if re.flags.hasIndices {
		pair := func(i int) goja.Value {
			if caps[2*i] < 0 || caps[2*i+1] < 0 {
				return goja.Undefined()
			}
			return h.rt.NewArray(int(caps[2*i]), int(caps[2*i+1]))
		}
		pairs := make([]any, len(values))
		for i := range pairs {
			pairs[i] = pair(i)
		}
		indices := h.rt.NewArray(pairs...)
		check(indices.DefineDataProperty("groups", h.groups(re, func(i int) goja.Value { return pairs[i].(goja.Value) }, caps),
			goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
		define("indices", indices)
	}
	return out
}

// groups makes the object of the named groups, or undefined where none has a name. Of groups that
// share a name the one that took part gives the value.
func (h *host) groups(re *regex, value func(int) goja.Value, caps []int32) goja.Value {
	if re.prog.names == nil {
		return goja.Undefined()
	}
	out := h.rt.CreateObject(nil)
	for i, name := range re.prog.names {
		if name == "" {
			continue
		}
		if caps[2*i] < 0 && out.Get(name) != nil {
			continue
		}
		check(out.Set(name, value(i)))
	}
	return out
}

// builtinExec is %RegExp.prototype.exec%.
func (h *host) builtinExec(call goja.FunctionCall) goja.Value {
	re := h.find(call.This)
	if re == nil {
		h.typeError("RegExp.prototype.exec called on an object that is no RegExp")
	}
	s := h.text(call.Argument(0))
	caps := h.find1(call.This.(*goja.Object), re, s, h.texts.Of(s))
	if caps == nil {
		return goja.Null()
	}
	return h.array(re, s, caps)
}

// plain gives what stands behind obj where its exec is ours still: then no array need be made.
func (h *host) plain(obj *goja.Object) *regex {
	if e := obj.Get("exec"); e == nil || !e.SameAs(h.exec) {
		return nil
	}
	return h.find(obj)
}

// regExpExec is RegExpExec of the specification: the exec of the object, which a script may have
// replaced.
func (h *host) regExpExec(obj *goja.Object, s goja.String) goja.Value {
	if exec, ok := goja.AssertFunction(obj.Get("exec")); ok {
		v, err := exec(obj, s)
		check(err)
		if _, ok := v.(*goja.Object); !ok && !goja.IsNull(v) {
			h.typeError("exec returned something other than an object or null")
		}
		return v
	}
	return h.builtinExec(goja.FunctionCall{This: obj, Arguments: []goja.Value{s}})
}

// test is RegExp.prototype.test.
func (h *host) test(call goja.FunctionCall) goja.Value {
	obj := h.receiver(call, "test")
	s := h.text(call.Argument(0))
	if re := h.plain(obj); re != nil {
		return h.rt.ToValue(h.find1(obj, re, s, h.texts.Of(s)) != nil)
	}
	return h.rt.ToValue(!goja.IsNull(h.regExpExec(obj, s)))
}

func (h *host) receiver(call goja.FunctionCall, method string) *goja.Object {
	obj, ok := call.This.(*goja.Object)
	if !ok {
		h.typeError("RegExp.prototype.%s called on a value that is no object", method)
	}
	return obj
}
