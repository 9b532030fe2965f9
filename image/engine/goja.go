package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/console"
	"glovebox/image/engine/lower"
	"glovebox/image/engine/values"
	"glovebox/image/engine/web/native"
)

// maxCallStack is how deep calls may nest before a script ends with "Maximum call stack size exceeded":
// about as deep as in Node. goja's own default is no limit. See also maxNesting.
const maxCallStack = 10_400

// maxInputDepth is how deep the input may nest; who admits jobs has refused deeper ones already.
const maxInputDepth = values.MaxDepth

// Goja is the engine that interprets scripts with goja: no machine code, no C, no memory that Go does
// not manage. It is made before its program is known (see NewGoja), so that a box can wait with all of
// it in place.
//
// A Goja belongs to one goroutine and runs one program.
type Goja struct {
	rt      *goja.Runtime
	modules *Modules
	console *console.Console
	encoder *values.Encoder

	clock   clock
	entropy entropy
	brands  brands
	builtin builtin
	loop    loop
	awaits  awaits
	thrown  thrown
	nesting int
	loaded  map[string]goja.Value // the exports of the libraries that the script has asked for
	warm    warmth
	begun   bool // the script's own code may have run
	leading int  // how many calls of require come before it has

	program Program
	script  *lower.Script
	ctx     context.Context
	halt    atomic.Pointer[stop] // why the script must stop, once it must
}

var _ Engine = (*Goja)(nil)

// NewGoja returns an engine with everything in place that a script sees, which takes a few
// milliseconds at most: what is heavy is made when it is first used. An error is a defect of this build.
func NewGoja(modules *Modules) (*Goja, error) {
	g := &Goja{rt: goja.New(), modules: modules, loaded: make(map[string]goja.Value)}
	g.rt.SetMaxCallStackSize(maxCallStack)
	g.clock.start()
	g.ctx = context.Background()
	g.entropy.begin(nil)
	g.rt.SetTimeSource(g.clock.now)
	g.rt.SetRandSource(g.entropy.float64)
	if err := g.install(); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return g, nil
}

// Run interprets the program, as Engine says.
func (g *Goja) Run(ctx context.Context, p Program) (out Outcome) {
	g.program, g.ctx = p, ctx
	if p.Seed != nil || p.Now != nil {
		g.warm.drop() // a library may have looked at either
	}
	g.clock.begin(p.Now)
	g.entropy.begin(p.Seed)
	g.loop.begin(p.Now != nil)
	if p.Now != nil {
		g.installWeb() // again: it has taken the time of its making for the script's beginning
	}

	stopTimer := context.AfterFunc(ctx, func() { g.interrupt(contextStop(ctx)) })
	defer stopTimer()
	if p.MemoryBytes > 0 {
		watch := watchMemory(p.MemoryBytes+g.modules.compiling(), func() { g.interrupt(stopMemory) })
		defer watch.stop()
	}
	defer func() {
		if x := recover(); x != nil {
			out = g.failed(g.panicked(x))
		}
	}()
	return g.run()
}

// run takes the program through its stages. What goes wrong comes back as an error that failed sorts, or
// as a panic of goja's.
func (g *Goja) run() Outcome {
	script, err := lower.Lower(g.program.Code, lower.Options{Language: g.program.Language, Absent: absentNames()})
	if err != nil {
		return g.failed(err)
	}
	g.script = script
	if err := g.bindInput(); err != nil {
		return g.failed(err)
	}
	main, result, err := g.start(script)
	if err != nil {
		return g.failed(err)
	}
	v, err := main()
	if err == nil {
		v, err = g.settle(v)
	}
	if err == nil {
		err = g.loop.drain(g)
	}
	if err == nil {
		v, err = result(v)
	}
	if err != nil {
		return g.failed(err)
	}
	return g.finish(v)
}

// bindInput makes the global input.
func (g *Goja) bindInput() error {
	input := goja.Undefined()
	if g.program.Input != nil {
		v, err := values.Decode(g.rt, string(g.program.Input), maxInputDepth, g.stopped)
		if err != nil {
			return &inputError{err}
		}
		input = v
	}
	g.program.Input = nil // it need not live twice
	return g.rt.GlobalObject().Set("input", input)
}

