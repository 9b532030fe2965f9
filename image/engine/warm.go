package engine

import (
	"context"
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/lower"
	"glovebox/image/engine/values"
)

// warmth is what an engine has made before its program was known. A script gets none of it that could differ from
// what it would have made itself.
type warmth struct {
	prepared  bool
	libraries map[string]*warmLibrary // made, and not yet given to the script
	world     *world                  // the built-ins as they were when the libraries were made
	making    *warmLibrary            // what is being made; nil once a program runs
}

// A warmLibrary is a module that was made beforehand.
type warmLibrary struct {
	exports goja.Value
	needs   []string // the modules that it took as it was made: they are given with it
	marks   []*mark
}

// drop forgets what was made; what is compiled stays so.
func (w *warmth) drop() { clear(w.libraries) }

// Warm makes ready, as Engine says. What cannot be interrupted goes on behind it: one module's compilation.
func (g *Goja) Warm(ctx context.Context, w Warmup) (inPlace []string) {
	if !g.warm.prepared && ctx.Err() == nil {
		g.warm.prepared = g.prepare(ctx)
	}
	for _, specifier := range w.Libraries {
		if ctx.Err() != nil || w.MemoryBytes > 0 && heapBeyond(w.MemoryBytes) {
			break
		}
		g.warmLibrary(ctx, specifier)
	}
	for _, specifier := range w.Libraries {
		if g.warm.libraries[specifier] != nil && !slices.Contains(inPlace, specifier) {
			inPlace = append(inPlace, specifier)
		}
	}
	return inPlace
}

// heapBeyond reports whether the heap holds more than most bytes.
func heapBeyond(most int64) bool {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	beyond := func() bool {
		metrics.Read(sample)
		return sample[0].Value.Uint64() > uint64(most)
	}
	if !beyond() {
		return false
	}
	runtime.GC() // it may be garbage
	return beyond()
}

// rehearsals are scripts that pass every part of the lowering once.
var rehearsals = [...]struct {
	code     string
	language api.Language
}{
	{"", api.JavaScript},
	{"import a, { b } from 'c'; const d: number = await a; class E { #f = 1; async *g() { for await (const h of b) yield `${h}` } }; output = /i/.test('j') ? d : { ...b }; return output?.k", api.TypeScript},
}

// rehearsal is a script that does what nearly every script does: it prints, and makes an output of its input.
const rehearsal = `(function(input){console.log("a",1.5,[input],{b:new Error("c")});return JSON.parse(JSON.stringify([input,{b:null}]))})`

// prepare goes the way of a trivial program, as far as it leaves no trace. It reports whether it came to the end.
func (g *Goja) prepare(ctx context.Context) bool {
	for _, r := range rehearsals {
		if ctx.Err() != nil {
			return false
		}
		if _, err := lower.Lower(r.code, lower.Options{Language: r.language, Absent: absentNames()}); err != nil {
			return true // a script will be told
		}
	}
	if ctx.Err() != nil || !g.understudy(ctx) {
		return false
	}
	return g.interruptible(ctx, func() error {
		input, err := values.Decode(g.rt, `{"a":[1,"b",null,true]}`, maxInputDepth, g.stopped)
		if err != nil {
			return err
		}
		output, err := g.callSource("rehearsal", rehearsal, input)
		if err != nil {
			return err
		}
		_, _, err = g.encoder.Encode(output, defaultMaxOutput, g.stopped)
		return err
	}) == nil
}

// understudy has another engine run a script from its beginning to its end, and throws it away: every part of the way has then
// been gone, and the memory that this took lies ready for the script, which so begins with half as many page faults or fewer. It
// reports whether it came to the end.
func (g *Goja) understudy(ctx context.Context) bool {
	other, err := NewGoja(g.modules)
	if err != nil {
		return true // this one was made
	}
	other.Run(ctx, Program{
		Code: "console.log(input); return [input.a + 1]", Language: api.JavaScript, Input: []byte(`{"a":1}`),
		Timeout: rehearsalTime, MemoryBytes: rehearsalMemory, MaxOutputBytes: defaultMaxOutput, Log: func(api.LogLevel, string) {},
	})
	if ctx.Err() != nil {
		return false
	}
	runtime.GC()
	return ctx.Err() == nil
}

// What an understudy may take: far more than it does.
const (
	rehearsalTime   = time.Minute
	rehearsalMemory = 64 << 20
)

// callSource calls a function of ours that is given as source.
func (g *Goja) callSource(name, source string, argument goja.Value) (goja.Value, error) {
	p, err := goja.Compile(name, source, true)
	if err != nil {
		return nil, err
	}
	v, err := g.rt.RunProgram(p)
	if err != nil {
		return nil, err
	}
	call, ok := goja.AssertFunction(v)
	if !ok {
		return nil, errNoMain
	}
	return call(goja.Undefined(), argument)
}

