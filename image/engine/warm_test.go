package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// allLibraries is what a box may be warmed for in these tests; with mathjs comes its first evaluate.
func allLibraries() []string {
	return []string{"uuid", "papaparse", "lodash/groupBy", "lodash", "lodash/fp", "date-fns", "date-fns/fp", "validator", "mathjs"}
}

// prying are scripts that would see a library that was made before they ran, if it were given to them: they change
// built-ins before they ask for it, or look at what making it leaves behind.
func prying() []scriptCase {
	return []scriptCase{
		{name: "leading, then replaced", code: `const { chunk } = require("lodash"), d = require("date-fns"); Math.max = () => 1; return [chunk([1, 2, 3], 2), typeof d.format]`, want: api.Success, output: `[[[1,2],[3]],"function"]`},
		{name: "its own require", code: `const _ = require("lodash"); return [_, globalThis.require("lodash").chunk([1, 2, 3], 2.5)]; function require(n) { Math.max = () => 1; return n }`, want: api.Success, output: `["lodash",[[1],[2],[3]]]`},
		{name: "a coercion", code: `const a = require({ toString() { Math.max = () => 1; return "lodash" } })`, want: api.RuntimeError},
		{name: "a function replaced", code: `Math.max = () => 1; return require("lodash").chunk([1, 2, 3], 2.5)`, want: api.Success, output: `[[1],[2],[3]]`},
		{name: "replaced between two", code: `const _ = require("lodash/chunk"); Math.max = () => 1; return [_([1, 2, 3], 2), require("lodash").chunk === _]`, want: api.Success, output: `[[1,2],[3]],true]`},
		{name: "a method replaced", code: `Array.prototype.splice = function () { return "mine" }; const _ = require("lodash"); return _.pullAt([1, 2, 3], [0])`, want: api.Success},
		{name: "a global replaced", code: `globalThis.Map = class Mine { set() { return this } get() { return "mine" } has() { return true } }; return require("lodash").memoize(() => "theirs")(1)`, want: api.Success},
		{name: "an accessor", code: `let reads = 0; const { ceil } = Math; Object.defineProperty(Math, "ceil", { get() { reads++; return ceil } }); require("lodash"); return reads`, want: api.Success, output: `1`},
		{name: "a getter with effects", code: `let reads = 0; Object.defineProperty(globalThis, "setTimeout", { get() { reads++ } }); const before = reads; require("lodash"); return [before, reads > before]`, want: api.Success},
		{name: "taken away", code: `delete Object.getOwnPropertySymbols; return require("lodash").keysIn(Object.assign([], { a: 1 })).length`, want: api.Success},
		{name: "a prototype", code: `Object.setPrototypeOf(Array.prototype, { mine: 1 }); return [[].mine, require("lodash").toPairsIn([]).length]`, want: api.Success},
		{name: "a symbol", code: `Array.prototype[Symbol.iterator] = function* () { yield "mine" }; return require("lodash").toArray(new Set([1])).length`, want: api.Success},
		{name: "an iterator's prototype", code: `const p = Object.getPrototypeOf([].values()); const { next } = p; let calls = 0; p.next = function () { calls++; return next.call(this) }; require("mathjs"); return calls`, want: api.Success},
		{name: "broken", code: `Object.defineProperty = () => { throw new Error("mine") }; try { require("date-fns"); return "made" } catch (e) { return e.message }`, want: api.Success, output: `"mine"`},
		{name: "broken for ever", code: `Object.create = undefined; require("mathjs")`, want: api.RuntimeError},
		{name: "frozen", code: `Object.freeze(Array.isArray); "use strict"; const fp = require("lodash/fp"); return [typeof fp.map, typeof Array.isArray.convert]`, want: api.Success},
		{name: "a mark", code: `const before = "convert" in Array.isArray; require("lodash/fp"); return [before, Object.getOwnPropertyDescriptor(Array.isArray, "convert").enumerable, typeof Array.isArray.convert]`, want: api.Success, output: `[false,true,"function"]`},
		{name: "two of one", code: `return [require("lodash") === require("lodash"), require("lodash/groupBy") === require("lodash").groupBy, (await import("lodash")).default === require("lodash")]`, want: api.Success, output: `[true,true,true]`},
		{name: "counters", code: `console.count(); console.log(require("lodash").uniqueId(), setTimeout(() => {}, 0)[Symbol.toPrimitive]?.()); console.group(); console.log("deep")`, want: api.Success},
		{name: "lazy built-ins", code: `return ["structuredClone", "URL", "DOMException", "Iterator", "AbortController"].map(n => { const d = Object.getOwnPropertyDescriptor(globalThis, n); return [n, d && typeof d.get, d && typeof d.value] })`, want: api.Success},
		{name: "own globals", code: `return Object.keys(globalThis)`, want: api.Success},
		{name: "an error's place", code: `import _ from "lodash";
_.map([1], () => { throw new TypeError("x") })`, want: api.RuntimeError, place: [2]int{2, 26}},
		{name: "deep", code: `const f = n => { try { return f(n + 1) } catch (e) { return [e.name, e.message] } }; return f(0)`, want: api.RuntimeError},
		{name: "mathjs' errors", code: `import * as m from "mathjs"; try { m.evaluate("1 +") } catch (e) { return [e.name, e.message, e.char] }`, want: api.Success},
		{name: "mathjs' configuration", code: `const m = require("mathjs"); const c = JSON.stringify(m.config()); m.config({ number: "BigNumber" }); return [c, m.evaluate("1/3").toString().length, Object.keys(m).length, Object.getOwnPropertyDescriptor(m, "evaluate").get !== undefined]`, want: api.Success},
		{name: "seeded", settings: []setting{seeded(7)}, code: `import { v4, v7 } from "uuid"; import * as m from "mathjs"; import _ from "lodash"; return [m.random(), _.random(0, 1e9), v4(), Math.random()]`, want: api.Success},
		{name: "frozen clock", settings: []setting{frozen(time.Unix(1e9, 0)), seeded(1)}, code: `import { v7, v1 } from "uuid"; import _ from "lodash"; import { formatISO, isToday } from "date-fns"; return [v7(), v1(), _.now(), formatISO(new Date()), performance.timeOrigin]`, want: api.Success},
		{name: "memory", settings: []setting{memory(16)}, code: `const a = []; for (;;) a.push(new Array(1000).fill(a.length))`, want: api.MemoryLimit},
		{name: "enough memory", settings: []setting{memory(16)}, code: `import _ from "lodash"; let n = 0; for (let i = 0; i < 300; i++) n += _.range(1000).length; return n`, want: api.Success, output: `300000`},
	}
}

