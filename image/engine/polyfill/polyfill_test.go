package polyfill_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"glovebox/image/engine/polyfill"
	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// newHost is a runtime with the globals that a host gives before the polyfills come.
func newHost(tb testing.TB) *goja.Runtime {
	tb.Helper()
	rt := goja.New()
	for _, name := range []string{"setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate"} {
		f := rt.ToValue(func(goja.FunctionCall) goja.Value { return rt.ToValue(1) })
		if err := rt.GlobalObject().DefineDataProperty(name, f, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
			tb.Fatal(err)
		}
	}
	return rt
}

// newRuntime is a host with the polyfills installed.
func newRuntime(tb testing.TB) *goja.Runtime {
	tb.Helper()
	rt := newHost(tb)
	if err := polyfill.Install(rt); err != nil {
		tb.Fatal(err)
	}
	return rt
}

// snapshot remembers the built-ins of rt; calling the result lists what has changed since.
func snapshot(tb testing.TB, rt *goja.Runtime) func() []string {
	tb.Helper()
	text, err := os.ReadFile("testdata/snapshot.js")
	if err != nil {
		tb.Fatal(err)
	}
	value, err := rt.RunString(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	diff, ok := goja.AssertFunction(value)
	if !ok {
		tb.Fatal("snapshot.js gives no function")
	}
	return func() []string {
		lines, err := diff(goja.Undefined())
		if err != nil {
			tb.Fatal(err)
		}
		out := strings.Split(lines.String(), "\n")
		slices.Sort(out)
		return out
	}
}

// eager loads all of core-js the plain way, in its own order.
func eager(tb testing.TB, rt *goja.Runtime) {
	tb.Helper()
	modules := map[string]*goja.Object{}
	var require func(call goja.FunctionCall) goja.Value
	require = func(call goja.FunctionCall) goja.Value {
		name := call.Argument(0).String()
		if modules[name] == nil {
			source, ok := lib.Polyfill(name)
			if !ok {
				panic(rt.NewTypeError("no " + name))
			}
			value, err := rt.RunScript(name, source)
			if err != nil {
				panic(err)
			}
			run, _ := goja.AssertFunction(value)
			module := rt.NewObject()
			modules[name] = module
			module.Set("exports", rt.NewObject())
			if _, err := run(goja.Undefined(), module, module.Get("exports"), rt.ToValue(require)); err != nil {
				panic(err)
			}
		}
		return modules[name].Get("exports")
	}
	rt.Set("__require", require)
	if _, err := rt.RunString("__require('actual'); delete globalThis.__require"); err != nil {
		tb.Fatal(err)
	}
}

// leftOut is what core-js does to goja and we do not, each with its reason.
var leftOut = map[string]string{
	"globalThis __core-js_shared__":                   "core-js's own, for several copies of it to meet; removed",
	"globalThis self":                                 "scripts have globalThis; a `self` would make libraries think that they are in a browser",
	"Symbol useSetter":                                "core-js's own switch",
	"Symbol useSimple":                                "core-js's own switch",
	"Function.prototype toString":                     "core-js makes its functions look native; the engine's own tells the truth",
	"%IteratorPrototype% constructor":                 "comes when Iterator is touched; nothing reads it before",
	"%IteratorPrototype% [Symbol.toStringTag]":        "comes when Iterator is touched; goja's iterators have their own",
	"Date.prototype.toUTCString name":                 "core-js renames toUTCString in passing; see dates",
	"Array.prototype group":                           "a withdrawn proposal: Object.groupBy is the standard",
	"Array.prototype groupBy":                         "a withdrawn proposal: Object.groupBy is the standard",
	"Array.prototype groupByToMap":                    "a withdrawn proposal: Map.groupBy is the standard",
	"Array.prototype groupToMap":                      "a withdrawn proposal: Map.groupBy is the standard",
	"Array.prototype.[Symbol.unscopables] group":      "a withdrawn proposal",
	"Array.prototype.[Symbol.unscopables] groupToMap": "a withdrawn proposal",
	"%TypedArray%.prototype toSpliced":                "never part of the standard",
	"JSON stringify":                                  "differs for a boxed Symbol alone, and core-js's is many times slower",
	"RegExp.prototype test":                           "differs only where a script has put its own exec on a regex, and every test would be slower",
	"Set.prototype difference":                        "goja's is right for every Set and Map: it differs in the order of observable calls and for set-likes of infinite size",
	"Set.prototype intersection":                      "as difference",
	"Set.prototype isDisjointFrom":                    "as difference",
	"Set.prototype isSubsetOf":                        "as difference",
	"Set.prototype isSupersetOf":                      "as difference",
	"Set.prototype symmetricDifference":               "as difference",
	"Set.prototype union":                             "as difference",
}

// madeNatively is what core-js would add and we make in Go; the bool says whether core-js adds it at all.
var madeNatively = map[string]bool{
	"Symbol asyncIterator": true, "Symbol dispose": true, "Symbol asyncDispose": true, "Symbol metadata": true,
	"Function.prototype [Symbol.metadata]":        true,
	"Math cosh":                                   true,
	"JSON parse":                                  true,
	"Date.prototype toGMTString":                  true,
	"Array.prototype.[Symbol.unscopables] at":     true,
	"ArrayBuffer.prototype detached":              true,
	"ArrayBuffer.prototype transfer":              false,
	"ArrayBuffer.prototype transferToFixedLength": false,
}

// property is the "path name" of a line of a diff.
func property(line string) string {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return line
	}
	return fields[1] + " " + fields[2]
}

