package polyfill_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/polyfill"
	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// lockDown takes eval and the function constructors away, as the engine does before a script runs. It returns what it took.
const lockDown = `(function () {
	var taken = [eval, Function, Object.getPrototypeOf(function* () {}).constructor, Object.getPrototypeOf(async function () {}).constructor];
	function No() { throw new EvalError('no code from strings') }
	No.prototype = Function.prototype;
	[function () {}, function* () {}, async function () {}].forEach(function (f) {
		Object.defineProperty(Object.getPrototypeOf(f), 'constructor', {value: No, writable: false, configurable: false});
	});
	globalThis.eval = function () { throw new EvalError('no eval') };
	globalThis.Function = No;
	return taken;
})()`

// touchAll loads every polyfill.
const touchAll = `[globalThis, Array, DataView.prototype, Date.prototype, Object.getPrototypeOf(Object.getPrototypeOf([].values())), Map, Map.prototype,
	Math, Object, Object.prototype, Promise, RegExp, String.prototype, WeakMap.prototype].forEach(function (o) {
	Reflect.ownKeys(o).forEach(function (k) { try { o[k] } catch (e) {} });
}); JSON.parse('1', (a, b, c) => b);`

// lockedRuntime is a runtime with the polyfills, locked down; taken is what scripts must not reach.
func lockedRuntime(t *testing.T) (rt *goja.Runtime, taken goja.Value) {
	t.Helper()
	testenv.Need(t, testenv.Libs, lib.Available())
	rt = newRuntime(t)
	taken, err := rt.RunString(lockDown)
	if err != nil {
		t.Fatal(err)
	}
	return rt, taken
}

func run(t *testing.T, rt *goja.Runtime, script string) string {
	t.Helper()
	value, err := rt.RunString(script)
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value.String()
}

func TestProbesWorkLockedDown(t *testing.T) {
	for _, probe := range probes {
		rt, _ := lockedRuntime(t)
		value, err := rt.RunString("var done;\n" + probe.script)
		if err != nil {
			t.Errorf("%s: %v", probe.name, err)
			continue
		}
		if done := rt.Get("done"); !goja.IsUndefined(done) {
			value = done
		}
		if got := value.String(); got != probe.want {
			t.Errorf("%s: got %s, want %s", probe.name, got, probe.want)
		}
	}
}

// Nothing that the polyfills add may lead back to what compiles code from a string.
func TestPolyfillsDoNotLeadToTheFunctionConstructor(t *testing.T) {
	rt, taken := lockedRuntime(t)
	run(t, rt, touchAll)
	walk, err := rt.RunString(`(function (taken) {
		var seen = new Set(), found = [];
		(function visit(o, path) {
			if (o === null || typeof o !== 'object' && typeof o !== 'function') return;
			if (taken.includes(o)) found.push(path);
			if (seen.has(o)) return;
			seen.add(o);
			visit(Object.getPrototypeOf(o), path + '.__proto__');
			Reflect.ownKeys(o).forEach(function (k) {
				var d = Object.getOwnPropertyDescriptor(o, k);
				[d.value, d.get, d.set].forEach(function (v) { visit(v, path + '.' + String(k)) });
			});
		})([globalThis, [].values(), new URL('a:b'), new URLSearchParams('a=b').entries(), [].values().map(function () {}),
			Iterator.from({next: function () {}}), structuredClone(new Error('x')), new DOMException('x'), new DisposableStack(),
			Promise.withResolvers(), Promise.try(function () {}), Object.groupBy([], function () {})], 'root');
		return seen.size + ' ' + found.join();
	})`)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := goja.AssertFunction(walk)
	got, err := f(goja.Undefined(), taken)
	if err != nil {
		t.Fatal(err)
	}
	size, found, _ := strings.Cut(got.String(), " ")
	if found != "" {
		t.Errorf("the function constructor can be reached: %s", found)
	}
	if len(size) < 3 {
		t.Errorf("only %s objects were walked", size)
	}

	for _, road := range []string{"URL", "structuredClone", "Iterator", "Iterator.prototype.map", "Object.groupBy", "DOMException", "atob", "new URL('a:b').searchParams",
		"Promise.withResolvers", "[].values().map(x => x).next", "Array.fromAsync", "Math.cosh", "JSON.parse", "ArrayBuffer.prototype.transfer", "AsyncIterator",
		"Object.getOwnPropertyDescriptor(Promise, 'allKeyed').value"} {
		for _, try := range []string{".constructor('return 1')()", ".constructor.constructor('return 1')()", ".constructor.constructor.constructor('return 1')()"} {
			got := run(t, rt, "try { "+road+try+"; 'compiled' } catch (e) { e.name }")
			if got != "EvalError" && got != "TypeError" {
				t.Errorf("%s%s: %s", road, try, got)
			}
		}
	}
}

