package engine

import (
	"testing"
	"time"

	"glovebox/api"
)

func TestEventLoop(t *testing.T) {
	runCases(t, []scriptCase{
		{name: "order of microtasks, immediates and timers", code: `
const log = x => () => console.log(x);
setTimeout(log("timeout 10"), 10);
setTimeout(log("timeout 0"), 0);
setImmediate(log("immediate"));
queueMicrotask(log("micro 1"));
Promise.resolve().then(log("micro 2")).then(log("micro 3"));
(async () => { console.log("sync"); await null; console.log("micro 2.5") })();
console.log("end");`, settings: []setting{frozen(time.Unix(0, 0))}, want: api.Success,
			logs: []string{"log: sync", "log: end", "log: micro 1", "log: micro 2", "log: micro 2.5", "log: micro 3", "log: timeout 0", "log: immediate", "log: timeout 10"}},
		{name: "microtasks run between timers", code: `
setTimeout(() => { console.log(1); Promise.resolve().then(() => console.log(2)) }, 1);
setTimeout(() => console.log(3), 1);`, want: api.Success, logs: []string{"log: 1", "log: 2", "log: 3"}},
		{name: "an immediate in a timer comes before the next timer", code: `
setTimeout(() => { setTimeout(() => console.log("t"), 0); setImmediate(() => console.log("i")) }, 0)`, want: api.Success, logs: []string{"log: i", "log: t"}},
		{name: "timers are ordered by when they are due", code: `
for (const d of [30, 10, 20, 10]) setTimeout(() => console.log(d), d)`, want: api.Success, logs: []string{"log: 10", "log: 10", "log: 20", "log: 30"}},
		{name: "time stands still while code runs", code: `
setTimeout(() => console.log("ten"), 10); const t = Date.now(); while (Date.now() - t < 30); setTimeout(() => console.log("five"), 5)`,
			want: api.Success, logs: []string{"log: five", "log: ten"}},
		{code: `let n = 0; const i = setInterval(() => { if (++n === 3) { clearInterval(i); output = n } }, 1)`, want: api.Success, output: "3"},
		{code: `const t = setTimeout(() => { throw 1 }, 1); clearTimeout(t); output = 1`, want: api.Success, output: "1"},
		{code: `const t = setTimeout(() => { throw 1 }, 1); clearTimeout(+t); output = typeof +t`, want: api.Success, output: `"number"`},
		{code: `const t = setImmediate(() => { throw 1 }); clearImmediate(t); clearTimeout(undefined); clearTimeout(99); clearTimeout(Symbol.iterator); clearTimeout("x")`, want: api.Success},
		{code: `setTimeout((a, b) => { output = [a, b] }, 1, "x", 2)`, want: api.Success, output: `["x",2]`},
		{code: `const t = setInterval(() => {}, 1); output = [t.hasRef(), t.unref().hasRef()]`, want: api.Success, output: `[true,false]`},
		{code: `const t = setTimeout(() => { output = "again" }, 1); t.refresh(); t.ref()`, want: api.Success, output: `"again"`},
		{code: `const t = setTimeout(() => { t.n = (t.n || 0) + 1; output = t.n; if (t.n < 3) t.refresh() }, 1)`, want: api.Success},
		{code: `setTimeout(5)`, want: api.RuntimeError, errName: "TypeError"},
		{code: `queueMicrotask("x")`, want: api.SecurityError},
		{code: `setTimeout("output = 1", 1)`, want: api.SecurityError},
		{code: `setTimeout(() => {}, Symbol())`, want: api.RuntimeError, errName: "TypeError"},
		{code: "setTimeout(() => {\n  throw new Error('late') }, 5)", want: api.RuntimeError, message: "late", place: [2]int{2, 9}},
		{name: "nothing runs after an uncaught error", code: `setTimeout(() => { throw 1 }, 1); setTimeout(() => console.log("no"), 5)`, want: api.RuntimeError, logs: nil},
		{code: "Promise.reject(new Error('rej'))", want: api.RuntimeError, message: "rej", place: [2]int{1, 16}},
		{code: "Promise.reject('text')", want: api.RuntimeError, message: "text"},
		{code: "Promise.reject(1).catch(() => { output = 2 })", want: api.Success, output: "2"},
		{code: "const p = Promise.reject(1); await null; await p.catch(() => {}); return 3", want: api.Success, output: "3"},
		{code: "const p = Promise.reject(1); p.catch(() => {}); await null; return 3", want: api.Success, output: "3"},
		{code: "const p = Promise.reject(1); setTimeout(() => p.catch(() => {}), 1)", want: api.RuntimeError, message: "1"},
		{code: "(async () => { throw new TypeError('in async') })()", want: api.RuntimeError, errName: "TypeError", place: [2]int{1, 22}},
		{code: "setTimeout(async () => { await null; throw new Error('x') }, 1)", want: api.RuntimeError, message: "x"},
		{code: "new Promise((_, no) => setTimeout(no, 5, new Error('later')))", want: api.RuntimeError, message: "later"},
		{code: "return Promise.reject(new Error('returned'))", want: api.RuntimeError, message: "returned"},
		{code: "output = Promise.reject(new Error('output'))", want: api.RuntimeError, message: "output"},
		{code: "return Promise.all([1, Promise.resolve(2), new Promise(r => setTimeout(r, 2, 3))])", want: api.Success, output: "[1,2,3]"},
		{code: "return Promise.allSettled([Promise.reject(1)]).then(r => r[0].status)", want: api.Success, output: `"rejected"`},
		{code: "\nawait new Promise(() => {})", want: api.RuntimeError, message: "never settles", place: [2]int{2, 7}},
		{code: "async function f() {\n  await null;\n  await new Promise(() => {});\n}\nawait f()", want: api.RuntimeError, message: "never settles", place: [2]int{5, 7}},
		{code: "setTimeout(() => {}, 5); await new Promise(() => {})", want: api.RuntimeError, message: "never settles"},
		{code: "setInterval(() => {}, 1).unref(); await new Promise(() => {})", want: api.RuntimeError, message: "never settles"},
		{code: "return new Promise(() => {})", want: api.RuntimeError, message: "never settles"},
		{code: "output = new Promise(() => {})", want: api.RuntimeError, message: "never settles"},
		{code: "new Promise(() => {}); output = 1", want: api.Success, output: "1"},
		{name: "a promise that never settles beside a timer", code: "setInterval(() => {}, 10);\nawait new Promise(() => {})", settings: []setting{timeout(100 * time.Millisecond)}, want: api.Timeout, place: [2]int{2, 7}},
		{code: "await new Promise(r => setTimeout(r, 100000))", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout, place: [2]int{1, 7}},
		{code: "while (true) {}", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout, errName: "TimeoutError", message: "within 50ms", place: [2]int{1, 14}},
		{code: "let i = 0;\nfor (;;) {\n  i++;\n}", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout},
		{code: "do {} while (true)", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout},
		{code: "for (;;);", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout},
		{code: "(function f() { Promise.resolve().then(f) })()", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout},
		{code: "while (true) try { while (true); } catch { } finally { continue }", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout},
		{code: "console.log('kept'); while (true);", settings: []setting{timeout(50 * time.Millisecond)}, want: api.Timeout, logs: []string{"log: kept"}},
		{code: "const e = new EventTarget(); e.addEventListener('x', () => { throw new Error('in a listener') }); e.dispatchEvent(new Event('x'))", want: api.RuntimeError, message: "in a listener"},
		{code: "const c = new AbortController(); setTimeout(() => c.abort(), 2); await new Promise(r => c.signal.addEventListener('abort', r)); return c.signal.aborted", want: api.Success, output: "true"},
	})
}

