package regex

import (
	"fmt"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

func undefined(v goja.Value) bool { return v == nil || goja.IsUndefined(v) }

// construct is RegExp, called or constructed: the first argument is new.target.
func (h *host) construct(call goja.FunctionCall) goja.Value {
	newTarget, _ := call.Argument(0).(*goja.Object)
	pattern, flagsArg := call.Argument(1), call.Argument(2)
	obj, isObj := pattern.(*goja.Object)
	isRegExp := isObj && h.isRegExp(obj)
	if newTarget == nil && isRegExp && undefined(flagsArg) {
		if c := obj.Get("constructor"); c != nil && c.SameAs(h.ctor) {
			return obj
		}
	}
	from := pattern
	if re := h.find(pattern); re != nil {
		from = re.source
		if undefined(flagsArg) {
			return h.object(newTarget, re)
		}
		if re.source.String() == "(?:)" {
			from = h.rt.ToValue("")
		}
	} else if isRegExp {
		from = obj.Get("source")
		if undefined(flagsArg) {
			flagsArg = obj.Get("flags")
		}
	}
	return h.object(newTarget, h.regexOf(from, flagsArg))
}

// regexOf compiles a pattern and flags as they came from a script.
func (h *host) regexOf(pattern, flagsArg goja.Value) *regex {
	if undefined(pattern) {
		pattern = h.rt.ToValue("")
	}
	var f flags
	if !undefined(flagsArg) {
		given := flagsArg.ToString().String()
		var ok bool
		if f, ok = parseFlags(given); !ok {
			h.throw("SyntaxError", "Invalid flags supplied to RegExp constructor '%s'", given)
		}
	}
	return h.compiled(h.text(pattern), f)
}

// object makes a RegExp object with re behind it.
func (h *host) object(newTarget *goja.Object, re *regex) *goja.Object {
	obj, err := h.newNative(nil, h.template)
	check(err)
	if newTarget != nil && newTarget != h.ctor {
		if proto, ok := newTarget.Get("prototype").(*goja.Object); ok {
			check(obj.SetPrototype(proto))
		}
	}
	h.bind(obj, re)
	return obj
}

// isRegExp is IsRegExp of the specification.
func (h *host) isRegExp(obj *goja.Object) bool {
	if m := obj.GetSymbol(goja.SymMatch); !undefined(m) {
		return m.ToBoolean()
	}
	return h.find(obj) != nil
}

// recompile is RegExp.prototype.compile.
func (h *host) recompile(call goja.FunctionCall) goja.Value {
	if h.find(call.This) == nil {
		h.typeError("RegExp.prototype.compile called on an object that is no RegExp")
	}
	obj := call.This.(*goja.Object)
	re := h.find(call.Argument(0))
	if re == nil {
		re = h.regexOf(call.Argument(0), call.Argument(1))
	} else if !undefined(call.Argument(1)) {
		h.typeError("Cannot supply flags when constructing one RegExp from another")
	}
	_, err := h.nativeComp(obj, h.marker)
	check(err)
	h.bind(obj, re)
	h.setLastIndex(obj, 0)
	return obj
}

// installStatics defines RegExp.$1 and its kin, which tell of the last match.
func (h *host) installStatics() {
	define := func(get func() goja.Value, names ...string) {
		f := native.Func(h.rt, "get "+names[0], 0, func(goja.FunctionCall) goja.Value { return get() })
		for _, name := range names {
			check(h.ctor.DefineAccessorProperty(name, f, nil, goja.FLAG_TRUE, goja.FLAG_FALSE))
		}
	}
	part := func(from, to int32) goja.Value {
		if h.lastInput == nil || from < 0 || to < from {
			return h.rt.ToValue("")
		}
		return h.lastInput.Substring(int(from), int(to))
	}
	group := func(n int) goja.Value {
		if 2*n+1 >= len(h.lastGroups) {
			return h.rt.ToValue("")
		}
		return part(h.lastGroups[2*n], h.lastGroups[2*n+1])
	}
	for n := 1; n <= 9; n++ {
		define(func() goja.Value { return group(n) }, fmt.Sprintf("$%d", n))
	}
	define(func() goja.Value { return group(0) }, "lastMatch", "$&")
	define(func() goja.Value {
		if len(h.lastGroups) < 4 {
			return h.rt.ToValue("")
		}
		return group(len(h.lastGroups)/2 - 1)
	}, "lastParen", "$+")
	define(func() goja.Value {
		if h.lastInput == nil {
			return h.rt.ToValue("")
		}
		return h.lastInput
	}, "input", "$_")
	define(func() goja.Value {
		if h.lastInput == nil {
			return h.rt.ToValue("")
		}
		return part(0, h.lastGroups[0])
	}, "leftContext", "$`")
	define(func() goja.Value {
		if h.lastInput == nil {
			return h.rt.ToValue("")
		}
		return part(h.lastGroups[1], int32(h.lastInput.Length()))
	}, "rightContext", "$'")
}
