// Package attacks holds scripts that try to take more than their share, or to get at what is not theirs, for whoever
// runs scripts: the engine's tests where an attack is harmless to its process, the drivers' tests and the isolation audit in
// real boxes for all of them. It imports no engine.
package attacks

import "glovebox/api"

// Mark is what every bomb prints before it goes off: a log that must be kept.
const Mark = "before the bomb"

// A Bomb is a script that exhausts something.
type Bomb struct {
	Name string
	Code string
	// Want are the codes that a box may end it with. More than one stands where it is a race which limit is
	// reached first: the memory, the time or the stack.
	Want []api.ResultCode
	// Safe says that the engine itself stops the bomb: its process lives on. The others end in a fatal error
	// of Go's or are deaf to interruption, so that only the box stops them.
	Safe bool
}

// A Group is bombs of one kind.
type Group struct {
	Name  string // as an id's part is written
	Bombs []Bomb
}

// Groups returns all bombs by their kinds. They are meant for a memory limit of 128 MB and a time limit of one to five seconds.
func Groups() []Group {
	groups := []Group{{"growth", growth()}, {"allocation", allocations()}, {"depth", deep()}, {"deaf", deaf()}, {"endless", endless()}}
	for _, g := range groups {
		for i := range g.Bombs {
			g.Bombs[i].Code = "console.log(" + quote(Mark) + ");\n" + g.Bombs[i].Code
		}
	}
	return groups
}

// Bombs returns the bombs of all groups.
func Bombs() []Bomb {
	var all []Bomb
	for _, g := range Groups() {
		all = append(all, g.Bombs...)
	}
	return all
}

func quote(s string) string { return `"` + s + `"` }

var (
	memory       = []api.ResultCode{api.MemoryLimit}
	timeout      = []api.ResultCode{api.Timeout}
	runtimeError = []api.ResultCode{api.RuntimeError}
	memoryOrTime = []api.ResultCode{api.MemoryLimit, api.Timeout}
	anyOfThem    = []api.ResultCode{api.RuntimeError, api.MemoryLimit, api.Timeout}
)

// growth are loops that hold on to ever more.
func growth() []Bomb {
	return []Bomb{
		{"array of arrays", `const a = []; for (;;) a.push(new Array(1000).fill(1));`, memory, true},
		{"array of numbers", `const a = []; for (;;) a.push(Math.random());`, memoryOrTime, true},
		{"array of objects", `const a = []; for (;;) a.push({ a: 1, b: [1, 2, 3] });`, memory, true},
		{"keys of an object", `const o = {}; for (let i = 0; ; i++) o["k" + i] = i;`, memory, true},
		{"map", `const m = new Map(); for (let i = 0; ; i++) m.set(i, { i });`, memory, true},
		{"set of strings", `const s = new Set(); for (let i = 0; ; i++) s.add("v".repeat(100) + i);`, memory, true},
		{"closures", `let f = () => 1; const all = []; for (;;) { const g = f; f = () => g; all.push(f); }`, memory, true},
		{"typed arrays", `const a = []; for (;;) a.push(new Uint8Array(1 << 20));`, memory, true},
		{"buffers", `const a = []; for (;;) a.push(new ArrayBuffer(1 << 20));`, memory, true},
		{"promises", `const a = []; for (;;) a.push(new Promise(() => {}));`, memory, true},
		{"timers", `for (;;) setTimeout(() => {}, 1e6);`, memory, true},
		{"microtasks", `const flood = () => { for (let i = 0; i < 10; i++) Promise.resolve().then(flood); }; flood();`, memoryOrTime, true},
		{"linked list", `let head = null; for (;;) head = { head, data: "x" };`, memory, true},
		{"string by doubling", `let s = "x"; const all = []; for (;;) { s += s; all.push(s); }`, anyOfThem, false},
		{"string by appending", `let s = ""; for (;;) s += "0123456789".repeat(10000);`, memoryOrTime, false},
		{"errors with deep stacks", `const all = []; const f = n => n ? f(n - 1) : all.push(new Error("x")); for (;;) f(500);`, memory, true},
	}
}

