package engine

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// libraryCases use the real libraries as scripts do.
func libraryCases() []scriptCase {
	return []scriptCase{
		{name: "sales by month", settings: []setting{input(`[{"date":"2025-01-15","amount":100},{"date":"2025-01-20","amount":150},{"date":"2025-02-10","amount":200}]`)}, code: `
import _ from "lodash";
import { format, parseISO } from "date-fns";
const byMonth = _.groupBy(input, row => format(parseISO(row.date), "yyyy-MM"));
output = _.mapValues(byMonth, rows => _.sumBy(rows, "amount"));`, want: api.Success, output: `{"2025-01":250,"2025-02":200}`},
		{name: "the same with require", settings: []setting{input(`[{"date":"2025-01-15","amount":100}]`)}, code: `
const _ = require("lodash"), { format, parseISO } = require("date-fns");
return _.map(input, r => format(parseISO(r.date), "MMMM yyyy"))`, want: api.Success, output: `["January 2025"]`},
		{code: `import { addMonths } from "date-fns"; return addMonths(new Date(2025, 0, 31), 1).getDate()`, want: api.Success, output: `28`},
		{code: `import * as d from "date-fns"; import def from "date-fns"; return [typeof d.addDays, typeof def.addDays]`, want: api.Success, output: `["function","function"]`},
		{code: `import format from "date-fns/format"; import groupBy from "lodash/groupBy"; return [typeof (format.format ?? format), Object.keys(groupBy([1, 2], x => x % 2))]`, want: api.Success, output: `["function",["0","1"]]`},
		{code: `import * as math from "mathjs"; return [math.round(math.evaluate("sqrt(2) * 3 cm to mm").toNumber("mm"), 3), math.mean([1, 2, 3])]`, want: api.Success, output: `[42.426,2]`},
		{code: `import { evaluate, matrix } from "mathjs"; return [evaluate("2 + 3 * 4"), matrix([[1, 2], [3, 4]]).size()]`, want: api.Success, output: `[14,[2,2]]`},
		{code: `const math = require("mathjs"); return math.derivative("x^2", "x").toString()`, want: api.Success, output: `"2 * x"`},
		{code: `import Papa from "papaparse"; return Papa.parse("a,b\n1,\"x,y\"\n", { header: true, skipEmptyLines: true }).data`, want: api.Success, output: `[{"a":"1","b":"x,y"}]`},
		{code: `import { v4, validate } from "uuid"; const id = v4(); return [validate(id), id.length, require("uuid").NIL]`, want: api.Success, output: `[true,36,"00000000-0000-0000-0000-000000000000"]`},
		{code: `import validator from "validator"; return [validator.isEmail("a@b.com"), validator.isEmail("a@b..c"), validator.isURL("https://example.com")]`, want: api.Success, output: `[true,false,true]`},
		{code: `import { isEmail } from "validator"; return isEmail("x")`, want: api.Success, output: `false`},
		{code: `import { sortBy, debounce } from "lodash"; debounce(() => { output = sortBy([3, 1, 2]) }, 5)()`, want: api.Success, output: `[1,2,3]`},
		{code: `import _ from "lodash"; return _.template("a <%= x %>")({ x: 1 })`, want: api.SecurityError, place: [2]int{1, 34}},
		{code: `import _ from "lodash"; try { _.template("a") } catch (e) { return e.name }`, want: api.Success, output: `"SecurityError"`},
		{code: `import { nope } from "date-fns"`, want: api.SyntaxError},
		{code: `import "left-pad"`, want: api.RuntimeError, message: "a box has date-fns, lodash, mathjs, papaparse, uuid, validator"},
		{code: `Papa = require("papaparse"); Papa.parse("https://example.org/x.csv", { download: true, complete() {} })`, want: api.RuntimeError},
		{name: "polyfills", code: `
const groups = Object.groupBy([1, 2, 3], n => n % 2 ? "odd" : "even");
const { promise, resolve } = Promise.withResolvers(); resolve(1);
class A { #x; [Symbol.dispose]() { A.disposed = true } }
{ using a = new A(); }
output = [groups, await promise, [3, 1].toSorted(), new Set([1, 2]).union(new Set([3])).size, [1, 2].values().map(x => x * 2).toArray(),
  "a".isWellFormed(), await Array.fromAsync([1]), RegExp.escape("a.b"), Map.groupBy([1], x => x).get(1), A.disposed, structuredClone({ d: new Date(0) }).d.getTime(),
  new URL("https://a.b/c?d=1").searchParams.get("d"), btoa("x"), new TextEncoder().encode("é").length]`, want: api.Success,
			output: `[{"odd":[1,3],"even":[2]},1,[1,3],3,[2,4],true,[1],"\\x61\\.b",[1],true,0,"1","eA==",2]`},
		{name: "en-US", code: `return [(1234567.891).toLocaleString("en-US"), (5).toLocaleString("en-US", { style: "currency", currency: "USD" }), new Date(0).toLocaleDateString("en-US", { timeZone: "UTC" }), /\p{Lu}/u.test("É")]`,
			want: api.Success, output: `["1,234,567.891","$5.00","1/1/1970",true]`},
	}
}