// told is all that a script's owner learns of it. A stop for memory comes where it comes.
func told(r ran) string {
	if r.Code == api.MemoryLimit {
		return string(r.Code)
	}
	return r.String()
}

// Warming must be a matter of time and of nothing else.
func TestWarmIsAsCold(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	for i, c := range append(libraryCases(), prying()...) {
		name := c.name
		if name == "" {
			name = c.code[:min(len(c.code), 60)]
		}
		t.Run(name, func(t *testing.T) {
			cold := runWith(t, modules, c.code, c.settings...)
			if cold.Code != c.want {
				t.Fatalf("cold: %v", cold)
			}
			g, err := NewGoja(modules)
			if err != nil {
				t.Fatal(err)
			}
			libraries := allLibraries()
			if i%8 != 0 && !strings.Contains(c.code, "mathjs") {
				libraries = libraries[:len(libraries)-1] // mathjs takes far longer than all the others
			}
			warm(t, g, libraries...)
			if warmed := runIn(g, c.code, c.settings...); told(warmed) != told(cold) {
				t.Errorf("cold   %v\nwarmed %v", cold, warmed)
			}
		})
	}
}

// Some of the scripts must see a library made before them, or nothing shows that it is kept from them.
func TestPryingScriptsWouldSee(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	differ := 0
	for _, c := range prying() {
		g, err := NewGoja(modules)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range allLibraries() {
			if strings.Contains(c.code, name) {
				if _, err := g.load(name); err != nil { // made before the script, and given to it as it is
					t.Fatal(err)
				}
			}
		}
		if told(runIn(g, c.code, c.settings...)) != told(runWith(t, modules, c.code, c.settings...)) {
			differ++
		}
	}
	if differ < 6 {
		t.Errorf("only %d of the scripts see a library that was made before them", differ)
	}
}

