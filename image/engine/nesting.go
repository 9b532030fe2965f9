package engine

import (
	"fmt"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// maxNesting is how deep calls may nest that go through Go: a callback of forEach that calls forEach, and so on.
//
// goja's own limit would stop those too, but what it throws then unwinds through as many recovered panics, which
// takes Go time by the square of their number: ten seconds for a recursion that forgot to end. What is thrown
// here is an exception as any other, and a script can catch it.
const maxNesting = 2000

// nesters are the built-ins that call back into the script, by the path to their owner.
func nesters() map[string][]string {
	return map[string][]string{
		"Array": {"from"},
		"Array.prototype": {"every", "filter", "find", "findIndex", "findLast", "findLastIndex", "flatMap", "forEach", "map",
			"reduce", "reduceRight", "some", "sort", "toSorted"},
		"Function.prototype": {"apply", "call"},
		"JSON":               {"stringify"},
		"Map.prototype":      {"forEach"},
		"Reflect":            {"apply", "construct"},
		"Set.prototype":      {"forEach"},
		"String.prototype":   {"replace", "replaceAll"},
	}
}

// limitNesting counts how deep the nesters are in each other. It adds a few nanoseconds to a call of one.
func (g *Goja) limitNesting() error {
	for path, names := range nesters() {
		owner, err := g.builtinObject(path)
		if err != nil {
			return err
		}
		for _, name := range names {
			call, length, err := rawNative(owner, path, name)
			if err != nil {
				return err
			}
			native.Method(g.rt, owner, name, length, func(c goja.FunctionCall) goja.Value {
				g.nesting++
				defer func() { g.nesting-- }()
				if g.nesting > maxNesting {
					panic(g.newError("RangeError", "Maximum call stack size exceeded"))
				}
				return call(c)
			})
		}
	}
	return nil
}

// rawNative returns the Go function that a built-in is, and its length. Calling it as JavaScript does would be another
// level of calls.
func rawNative(owner *goja.Object, path, name string) (call func(goja.FunctionCall) goja.Value, length int, err error) {
	original, ok := owner.Get(name).(*goja.Object)
	if !ok {
		return nil, 0, fmt.Errorf("%s.%s is not there", path, name)
	}
	if call, ok = original.Export().(func(goja.FunctionCall) goja.Value); !ok {
		return nil, 0, fmt.Errorf("%s.%s is not made in Go", path, name)
	}
	return call, int(original.Get("length").ToInteger()), nil
}
