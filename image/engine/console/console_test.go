package console

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
)

func TestLevels(t *testing.T) {
	r := record(t, Options{})
	r.run(t, `
		console.log('a'); console.info('a'); console.warn('a'); console.error('a'); console.debug('a');
		console.table([1]); console.dir(1); console.dirxml(1); console.group('g'); console.groupEnd();
		console.groupCollapsed('g'); console.groupEnd(); console.count();
		console.time(); console.timeLog(); console.timeEnd(); console.trace(); console.assert(false)`)
	want := []api.LogLevel{api.LevelLog, api.LevelInfo, api.LevelWarn, api.LevelError, api.LevelDebug,
		api.LevelLog, api.LevelLog, api.LevelLog, api.LevelLog, api.LevelLog, api.LevelLog, api.LevelLog, api.LevelLog,
		api.LevelError, api.LevelError}
	if !slices.Equal(r.levels, want) {
		t.Errorf("levels\n%v\nwant\n%v\n%q", r.levels, want, r.lines)
	}
}

func TestTimers(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                       "t: 0ms",
		1234567 * time.Nanosecond:               "t: 1.235ms",
		999 * time.Millisecond:                  "t: 999ms",
		1500 * time.Millisecond:                 "t: 1.500s",
		61*time.Second + 20*time.Millisecond:    "t: 1:01.020 (m:ss.mmm)",
		125 * time.Second:                       "t: 2:05.000 (m:ss.mmm)",
		3*time.Hour + 4*time.Minute:             "t: 3:04:00.000 (h:mm:ss.mmm)",
		25*time.Hour + 59*time.Minute + 12345e6: "t: 25:59:12.345 (h:mm:ss.mmm)",
	} {
		r := record(t, Options{})
		r.run(t, `console.time('t')`)
		r.now = r.now.Add(d)
		r.run(t, `console.timeLog('t', 'x', { a: 1 }); console.timeEnd('t'); console.timeEnd('t')`)
		if r.lines[0] != want+" x { a: 1 }" || r.lines[1] != want || r.lines[2] != "No such label 't' for console.timeEnd()" {
			t.Errorf("%v: %q, want %q", d, r.lines, want)
		}
	}
}

func TestTrace(t *testing.T) {
	r := record(t, Options{Stack: func() string { return "    at f (script.js:1:2)" }})
	r.run(t, `console.trace('at %s', 'x', { a: 1 }); console.trace()`)
	if want := "Trace: at x { a: 1 }\n    at f (script.js:1:2)\nTrace\n    at f (script.js:1:2)"; r.text() != want {
		t.Errorf("got %q", r.text())
	}
	r = record(t, Options{})
	if r.run(t, `console.trace('x')`); r.text() != "Trace: x" {
		t.Errorf("without a stack: %q", r.text())
	}
}

// Node prints [object Object] here; we print the value, as the console standard says.
func TestAssertPrintsItsFirstArgument(t *testing.T) {
	r := record(t, Options{})
	r.run(t, `console.assert(false, { a: 1 }, 'x')`)
	if want := "Assertion failed: { a: 1 } x"; r.text() != want {
		t.Errorf("got %q, want %q", r.text(), want)
	}
}

func TestErrorStackHook(t *testing.T) {
	r := record(t, Options{ErrorStack: func(e *goja.Object) string { return "Error: x\n    at mapped (script.ts:7:1)" }})
	r.run(t, `console.log(new Error('x')); console.log([Object.assign(new Error('x'), { a: 1 })])`)
	want := "Error: x\n    at mapped (script.ts:7:1)\n[\n  Error: x\n      at mapped (script.ts:7:1) {\n    a: 1\n  }\n]"
	if r.text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.text(), want)
	}
}

func TestErrorStackOfGoja(t *testing.T) {
	r := record(t, Options{})
	if _, err := r.rt.RunScript("script.js", "function f() { return new TypeError('x') }\nconsole.log(f())"); err != nil {
		t.Fatal(err)
	}
	if want := "TypeError: x\n    at f (script.js:1:23)\n    at script.js:2:14"; r.text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.text(), want)
	}
}