// A library that was interrupted half way is as if it had never been begun, wherever that was.
func TestWarmingInterruptedAnywhere(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	for _, name := range allLibraries() {
		if _, err := modules.program(name); err != nil {
			t.Fatal(err)
		}
	}
	const script = `
const _ = require("lodash"), fp = require("lodash/fp"), m = require("mathjs"), d = require("date-fns"), v = require("validator"), p = require("papaparse");
console.log(Object.keys(globalThis), "convert" in Array.isArray);
return [_.chunk([1, 2, 3], 2), fp.map(x => x + 1)([1]), m.evaluate("sqrt(16) + 2"), m.std([1, 2, 3]), d.format(d.addMonths(new Date(0), 1), "yyyy-MM"), v.isEmail("a@b.co"),
	p.parse("a\n1", { header: true }).data, require("uuid").NIL, _.uniqueId(), Object.keys(m).length, m.unit("5 cm").toString()]`
	cold := runWith(t, modules, script)
	if cold.Code != api.Success {
		t.Fatal(cold)
	}
	pristine := sight(t, newEngine(t, modules))
	half := 0
	for after := time.Duration(0); ; after = after*3/2 + 200*time.Microsecond {
		g := newEngine(t, modules)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		inPlace := g.Warm(ctx, Warmup{Libraries: allLibraries()})
		cancel()
		if len(inPlace) > 0 && len(inPlace) < len(allLibraries()) {
			half++
			if seen := sight(t, g); seen != pristine {
				t.Errorf("after %v, with %q in place, the built-ins differ: %s", after, inPlace, firstDifference(pristine, seen))
			}
			if half%4 == 3 { // another order goes on
				warm(t, g, allLibraries()...)
			}
		}
		if len(inPlace) == 0 {
			continue
		}
		if warmed := runIn(g, script); told(warmed) != told(cold) {
			t.Fatalf("after %v, with %q in place:\ncold   %v\nwarmed %v", after, inPlace, cold, warmed)
		}
		if len(inPlace) == len(allLibraries()) {
			break
		}
	}
	if half < 3 {
		t.Errorf("it was interrupted %d times half way", half)
	}
}

func newEngine(t testing.TB, modules *Modules) *Goja {
	t.Helper()
	g, err := NewGoja(modules)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// sight is all that can be seen from the global object, written out.
func sight(t *testing.T, g *Goja) string {
	t.Helper()
	var out strings.Builder
	w, err := newBlankWorld(g.rt)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[*goja.Object]string{}
	var queue []*goja.Object
	name := func(v goja.Value, path string) string {
		o, ok := v.(*goja.Object)
		if !ok {
			return fmt.Sprint(v)
		}
		if _, ok := seen[o]; !ok {
			seen[o] = path
			queue = append(queue, o)
		}
		return "@" + seen[o]
	}
	name(g.rt.GlobalObject(), "globalThis")
	hidden, err := g.rt.RunString(hiddenRoots)
	if err != nil {
		t.Fatal(err)
	}
	name(hidden, "hidden")
	for len(queue) > 0 {
		o := queue[0]
		queue = queue[1:]
		path := seen[o]
		if p := o.Prototype(); p != nil {
			fmt.Fprintf(&out, "%s: %s\n", path, name(p, path+".__proto__"))
		}
		for _, key := range w.keys(g.rt, o) {
			p := w.property(o, key)
			at := fmt.Sprintf("%s.%v", path, key)
			fmt.Fprintf(&out, "%s: %s %s %s %v %v %v\n", at, name(p.value, at), name(p.getter, at+" get"), name(p.setter, at+" set"), p.writable, p.enumerable, p.configurable)
		}
	}
	return out.String()
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i] + " → " + bs[i]
		}
	}
	return "one is longer"
}

// Nothing that a script could find is there after warming that was not there before.
func TestWarmingLeavesNothingBehind(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	pristine := sight(t, newEngine(t, modules))
	if strings.Count(pristine, "\n") < 1500 {
		t.Fatalf("only %d properties are seen", strings.Count(pristine, "\n"))
	}
	for _, libraries := range [][]string{nil, {"uuid"}, allLibraries(), {"date-fns/locale/fr", "date-fns/locale"}} {
		g := newEngine(t, modules)
		warm(t, g, libraries...)
		if seen := sight(t, g); seen != pristine {
			t.Errorf("%q leave something behind: %s", libraries, firstDifference(pristine, seen))
		}
	}
}