// Where the clock is frozen the order of timers and what they see does not depend on the machine.
func TestFrozenClock(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	runCases(t, []scriptCase{
		{settings: []setting{frozen(at)}, code: `
const seen = [];
setTimeout(() => seen.push("b"), 9); setTimeout(() => seen.push("a"), 8);
await new Promise(r => setTimeout(r, 20));
output = [new Date().toISOString(), Date.now() === +new Date(), performance.now() === performance.now(), seen]`,
			want: api.Success, output: `["2024-02-29T12:00:00.000Z",true,true,["a","b"]]`},
		{settings: []setting{frozen(at), timeout(50 * time.Millisecond)}, code: `const t = Date.now(); while (Date.now() < t + 1);`, want: api.Timeout},
		{settings: []setting{frozen(at), timeout(50 * time.Millisecond)}, code: `setInterval(() => {}, 1000); await new Promise(() => {})`, want: api.Timeout},
	})
}

const chancy = `
import { v4 } from "uuid";
const b = new Uint8Array(4); crypto.getRandomValues(b);
console.log(Math.random(), crypto.randomUUID(), new Date().toString(), performance.now(), performance.timeOrigin);
await new Promise(r => setTimeout(r, 3));
output = [Math.random(), [...b], crypto.randomUUID(), Date.now(), v4()]`

func TestDeterminism(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	one := func(warmed bool, seed int64) ran {
		g, err := NewGoja(fakeModules())
		if err != nil {
			t.Fatal(err)
		}
		if warmed {
			warm(t, g, "lodash", "uuid")
			time.Sleep(2 * time.Millisecond) // a warmed box is older than its script
		}
		return runIn(g, chancy, seeded(seed), frozen(at))
	}
	cold, warm, other := one(false, 7), one(true, 7), one(false, 8)
	if cold.Code != api.Success || string(cold.Output) != string(warm.Output) || cold.logs[0] != warm.logs[0] {
		t.Errorf("cold %v\nwarm %v", cold, warm)
	}
	if string(cold.Output) == string(other.Output) {
		t.Errorf("two seeds, one output: %v", cold)
	}
	if a, b := run(t, chancy), run(t, chancy); string(a.Output) == string(b.Output) {
		t.Errorf("without a seed two runs agree: %v", a)
	}
}

func TestCancelled(t *testing.T) {
	g, err := NewGoja(fakeModules())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := testContext(t)
	// Cancelled by its own log, since a timer may end before the script has begun.
	out := g.Run(ctx, Program{Code: `console.log("begun"); while (true);`, Log: func(api.LogLevel, string) { cancel() }})
	if out.Code != api.Cancelled || out.Error.Line != 1 {
		t.Fatalf("got %v %v", out.Code, out.Error)
	}
}

func TestContextThatHasEnded(t *testing.T) {
	g, err := NewGoja(fakeModules())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := testContext(t)
	cancel()
	if out := g.Run(ctx, Program{Code: "for (let i = 0; i < 1e9; i++);"}); out.Code != api.Cancelled {
		t.Fatalf("got %v %v", out.Code, out.Error)
	}
}