// Nothing that prints may run the script's code: each of these throws when it is run.
func TestPrintingRunsNoCodeOfTheScript(t *testing.T) {
	const prelude = `
		const trap = () => { throw new Error('ran') };
		const traps = new Proxy({}, { get() { return trap } });
		const all = { get: trap, set: trap, value: trap };`
	for _, code := range []string{
		`({ get a() { trap() } })`,
		`Object.create({ get constructor() { trap() } })`,
		`Object.create({ get [Symbol.toStringTag]() { trap() } })`,
		`new (class { get [Symbol.toStringTag]() { trap() } })`,
		`new (class A { static get name() { trap() } })`,
		`class A { static get name() { trap() } }`,
		`new (class A { static [Symbol.hasInstance]() { trap() } })`,
		`new Proxy({ a: 1 }, traps)`,
		`new Proxy(function () {}, traps)`,
		`Object.create(new Proxy({}, traps))`,
		`Object.setPrototypeOf([1], new Proxy([], traps))`,
		`({ constructor: new Proxy(function f() {}, traps) })`,
		`new Map([[new Proxy({}, traps), new Proxy({}, traps)]])`,
		`Object.defineProperty(new Map([[1, 2]]), Symbol.iterator, { get: trap })`,
		`Object.defineProperty(Object.assign(new Map([[1, 2]]), { entries: trap }), 'size', { get: trap })`,
		`new (class extends Map { entries() { trap() } get size() { trap() } [Symbol.iterator]() { trap() } })([[1, 2]])`,
		`new (class extends Set { values() { trap() } get size() { trap() } [Symbol.iterator]() { trap() } })([1])`,
		`new (class extends Uint8Array { get length() { trap() } get buffer() { trap() } })(2)`,
		`new (class extends DataView { get buffer() { trap() } get byteLength() { trap() } })(new ArrayBuffer(2))`,
		`new (class extends RegExp { get source() { trap() } get flags() { trap() } toString() { trap() } })('a')`,
		`new (class extends Date { toISOString() { trap() } getTime() { trap() } })(0)`,
		`new (class extends Error { get name() { trap() } })('x')`,
		`new (class extends Error { get message() { trap() } })`,
		`Object.defineProperty(new Error('x'), 'message', { get: trap })`,
		`Object.assign(new Error('x'), { name: { toString: trap } })`,
		`Object.defineProperty(new Error('x'), 'stack', { get: trap })`,
		`Object.defineProperty(new Error('x'), 'cause', { get: trap })`,
		`Object.defineProperty(new Error('x'), 'errors', { get: trap })`,
		`Object.assign(new Error('x'), { cause: new Proxy(new Error('y'), traps) })`,
		`Object.create(Object.assign(new Error('x'), { name: { toString: trap } }))`,
		`Object.assign(Object.create(Object.defineProperty(new Error('x'), 'message', { get: trap })), { name: 'a', message: 'b' })`,
		`new (class extends Number { valueOf() { trap() } toString() { trap() } })(1)`,
		`new (class extends String { valueOf() { trap() } get length() { trap() } })('a')`,
		`({ [Symbol.for('nodejs.util.inspect.custom')]() { trap() } })`,
		`({ inspect() { trap() }, toJSON() { trap() }, toString() { trap() }, then: trap })`,
		`Object.defineProperty([1, 2], '0', { get: trap })`,
		`Object.defineProperty([1, 2, 3, 4, 5, 6, 7, 8], '3', { get: trap })`,
		`(() => { const p = Promise.reject(new Proxy({}, traps)); p.catch(() => {}); return p })()`,
		`(() => { const r = Proxy.revocable({}, traps); r.revoke(); return r.proxy })()`,
	} {
		for _, call := range []string{"console.log(V)", "console.log('%o', V)", "console.log('%O', V)", "console.dir(V, { showHidden: true, depth: null })",
			"console.table([V])", "console.table(V)", "console.table(V, ['a'])", "console.error('x', [V])"} {
			r := record(t, Options{})
			_, err := r.rt.RunString(prelude + "var V = " + code + ";" + call)
			if err != nil || len(r.lines) == 0 {
				t.Errorf("%s with V = %s: %v, logged %q", call, code, err, r.lines)
			}
		}
	}
}