// allocations are single operations that ask for more than a box has.
func allocations() []Bomb {
	return []Bomb{
		{"repeat 2^31", `output = "x".repeat(2 ** 31).length;`, runtimeError, true},
		{"repeat 2^28 of two bytes", `output = "é".repeat(2 ** 28).length;`, memory, true},
		{"padStart 2^30", `output = "x".padStart(2 ** 30).length;`, runtimeError, true},
		{"padStart 2^28", `output = "x".padStart(2 ** 28).length;`, memory, true},
		{"BigInt power", `output = String(2n ** (2n ** 33n)).length;`, anyOfThem, false},
		{"BigInt shift", `output = String(1n << (1n << 40n)).length;`, anyOfThem, false},
		{"Uint8Array 2^40", `output = new Uint8Array(2 ** 40).length;`, anyOfThem, false},
		{"Float64Array 2^30", `output = new Float64Array(2 ** 30).fill(1).length;`, anyOfThem, false},
		{"ArrayBuffer 2^34", `const b = new Uint8Array(new ArrayBuffer(2 ** 34)); b.fill(1); output = b.length;`, anyOfThem, false},
		{"fill 1e9", `output = new Array(1e9).fill(0).length;`, memory, true},
		{"Array.from 1e9", `output = Array.from({ length: 1e9 }).length;`, memory, true},
		{"join of holes", `output = new Array(2 ** 31).join("xxxxxxxxxx").length;`, runtimeError, true},
		{"concat doubling", `let a = [1, 2, 3, 4]; for (;;) a = a.concat(a);`, anyOfThem, false},
		{"spread", `const a = new Array(5e7).fill(1); output = Math.max(...a);`, anyOfThem, false},
		{"split", `output = "x".repeat(5e7).split("").length;`, anyOfThem, false},
		{"replaceAll 1e5 by 1e5", `output = "a".repeat(1e5).replaceAll("a", "b".repeat(1e5)).length;`, memoryOrTime, false},
		{"stringify of a shared tree", `let o = { a: 1 }; for (let i = 0; i < 40; i++) o = [o, o]; output = JSON.stringify(o).length;`, memoryOrTime, false},
		{"structuredClone of a wide tree", `const a = new Array(3e6).fill(0).map(() => ({})); output = structuredClone(a).length;`, anyOfThem, false},
	}
}

// deep are structures that a recursive program falls over.
func deep() []Bomb {
	return []Bomb{
		{"recursion", `(function f() { f(); })();`, runtimeError, true},
		{"recursion with large frames", `(function f(a) { const b = [a, a, a, a]; return f(b) + b.length; })(1);`, runtimeError, true},
		{"recursion through natives", `const f = () => [1].map(f); f();`, runtimeError, true},
		{"recursion through toString", `const o = { toString() { return "" + this; } }; output = "" + o;`, anyOfThem, false},
		{"recursion through a getter", `const o = { get a() { return this.a; } }; output = o.a;`, anyOfThem, false},
		{"recursion through async functions", `const f = async () => { await f(); }; await f();`, anyOfThem, false},
		{"JSON.parse of a million brackets", `output = JSON.parse("[".repeat(1e6) + "]".repeat(1e6));`, runtimeError, true},
		{"JSON.parse with a reviver", `output = JSON.parse("[".repeat(1e6) + "]".repeat(1e6), (k, v) => v);`, runtimeError, true},
		{"stringify of a deep list", `let o = {}; for (let i = 0; i < 2e6; i++) o = { o }; output = JSON.stringify(o).length;`, anyOfThem, false},
		{"output of a deep list", `let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; output = o;`, runtimeError, true},
		{"flat of a deep list", `let a = [1]; for (let i = 0; i < 2e6; i++) a = [a]; output = a.flat(Infinity).length;`, anyOfThem, false},
		{"toString of a deep list", `let a = [1]; for (let i = 0; i < 2e6; i++) a = [a]; output = String(a).length;`, anyOfThem, false},
		{"console.log of a deep list", `let a = [1]; for (let i = 0; i < 2e6; i++) a = [a]; console.log(a); output = 1;`,
			[]api.ResultCode{api.Success, api.MemoryLimit, api.RuntimeError, api.Timeout}, false},
		{"structuredClone of a deep list", `let a = [1]; for (let i = 0; i < 1e6; i++) a = [a]; structuredClone(a);`, anyOfThem, false},
		{"bound functions", `let f = () => 1; for (let i = 0; i < 2e6; i++) f = f.bind(null); output = f();`, anyOfThem, false},
		{"proxy that is its own prototype", `const p = new Proxy({}, {}); Object.setPrototypeOf(p, p); output = p.x;`, anyOfThem, false},
		{"chain of proxies", `let p = {}; for (let i = 0; i < 2e6; i++) p = new Proxy(p, {}); output = p.x;`, anyOfThem, false},
		{"chain of prototypes", `let o = {}; for (let i = 0; i < 2e6; i++) o = Object.create(o); output = o.nothing;`,
			[]api.ResultCode{api.Success, api.MemoryLimit, api.RuntimeError, api.Timeout}, false},
		{"chain of promises", `let p = Promise.resolve(); for (;;) p = p.then(() => p);`, memoryOrTime, false},
	}
}