// Every way to change a built-in is seen.
func TestWorldSeesChanges(t *testing.T) {
	for _, c := range []struct {
		change  string
		touched bool
	}{
		{"", false}, {"input = 1; output = 2", false}, {"[].values(); new Map; Object.keys({})", false},
		{"Math.max = Math.min", true}, {"Math.PI2 = 1", true}, {"globalThis.x = 1", true}, {"delete Math.max", true},
		{"Object.defineProperty(Math, 'max', {enumerable: true})", true}, {"Object.freeze(Array.prototype)", true},
		{"Object.setPrototypeOf(Map.prototype, {})", true}, {"Symbol.prototype[Symbol.toPrimitive] = 1", false}, // it is not writable
		{"Set.prototype[Symbol.iterator] = 1", true}, {"Object.getPrototypeOf([].values()).next = 1", true},
		{"Object.getPrototypeOf(Object.getPrototypeOf([].values())).x = 1", true}, {"Promise.resolve = 1", true},
		{"console.log = 1", true}, {"Intl.NumberFormat.prototype.format2 = 1", true}, {"Object.prototype.x = 1", true},
		{"Object.getPrototypeOf(function*(){}).x = 1", true}, {"Function.prototype.call = 1", true}, {"NaN = 1", false},
		{"globalThis.structuredClone = 1", true}, {"Uint8Array.prototype.at = 1", true}, {"Object.getPrototypeOf(Uint8Array).from = 1", true},
	} {
		g := newEngine(t, fakeModules())
		w, err := newWorld(g.rt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.rt.RunString(c.change); err != nil {
			t.Fatalf("%s: %v", c.change, err)
		}
		if touched := !w.untouched(g.rt); touched != c.touched {
			t.Errorf("%s: touched %v", c.change, touched)
		}
	}
}

func TestWarmInPlace(t *testing.T) {
	g := newEngine(t, fakeModules())
	for _, c := range []struct{ asked, want string }{
		{"", ""}, {"none", ""}, {"broken", ""}, {"uuid", "uuid"}, {"broken lodash none uuid lodash", "lodash uuid"},
	} {
		got := g.Warm(t.Context(), Warmup{Libraries: strings.Fields(c.asked)})
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: in place are %q", c.asked, got)
		}
	}
	if r := runIn(g, `try { require("broken") } catch (e) { return [e.message, require("uuid").v4()] }`); string(r.Output) != `["cannot load","id-3"]` {
		t.Error(r)
	}
}

func TestWarmKeepsWithinMemory(t *testing.T) {
	g := newEngine(t, fakeModules())
	if got := g.Warm(t.Context(), Warmup{Libraries: []string{"lodash"}, MemoryBytes: 1}); len(got) != 0 {
		t.Errorf("in place are %q", got)
	}
	if got := g.Warm(t.Context(), Warmup{Libraries: []string{"lodash"}, MemoryBytes: 1 << 40}); len(got) != 1 {
		t.Errorf("in place are %q", got)
	}
}

func TestWarmEndsWithItsContext(t *testing.T) {
	modules := NewModules(func(name string) (string, bool) {
		return map[string]string{"endless": `(function(){for(;;);})`, "next": `(function(){return 1})`}[name], name == "endless" || name == "next"
	}, func() []string { return nil })
	g := newEngine(t, modules)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got := g.Warm(ctx, Warmup{Libraries: []string{"endless", "next"}}); len(got) != 0 {
		t.Errorf("in place are %q", got)
	}
	if got := g.Warm(ctx, Warmup{Libraries: []string{"next"}}); len(got) != 0 {
		t.Errorf("after the end in place are %q", got)
	}
	if r := runIn(g, `return require("next")`); string(r.Output) != "1" {
		t.Error(r)
	}
}

// A script that needs a module that is being compiled gets that one; another module does not wait for it.
func TestCompilationsDoNotWaitForEachOther(t *testing.T) {
	asked := make(map[string]int)
	modules := NewModules(func(name string) (string, bool) {
		asked[name]++
		return `(function(){return "` + name + `"})`, true
	}, func() []string { return nil })
	c, begin := modules.compilation("slow", false)
	if !begin || modules.compiling() == 0 {
		t.Fatal("nobody compiles it")
	}
	modules.abandon(c)
	if p, err := modules.program("other"); p == nil || err != nil { // while the slow one is under way
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		_, err := modules.program("slow")
		got <- err
	}()
	for !needed(modules, c) {
		time.Sleep(time.Millisecond)
	}
	modules.compile("slow", c)
	if err := <-got; err != nil || asked["slow"] != 1 || modules.compiling() != 0 {
		t.Errorf("%v, asked %v, still compiling %d", err, asked, modules.compiling())
	}
}

func needed(m *Modules, c *compilation) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return c.needed
}

func TestAbandonedCompilationIsBegunAnew(t *testing.T) {
	modules := fakeModules()
	c, _ := modules.compilation("lodash", false)
	modules.abandon(c)
	modules.compile("lodash", c)
	if c.err == nil || modules.compiling() != 0 {
		t.Errorf("it was compiled to its end: %v", c.err)
	}
	if r := runWith(t, modules, `return require("lodash").sum([1, 2])`); string(r.Output) != "3" {
		t.Error(r)
	}
}