// The built-ins that a script can replace are not what the console prints with.
func TestPatchedBuiltIns(t *testing.T) {
	r := record(t, Options{})
	r.run(t, `
		const trap = () => { throw new Error('ran') };
		const map = new Map([[1, 2]]), set = new Set([3]);
		const keep = new Set(['length', 'name', 'prototype', 'constructor', 'stack', 'message']), has = keep.has;
		const define = Object.defineProperty, names = Object.getOwnPropertyNames, call = Reflect.apply;
		for (const C of [Object, Map, Set, RegExp, Date, String, Error, Array])
			for (const on of [C, C.prototype])
				for (const k of names(on))
					if (!call(has, keep, [k])) define(on, k, { value: trap });
		console.log({ a: 1 }, [1], /x/g, new Date(0), map, set, [1, { a: 2 }], 'x')`)
	if want := "{ a: 1 } [ 1 ] /<source unknown>/ 1970-01-01T00:00:00.000Z Map(1) { <items unknown> } Set(1) { <items unknown> } [ 1, { a: 2 } ] x"; r.text() != want {
		t.Errorf("got %q, want %q", r.text(), want)
	}
}

// A message costs bounded time and memory whatever is printed.
func TestBounded(t *testing.T) {
	const limit = DefaultMaxMessageBytes
	for name, code := range map[string]string{
		"shared tree":        `let o = {}; for (let i = 0; i < 40; i++) o = { a: o, b: o }; console.dir(o, { depth: null })`,
		"shared tree as %o":  `let o = {}; for (let i = 0; i < 40; i++) o = [o, o]; console.log('%o', o)`,
		"shared tree as %j":  `let o = {}; for (let i = 0; i < 40; i++) o = [o, o]; console.log('%j', o)`,
		"empty shared tree":  `let o = []; for (let i = 0; i < 40; i++) o = new Array(100).fill(o); console.dir(o, { depth: null })`,
		"list":               `let o = null; for (let i = 0; i < 2e4; i++) o = { next: o }; console.dir(o, { depth: null })`,
		"list as %j":         `let o = null; for (let i = 0; i < 2e4; i++) o = [o]; console.log('%j', o)`,
		"long string":        `console.log('x'.repeat(1e7))`,
		"long wide string":   `console.log('é'.repeat(2e6), 'é'.repeat(2e6))`,
		"strings":            `console.log([ 'é\n'.repeat(1e5) ], 'x')`,
		"unlimited string":   `console.dir(['\n'.repeat(1e6)], { maxStringLength: null })`,
		"long array":         `console.dir(new Array(1e5).fill(1), { maxArrayLength: null })`,
		"holes":              `console.dir(new Array(2e6), { maxArrayLength: null }); console.dir([...new Array(3e4)], { maxArrayLength: null })`,
		"many keys":          `const o = {}; for (let i = 0; i < 1e5; i++) o['k' + i] = i; console.log(o)`,
		"many getters":       `const o = {}; for (let i = 0; i < 2e4; i++) Object.defineProperty(o, 'k' + i, { get() {}, enumerable: true }); console.log(o)`,
		"many extra keys":    `const o = []; for (let i = 0; i < 1e5; i++) o['k' + i] = i; console.log(o)`,
		"long map":           `const m = new Map(); for (let i = 0; i < 1e5; i++) m.set(i, i); console.dir(m, { maxArrayLength: null })`,
		"boxed string":       `console.log(new String('x'.repeat(1e6)))`,
		"long prototypes":    `let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o); console.log(o)`,
		"long null chain":    `let o = Object.create(null); for (let i = 0; i < 1e5; i++) o = Object.create(o); console.log(o)`,
		"null chains":        `let o = Object.create(null); for (let i = 0; i < 1e3; i++) o = Object.create(o); console.log('%o', o)`,
		"nested proxies":     `let o = {}; for (let i = 0; i < 1e4; i++) o = new Proxy(o, {}); console.log(o); console.dir(o, { showProxy: true, depth: null })`,
		"big BigInt":         `console.log([2n ** 3000000n], 2n ** 3000000n); console.log('%d %s', 2n ** 3000000n, 2n ** 3000000n)`,
		"long stack":         `const e = new Error('x'); e.stack = 'Error: x' + '\n    at f (a:1:1)'.repeat(1e5); e.cause = e; console.log(e)`,
		"deep causes":        `let e; for (let i = 0; i < 1e3; i++) e = new Error('x', { cause: e }); console.log(e); console.dir(e, { depth: null })`,
		"long symbol":        `console.log(Symbol('x'.repeat(1e6)), { [Symbol('y'.repeat(1e6))]: 1 })`,
		"long name":          `console.log(Object.defineProperty(function () {}, 'name', { value: 'x'.repeat(1e6) }))`,
		"long key":           `console.log({ ['x'.repeat(1e6)]: 1, ['é'.repeat(1e6)]: 1 })`,
		"long tag":           `console.log({ __proto__: { [Symbol.toStringTag]: 'x'.repeat(1e6) } })`,
		"wide table":         `console.table([{ ['x'.repeat(1e5)]: 'y'.repeat(1e5) }])`,
		"long table":         `console.table(Array.from({ length: 3e4 }, (_, i) => ({ i, ['k' + i % 50]: i })))`,
		"table of columns":   `console.table(Array.from({ length: 2e3 }, (_, i) => ({ ['k' + i]: i })))`,
		"groups":             `for (let i = 0; i < 1e5; i++) console.group(); console.log('a\n'.repeat(1e4))`,
		"many arguments":     `console.log(...new Array(3e4).fill({ a: 1 }))`,
		"many specifiers":    `console.log('%s'.repeat(1e5), ...new Array(3e4).fill({ a: 1 }))`,
		"labels":             `console.count('x'.repeat(1e6)); for (let i = 0; i < 2e4; i++) console.count('l' + i)`,
		"a billion elements": `const a = []; a.length = 4e9; console.log(a, a.length); a[3e9] = 1; console.dir(a, { maxArrayLength: null }); console.table(a)`,
		"a long list object": `console.log({ length: 2 ** 53 - 1 }); console.log('%j', { length: 2 ** 53 - 1 })`,
		"long assert":        `console.assert(false, 'x'.repeat(1e6)); console.trace('x'.repeat(1e6))`,
		"big typed array":    `console.dir(new Uint8Array(1e6), { maxArrayLength: null }); console.log('%o', new Uint8Array(1e6))`,
		"big buffer":         `console.dir(new ArrayBuffer(1e6), { maxArrayLength: null })`,
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, Options{MaxMessageBytes: limit})
			spent := timeCalls(t, r)
			r.run(t, code)
			if *spent > 2*time.Second {
				t.Errorf("the longest message took %v", *spent)
			}
			t.Logf("the longest message took %v", *spent)
			for _, line := range r.lines {
				if len(line) > limit {
					t.Errorf("a message of %d bytes", len(line))
				}
			}
			if len(r.lines) == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}