// The table must not go stale: not when goja learns a built-in, not when core-js brings one.
func TestTableIsWhatCoreJSAdds(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	rt := newHost(t)
	diff := snapshot(t, rt)
	eager(t, rt)
	added := map[string]bool{}
	for _, line := range diff() {
		added[property(line)] = true
	}

	rt = newHost(t)
	diff = snapshot(t, rt)
	if err := polyfill.Install(rt); err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	for _, line := range diff() {
		ours[property(line)] = true
	}
	for name := range added {
		if _, skip := leftOut[name]; !ours[name] && !skip {
			t.Errorf("core-js adds %s: it must go into the table, or here among what is left out", name)
		}
	}
	for name := range ours {
		if native, ok := madeNatively[name]; !added[name] && (!ok || native) {
			t.Errorf("%s is in the table, and core-js does not add it", name)
		}
	}
	for name := range leftOut {
		if !added[name] || ours[name] {
			t.Errorf("%s is said to be left out: core-js adds it %v, we add it %v", name, added[name], ours[name])
		}
	}
	for name, core := range madeNatively {
		if added[name] != core || !ours[name] {
			t.Errorf("%s is said to be made natively: core-js adds it %v, we add it %v", name, added[name], ours[name])
		}
	}
}

// Touched one after the other, in whatever order, the stubs end in what core-js makes when it is loaded whole: the same
// kinds of properties with the same flags.
func TestTouchingEverythingEndsInTheRealThing(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	rt := newHost(t)
	diff := snapshot(t, rt)
	eager(t, rt)
	want := map[string]string{}
	for _, line := range diff() {
		want[property(line)] = line
	}
	for _, order := range []string{"", ".reverse()", ".sort((a, b) => a[1].length - b[1].length)"} {
		rt := newHost(t)
		diff := snapshot(t, rt)
		if err := polyfill.Install(rt); err != nil {
			t.Fatal(err)
		}
		touched, err := rt.RunString(`(function () {
			var roots = [globalThis, Object.getPrototypeOf(Object.getPrototypeOf([].values()))], list = [];
			['Array', 'DataView', 'Date', 'Map', 'Math', 'Object', 'Promise', 'RegExp', 'String', 'WeakMap'].forEach(function (name) {
				roots.push(globalThis[name]);
				if (globalThis[name].prototype) roots.push(globalThis[name].prototype);
			});
			roots.forEach(function (root) {
				Reflect.ownKeys(root).forEach(function (key) {
					var d = Object.getOwnPropertyDescriptor(root, key);
					if (d.get && d.set && key !== '__proto__') list.push([root, typeof key === 'symbol' ? key.description : key, key]);
				});
			});
			list` + order + `.forEach(function (item) { item[0][item[2]] });
			return list.length;
		})()`)
		if err != nil {
			t.Fatal(err)
		}
		if touched.ToInteger() < 60 {
			t.Errorf("only %d stubs", touched.ToInteger())
		}
		got := map[string]string{}
		for _, line := range diff() {
			got[property(line)] = line
		}
		for name, line := range want {
			if strings.HasPrefix(leftOut[name], "comes when") {
				if got[name] != line {
					t.Errorf("%s: got %q, want %q", name, got[name], line)
				}
				continue
			}
			if _, skip := leftOut[name]; !skip && got[name] != line {
				t.Errorf("%s: got %q, want %q", name, got[name], line)
			}
		}
		for name := range got {
			if _, ok := madeNatively[name]; want[name] == "" && !ok {
				t.Errorf("%s: nobody wanted it", name)
			}
		}
	}
}
