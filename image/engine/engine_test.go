package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"

	"glovebox/api"
)

// A scriptCase is a script and how it must end.
type scriptCase struct {
	name, code string
	settings   []setting
	want       api.ResultCode
	output     string   // as JSON; not looked at where empty
	errName    string   // not looked at where empty
	message    string   // a part of the error's message; what comes before "…" must match exactly
	place      [2]int   // line and column; not looked at where zero
	logs       []string // not looked at where nil
	warnings   []string // not looked at where nil
}

func runCases(t *testing.T, cases []scriptCase) {
	t.Helper()
	for _, c := range cases {
		name := c.name
		if name == "" {
			name = c.code[:min(len(c.code), 60)]
		}
		t.Run(name, func(t *testing.T) { c.check(t, run(t, c.code, c.settings...)) })
	}
}

func (c scriptCase) check(t *testing.T, r ran) {
	t.Helper()
	if r.Code != c.want {
		t.Fatalf("code: %v\nwant %s", r, c.want)
	}
	if (r.Error == nil) != (r.Code == api.Success) || (r.Output != nil) != (r.Code == api.Success) {
		t.Fatalf("an outcome has an output or an error: %v", r)
	}
	if c.output != "" && string(r.Output) != c.output {
		t.Errorf("output: %s\nwant    %s", r.Output, c.output)
	}
	if c.logs != nil {
		if diff := cmp.Diff(c.logs, r.logs); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
	}
	if c.warnings != nil {
		if diff := cmp.Diff(c.warnings, r.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	}
	if r.Error == nil {
		return
	}
	if c.errName != "" && r.Error.Name != c.errName {
		t.Errorf("name: %v, want %s", r, c.errName)
	}
	if !strings.Contains(r.Error.Message, c.message) {
		t.Errorf("message: %v\nwant %s", r, c.message)
	}
	if c.place != [2]int{} && c.place != [2]int{r.Error.Line, r.Error.Column} {
		t.Errorf("place: %d:%d, want %v (%v)", r.Error.Line, r.Error.Column, c.place, r)
	}
	for _, secret := range []string{"/work", "/root", ".go", "glovebox/", "goja", "$gb", "<native>"} {
		if strings.Contains(r.Error.Stack+r.Error.Message, secret) {
			t.Errorf("the error shows %q: %v", secret, r)
		}
	}
}

func TestOutput(t *testing.T) {
	in := []setting{input(`{"a":[1,2]}`)}
	runCases(t, []scriptCase{
		{code: `output = 1 + 1`, want: api.Success, output: "2"},
		{code: `return 5`, want: api.Success, output: "5"},
		{code: `return`, want: api.Success, output: "null"},
		{code: `1 + 1`, want: api.Success, output: "null"},
		{code: ` `, want: api.Success, output: "null"},
		{code: `const output = {a: 1}`, want: api.Success, output: `{"a":1}`},
		{code: `let output; output = [1]`, want: api.Success, output: `[1]`},
		{code: `var output = 3`, want: api.Success, output: `3`},
		{code: `var {output} = {output: 3}`, want: api.Success, output: `3`},
		{code: `const [x, output = 4] = []`, want: api.Success, output: `4`},
		{code: `import output from "lodash"`, want: api.Success, output: `null`, warnings: []string{"output: a function was written as null"}},
		{code: `import {sum as output} from "lodash"; output.x = 1`, want: api.Success, output: `null`},
		{code: `function output() {}`, want: api.Success, output: `null`},
		{code: `class output {}`, want: api.Success, output: `null`},
		{code: `export const output = 3`, want: api.Success, output: `3`},
		{code: `export default {a: 1}`, want: api.Success, output: `{"a":1}`},
		{code: `const x = 4; export { x as default }`, want: api.Success, output: `4`},
		{code: `export default 1; return 2`, want: api.Success, output: `2`},
		{code: `output = 1; return 2`, want: api.Success, output: `2`},
		{code: `output = 1; return undefined`, want: api.Success, output: `1`},
		{code: `output = 1; return null`, want: api.Success, output: `null`},
		{code: `globalThis["out" + "put"] = 6`, want: api.Success, output: `6`},
		{code: `if (true) return 1; const output = 2`, want: api.Success, output: `1`},
		{code: `if (true) return; const output = 2`, want: api.Success, output: `null`},
		{code: `'use strict'; output = 7`, want: api.Success, output: `7`},
		{code: `const set = (x) => { output = x }; set(8)`, want: api.Success, output: `8`},
		{code: `setTimeout(() => { output = 7 }, 5)`, want: api.Success, output: `7`},
		{code: `let output = 1; setTimeout(() => { output = 7 }, 5)`, want: api.Success, output: `7`},
		{code: `output = Promise.resolve(3)`, want: api.Success, output: `3`},
		{code: `output = (async () => { await null; return 3 })()`, want: api.Success, output: `3`},
		{code: `return new Promise(r => setTimeout(() => r(9), 5))`, want: api.Success, output: `9`},
		{code: `return {then(f) { f(10) }}`, want: api.Success, output: `10`},
		{code: `await null; return {then(f) { f(10) }}`, want: api.Success, output: `10`},
		{code: `return [Promise.resolve(1)]`, want: api.Success, output: `[null]`, warnings: []string{"output[0]: a Promise was written as null: await it first"}},
		{code: `return input`, settings: in, want: api.Success, output: `{"a":[1,2]}`},
		{code: `return typeof input`, want: api.Success, output: `"undefined"`},
		{code: `return input === null`, settings: []setting{input(`null`)}, want: api.Success, output: `true`},
		{code: `var input = input || {}; return input`, settings: in, want: api.Success, output: `{"a":[1,2]}`},
		{code: `let input = 3; return input`, settings: in, want: api.Success, output: `3`},
		{code: `const {a} = input; return a`, settings: in, want: api.Success, output: `[1,2]`},
		{code: `function input() {} return typeof input`, settings: in, want: api.Success, output: `"function"`},
		{code: `input.a.push(3); output = globalThis.input.a.length`, settings: in, want: api.Success, output: `3`},
		{code: `return [Object.keys(input), {}.x, Object.getPrototypeOf(input) === Object.prototype]`, settings: []setting{input(`{"__proto__":{"x":1}}`)},
			want: api.Success, output: `[["__proto__"],null,true]`},
		{code: `return input`, settings: []setting{input(`{"a":"\ud800é","b":1e400}`)}, want: api.Success, output: `{"a":"\ud800é","b":null}`},
		{code: `return 1`, settings: []setting{input(`{bad`)}, want: api.InvalidInputData, message: "position 1"},
		{code: `return 1`, settings: []setting{input(strings.Repeat("[", 1001) + strings.Repeat("]", 1001))}, want: api.InvalidInputData, message: "too deep"},
		{code: `return new Map([["a", new Set([1n])]])`, want: api.Success, output: `{"a":["1"]}`, warnings: []string{
			"output: a Map was written as an object", "output.a: a Set was written as an array", "output.a[0]: a BigInt was written as a string"}},
		{code: `output = {}; output.b = {c: output}`, want: api.RuntimeError, message: "output.b.c is a cycle"},
		{code: `let o = []; for (let i = 0; i < 1001; i++) o = [o]; return o`, want: api.RuntimeError, message: "nested deeper than 1000"},
		{code: "output = {a: {get b() {\n throw new Error('x') }}}", want: api.RuntimeError, errName: "Error", message: "output.a.b threw an error when it was read: x", place: [2]int{2, 8}},
		{code: `output = {toJSON() { eval("1") }}`, want: api.SecurityError},
		{code: `Object.defineProperty(globalThis, "output", {get() { throw new TypeError("no") }})`, want: api.RuntimeError, errName: "TypeError", message: "no"},
		{code: `return "x".repeat(100)`, settings: []setting{outputLimit(101)}, want: api.OutputLimit, message: "larger than 101 bytes"},
		{code: `return "x".repeat(100)`, settings: []setting{outputLimit(102)}, want: api.Success},
		{code: `let o = {}; for (let i = 0; i < 40; i++) o = {a: o, b: o}; return o`, settings: []setting{outputLimit(1 << 20)}, want: api.OutputLimit},
		{code: `return {get a() { while (true); }}`, settings: []setting{timeout(100 * time.Millisecond)}, want: api.Timeout, place: [2]int{1, 31}},
	})
}

func TestSyntaxError(t *testing.T) {
	runCases(t, []scriptCase{
		{code: "let a = 1;\nlet a = 2;", want: api.SyntaxError, errName: "SyntaxError", place: [2]int{2, 5}},
		{code: "let x = ;", want: api.SyntaxError, place: [2]int{1, 9}},
		{code: "}", want: api.SyntaxError, place: [2]int{1, 1}},
		{code: "await (async () => { let x = })", want: api.SyntaxError, place: [2]int{1, 30}},
		{code: "const a: number = 1", want: api.SyntaxError, place: [2]int{1, 8}},
		{code: "export * from 'lodash'", want: api.SyntaxError, place: [2]int{1, 1}},
		{code: "\n  import {nope} from 'lodash'", want: api.SyntaxError, message: `no export named "nope"`, place: [2]int{2, 3}},
		{code: "const x: string = ;", settings: []setting{typescript}, want: api.SyntaxError, place: [2]int{1, 19}},
		{name: "a thrown SyntaxError is the script's own", code: `throw new SyntaxError("Unexpected token")`, want: api.RuntimeError, errName: "SyntaxError"},
	})
}

func TestImport(t *testing.T) {
	runCases(t, []scriptCase{
		{code: "import _ from 'lodash'; import {v4 as u} from \"uuid\"; import * as L from 'lodash'\nconst r = await 3; return [_.sum([1,2]), u(), L.map([1], x => x * 2), r]",
			want: api.Success, output: `[3,"id-3",[2],3]`},
		{code: "return _.sum([1]);\nimport _ from 'lodash'", want: api.Success, output: "1"},
		{code: "import uuid from 'uuid'; return uuid.v4()", want: api.Success, output: `"id-3"`},
		{code: "import lodash, {sum} from 'lodash'; return lodash(sum([2]))", want: api.Success, output: `{"wrapped":2}`},
		{code: "import * as _ from 'lodash'; return [_.default === require('lodash'), 'sum' in _, typeof _.nope]", want: api.Success, output: `[true,true,"undefined"]`},
		{code: "return require('lodash') === require('lodash')", want: api.Success, output: "true"},
		{code: "return (await import('lodash')).default.sum([1])", want: api.Success, output: "1"},
		{code: "import('lodash').then(m => output = m.sum([1,2,3]))", want: api.Success, output: "6"},
		{code: "import {Matrix} from 'lodash'; type X = typeof Matrix; return 1", settings: []setting{typescript}, want: api.Success, output: "1"},
		{code: "import type {X} from 'anywhere'; import _ = require('lodash'); const x: X = _.sum([1]); return x", settings: []setting{typescript}, want: api.Success, output: "1"},
		{code: "\nimport fs from 'fs'", want: api.SecurityError, errName: "SecurityError", message: `"fs" is not available`, place: [2]int{2, 1}},
		{code: "import x from 'left-pad'", want: api.RuntimeError, message: "a box has lodash, uuid", place: [2]int{1, 1}},
		{code: "import 'https://example.org/x.js'", want: api.SecurityError, message: "no code from elsewhere"},
		{code: "import 'data:text/javascript,1'", want: api.SecurityError},
		{code: "import './util.js'", want: api.RuntimeError, message: "a box has lodash, uuid"},
		{code: "\n  require('fs')", want: api.SecurityError, place: [2]int{2, 3}},
		{code: "require('node:fs/promises')", want: api.SecurityError},
		{code: "require('child_process')", want: api.SecurityError},
		{code: "require('axios')", want: api.SecurityError, message: "no network"},
		{code: "require('node-fetch')", want: api.SecurityError},
		{code: "require('../../etc/passwd')", want: api.RuntimeError},
		{code: "require('left-pad')", want: api.RuntimeError, message: `Cannot find the module "left-pad": a box has lodash, uuid`, place: [2]int{1, 1}},
		{code: "require()", want: api.RuntimeError, errName: "TypeError"},
		{code: "require('__proto__')", want: api.RuntimeError},
		{code: "try { require('fs') } catch (e) { return [e instanceof Error, e.name, e.code, typeof e.message] }", want: api.Success, output: `[true,"SecurityError",null,"string"]`},
		{code: "try { require('left-pad') } catch (e) { return [e.name, e.code] }", want: api.Success, output: `["Error","MODULE_NOT_FOUND"]`},
		{code: "await import('fs')", want: api.SecurityError, place: [2]int{1, 7}},
		{code: "await import('left-pad')", want: api.SecurityError},
		{code: "import('fs').catch(e => output = e.name)", want: api.Success, output: `"SecurityError"`},
		{code: "import('fs')", want: api.SecurityError},
		{code: "const name = 'f' + 's'; import(name)", want: api.SecurityError},
		{code: "import('lodash', {with: {}}).then(m => output = typeof m.sum)", want: api.Success, output: `"function"`},
		{code: "require('broken')", want: api.RuntimeError, message: "cannot load", place: [2]int{1, 1}},
		{code: "import x from 'broken'", want: api.RuntimeError, message: "cannot load"},
		{code: "\nrequire('lodash').boom()", want: api.RuntimeError, errName: "TypeError", message: "from the library", place: [2]int{2, 19}},
		{code: "require('lodash').map(null)", want: api.RuntimeError, errName: "TypeError"},
		{code: "return 'import x from \"fs\"' + `\nimport y from 'fs'\n`.length", want: api.Success},
	})
}

// A script has the libraries that it may use, by every road to them, and the others by none.
func TestAllowedLibraries(t *testing.T) {
	lodash, none := []setting{libraries("lodash")}, []setting{libraries()}
	const said = `The module "uuid" is not available: it is not among the libraries that this script may use; a box has lodash`
	runCases(t, []scriptCase{
		{code: "return require('lodash').sum([1])", settings: lodash, want: api.Success, output: "1"},
		{code: "\n require('uuid')", settings: lodash, want: api.SecurityError, errName: "SecurityError", message: said, place: [2]int{2, 2}},
		{code: "import { v4 } from 'uuid'; return v4()", settings: lodash, want: api.SecurityError, message: said, place: [2]int{1, 1}},
		{code: "await import('uuid')", settings: lodash, want: api.SecurityError, message: said},
		{code: "try { require('uuid') } catch (e) { return [e.name, e.denied] }", settings: lodash, want: api.Success, output: `["SecurityError","uuid"]`},
		{code: "require('left-pad')", settings: lodash, want: api.RuntimeError, message: `Cannot find the module "left-pad": a box has lodash`},
		{code: "require('fs')", settings: lodash, want: api.SecurityError, message: "no files"},
		{code: "require('lodash')", settings: none, want: api.SecurityError, message: "this script may use no library"},
		{code: "return 1", settings: none, want: api.Success, output: "1"},
	})
}

// What was made while the box waited is kept from a script that may not have it.
func TestAllowedLibrariesWhenWarm(t *testing.T) {
	g, err := NewGoja(fakeModules())
	if err != nil {
		t.Fatal(err)
	}
	warm(t, g, "lodash", "uuid")
	if r := runIn(g, "return require('lodash').sum([1]) + require('uuid').v4()", libraries("lodash")); r.Code != api.SecurityError {
		t.Error(r)
	}
}

func TestLowered(t *testing.T) {
	runCases(t, []scriptCase{
		{code: "async function* g() { yield 1; yield* [2, 3] }\nlet s = 0; for await (const x of g()) s += x; return s", want: api.Success, output: "6"},
		{code: "const o = {async *[Symbol.asyncIterator]() { yield 1 }}; const r = []; for await (const x of o) r.push(x); return r", want: api.Success, output: "[1]"},
		{code: "function dec(v, c) { return function () { return c.name + v.call(this) } }\nclass A { @dec m() { return 1 } }\nreturn new A().m()", want: api.Success, output: `"m1"`},
		{code: "class A { accessor x = 2 } const a = new A(); a.x++; return a.x", want: api.Success, output: "3"},
		{code: "class A { static { this.n = 1 } #x = 2; has(o) { return #x in o } } return [A.n, new A().has(new A())]", want: api.Success, output: "[1,true]"},
		{code: "let a = null; a ??= 1; a ||= 2; a &&= 3; return a ** 2 + (1_0)", want: api.Success, output: "19"},
		{code: "return [1, 2, 3].at(-1) + ({a: {b: 1}}).a?.b + (null?.x ?? 5)", want: api.Success, output: "9"},
		{code: "return /\\p{L}+/u.exec('1é')[0]", want: api.Success, output: `"é"`},
		{code: "return new Date(2020, 1, 30).getMonth()", want: api.Success, output: "2"},
		{name: "TypeScript", code: `enum Hue { Red = "r", Blue = "b" }
namespace Shapes { export interface Box { w: number } export const unit: Box = { w: 1 } }
abstract class Animal { constructor(protected readonly name: string) {} abstract speak(): string }
class Dog extends Animal { speak() { return this.name as string } }
const cfg = { a: 1 } satisfies Record<string, number>;
function first<T>(xs: T[]): T | undefined { return xs[0] }
declare const nothing: number;
export type Row = { n: number };
const rows: Row[] = [{ n: 1 }];
output = [Hue.Red, Shapes.unit.w, new Dog("rex").speak(), cfg.a, first<number>([7])!, rows[0].n, <any>1];`,
			settings: []setting{typescript}, want: api.Success, output: `["r",1,"rex",1,7,1,1]`},
		{name: "place in TypeScript", code: "interface A {\n  x: number\n}\n\nconst a = {} as A | undefined;\nfunction f(p: A): never {\n  throw new Error(`bad ${p.x}`);\n}\nf(a!);",
			settings: []setting{typescript}, want: api.RuntimeError, place: [2]int{7, 9}},
		{name: "place in lowered code", code: "async function* g() {\n  yield 1;\n  throw new Error('x');\n}\nfor await (const x of g()) {\n}", want: api.RuntimeError, place: [2]int{3, 9}},
		{name: "place under await", code: "await null;\nconst f = async () => {\n  await null;\n  undefined.x;\n};\nawait f();", want: api.RuntimeError, errName: "TypeError", place: [2]int{4, 13}},
		{code: "#!/usr/bin/env node\nreturn 1", want: api.Success, output: "1"},
		{code: "return [this === globalThis, (function () { return this === globalThis })()]", want: api.Success, output: "[true,true]"},
		{code: "'use strict'; return this === undefined", want: api.Success, output: "true"},
		{code: "undeclared = 1; return undeclared", want: api.Success, output: "1"},
		{code: "'use strict'; undeclared = 1", want: api.RuntimeError, errName: "ReferenceError"},
		{code: "import 'lodash'; undeclared = 1", want: api.RuntimeError, errName: "ReferenceError"},
		{code: "return typeof globalThis + typeof global + typeof window + typeof module", want: api.Success, output: `"objectobjectundefinedundefined"`},
	})
}

func TestRuntimeError(t *testing.T) {
	huge := strings.Repeat("x", 100000)
	runCases(t, []scriptCase{
		{code: "throw new Error('boom')", want: api.RuntimeError, errName: "Error", message: "boom", place: [2]int{1, 7}},
		{code: "function f() {\n  throw new TypeError('bad')\n}\nf()", want: api.RuntimeError, errName: "TypeError", message: "bad", place: [2]int{2, 9}},
		{code: "const x = undefined;\n\nx.foo.bar", want: api.RuntimeError, errName: "TypeError", message: "foo", place: [2]int{3, 3}},
		{code: "nope()", want: api.RuntimeError, errName: "ReferenceError", message: "nope is not defined", place: [2]int{1, 1}},
		{code: "throw 'str'", want: api.RuntimeError, errName: "Error", message: "str", place: [2]int{1, 1}},
		{code: "throw {code: 5}", want: api.RuntimeError, message: "{ code: 5 }", place: [2]int{1, 1}},
		{code: "throw {name: 'N', message: 'm'}", want: api.RuntimeError, errName: "N", message: "m"},
		{name: "a text in async code", code: "await null;\nasync function f() {\n  throw 'x';\n}\nawait f()", want: api.RuntimeError, message: "x", place: [2]int{3, 9}},
		{name: "an object in async code", code: "await null;\nthrow { code: 1, f() { return 1; } };", want: api.RuntimeError, message: "code: 1"},
		{name: "a value thrown again", code: "await null;\nlet t = 1; try { throw t } catch (e) {\n  throw e }", want: api.RuntimeError, message: "1", place: [2]int{3, 9}},
		{code: "await null; const o = { throw(x) { return x }, throwing: 1 }; return o.throw(2) + o.throwing", want: api.Success, output: "3"},
		{code: "await null; const f = () => { throw `a${(() => { const x = 1; return x })()}` }; try { f() } catch (e) { return e }", want: api.Success, output: `"a1"`},
		{code: "class E extends Error { constructor(m) { super(m); Error.captureStackTrace(this, E) } }\nthrow new E('x')", want: api.RuntimeError, message: "x", place: [2]int{2, 7}},
		{code: "const o = {}; Error.captureStackTrace(o); return o.stack.split('\\n').length", want: api.Success, output: "2"},
		{code: "await Promise.any([import('fs'), Promise.reject(1)])", want: api.SecurityError, errName: "AggregateError"},
		{code: "throw null", want: api.RuntimeError, message: "null"},
		{code: "throw undefined", want: api.RuntimeError, message: "undefined"},
		{code: "throw 12n", want: api.RuntimeError, message: "12"},
		{code: "throw Symbol('s')", want: api.RuntimeError, message: "Symbol(s)"},
		{code: "throw () => 1", want: api.RuntimeError},
		{code: "throw Object.create(null)", want: api.RuntimeError},
		{code: "throw new Proxy(new Error('x'), {get() { throw 1 }})", want: api.RuntimeError},
		{code: "throw new Proxy({}, {getPrototypeOf() { throw 1 }, get() { throw 2 }})", want: api.RuntimeError},
		{code: "const e = new Error('x'); Object.defineProperty(e, 'message', {get() { throw 1 }}); throw e", want: api.RuntimeError, place: [2]int{1, 11}},
		{code: "const e = new Error('x'); Object.defineProperty(e, 'name', {get() { throw e }}); throw e", want: api.RuntimeError},
		{code: "const e = new Error('x'); Object.defineProperty(e, 'message', {get() { while (true); }}); throw e", settings: []setting{timeout(100 * time.Millisecond)}, want: api.Timeout},
		{code: "const e = new Error('x'); e.stack = 'at /etc/passwd:1:1'; throw e", want: api.RuntimeError, place: [2]int{1, 11}},
		{code: "const e = new Error('x'); e.cause = e; throw e", want: api.RuntimeError, message: "x"},
		{code: "class MyError extends Error { constructor(m) { super(m); this.name = 'MyError' } }\nthrow new MyError('mine')", want: api.RuntimeError, errName: "MyError", message: "mine", place: [2]int{2, 7}},
		{code: "throw Object.assign(new Error('x'), {name: {}, message: 5})", want: api.RuntimeError, message: "5"},
		{code: "throw new AggregateError([new Error('a'), 'b'], 'all')", want: api.RuntimeError, errName: "AggregateError", message: "all\n  [0] Error: a\n  [1] 'b'"},
		{code: "await Promise.any([Promise.reject(new Error('a'))])", want: api.RuntimeError, errName: "AggregateError", message: "Error: a"},
		{name: "huge message", code: "throw new Error('" + huge + "')", want: api.RuntimeError, message: "xxx"},
		{name: "huge name", code: "const e = new Error('a'); e.name = '" + huge + "'; throw e", want: api.RuntimeError},
		{name: "huge string", code: "throw 'é'.repeat(1e6)", want: api.RuntimeError},
		{code: "throw '\\ud800'", want: api.RuntimeError, message: "\ufffd"},
		{code: "function f() { f() }\nf()", want: api.RuntimeError, errName: "RangeError", message: "Maximum call stack size exceeded", place: [2]int{1, 16}},
		{code: "function sum(n) { return n ? n + sum(n - 1) : 0 } return sum(9000)", want: api.Success, output: "40504500"},
		{code: "return JSON.parse('{bad')", want: api.RuntimeError, errName: "SyntaxError", message: "Unexpected token 'b' in JSON at position 1", place: [2]int{1, 13}},
		{code: "JSON.parse('['.repeat(100000))", want: api.RuntimeError, errName: "RangeError"},
		{code: "return JSON.parse('{\"a\":[1,2]}', (k, v) => Array.isArray(v) ? v.length : v)", want: api.Success, output: `{"a":2}`},
		{code: "JSON.parse(Symbol())", want: api.RuntimeError, errName: "TypeError"},
		{code: "new Array(-1)", want: api.RuntimeError, errName: "RangeError"},
		{code: "'x'.repeat(-1)", want: api.RuntimeError, errName: "RangeError"},
		{code: "null[Symbol.iterator]", want: api.RuntimeError, errName: "TypeError"},
		{code: "const [a] = null", want: api.RuntimeError, errName: "TypeError"},
		{code: "let x = 1; { x; let x = 2 }", want: api.RuntimeError, errName: "ReferenceError"},
		{code: "const c = 1; c = 2", want: api.RuntimeError, errName: "TypeError", place: [2]int{1, 14}},
		{name: "logs before the error are kept", code: "console.log(1); console.error('two'); throw 3", want: api.RuntimeError, logs: []string{"log: 1", "error: two"}},
	})
}

// The class of an outcome never comes from a text that a script can write.
func TestMessagesDoNotDecide(t *testing.T) {
	runCases(t, []scriptCase{
		{code: `throw Object.assign(new Error("eval is off: a box runs the code that it was given, and none that is made from text"), {name: "SecurityError", denied: "eval"})`, want: api.RuntimeError},
		{code: `try { eval("1") } catch (e) { throw Object.assign(Object.create(Object.getPrototypeOf(e)), e, {name: e.name, message: e.message, stack: e.stack}) }`, want: api.RuntimeError},
		{code: `throw new Error("memory limit exceeded")`, want: api.RuntimeError},
		{code: `throw new RangeError("Maximum call stack size exceeded")`, want: api.RuntimeError},
		{code: `throw new Error("timeout: the script did not end within 10s")`, want: api.RuntimeError},
		{code: `throw {name: "TimeoutError", message: "The script did not end within 10s"}`, want: api.RuntimeError},
		{code: `throw new ReferenceError("fetch is not defined")`, want: api.RuntimeError},
		{code: `typeof fetch; throw new ReferenceError("fetch is not defined")`, want: api.RuntimeError},
		{code: `throw new SyntaxError("Unexpected token")`, want: api.RuntimeError},
		{code: `throw "SECURITY_ERROR"`, want: api.RuntimeError},
		{code: `const e = new Error("interrupted"); e.toString = () => "InterruptedError"; throw e`, want: api.RuntimeError},
		{code: `try { require("fs") } catch (e) { throw e }`, want: api.SecurityError},
		{code: `try { require("fs") } catch (e) { e.name = "TypeError"; e.message = "harmless"; throw e }`, want: api.SecurityError, errName: "TypeError", message: "harmless"},
		{code: `try { require("fs") } catch (e) { throw new Error("wrapped", {cause: e}) }`, want: api.RuntimeError},
		{code: `throw new Error("runtime error: makeslice: len out of range")`, want: api.RuntimeError},
	})
}

// A recursion through natives took ten seconds to be unwound.
func TestNesting(t *testing.T) {
	const overflow = "Maximum call stack size exceeded"
	runCases(t, []scriptCase{
		{code: "const f = () => [1].map(f); f()", want: api.RuntimeError, errName: "RangeError", message: overflow, place: [2]int{1, 21}},
		{code: "const f = () => new Set([1]).forEach(f); f()", want: api.RuntimeError, errName: "RangeError", message: overflow},
		{code: "const o = {}; o.toJSON = () => JSON.stringify(o); JSON.stringify(o)", want: api.RuntimeError, errName: "RangeError", message: overflow},
		{code: "const f = () => 'a'.replace(/a/, f); f()", want: api.RuntimeError, errName: "RangeError", message: overflow},
		{code: "function f() { f.call(null) } f()", want: api.RuntimeError, errName: "RangeError", message: overflow},
		{code: "let n = 0; const f = () => { n++; [1].forEach(f) }; try { f() } catch (e) { return [n > 1000, e instanceof RangeError] }", want: api.Success, output: "[true,true]"},
		{code: "const tree = d => d ? { c: [1].map(() => tree(d - 1)) } : 1; return JSON.stringify(tree(900)).length > 900", want: api.Success, output: "true"},
		{code: "const sum = n => n ? n + sum(n - 1) : 0; return sum(10000)", want: api.Success, output: "50005000"},
		{code: "return [[].map.name, [].map.length, JSON.stringify.length, Object.getOwnPropertyDescriptor([].__proto__, 'map').enumerable]", want: api.Success, output: `["map",1,3,false]`},
		{code: "[1].map(5)", want: api.RuntimeError, errName: "TypeError"},
	})
}

// Recursion through goja's own Go frames is unwound slowly: the test allows less of it than a script has.
func TestNativeRecursion(t *testing.T) {
	for _, code := range []string{
		"class A { constructor() { this.a = new A() } } new A()",
		"const o = {toString() { return '' + this }}; '' + o",
		"const o = { get a() { return this.a } }; o.a",
		"async function f() { await f() } await f()",
	} {
		t.Run(code, func(t *testing.T) {
			g, err := NewGoja(fakeModules())
			if err != nil {
				t.Fatal(err)
			}
			g.rt.SetMaxCallStackSize(1000)
			scriptCase{want: api.RuntimeError, errName: "RangeError", message: "Maximum call stack size exceeded"}.check(t, runIn(g, code))
		})
	}
}

// What panics in Go below the script is no way out of the engine.
func TestGoPanics(t *testing.T) {
	for name, boom := range map[string]func(){
		"index":  func() { _ = []int{}[len(run(t, "").logs)] },
		"length": func() { _ = make([]byte, len(run(t, "").logs)-1) },
		"value":  func() { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			g, err := NewGoja(fakeModules())
			if err != nil {
				t.Fatal(err)
			}
			if err := g.rt.Set("boom", func(goja.FunctionCall) goja.Value { boom(); return nil }); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"index": "RangeError", "length": "RangeError", "value": "InternalError"}[name]
			scriptCase{want: api.RuntimeError, errName: want}.check(t, runIn(g, `try { [1].map(boom) } finally { console.log(1) }`))
		})
	}
}