func TestGlobalsOfOtherHostsStayAway(t *testing.T) {
	rt, _ := lockedRuntime(t)
	const names = `['global', 'self', 'window', 'process', 'document', '__core-js_shared__'].filter(n => n in globalThis).join()`
	before := run(t, rt, "Object.keys(globalThis).join()")
	if got := run(t, rt, names); got != "" {
		t.Errorf("before anything is touched there is %s", got)
	}
	run(t, rt, touchAll)
	if got := run(t, rt, names); got != "" {
		t.Errorf("when all is touched there is %s", got)
	}
	if strings.Contains(before, "URL") || strings.Contains(before, "structuredClone") {
		t.Errorf("the stubs can be listed: %s", before)
	}
	if got := run(t, rt, "Function.prototype.toString.call(Array.prototype.push)"); got != "function push() { [native code] }" {
		t.Errorf("Function.prototype.toString is not goja's any more: %s", got)
	}
}

func TestHostsOwnGlobalsStay(t *testing.T) {
	rt := newHost(t)
	rt.Set("URL", "mine")
	rt.Set("queueMicrotask", "mine too")
	if err := polyfill.Install(rt); err != nil {
		t.Fatal(err)
	}
	if got := run(t, rt, "URL + ' ' + queueMicrotask"); got != "mine mine too" {
		t.Errorf("got %s", got)
	}
}

