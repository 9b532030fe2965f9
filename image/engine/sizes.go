package engine

import (
	"reflect"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// What one native would allocate at once is known before it begins. Where that is more than the box has, the script ends
// here with the right code, its place and its logs, and not with its process.
const (
	maxString    = 1<<29 - 24 // UTF-16 units: V8's longest string
	bytesElement = 16         // of an array in goja
)

// limitSizes puts a check before the natives that make much of little.
func (g *Goja) limitSizes() error {
	for _, check := range []struct {
		path, name string
		cost       func(goja.FunctionCall)
	}{
		{"String.prototype", "repeat", func(c goja.FunctionCall) {
			if s, ok := c.This.(goja.String); ok {
				g.checkString(float64(s.Length()) * plainNumber(c.Argument(0)))
			}
		}},
		{"String.prototype", "padStart", func(c goja.FunctionCall) { g.checkString(plainNumber(c.Argument(0))) }},
		{"String.prototype", "padEnd", func(c goja.FunctionCall) { g.checkString(plainNumber(c.Argument(0))) }},
		{"Array.prototype", "fill", func(c goja.FunctionCall) { g.checkArray(c.This) }},
		{"Array.prototype", "join", func(c goja.FunctionCall) {
			if a, ok := c.This.(*goja.Object); ok && a.ClassName() == "Array" {
				if separator, ok := c.Argument(0).(goja.String); ok {
					g.checkString(float64(separator.Length()) * (a.Get("length").ToFloat() - 1))
				}
			}
		}},
		{"Array", "from", func(c goja.FunctionCall) {
			if o, ok := c.Argument(0).(*goja.Object); ok && o.GetSymbol(goja.SymIterator) == nil {
				g.checkArray(o)
			}
		}},
	} {
		owner, err := g.builtinObject(check.path)
		if err != nil {
			return err
		}
		call, length, err := rawNative(owner, check.path, check.name)
		if err != nil {
			return err
		}
		cost := check.cost
		native.Method(g.rt, owner, check.name, length, func(c goja.FunctionCall) goja.Value {
			if c.This != nil && !goja.IsUndefined(c.This) && !goja.IsNull(c.This) {
				cost(c)
			}
			return call(c)
		})
	}
	return nil
}

// plainNumber returns a number, and 0 for what only the script's own code could make one of.
func plainNumber(v goja.Value) float64 {
	switch v.ExportType() {
	case typeInt, typeFloat:
		return v.ToFloat()
	}
	return 0
}

var (
	typeInt   = reflect.TypeFor[int64]()
	typeFloat = reflect.TypeFor[float64]()
)

// checkString judges a string of so many units, of one byte each at least.
func (g *Goja) checkString(units float64) {
	switch {
	case !(units > 1<<20): // NaN too
	case units > maxString:
		panic(g.newError("RangeError", "Invalid string length"))
	default:
		g.checkBytes(units)
	}
}

// checkArray judges an array that gets as many elements as the object says.
func (g *Goja) checkArray(v goja.Value) {
	if o, ok := v.(*goja.Object); ok {
		if length := o.Get("length"); length != nil {
			if n := length.ToFloat(); n > 1<<20 {
				g.checkBytes(n * bytesElement)
			}
		}
	}
}

// checkBytes ends the script where it asks for more bytes at once than it may have in all.
func (g *Goja) checkBytes(n float64) {
	if limit := g.program.MemoryBytes; limit > 0 && n > float64(limit) {
		why := stopMemory
		g.halt.CompareAndSwap(nil, &why)
		panic(&stopError{why, g.rt.CaptureCallStack(0, nil)})
	}
}
