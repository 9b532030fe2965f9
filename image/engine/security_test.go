package engine

import (
	"fmt"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/image/attacks"
)

func TestNoRoadToCode(t *testing.T) {
	for _, road := range attacks.Roads() {
		t.Run(road, func(t *testing.T) {
			if r := run(t, "return "+road); r.Code != api.SecurityError || r.Error.Line != 1 || r.Error.Message == "" {
				t.Errorf("uncaught: %v", r)
			}
			if r := run(t, "try { "+road+"; return 'ran' } catch (e) { return [e instanceof Error, e.name] }"); string(r.Output) != `[true,"SecurityError"]` {
				t.Errorf("caught: %v", r)
			}
			if r := run(t, "Promise.resolve().then(() => "+road+")"); r.Code != api.SecurityError {
				t.Errorf("in a promise: %v", r)
			}
		})
	}
}

func TestFunctionsStayFunctions(t *testing.T) {
	runCases(t, []scriptCase{
		{code: `return [(() => {}) instanceof Function, Function.name, typeof Function, Function.prototype === Object.getPrototypeOf(() => {}), Function.length, eval.name, (async () => {}) instanceof Function]`,
			want: api.Success, output: `[true,"Function","function",true,1,"eval",true]`},
		{code: `class F extends Function {} return typeof F`, want: api.Success, output: `"function"`},
	})
}

func TestAbsent(t *testing.T) {
	for _, name := range absentNames() {
		t.Run(name, func(t *testing.T) {
			c := scriptCase{want: api.SecurityError, errName: "SecurityError", message: name + " is not available: a box", place: [2]int{2, 1}}
			for _, use := range []string{"%s", "%s()", "new %s('x')", "%s.env", "%s?.x", "%s && 1"} {
				code := "\n" + fmt.Sprintf(use, name)
				if strings.HasPrefix(use, "new") {
					c.place = [2]int{}
				}
				c.check(t, run(t, code))
				c.place = [2]int{2, 1}
			}
			r := run(t, fmt.Sprintf(`return [typeof %[1]s, globalThis.%[1]s, "%[1]s" in globalThis, typeof %[1]s === "undefined" ? 1 : %[1]s.x]`, name))
			if string(r.Output) != `["undefined",null,false,1]` {
				t.Errorf("asking: %v", r)
			}
			if r := run(t, fmt.Sprintf(`const %[1]s = 4; return %[1]s`, name)); string(r.Output) != "4" {
				t.Errorf("a name of the script's own: %v", r)
			}
			if r := run(t, fmt.Sprintf(`globalThis.%[1]s = 5; return [%[1]s, typeof %[1]s]`, name)); string(r.Output) != `[5,"number"]` {
				t.Errorf("a global of the script's own: %v", r)
			}
			if r := run(t, fmt.Sprintf(`try { %s } catch (e) { return e.name }`, name)); string(r.Output) != `"SecurityError"` {
				t.Errorf("caught: %v", r)
			}
		})
	}
	runCases(t, []scriptCase{
		{code: `return ({ process: 1, fetch() { return 2 } }).fetch()`, want: api.Success, output: "2"},
		{code: `return (process => process)(3)`, want: api.Success, output: "3"},
		{code: `return "process.env fetch('x')"`, want: api.Success},
		{code: `fetch = () => 6; return fetch()`, want: api.Success, output: "6"},
		{code: `window`, want: api.RuntimeError, errName: "ReferenceError"},
	})
}

// Globals that a script takes away or replaces do not mislead the engine.
func TestHostileGlobals(t *testing.T) {
	runCases(t, []scriptCase{
		{code: `Error = null; TypeError = null; require("fs")`, want: api.SecurityError},
		{code: `Promise = null; queueMicrotask(() => { output = 1 })`, want: api.Success, output: "1"},
		{code: `Promise.prototype.then = null; await 1; return 2`, want: api.Success, output: "2"},
		{code: `Promise.resolve = () => { throw 1 }; return {then(f) { f(3) }}`, want: api.Success, output: "3"},
		{code: `JSON.parse = JSON.stringify = null; output = {a: 1}`, want: api.Success, output: `{"a":1}`},
		{code: `Array.prototype.push = Array.prototype[Symbol.iterator] = null; output = [1]`, want: api.Success, output: `[1]`},
		{code: `Object.prototype.toJSON = function () { return "x" }; return {}`, want: api.Success, output: `"x"`},
		{code: `Object.defineProperty(Object.prototype, "then", {get() { throw new Error("then") }}); return {}`, want: api.RuntimeError, message: "then"},
		{code: `Object.prototype.output = 5; delete globalThis.output; output`, want: api.Success, output: "5"},
		{code: `Object.freeze(globalThis); return 1`, want: api.Success, output: "1"},
		{code: `delete globalThis.input; delete globalThis.output; return typeof input`, want: api.Success, output: `"undefined"`},
		{code: `for (const k of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[k] } catch {} } return 1`, want: api.Success, output: "1"},
		{code: `globalThis.__proto__ = null; return 1`, want: api.Success, output: "1"},
		{code: `console.log = null; throw {a: 1}`, want: api.RuntimeError},
		{code: `return globalThis`, want: api.Success, output: "{}"},
		{code: `globalThis.self = globalThis; return {g: globalThis}`, want: api.RuntimeError, message: "output.g.self is a cycle"},
	})
}

// What a script sees of functions made in Go must not tell of Go.
func TestNothingOfGoShows(t *testing.T) {
	r := run(t, attacks.GoWalk)
	if string(r.Output) != "[]" {
		t.Errorf("%v", r)
	}
}