// start makes the script's main function, its imports resolved, and a way to learn the output once the
// script has come to its end with what main returned.
func (g *Goja) start(script *lower.Script) (main func() (goja.Value, error), result func(goja.Value) (goja.Value, error), err error) {
	global := g.rt.GlobalObject()
	if err := global.Set("output", goja.Undefined()); err != nil {
		return nil, nil, err
	}
	namespaces := make([]any, len(script.Imports))
	for i, imp := range script.Imports {
		if namespaces[i], err = g.resolve(imp); err != nil {
			return nil, nil, err
		}
	}
	var outputs []goja.Callable
	host := g.rt.NewObject()
	for name, v := range map[string]any{
		lower.HostModules: g.rt.NewArray(namespaces...),
		lower.HostImport:  g.builtin.dynamicImport,
		lower.HostAbsent:  g.rt.NewDynamicObject(absentGlobals{g, true}),
		lower.HostQuiet:   g.rt.NewDynamicObject(absentGlobals{g, false}),
		lower.HostThrow:   native.Func(g.rt, lower.HostThrow, 1, g.noteThrow),
		lower.HostOutput: native.Func(g.rt, lower.HostOutput, 2, func(call goja.FunctionCall) goja.Value {
			if outputs == nil {
				for _, argument := range call.Arguments {
					if f, ok := goja.AssertFunction(argument); ok {
						outputs = append(outputs, f)
					}
				}
			}
			return goja.Undefined()
		}),
	} {
		if err := host.Set(name, v); err != nil {
			return nil, nil, err
		}
	}
	v, err := g.rt.RunProgram(script.Program)
	if err != nil {
		return nil, nil, err
	}
	outer, ok := goja.AssertFunction(v)
	if !ok {
		return nil, nil, errNoMain
	}
	if _, err := outer(goja.Undefined(), host); err != nil {
		return nil, nil, err
	}
	call, ok := goja.AssertFunction(host.Get(lower.HostMain))
	if !ok {
		return nil, nil, errNoMain
	}
	main = func() (goja.Value, error) {
		g.begun, g.leading = true, script.Requires
		return call(goja.Undefined(), global.Get("input"))
	}
	result = func(returned goja.Value) (goja.Value, error) { return g.output(returned, outputs) }
	return main, result, nil
}

// output decides what the script's output is: what main returned, else what `output` holds, else the
// default export. A promise is awaited.
func (g *Goja) output(returned goja.Value, outputs []goja.Callable) (goja.Value, error) {
	v := returned
	for i := 0; isUndefined(v) && i < len(outputs); i++ {
		own, err := outputs[i](goja.Undefined())
		switch {
		case err == nil:
			v = own
		case !g.isUninitialised(err):
			return nil, err
		}
	}
	if isUndefined(v) {
		ex := g.rt.Try(func() { v = g.rt.GlobalObject().Get("output") })
		if ex != nil {
			return nil, ex
		}
	}
	v, err := g.settle(v)
	if err != nil {
		return nil, err
	}
	return v, g.loop.drain(g)
}

// isUninitialised reports whether the error is what reading a `const output` gives to which the script
// never came.
func (g *Goja) isUninitialised(err error) bool {
	var ex *goja.Exception
	if !errors.As(err, &ex) {
		return false
	}
	o, ok := ex.Value().(*goja.Object)
	return ok && o.ClassName() == classError && o.Prototype() == g.builtin.referenceErrorPrototype
}

func isUndefined(v goja.Value) bool { return v == nil || goja.IsUndefined(v) }

// finish encodes the output of a script that came to its end.
func (g *Goja) finish(v goja.Value) Outcome {
	if isUndefined(v) {
		v = goja.Null()
	}
	limit := g.program.MaxOutputBytes
	if limit <= 0 {
		limit = defaultMaxOutput
	}
	out, warned, err := g.encoder.Encode(v, limit, g.stopped)
	if err != nil {
		failed := g.failed(err)
		failed.Warnings = warned
		return failed
	}
	if err := g.stopped(); err != nil { // an end that came while nothing could be interrupted
		return g.failed(err)
	}
	return Outcome{Code: api.Success, Output: out, Warnings: warned}
}

// defaultMaxOutput bounds the output of a program that names no bound, in bytes.
const defaultMaxOutput = 16 << 20

// interrupt ends the script as soon as that can be done. It may be called on any goroutine.
func (g *Goja) interrupt(why stop) {
	if g.halt.CompareAndSwap(nil, &why) {
		g.rt.Interrupt(why)
	}
}

// stopped returns why the script must stop, nil while it may go on. It costs next to nothing.
func (g *Goja) stopped() error {
	if why := g.halt.Load(); why != nil {
		return &stopError{why: *why}
	}
	return nil
}

// timeoutText says the script's limit.
func (g *Goja) timeoutText() string {
	if g.program.Timeout <= 0 {
		return "its time limit"
	}
	return g.program.Timeout.Round(time.Millisecond).String()
}