func TestLibraries(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	for _, c := range libraryCases() {
		t.Run(c.code[:min(len(c.code), 60)], func(t *testing.T) { c.check(t, runWith(t, modules, c.code, c.settings...)) })
	}
}

// Each library works where it is the only one that the script may use, with what lies below its name, and none other is
// reached through that.
func TestLibrariesAlone(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	for _, c := range []struct{ library, code string }{
		{"date-fns", `return typeof require("date-fns/locale").fr.code + typeof require("date-fns/fp").format + typeof require("date-fns/format.js")`},
		{"lodash", `return typeof require("lodash/fp").map + typeof require("lodash.js").map + typeof require("lodash/groupBy")`},
		{"mathjs", `return require("mathjs").evaluate("1 + 1")`},
		{"papaparse", `return require("papaparse").parse("a").data`},
		{"uuid", `return require("uuid").v4().length`},
		{"validator", `return require("validator/lib/isEmail")("a@b.com")`},
	} {
		if r := runWith(t, modules, c.code, libraries(c.library)); r.Code != api.Success {
			t.Errorf("%s alone: %v", c.library, r)
		}
		for n, other := range append(lib.Subpaths(), "date-fns", "lodash", "lodash.js", "mathjs", "papaparse", "uuid", "validator") {
			if strings.HasPrefix(other, c.library) || n%40 != 0 && strings.Contains(other, "/") { // some of many
				continue
			}
			if r := runWith(t, modules, "require("+strconv.Quote(other)+")", libraries(c.library)); r.Code != api.SecurityError {
				t.Errorf("%s, where only %s is allowed: %v", other, c.library, r)
			}
		}
	}
}

func TestLibrariesAreDeterministic(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules := BundledModules()
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	code := `
import * as math from "mathjs"; import _ from "lodash"; import { v4, v7 } from "uuid"; import { formatISO } from "date-fns";
console.log(math.random(), _.random(0, 1e9), _.shuffle([1, 2, 3, 4, 5]), _.uniqueId(), v4(), v7(), formatISO(new Date()));
return [math.random(), math.pickRandom([1, 2, 3, 4, 5, 6]), _.sample([1, 2, 3, 4, 5]), _.now()]`
	one := func(warmed bool) ran {
		g, err := NewGoja(modules)
		if err != nil {
			t.Fatal(err)
		}
		if warmed {
			warm(t, g, "mathjs", "lodash", "uuid", "date-fns")
		}
		return runIn(g, code, seeded(42), frozen(at))
	}
	cold, warm := one(false), one(true)
	if cold.Code != api.Success || string(cold.Output) != string(warm.Output) || cold.logs[0] != warm.logs[0] {
		t.Errorf("cold %v\nwarm %v", cold, warm)
	}
}

func BenchmarkRequire(b *testing.B) {
	testenv.Need(b, testenv.Libs, lib.Available())
	for _, l := range lib.Libraries() {
		b.Run(l.Name+"/cold", func(b *testing.B) {
			for b.Loop() {
				runWith(b, BundledModules(), `require("`+l.Name+`")`)
			}
		})
		b.Run(l.Name+"/compiled", func(b *testing.B) {
			modules := BundledModules()
			for b.Loop() {
				runWith(b, modules, `require("`+l.Name+`")`)
			}
		})
	}
}
