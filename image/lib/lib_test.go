package lib_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dop251/goja"

	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// loader is the smallest host that the libraries need: require, and the globals of a host that they meet.
type loader struct {
	rt     *goja.Runtime
	loaded map[string]goja.Value
}

func newLoader(tb testing.TB) *loader {
	tb.Helper()
	testenv.Need(tb, testenv.Libs, lib.Available())
	l := &loader{rt: goja.New(), loaded: map[string]goja.Value{}}
	crypto := l.rt.NewObject()
	host := map[string]any{
		"getRandomValues": func(call goja.FunctionCall) goja.Value {
			array := call.Argument(0).ToObject(l.rt)
			buffer := make([]byte, array.Get("length").ToInteger())
			rand.Read(buffer)
			for i, b := range buffer {
				array.Set(fmt.Sprint(i), b)
			}
			return call.Argument(0)
		},
	}
	for name, f := range host {
		if err := crypto.Set(name, f); err != nil {
			tb.Fatal(err)
		}
	}
	l.rt.Set("crypto", crypto)
	l.rt.Set("setTimeout", func(goja.FunctionCall) goja.Value { return goja.Undefined() })
	l.rt.Set("clearTimeout", func(goja.FunctionCall) goja.Value { return goja.Undefined() })
	l.rt.Set("require", l.require)
	return l
}

func (l *loader) require(specifier string) (goja.Value, error) {
	if module, ok := l.loaded[specifier]; ok {
		return module, nil
	}
	source, ok := lib.Source(specifier)
	if !ok {
		return nil, fmt.Errorf("no module %q", specifier)
	}
	value, err := l.rt.RunScript(specifier, source)
	if err != nil {
		return nil, err
	}
	load, ok := goja.AssertFunction(value)
	if !ok {
		return nil, errors.New("the source's value is no function")
	}
	module, err := load(goja.Undefined(), l.rt.Get("require"))
	if err != nil {
		return nil, err
	}
	l.loaded[specifier] = module
	return module, nil
}

// eval runs a script and gives its value as JSON.
func (l *loader) eval(script string) (string, error) {
	value, err := l.rt.RunString(script)
	if err != nil {
		return "", err
	}
	l.rt.Set("__value", value)
	text, err := l.rt.RunString("JSON.stringify(__value) || 'undefined'")
	if err != nil {
		return "", err
	}
	return text.String(), nil
}