// deaf are natives that do not hear that they should stop.
func deaf() []Bomb {
	return []Bomb{
		{"includes on 2^53-1", `output = Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1);`, timeout, false},
		{"indexOf on 2^53-1", `output = Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);`, timeout, false},
		{"lastIndexOf on 2^53-1", `output = Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1);`, timeout, false},
		{"reverse on 2^53-1", `output = Array.prototype.reverse.call({ length: 2 ** 53 - 1 });`, timeout, false},
		{"forEach on 2^53-1", `Array.prototype.forEach.call({ length: 2 ** 53 - 1 }, () => {});`, timeout, false},
		{"fill on 2^53-1", `Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1);`, memoryOrTime, false},
		{"regular expression, nested", `output = /^(a+)+$/.test("a".repeat(40) + "b");`, timeout, false},
		{"regular expression, lookahead", `output = /^(?=(a+)+$)/.test("a".repeat(40) + "b");`, timeout, false},
		{"regular expression, backreference", `output = /^(a+)+\1$/.test("a".repeat(40) + "b");`, timeout, false},
		{"sort with an unfair comparator", `const a = Array.from({ length: 1e6 }, Math.random); for (;;) a.sort(() => Math.random() - 0.5);`, memoryOrTime, false},
	}
}

// endless are scripts that never end by themselves, in code that can be stopped.
func endless() []Bomb {
	stalled := runtimeError
	return []Bomb{
		{"loop", `while (true) {}`, timeout, true},
		{"loop that catches", `for (;;) { try { for (;;); } catch { } finally { } }`, timeout, true},
		{"generator", `function* g() { for (;;) yield 1; } for (const x of g());`, timeout, true},
		{"await in a loop", `for (;;) await null;`, timeout, true},
		{"microtask after microtask", `(function f() { Promise.resolve().then(f); })();`, timeout, true},
		{"immediate after immediate", `(function f() { setImmediate(f); })();`, timeout, true},
		{"interval", `setInterval(() => {}, 10);`, timeout, true},
		{"timer beyond the limit", `await new Promise(r => setTimeout(r, 1e6));`, timeout, true},
		{"promise that never settles beside a timer", `setInterval(() => {}, 100); await new Promise(() => {});`, timeout, true},
		{"promise that never settles", `await new Promise(() => {});`, stalled, true},
		{"endless logs", `for (let i = 0; ; i++) console.log("line " + i);`, timeout, true},
		{"getter in the output", `output = { get a() { for (;;); } };`, timeout, true},
		{"proxy in the output", `output = new Proxy({}, { ownKeys() { for (;;); } });`, timeout, true},
		{"message of an error", `const e = new Error(); Object.defineProperty(e, "message", { get() { for (;;); } }); throw e;`, timeout, true},
		{"thenable that never calls back", `output = { then() {} };`, stalled, true},
	}
}
