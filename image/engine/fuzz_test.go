package engine

import (
	"encoding/json"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/image/attacks"
)

// FuzzRun runs whatever it is given: the engine must come back with an outcome that is whole, and must not panic.
func FuzzRun(f *testing.F) {
	for _, code := range append([]string{
		`output = [1, "a", null, {b: new Map([[1, 2n]])}]`, `throw {toString() { throw 1 }}`, `await Promise.reject(new Proxy({}, {get() { throw 1 }}))`,
		`import _ from "lodash"; export default _.sum([1])`, `class A extends Error { constructor() { super(); throw this } } new A`,
		`for await (const x of [1]) output = x`, `setTimeout(() => { throw null }, 1)`, `return {get a() { return this }}`, `const e = new Error(); e.cause = e; throw e`,
		`Object.setPrototypeOf(Error.prototype, null); null.x`, `output = function* () {}()`, `Symbol.prototype.toString = null; throw Symbol()`,
		`label: { break label }`, `with ({output: 1}) output = 2`, `"use strict"; delete Object.prototype`, `Error.prototype.name = {}; x.y`,
		`globalThis.Error = class { get message() { throw 1 } }; throw new Error`, `Error.stackTraceLimit = 0; throw new Error("x")`,
		`throw new AggregateError([new Proxy({}, {}), , null])`, `new Promise((a, b) => { a(); throw 1 }); return new Proxy(Promise.resolve(1), {})`,
	}, attacks.Roads()...) {
		f.Add(code, false)
		f.Add(code, true)
	}
	f.Fuzz(func(t *testing.T, code string, ts bool) {
		if len(code) > 1000 {
			return
		}
		settings := []setting{timeout(200 * time.Millisecond), memory(64), outputLimit(1 << 16), input(`{"a":[1,{"b":2}]}`)}
		if ts {
			settings = append(settings, typescript)
		}
		r := run(t, code, settings...)
		if _, known := r.Code.Info(); !known || r.Code == api.ExecutionFailed || r.Code == api.InvalidInputData {
			t.Fatalf("%q: %v", code, r)
		}
		if (r.Code == api.Success) != (r.Error == nil) || r.Code == api.Success && !json.Valid(r.Output) {
			t.Fatalf("%q: %v", code, r)
		}
		if r.Error != nil && (len(r.Error.Message) > maxMessage || len(r.Error.Stack) > maxStack || len(r.Error.Name) > maxName) {
			t.Fatalf("%q: unbounded error", code)
		}
	})
}
