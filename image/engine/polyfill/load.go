package polyfill

import (
	"errors"
	"fmt"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"glovebox/image/lib"
)

// load brings a group's built-ins in place of its stubs. It panics with the error where core-js cannot be loaded, as
// goja wants of a native function; the stubs are then back, so that a later touch tries again.
//
// A script may have replaced what core-js builds on. That is its own affair: core-js runs as the script
// does, and may do no more than it.
func (p *polyfills) load(i int) {
	if p.loaded[i] {
		return
	}
	for _, need := range groups[i].needs {
		p.load(need)
	}
	p.loaded[i] = true
	p.loading++
	defer func() { p.loading-- }()
	if err := p.replace(i); err != nil {
		p.loaded[i] = false
		p.throw(err)
	}
}

// replace takes a group's stubs away, runs its modules, and keeps what they made.
func (p *polyfills) replace(i int) error {
	// What a script has put in a stub's place, or that it took it away, stands.
	type choice struct {
		stub       *stub
		descriptor goja.Value
	}
	var chosen []choice
	for _, s := range p.stubs[i] {
		descriptor, err := p.descriptor(goja.Undefined(), s.owner, s.name)
		if err != nil {
			return err
		}
		if object, ok := descriptor.(*goja.Object); !ok || !s.getter.SameAs(object.Get("get")) {
			chosen = append(chosen, choice{s, descriptor})
		}
		if _, err := p.remove(goja.Undefined(), s.owner, s.name); err != nil {
			return err
		}
	}
	restore, err := p.keepToString()
	if err != nil {
		return err
	}
	before := len(p.order)
	for _, name := range groups[i].modules {
		if _, err = p.module("modules/" + name); err != nil {
			p.forget(before)
			break
		}
	}
	if restoreErr := restore(); err == nil {
		err = restoreErr
	}
	for _, s := range p.stubs[i] {
		if err != nil {
			break
		}
		if symbol, ok := s.name.(*goja.Symbol); ok {
			s.value = s.owner.GetSymbol(symbol)
		} else {
			s.value = s.owner.Get(s.key.name)
		}
	}
	if err != nil {
		for _, s := range p.stubs[i] {
			// The first error is the one that counts.
			_ = p.place(s)
		}
	}
	for _, c := range chosen {
		// It was the script's own, and where it cannot be put back the script has seen to that too.
		if goja.IsUndefined(c.descriptor) {
			_, _ = p.remove(goja.Undefined(), c.stub.owner, c.stub.name)
		} else {
			_, _ = p.define(goja.Undefined(), c.stub.owner, c.stub.name, c.descriptor)
		}
	}
	return err
}

// keepToString holds Function.prototype.toString, which core-js replaces so that its functions look native.
func (p *polyfills) keepToString() (restore func() error, err error) {
	const name = "toString"
	before, err := p.descriptor(goja.Undefined(), p.functionProto, p.rt.ToValue(name))
	if err != nil {
		return nil, err
	}
	return func() error {
		if goja.IsUndefined(before) {
			return nil // a script took it away
		}
		_, err := p.define(goja.Undefined(), p.functionProto, p.rt.ToValue(name), before)
		return err
	}, nil
}

// requireModule is the `require` that core-js's modules get.
func (p *polyfills) requireModule(call goja.FunctionCall) goja.Value {
	exports, err := p.module(call.Argument(0).String())
	if err != nil {
		p.throw(err)
	}
	return exports
}

// module gives the exports of one module of core-js, which runs at its first use, as CommonJS has it.
func (p *polyfills) module(name string) (goja.Value, error) {
	if module, ok := p.modules[name]; ok {
		return module.Get("exports"), nil
	}
	source, ok := lib.Polyfill(name)
	if !ok {
		if err := lib.Available(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("core-js has no module %s", name)
	}
	// Without the option goja would look for a source map, in a file.
	tree, err := goja.Parse("core-js/"+name, source, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, err
	}
	program, err := goja.CompileAST(tree, false)
	if err != nil {
		return nil, err
	}
	value, err := p.rt.RunProgram(program)
	if err != nil {
		return nil, err
	}
	run, ok := goja.AssertFunction(value)
	if !ok {
		return nil, fmt.Errorf("module %s of core-js is no function", name)
	}
	module, exports := p.rt.NewObject(), p.rt.NewObject()
	if err := module.Set("exports", exports); err != nil {
		return nil, err
	}
	p.modules[name] = module
	p.order = append(p.order, name)
	if _, err := run(goja.Undefined(), module, exports, p.require); err != nil {
		return nil, err
	}
	if name == "internals/shared-store" {
		// Its global is for several copies of core-js to meet; the modules keep the object itself.
		if _, err := p.remove(goja.Undefined(), p.owners[global], p.rt.ToValue("__core-js_shared__")); err != nil {
			return nil, err
		}
	}
	return module.Get("exports"), nil
}

// forget drops the modules that came after the first n: after a failure the next try must meet neither half a module nor
// one that has looked at built-ins while a script had broken them.
func (p *polyfills) forget(n int) {
	for _, name := range p.order[n:] {
		delete(p.modules, name)
	}
	p.order = p.order[:n]
}

// throw ends a native function with err: a script's exception and what cannot be caught (an interrupt, a full stack) as they
// are, anything else as an Error.
func (p *polyfills) throw(err error) {
	var exception *goja.Exception
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	if errors.As(err, &exception) || errors.As(err, &interrupted) || errors.As(err, &overflow) {
		panic(err)
	}
	object, newErr := p.rt.New(p.rt.Get("Error"), p.rt.ToValue(err.Error()))
	if newErr != nil {
		panic(newErr) // a script has replaced Error by something that throws
	}
	panic(object)
}
