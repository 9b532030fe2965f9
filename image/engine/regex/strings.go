package regex

import (
	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// installStringMethods replaces the methods of strings that make a RegExp out of what they are given:
// goja's make one of its own, which refuses what it cannot translate.
func (h *host) installStringMethods() {
	proto := h.rt.GlobalObject().Get("String").(*goja.Object).Get("prototype").(*goja.Object)
	method := func(name string, sym *goja.Symbol, flags string) {
		f := native.Func(h.rt, name, 1, func(call goja.FunctionCall) goja.Value {
			if undefined(call.This) || goja.IsNull(call.This) {
				h.typeError("String.prototype.%s called on null or undefined", name)
			}
			arg := call.Argument(0)
			if obj, ok := arg.(*goja.Object); ok {
				if name == "matchAll" && h.isRegExp(obj) {
					if _, global, _ := h.modeOf(obj); !global {
						h.typeError("String.prototype.matchAll called with a non-global RegExp argument")
					}
				}
				if m := obj.GetSymbol(sym); !undefined(m) && !goja.IsNull(m) {
					fn, ok := goja.AssertFunction(m)
					if !ok {
						h.typeError("%s is not a function", sym)
					}
					v, err := fn(obj, call.This)
					check(err)
					return v
				}
			}
			s := call.This.ToString()
			var given goja.Value
			if flags != "" {
				given = h.rt.ToValue(flags)
			}
			obj := h.object(nil, h.regexOf(arg, given))
			fn, ok := goja.AssertFunction(obj.GetSymbol(sym))
			if !ok {
				h.typeError("%s is not a function", sym)
			}
			v, err := fn(obj, s)
			check(err)
			return v
		})
		check(proto.DefineDataProperty(name, f, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	method("match", goja.SymMatch, "")
	method("matchAll", goja.SymMatchAll, "g")
	method("search", goja.SymSearch, "")
}