// What a script does to built-ins is its own affair, and stands.
func TestScriptsThatChangeBuiltIns(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	tests := []struct{ name, script, want string }{
		{"an assignment replaces a stub", `Object.groupBy = () => 'mine'; Object.groupBy()`, `mine`},
		{"to a global too", `URL = 5; URL + ' ' + globalThis.URL`, `5 5`},
		{"in strict mode too", `(function () { 'use strict'; structuredClone = 6; return structuredClone })()`, `6`},
		{"a replaced one stays when its group is loaded", `Iterator.prototype; Object.getPrototypeOf(Object.getPrototypeOf([].values())).map = null; String([].values().filter(x => x).map)`, `null`},
		{"a replaced one stays, before its group is loaded", `var p = Object.getPrototypeOf(Object.getPrototypeOf([].values())); p.map = 7; p.filter; p.map`, `7`},
		{"a deleted one stays away", `delete Promise.allKeyed; Promise.allSettledKeyed; typeof Promise.allKeyed`, `undefined`},
		{"a defined one stays", `Object.defineProperty(Map.prototype, 'getOrInsert', {value: 8}); Map.prototype.getOrInsertComputed; Map.prototype.getOrInsert`, `8`},
		{"an heir gets a property of its own", `class M extends Map {}; var m = new M(); m.getOrInsert = 9; m.getOrInsert + ' ' + Object.keys(m) + ' ' + typeof Map.prototype.getOrInsert`, `9 getOrInsert function`},
		{"an object gets an own property", `var o = {}; o.__defineGetter__ = 1; JSON.stringify(o) + typeof {}.__defineGetter__`, `{"__defineGetter__":1}function`},
		{"a primitive keeps nothing", `var s = 'a'; s.isWellFormed = 1; typeof s.isWellFormed`, `function`},
		{"a frozen object refuses", `'use strict'; try { Object.freeze({}).__defineGetter__ = 1 } catch (e) { e.name }`, `TypeError`},
		{"the accessor put back does not go round in circles", `var d = Object.getOwnPropertyDescriptor(Object, 'groupBy'); Object.groupBy; Object.defineProperty(Object, 'groupBy', d); typeof Object.groupBy`, `function`},
		{"the accessor moved elsewhere answers", `var o = Object.defineProperty({}, 'x', Object.getOwnPropertyDescriptor(Object, 'groupBy')); typeof o.x`, `function`},
		{"a broken builtin breaks the polyfill, can be caught, and can be mended", `var def = Object.defineProperty; Object.defineProperty = () => { throw new RangeError('mine') };
			var got; try { URL; got = 'loaded' } catch (e) { got = 'threw' } Object.defineProperty = def; got + ' ' + new URL('https://a.b').host`, `threw a.b`},
		{"a missing builtin too", `var w = WeakMap; delete globalThis.WeakMap; var got; try { got = typeof Object.groupBy } catch (e) { got = 'threw' } got !== undefined`, `true`},
		{"replaced methods see no more than values", `var seen = []; ['call', 'apply', 'bind'].forEach(function (n) { var f = Function.prototype[n]; Function.prototype[n] = function () { for (var i = 0; i < arguments.length; i++) seen[seen.length] = arguments[i]; return Reflect.apply(f, this, arguments) } });
			URL; typeof structuredClone; seen.filter(v => typeof v === 'function' && String(v.name).includes('require')).length`, `0`},
		{"Error replaced", `Error = 1; typeof URL`, `function`},
		{"features are there for those who look", `['groupBy' in Object, 'fromAsync' in Array, Object.hasOwn(Promise, 'try'), typeof Iterator, Reflect.has(globalThis, 'URL')].join()`, `true,true,true,function,true`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt := newRuntime(t)
			rt.SetMaxCallStackSize(1000)
			if got := run(t, rt, test.script); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// An interrupt in the middle of loading must come out as one: nothing else ends the script.
func TestInterruptWhileLoading(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	rt := newRuntime(t)
	timer := time.AfterFunc(50*time.Millisecond, func() { rt.Interrupt("time is up") })
	defer timer.Stop()
	_, err := rt.RunString(`Object.defineProperty = function () { for (;;); }; try { URL } catch (e) { 'caught' }`)
	var interrupted *goja.InterruptedError
	if !errors.As(err, &interrupted) {
		t.Errorf("got %v", err)
	}
}

func TestTouchOnAFullStack(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	for depth := range 12 {
		rt := newRuntime(t)
		rt.SetMaxCallStackSize(100)
		_, err := rt.RunString(`function down(n) { return n ? down(n - 1) : typeof Iterator } down(` + rt.ToValue(88+depth).String() + `)`)
		var overflow *goja.StackOverflowError
		if err != nil && !errors.As(err, &overflow) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// Stack traces and names must not show what the polyfills are made of.
func TestNativeFunctionsHaveNamesOfTheirOwn(t *testing.T) {
	rt := newRuntime(t)
	got := run(t, rt, `[Math.cosh, JSON.parse, ArrayBuffer.prototype.transfer, Object.getOwnPropertyDescriptor(Object, 'groupBy').get,
		Object.getOwnPropertyDescriptor(Object, 'groupBy').set, Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'detached').get].map(f => f.name + f.length).join()`)
	if want := "cosh1,parse2,transfer0,get groupBy0,set groupBy0,get detached0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWithoutTheBundleATouchSaysWhatToType(t *testing.T) {
	if lib.Available() == nil {
		t.Skip("the libraries are bundled")
	}
	got := run(t, newRuntime(t), `try { Object.groupBy } catch (e) { e.name + ': ' + e.message }`)
	if !strings.Contains(got, "Error: ") || !strings.Contains(got, "make libs") {
		t.Errorf("got %s", got)
	}
}