// timeCalls wraps the console's methods; the result is the longest that one call has taken.
func timeCalls(t *testing.T, r *recorded) *time.Duration {
	t.Helper()
	longest := new(time.Duration)
	obj := r.rt.Get("console").(*goja.Object)
	for _, name := range obj.Keys() {
		call := obj.Get(name).Export().(func(goja.FunctionCall) goja.Value)
		if err := obj.Set(name, func(f goja.FunctionCall) goja.Value {
			start := time.Now()
			defer func() { *longest = max(*longest, time.Since(start)) }()
			return call(f)
		}); err != nil {
			t.Fatal(err)
		}
	}
	return longest
}

func TestCutIsMarked(t *testing.T) {
	r := record(t, Options{MaxMessageBytes: 100})
	r.run(t, `console.log('é'.repeat(1000)); console.log(new Array(90).fill({ a: 'x' })); console.log('x'.repeat(100)); console.log('x'.repeat(101))`)
	const mark = "... cut: a message may hold 100 bytes"
	for i, whole := range []bool{false, false, true, false} {
		if cut := strings.HasSuffix(r.lines[i], mark); cut == whole || len(r.lines[i]) > 100 {
			t.Errorf("message %d of %d bytes: %q", i, len(r.lines[i]), r.lines[i])
		}
	}
}