// interruptible does what runs in the runtime until ctx ends.
func (g *Goja) interruptible(ctx context.Context, f func() error) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		g.rt.Interrupt(context.Cause(ctx))
		close(interrupted)
	})
	err := f()
	if !stop() {
		<-interrupted
		g.rt.ClearInterrupt()
	}
	return err
}

// warmLibrary compiles a module and makes it, with what is made lazily in it and that most scripts would wait for. A module
// that cannot be made is left to the script that asks for it.
func (g *Goja) warmLibrary(ctx context.Context, specifier string) {
	if g.warm.libraries[specifier] != nil || !g.warmProgram(ctx, specifier) {
		return
	}
	if g.warm.world == nil {
		var err error
		if g.warm.world, err = newWorld(g.rt); err != nil {
			return
		}
		g.warm.libraries = make(map[string]*warmLibrary)
	}
	before := maps.Clone(g.warm.libraries)
	if err := g.interruptible(ctx, func() error { _, err := g.makeWarm(specifier); return err }); err != nil {
		g.warm.libraries = before
		g.warm.making = nil
		_, _ = g.takeMarks(specifier) // it may have come so far
	}
	g.warm.making = nil
}

// makeWarm makes a module, or returns the exports of one that is made.
func (g *Goja) makeWarm(specifier string) (goja.Value, error) {
	if outer := g.warm.making; outer != nil {
		outer.needs = append(outer.needs, specifier)
		defer func() { g.warm.making = outer }()
	}
	if made := g.warm.libraries[specifier]; made != nil {
		return made.exports, nil
	}
	p, err := g.modules.program(specifier)
	if err != nil || p == nil {
		return nil, err
	}
	l := &warmLibrary{}
	g.warm.making = l
	if l.exports, err = g.instantiate(specifier, p); err != nil {
		return nil, err
	}
	if use := firstUse(specifier); use != "" {
		if _, err := g.callSource("first use", use, l.exports); err != nil {
			return nil, err
		}
	}
	if l.marks, err = g.takeMarks(specifier); err != nil {
		return nil, err
	}
	g.warm.libraries[specifier] = l
	return l.exports, nil
}

// takeWarm gives the script a module that was made beforehand, with those that it needs. It gives none where the script
// has changed a built-in: made now, the module would be another.
func (g *Goja) takeWarm(specifier string) (goja.Value, bool) {
	l := g.warm.libraries[specifier]
	if l == nil {
		return nil, false
	}
	if g.begun && !g.warm.world.untouched(g.rt) {
		g.warm.drop()
		return nil, false
	}
	g.give(specifier)
	return l.exports, true
}

func (g *Goja) give(specifier string) {
	l := g.warm.libraries[specifier]
	if l == nil {
		return // given already
	}
	delete(g.warm.libraries, specifier)
	g.loaded[specifier] = l.exports
	for _, needed := range l.needs {
		g.give(needed)
	}
	for _, m := range l.marks {
		_ = m.owner.Set(m.name, m.value) // a mark that a script refuses is one that the library could not have left
	}
}

// firstUse is a function that makes what a module would make when it is first used, and leaves nothing else behind.
// mathjs makes its functions lazily: those that evaluate needs take thirty times as long as the module itself. What others
// need beyond those takes 20 ms at most, and 1 to 2 MB of every box that waits. In the other modules nothing lazy takes even
// a millisecond.
func firstUse(specifier string) string {
	if specifier != "mathjs" {
		return ""
	}
	return `(function(math){math.evaluate("1")})`
}

// A mark is a property that a module leaves on a built-in as it is made.
type mark struct {
	owner *goja.Object
	name  string
	value goja.Value
}

// marked lists the marks that modules leave: the path of the built-in, and the property.
func marked(specifier string) [][2]string {
	if specifier == "lodash/fp" {
		return [][2]string{{"Array.isArray", "convert"}}
	}
	return nil
}

// takeMarks takes away the marks of a module that was made, until it is given to the script.
func (g *Goja) takeMarks(specifier string) (taken []*mark, err error) {
	for _, at := range marked(specifier) {
		owner, err := g.builtinObject(at[0])
		if err != nil {
			return nil, err
		}
		if value := owner.Get(at[1]); value != nil {
			taken = append(taken, &mark{owner, at[1], value})
			if err := owner.Delete(at[1]); err != nil {
				return nil, err
			}
		}
	}
	return taken, nil
}

// warmProgram waits until the module is compiled, or ctx ends.
func (g *Goja) warmProgram(ctx context.Context, specifier string) bool {
	c, begin := g.modules.compilation(specifier, false)
	if c == nil {
		return false
	}
	if begin {
		go g.modules.compile(specifier, c)
	}
	select {
	case <-c.done:
		return c.err == nil
	case <-ctx.Done():
		g.modules.abandon(c)
		return false
	}
}
