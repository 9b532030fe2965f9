package polyfill

import (
	"math"
	"reflect"

	"github.com/dop251/goja"
)

// natives are the built-ins that are made in Go, at once: too small to wait for, or such that core-js cannot make
// them here.
func (p *polyfills) installNatives() error {
	for _, install := range []func() error{p.symbols, p.cosh, p.dates, p.buffers, p.unscopables, p.parse} {
		if err := install(); err != nil {
			return err
		}
	}
	return nil
}

// symbols adds the well-known symbols that goja does not have. What esbuild lowers (async generators, for-await,
// using, decorators) looks for them, and so does core-js.
func (p *polyfills) symbols() error {
	for _, name := range []string{"asyncIterator", "dispose", "asyncDispose", "metadata"} {
		if p.symbol.Get(name) != nil {
			continue
		}
		symbol := goja.NewSymbol("Symbol." + name)
		if err := p.symbol.DefineDataProperty(name, symbol, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
			return err
		}
		if name != "metadata" {
			continue
		}
		// A class without decorators has no metadata.
		if err := p.functionProto.DefineDataPropertySymbol(symbol, goja.Null(), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE); err != nil {
			return err
		}
	}
	return nil
}

// cosh replaces goja's Math.cosh, which overflows before its result does: Math.cosh(710) is 1.1e308.
func (p *polyfills) cosh() error {
	return p.method(p.owners[mathStatics], "cosh", 1, func(call goja.FunctionCall) goja.Value {
		x := call.Argument(0).ToFloat()
		if math.Abs(x) < 709 {
			return p.rt.ToValue(math.Cosh(x))
		}
		half := math.Exp(math.Abs(x) / 2)
		return p.rt.ToValue(half / 2 * half)
	})
}

// dates adds the old name of toUTCString, which the standard has as the same function.
func (p *polyfills) dates() error {
	dates := p.owners[dateProto]
	if dates.Get("toGMTString") != nil {
		return nil
	}
	return dates.DefineDataProperty("toGMTString", dates.Get("toUTCString"), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// unscopables hides `at` from `with`, as it hides the other methods of arrays.
func (p *polyfills) unscopables() error {
	proto, ok := p.owners[arrayStatics].Get("prototype").(*goja.Object)
	if !ok {
		return nil
	}
	hidden, ok := proto.GetSymbol(goja.SymUnscopables).(*goja.Object)
	if !ok {
		return nil
	}
	return hidden.Set("at", true)
}

// buffers adds the transfer of array buffers (ECMAScript 2024), which core-js can only make where the host can detach a
// buffer. Resizable buffers are not to be had: a buffer's new one is always of fixed length.
func (p *polyfills) buffers() error {
	constructor, ok := p.rt.Get("ArrayBuffer").(*goja.Object)
	if !ok {
		return nil
	}
	proto, ok := constructor.Get("prototype").(*goja.Object)
	if !ok || proto.Get("transfer") != nil {
		return nil
	}
	this := func(call goja.FunctionCall) goja.ArrayBuffer {
		// Asked by its type first: to export an array would copy it.
		object, ok := call.This.(*goja.Object)
		if !ok || object.ExportType() != reflect.TypeFor[goja.ArrayBuffer]() {
			panic(p.rt.NewTypeError("the receiver is not an ArrayBuffer"))
		}
		return object.Export().(goja.ArrayBuffer)
	}
	transfer := func(call goja.FunctionCall) goja.Value {
		buffer := this(call)
		length := call.Argument(0)
		if goja.IsUndefined(length) {
			length = p.rt.ToValue(len(buffer.Bytes()))
		}
		// The constructor checks the length, and may run a script's valueOf, which may detach the buffer.
		fresh, err := p.rt.New(constructor, length)
		if err != nil {
			p.throw(err)
		}
		if buffer.Detached() {
			panic(p.rt.NewTypeError("the ArrayBuffer is detached"))
		}
		copy(fresh.Export().(goja.ArrayBuffer).Bytes(), buffer.Bytes())
		buffer.Detach()
		return fresh
	}
	for _, name := range []string{"transfer", "transferToFixedLength"} {
		if err := p.method(proto, name, 0, transfer); err != nil {
			return err
		}
	}
	detached, err := p.function("get detached", 0, func(call goja.FunctionCall) goja.Value {
		return p.rt.ToValue(this(call).Detached())
	})
	if err != nil {
		return err
	}
	return proto.DefineAccessorProperty("detached", detached, nil, goja.FLAG_TRUE, goja.FLAG_FALSE)
}

// method defines a native method as built-ins are defined.
func (p *polyfills) method(owner *goja.Object, name string, length int, f func(goja.FunctionCall) goja.Value) error {
	function, err := p.function(name, length, f)
	if err != nil {
		return err
	}
	return owner.DefineDataProperty(name, function, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
}