// An interrupt reaches a script that does nothing but print, and one that is inside a toString that
// %s called.
func TestInterrupt(t *testing.T) {
	for _, code := range []string{
		`let o = {}; for (let i = 0; i < 40; i++) o = { a: o, b: o }; for (;;) console.dir(o, { depth: null })`,
		`console.log('%s', { toString() { for (;;); } })`,
		`console.log('%j', { toJSON() { for (;;); } })`,
		`console.count({ toString() { for (;;); } })`,
	} {
		r := record(t, Options{})
		timer := time.AfterFunc(50*time.Millisecond, func() { r.rt.Interrupt("enough") })
		start := time.Now()
		_, err := r.rt.RunString("try { " + code + " } catch (e) { throw 'caught' }")
		timer.Stop()
		var stop *goja.InterruptedError
		if !errors.As(err, &stop) {
			t.Errorf("%s: %v", code, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", code, d)
		}
	}
}

// What a conversion throws reaches the script, and the console goes on working.
func TestThrowingConversion(t *testing.T) {
	r := record(t, Options{})
	r.run(t, `
		for (const f of [
			() => console.log('%s', { toString() { throw new RangeError('mine') } }),
			() => console.log('%d', { valueOf() { throw new RangeError('mine') } }),
			() => console.log('%j', { toJSON() { throw new RangeError('mine') } }),
			() => console.count({ toString() { throw new RangeError('mine') } }),
		]) try { f() } catch (e) { console.log(e.name, e.message) }
		for (const f of [() => console.log('%j', 1n), () => console.count(Symbol()), () => console.table([], 5)])
			try { f() } catch (e) { console.log(e instanceof TypeError) }`)
	want := strings.Repeat("RangeError mine\n", 4) + "true\ntrue\ntrue"
	if r.text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.text(), want)
	}
}

func TestConsoleObject(t *testing.T) {
	r := record(t, Options{})
	r.run(t, `
		const { log, group } = console; log('unbound'); group('g');
		console.log(Object.prototype.toString.call(console), log.name, log.length, Object.keys(globalThis).includes('console'));
		console.log(Object.getOwnPropertyNames(console).every((k) => console[k].name === k));
		console.log(String(log));`)
	want := "unbound\ng\n  [object console] log 0 false\n  true\n  function log() { [native code] }"
	if r.text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.text(), want)
	}
}

// Inspect is called by the engine between jobs: it must not run jobs that are queued.
func TestInspectOutsideOfAScript(t *testing.T) {
	r := record(t, Options{})
	v, err := r.rt.RunString(`({ a: 'x', m: new Map([[1, [2]]]), e: undefined })`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Inspect(v), "{ a: 'x', m: Map(1) { 1 => [ 2 ] }, e: undefined }"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := r.Inspect(r.rt.ToValue("it's")); got != `"it's"` {
		t.Errorf("got %q", got)
	}
}

func BenchmarkInstall(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		rt := goja.New()
		b.StartTimer()
		Install(rt, Options{Log: func(api.LogLevel, string) {}, Now: time.Now})
	}
}

func BenchmarkLog(b *testing.B) {
	rt := goja.New()
	Install(rt, Options{Log: func(api.LogLevel, string) {}, Now: time.Now})
	for name, code := range map[string]string{
		"string": `() => console.log('hello')`,
		"object": `(() => { const o = { id: 1, name: 'Ann', tags: ['a', 'b'], at: { x: 1 } }; return () => console.log('row', o) })()`,
		"array":  `(() => { const o = Array.from({ length: 100 }, (_, i) => i); return () => console.log(o) })()`,
	} {
		v, err := rt.RunString(code)
		if err != nil {
			b.Fatal(err)
		}
		f, _ := goja.AssertFunction(v)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := f(goja.Undefined()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
