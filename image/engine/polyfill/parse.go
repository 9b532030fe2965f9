package polyfill

import (
	"errors"

	"github.com/dop251/goja"
)

// parse gives a reviver of JSON.parse its third argument, the source text of a number (ECMAScript 2026), where it asks for one: a
// reviver of three parameters gets core-js's parser, which is written in JavaScript; everything else stays with goja's, which is
// many times faster.
func (p *polyfills) parse() error {
	json := p.owners[jsonStatics]
	native, ok := goja.AssertFunction(json.Get("parse"))
	if !ok {
		return nil
	}
	return p.method(json, "parse", 2, func(call goja.FunctionCall) goja.Value {
		parse := native
		if reviver, ok := call.Argument(1).(*goja.Object); ok && p.loading == 0 && wantsSource(reviver) {
			var err error
			if parse, err = p.parserWithSource(); err != nil {
				p.throw(err)
			}
		}
		value, err := parse(call.This, call.Arguments...)
		if err != nil {
			p.throw(err)
		}
		return value
	})
}

// wantsSource reports whether a reviver takes a third argument.
func wantsSource(reviver *goja.Object) bool {
	if _, ok := goja.AssertFunction(reviver); !ok {
		return false
	}
	length := reviver.Get("length")
	return length != nil && length.ToFloat() >= 3
}

// parserWithSource loads core-js's JSON.parse, and leaves the property itself as it was.
func (p *polyfills) parserWithSource() (goja.Callable, error) {
	if p.sourceParse != nil {
		return p.sourceParse, nil
	}
	json, name := p.owners[jsonStatics], p.rt.ToValue("parse")
	before, err := p.descriptor(goja.Undefined(), json, name)
	if err != nil {
		return nil, err
	}
	restore, err := p.keepToString()
	if err != nil {
		return nil, err
	}
	p.loading++
	defer func() { p.loading-- }()
	loaded := len(p.order)
	if _, err = p.module("modules/es.json.parse"); err != nil {
		p.forget(loaded)
	}
	made, ok := goja.AssertFunction(json.Get("parse"))
	if restoreErr := restore(); err == nil {
		err = restoreErr
	}
	if goja.IsUndefined(before) {
		_, _ = p.remove(goja.Undefined(), json, name) // as the script wanted it
	} else if _, defineErr := p.define(goja.Undefined(), json, name, before); err == nil {
		err = defineErr
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("core-js made no JSON.parse")
	}
	p.sourceParse = made
	return made, nil
}