func TestLibrariesWork(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"lodash groupBy", `var _ = require('lodash'); _.groupBy([1.2, 1.8, 2.1], Math.floor)`, `{"1":[1.2,1.8],"2":[2.1]}`},
		{"lodash sortBy", `require('lodash').sortBy([{a:2},{a:1}], 'a').map(x => x.a)`, `[1,2]`},
		{"lodash chunk", `require('lodash').chunk([1,2,3], 2)`, `[[1,2],[3]]`},
		{"lodash chain", `require('lodash')([3,1,2]).sort().map(x => x * 2).value()`, `[2,4,6]`},
		{"lodash cloneDeep", `var _ = require('lodash'); var a = {m: new Map([[1, {x: 1}]])}; var b = _.cloneDeep(a); b.m.get(1).x = 2; a.m.get(1).x`, `1`},
		{"lodash merge does not pollute", `require('lodash').merge({}, JSON.parse('{"__proto__":{"polluted":1}}')); typeof {}.polluted`, `"undefined"`},
		{"lodash version", `require('lodash').VERSION`, `"4.18.1"`},
		{"lodash subpath", `require('lodash/groupBy') === require('lodash').groupBy`, `true`},
		{"lodash subpath with .js", `require('lodash/chunk.js')([1,2,3],2)`, `[[1,2],[3]]`},
		{"lodash fp", `require('lodash/fp').map(x => x + 1)([1])`, `[2]`},

		{"date-fns addMonths", `var d = require('date-fns'); d.format(d.addMonths(new Date(2023, 0, 31), 1), 'yyyy-MM-dd')`, `"2023-02-28"`},
		{"date-fns addMonths, leap year", `var d = require('date-fns'); d.format(d.addMonths(new Date(2024, 0, 31), 1), 'yyyy-MM-dd')`, `"2024-02-29"`},
		{"date-fns format", `require('date-fns').format(new Date(2024, 6, 4, 15, 5), "EEEE, do MMMM yyyy 'at' h:mm a")`, `"Thursday, 4th July 2024 at 3:05 PM"`},
		{"date-fns parseISO", `require('date-fns').parseISO('2024-02-29T12:00:00Z').getTime()`, `1709208000000`},
		{"date-fns parse", `var d = require('date-fns'); d.isValid(d.parse('31/02/2024', 'dd/MM/yyyy', new Date(0)))`, `false`},
		{"date-fns formatDistance", `require('date-fns').formatDistance(new Date(2024,0,1), new Date(2024,0,4))`, `"3 days"`},
		{"date-fns subpath", `require('date-fns/format').format === require('date-fns').format`, `true`},
		{"date-fns subpath, default", `require('date-fns/addDays').default === require('date-fns').addDays`, `true`},
		{"date-fns fp", `var fp = require('date-fns/fp'); fp.format('yyyy')(fp.addYears(1)(new Date(2023, 5, 1)))`, `"2024"`},
		{"date-fns fp subpath", `require('date-fns/fp/addDays').default === require('date-fns/fp').addDays`, `true`},
		{"date-fns constants", `require('date-fns/constants').millisecondsInDay`, `86400000`},
		{"date-fns locale", `require('date-fns').format(new Date(2024, 2, 1), 'd MMMM', {locale: require('date-fns/locale').fr})`, `"1 mars"`},
		{"date-fns locale alone", `require('date-fns/locale/zh-CN').zhCN.code`, `"zh-CN"`},

		{"mathjs evaluate", `require('mathjs').evaluate('sqrt(16) + 2^3')`, `12`},
		{"mathjs matrices", `var m = require('mathjs'); m.det(m.matrix([[2, 0], [0, 3]]))`, `6`},
		{"mathjs multiply", `require('mathjs').multiply([[1,2],[3,4]], [5,6])`, `[17,39]`},
		{"mathjs units", `require('mathjs').evaluate('12.7 cm to inch').toString()`, `"5 inch"`},
		{"mathjs complex", `require('mathjs').sqrt(-4).toString()`, `"2i"`},
		{"mathjs derivative", `require('mathjs').derivative('x^2 + x', 'x').toString()`, `"2 * x + 1"`},
		{"mathjs statistics", `var m = require('mathjs'); [m.mean([1,2,6]), m.median([1,2,6]), m.std([2,4,4,4,5,5,7,9], 'uncorrected')]`, `[3,2,2]`},
		{"mathjs create and all", `var m = require('mathjs'); var big = m.create(m.all, {number: 'BigNumber', precision: 32}); big.evaluate('0.1 + 0.2').toString()`, `"0.3"`},
		{"mathjs parser", `var p = require('mathjs').parser(); p.evaluate('f(x) = x^2'); p.evaluate('f(4)')`, `16`},
		{"mathjs random", `var r = require('mathjs').random(); r >= 0 && r < 1`, `true`},
		{"mathjs Function is out of reach", `var m = require('mathjs'); var r = []; ['cos.constructor("return 1")()', 'f(x)=x; f.constructor("return 1")()', '"".constructor.constructor("return 1")()'].forEach(e => { try { r.push(String(m.evaluate(e))) } catch (e) { r.push('error') } }); r`, `["error","error","error"]`},

		{"papaparse parse", `require('papaparse').parse('a,b\n1,"x, y"\n2,z', {header: true, dynamicTyping: true}).data`, `[{"a":1,"b":"x, y"},{"a":2,"b":"z"}]`},
		{"papaparse unparse", `require('papaparse').unparse([{a: 1, b: 'x,y'}])`, `"a,b\r\n1,\"x,y\""`},
		{"papaparse errors", `require('papaparse').parse('a,b\n1', {header: true, delimiter: ','}).errors[0].code`, `"TooFewFields"`},

		{"uuid v4", `var u = require('uuid'); var id = u.v4(); [u.validate(id), u.version(id)]`, `[true,4]`},
		{"uuid v7", `var u = require('uuid'); var id = u.v7(); [u.validate(id), u.version(id)]`, `[true,7]`},
		{"uuid v1", `var u = require('uuid'); u.version(u.v1())`, `1`},
		{"uuid v5", `var u = require('uuid'); u.v5('www.example.com', u.v5.DNS)`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`},
		{"uuid validate", `require('uuid').validate('not one')`, `false`},
		{"uuid nil", `require('uuid').NIL`, `"00000000-0000-0000-0000-000000000000"`},

		{"validator isEmail", `var v = require('validator'); [v.isEmail('a@b.co'), v.isEmail('a@b..c')]`, `[true,false]`},
		{"validator isURL", `var v = require('validator'); [v.isURL('https://example.com'), v.isURL('no url')]`, `[true,false]`},
		{"validator isCreditCard", `require('validator').isCreditCard('4111 1111 1111 1111')`, `true`},
		{"validator isIBAN", `require('validator').isIBAN('DE89370400440532013000')`, `true`},
		{"validator isAlpha, other scripts", `require('validator').isAlpha('Grüße', 'de-DE')`, `true`},
		{"validator escape", `require('validator').escape('<a>')`, `"&lt;a&gt;"`},
		{"validator subpath", `require('validator/lib/isEmail') === require('validator').isEmail`, `true`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := newLoader(t).eval(test.script)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// esbuild turns imports into these calls, so the exports must suit its interop.
func TestImportsAreWhatNodeGives(t *testing.T) {
	const toESM = `function star(m) { // what esbuild's __toESM does
		var t = Object.create(Object.getPrototypeOf(m));
		if (!m.__esModule) Object.defineProperty(t, 'default', {value: m, enumerable: true});
		Object.getOwnPropertyNames(m).forEach(function (k) {
			if (!Object.prototype.hasOwnProperty.call(t, k)) Object.defineProperty(t, k, {get: function () { return m[k] }, enumerable: true});
		});
		return t;
	};`
	tests := []struct{ script, want string }{
		{`var i = star(require('lodash')); [i.default === require('lodash'), i.groupBy === require('lodash').groupBy]`, `[true,true]`},
		{`var i = star(require('lodash/fp')); i.default === require('lodash/fp')`, `true`},
		{`var i = star(require('lodash/chunk')); i.default === require('lodash').chunk`, `true`},
		{`var i = star(require('date-fns')); [typeof i.format, i.default.format === i.format]`, `["function",true]`},
		{`var i = star(require('date-fns/format')); [typeof i.format, i.default === i.format]`, `["function",true]`},
		{`var i = star(require('date-fns/locale')); [i.fr.code, i.enUS.code, i.beTarask.code]`, `["fr","en-US","be-tarask"]`},
		{`var i = star(require('date-fns/locale/fr')); [i.fr.code, i.default.code]`, `["fr","fr"]`},
		{`var i = star(require('mathjs')); [i.evaluate('1+1'), i.default.evaluate('1+1'), i.pi > 3, typeof i.create(i.all).add]`, `[2,2,true,"function"]`},
		{`var i = star(require('papaparse')); [typeof i.default.parse, typeof i.parse]`, `["function","function"]`},
		{`var i = star(require('uuid')); [typeof i.v4, typeof i.default.v4]`, `["function","function"]`},
		{`var i = star(require('validator')); [typeof i.default.isEmail, typeof i.isEmail]`, `["function","function"]`},
		{`require('validator').default === require('validator')`, `true`},
		// The hidden default must not show in what a script lists.
		{`[require('date-fns'), require('mathjs'), require('uuid'), require('validator')].map(m => Object.keys(m).filter(k => k == 'default' || k == '__esModule'))`, `[[],[],[],[]]`},
	}
	for _, test := range tests {
		got, err := newLoader(t).eval(toESM + test.script)
		if err != nil {
			t.Errorf("%s: %v", test.script, err)
		} else if got != test.want {
			t.Errorf("%s: got %s, want %s", test.script, got, test.want)
		}
	}
}

// A subpath that is offered and does not work would be worse than one that is not.
func TestEverySubpathIsThere(t *testing.T) {
	l := newLoader(t)
	specifiers := lib.Subpaths()
	if len(specifiers) < 900 {
		t.Fatalf("only %d subpaths", len(specifiers))
	}
	for _, specifier := range specifiers {
		module, err := l.require(specifier)
		if err != nil {
			t.Errorf("%s: %v", specifier, err)
			continue
		}
		object, ok := module.(*goja.Object)
		if !ok {
			t.Errorf("%s is %v", specifier, module)
			continue
		}
		if value := object.Get("default"); value != nil && goja.IsUndefined(value) {
			t.Errorf("%s has an undefined default", specifier)
		}
	}
	got, err := l.eval(`var all = require('date-fns/locale'); Object.keys(all).filter(k => !all[k] || all[k].code.replace(/-./g, s => s[1].toUpperCase()) !== k)`)
	if err != nil || got != `[]` {
		t.Errorf("locales that are not what their name says: %s %v", got, err)
	}
}

// A seeded script must draw the same numbers from a cold box and from one in which the libraries were loaded
// before the seed was set. (lodash reads the clock as it loads, to see whether it is called too often, and keeps nothing
// of it.) mathjs, as published, seeds itself from the clock and makes seedrandom draw from Math.random.
func TestLoadingTakesNoRandomness(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	for _, library := range lib.Libraries() {
		l := newLoader(t)
		draws := 0
		l.rt.SetRandSource(func() float64 { draws++; return 0.5 })
		if _, err := l.rt.RunString(`var seen = 0, fill = crypto.getRandomValues;
			crypto.getRandomValues = function (a) { seen++; return fill(a) }`); err != nil {
			t.Fatal(err)
		}
		if _, err := l.require(library.Name); err != nil {
			t.Fatal(err)
		}
		if seen := l.rt.Get("seen").ToInteger(); draws != 0 || seen != 0 {
			t.Errorf("loading %s draws %d random numbers and reads crypto %d times", library.Name, draws, seen)
		}
	}
}

func TestRandomOfMathjsFollowsTheSeed(t *testing.T) {
	draw := func(seed float64, warm bool) string {
		l := newLoader(t)
		set := func() { l.rt.SetRandSource(func() float64 { seed /= 2; return seed }) }
		if !warm {
			set()
		}
		if _, err := l.require("mathjs"); err != nil {
			t.Fatal(err)
		}
		set()
		got, err := l.eval(`var m = require('mathjs'); [m.random(), m.randomInt(1000), m.pickRandom([1,2,3,4,5]), m.create(m.all, {randomSeed: 'x'}).random()]`)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	cold, warm, other := draw(0.9, false), draw(0.9, true), draw(0.8, true)
	if cold != warm {
		t.Errorf("cold %s, warm %s", cold, warm)
	}
	if cold == other {
		t.Errorf("two seeds give the same: %s", cold)
	}
}

func TestSourceRefusesEverythingElse(t *testing.T) {
	for _, name := range []string{"", "/", ".", "..", "fs", "lodash/", "/lodash", "lodash/_root", "lodash/nope", "lodash/../lodash", "../libraries/lodash",
		"core-js", "polyfills/modules/es.array.at", "../polyfills/modules/es.array.at", "manifest.json", "lodash//groupBy", "lodash/fp/map",
		"date-fns/cdn", "validator/lib/util/assertString", "lodash\x00", "lodash/groupBy.js.js", "LODASH"} {
		if source, ok := lib.Source(name); ok {
			t.Errorf("%q is offered: %.80s", name, source)
		}
	}
}

func TestLibrariesAreWhatTheLockPins(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	text, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	var pinned struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &pinned); err != nil {
		t.Fatal(err)
	}
	all := append(lib.Libraries(), lib.Polyfills())
	if len(all) != len(pinned.Dependencies) {
		t.Errorf("%d libraries are bundled, %d are pinned", len(all), len(pinned.Dependencies))
	}
	for _, library := range all {
		if want := pinned.Dependencies[library.Name]; library.Version != want {
			t.Errorf("%s is %s, want %s: run `make libs`", library.Name, library.Version, want)
		}
		if library.License == "" || !strings.Contains(lib.Notices(), "\n"+library.Name+" "+library.Version+" ("+library.License+")\n") {
			t.Errorf("%s has no notice", library.Name)
		}
	}
}

// The lock must not say where packages come from: that is the machine's own business.
func TestLockHoldsHashesAndNoAddresses(t *testing.T) {
	text, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Integrity, Resolved string }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	for name, p := range lock.Packages {
		if p.Resolved != "" || name != "" && !strings.HasPrefix(p.Integrity, "sha512-") {
			t.Errorf("%s: address %q, hash %q", name, p.Resolved, p.Integrity)
		}
	}
}

// What a script may pass to require is any string at all.
func FuzzSource(f *testing.F) {
	for _, seed := range []string{"lodash", "lodash/groupBy", "date-fns/fp/format.js", "../manifest", "a/b\x00c", "//", "lodash/__proto__", "polyfills/actual"} {
		f.Add(seed)
	}
	known := map[string]bool{}
	for _, library := range lib.Libraries() {
		known[library.Name] = true
	}
	for _, specifier := range lib.Subpaths() {
		known[specifier] = true
	}
	f.Fuzz(func(t *testing.T, specifier string) {
		source, ok := lib.Source(specifier)
		if want := known[strings.TrimSuffix(specifier, ".js")]; ok != want {
			t.Errorf("%q is offered: %v, want %v", specifier, ok, want)
		}
		if ok != strings.HasPrefix(source, "(function(require){") {
			t.Errorf("%q: %v, %.40q", specifier, ok, source)
		}
	})
}

func TestWithoutTheBundleThereIsNothing(t *testing.T) {
	if lib.Available() == nil {
		t.Skip("the libraries are bundled")
	}
	if !errors.Is(lib.Available(), lib.ErrNotBundled) || !strings.Contains(lib.Available().Error(), "make libs") {
		t.Errorf("Available says %v", lib.Available())
	}
	if _, ok := lib.Source("lodash"); ok || len(lib.Libraries()) != 0 || lib.Notices() != "" || lib.Polyfills().Name != "" {
		t.Error("there is something")
	}
}
