package lower

import (
	"errors"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"

	"glovebox/api"
)

func lowerJS(code string) (*Script, error) {
	return Lower(code, Options{Language: api.JavaScript, Absent: []string{"fetch", "process"}})
}

func lowerTS(code string) (*Script, error) { return Lower(code, Options{Language: api.TypeScript}) }

// call runs a lowered script without imports in a bare runtime and returns what main returned.
func call(t testing.TB, s *Script) (goja.Value, error) {
	t.Helper()
	rt := goja.New()
	host := rt.NewObject()
	_ = host.Set(HostModules, []any{map[string]any{}, map[string]any{}})
	_ = host.Set(HostQuiet, map[string]any{})
	_ = rt.Set("input", "the input")
	_ = host.Set(HostOutput, func(goja.FunctionCall) goja.Value { return goja.Undefined() })
	v, err := rt.RunProgram(s.Program)
	if err != nil {
		t.Fatal(err)
	}
	outer, _ := goja.AssertFunction(v)
	if _, err := outer(goja.Undefined(), host); err != nil {
		t.Fatal(err)
	}
	main, ok := goja.AssertFunction(host.Get(HostMain))
	if !ok {
		t.Fatal("no main")
	}
	return main(goja.Undefined(), rt.ToValue("the input"))
}

func TestThrowPositions(t *testing.T) {
	tests := []struct {
		name, code   string
		ts           bool
		line, column int
	}{
		{"first line", `throw new Error("x")`, false, 1, 7},
		{"after a long comment", "/* a\n b */ // c\n\n   throw new Error('x')", false, 4, 10},
		{"after imports", "import 'a';\nimport {\n b } from 'b'; throw new Error('x')", false, 3, 22},
		{"after non-ASCII on the same line", `const é = "😀ü"; throw new Error("x")`, false, 1, 24},
		{"in a function", "function f() {\n\treturn undefined.x\n}\nf()", false, 2, 19},
		{"after a multi-line template", "const s = `a\nb\n${1}`;\nthrow new Error(s)", false, 4, 7},
		{"in a class field", "class A {\n  x = nothing();\n}\nnew A", false, 2, 7},
		{"beside lowered using", "{\n using x = null;\n  throw new Error('x')\n}", false, 3, 9},
		{"with carriage returns", "let a = 1;\r\nlet b = 2;\r\n  throw new Error('x')", false, 3, 9},
		{"TypeScript", "interface A { b: string }\ntype C = A | null;\nconst x: C = null;\nx!.b.length", true, 4, 4},
		{"in a namespace", "namespace N {\n  export function f() {\n    throw new Error('x')\n  }\n}\nN.f()", true, 3, 11},
		{"after a declaration", "declare const x: number\ndeclare global { interface A {} }\n\nthrow new Error('x')", true, 4, 7},
		{"after a TypeScript enum", "enum E { A = 1, B }\nnamespace N { export const q = 1 }\nthrow new Error(String(E.B + N.q))", true, 3, 7},
		{"TypeScript with generics", "function id<T extends object>(x: T): T {\n  throw new Error('x' satisfies string)\n}\nid<{}>({})", true, 2, 9},
		{"after a hashbang", "#!/usr/bin/env node\nthrow new Error('x')", false, 2, 7},
		{"under the user's own source map", "//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbImEiXSwibWFwcGluZ3MiOiJBQUFBIn0=\nthrow new Error('x')", false, 2, 7},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lower := lowerJS
			if test.ts {
				lower = lowerTS
			}
			s, err := lower(test.code)
			if err != nil {
				t.Fatal(err)
			}
			_, err = call(t, s)
			var ex *goja.Exception
			if !errors.As(err, &ex) {
				t.Fatalf("no exception but %v", err)
			}
			p := ex.Stack()[0].Position()
			if p.Line != test.line || p.Column != test.column || p.Filename != s.File {
				t.Errorf("got %v, want %s:%d:%d", p, s.File, test.line, test.column)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	tests := []struct {
		code         string
		ts           bool
		line, column int
		message      string
	}{
		{"let x = ;", false, 1, 9, `Unexpected ";"`},
		{"\n\n  let a = 1; let a = 2", false, 3, 18, `The symbol "a" has already been declared`},
		{"f(", false, 1, 3, "Unexpected end of file"},
		{"function f() {\n", false, 2, 1, "Unexpected end of file"},
		{"}", false, 1, 1, `Unexpected "}"`},
		{"a();\n}\nb()", false, 2, 1, `Unexpected "}"`},
		{"}; f(); function g() {", false, 1, 1, `Unexpected "}"`},
		{"};$gb000h.main=function(){", false, 1, 1, `Unexpected "}"`},
		{"`abc", false, 1, 5, "Unterminated string literal"},
		{"'abc\n'", false, 1, 5, "Unterminated string literal"},
		{"/* abc", false, 1, 7, `Expected "*/" to terminate multi-line comment`},
		{"const ü = 1;  const ü = 2", false, 1, 21, `The symbol "ü" has already been declared`},
		{"import x from 'lodash'; let x", false, 1, 29, `The symbol "x" has already been declared`},
		{"import {a as} from 'x'", false, 1, 13, `Unexpected "}"`},
		{"import x of 'x'", false, 1, 10, `Unexpected "of"`},
		{"import x from y", false, 1, 15, `Unexpected "y"`},
		{"export * from 'x'", false, 1, 1, "export … from is not supported: nothing imports this script"},
		{"if (1) { import 'x' }", false, 1, 17, "Unexpected"},
		{"'use strict'; with (a) {}", false, 1, 15, "With statements cannot be used in strict mode"},
		{"let a: number = 1", false, 1, 6, `Expected ";" but found ":"`},
		{"let a: = 1", true, 1, 8, `Unexpected "="`},
		{"return\nawait 1; break", false, 2, 10, "Cannot use \"break\" here"},
		{"<div/>", false, 1, 1, "The JSX syntax extension is not currently enabled"},
		{strings.Repeat("(", 5000) + strings.Repeat(")", 5000), false, 1, 1, "The code nests brackets deeper than 2000"},
	}
	for _, test := range tests {
		name := test.code[:min(len(test.code), 40)]
		t.Run(name, func(t *testing.T) {
			lower := lowerJS
			if test.ts {
				lower = lowerTS
			}
			_, err := lower(test.code)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v", err)
			}
			if syntax.Line != test.line || syntax.Column != test.column || !strings.HasPrefix(syntax.Message, test.message) {
				t.Errorf("got %v, want %d:%d: %s", syntax, test.line, test.column, test.message)
			}
		})
	}
}

func TestImports(t *testing.T) {
	tests := []struct {
		name, code string
		ts         bool
		want       []Import
	}{
		{"forms", "import a from 'a'\nimport * as b from \"b\";import {c, d as e, 'f g' as h} from 'c'\nimport 'd'; import i, {j} from 'e'; import k, * as l from 'f'", false, []Import{
			{"a", []string{"default"}, 1, 1}, {"b", nil, 2, 1}, {"c", []string{"c", "d", "f g"}, 2, 24}, {"d", nil, 3, 1},
			{"e", []string{"default", "j"}, 3, 13}, {"f", []string{"default"}, 3, 37}}},
		{"late", "f();\nfunction f() {}\nimport {a} from 'a'", false, []Import{{"a", []string{"a"}, 3, 1}}},
		{"attributes", "import a from 'a' with { type: 'json' };", false, []Import{{"a", []string{"default"}, 1, 1}}},
		{"in text only", "const s = 'import a from \"a\"';\nconst t = `\nimport b from 'b'\n${`\nimport c from 'c'`}`;\n/*\nimport d from 'd' */\nconst r = a/b/c", false, nil},
		{"members", "a.import; a?.import; ({import: 1}); ({import(){}}); ({import})", false, nil},
		{"dynamic", "import('a'); const f = () => import(\n'b')", false, nil},
		{"types", "import type {A} from 'a'; import {type B, c} from 'b'; import type D from 'd'; import type from 'e'; import {type as t} from 'f'", true, []Import{
			{"b", nil, 1, 27}, {"e", nil, 1, 80}, {"f", nil, 1, 102}}},
		{"equals", "import a = require('a'); namespace N { export const x = 1 } import y = N.x", true, []Import{{"a", nil, 1, 1}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lower := lowerJS
			if test.ts {
				lower = lowerTS
			}
			s, err := lower(test.code)
			if test.name == "members" {
				if err == nil {
					t.Error("({import}) must not parse")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, s.Imports); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMain(t *testing.T) {
	for code, want := range map[string]string{
		"return 1":                                                "1",
		"return input":                                            "the input",
		"var input = input || 2; return input":                    "the input",
		"let input = 3; return input":                             "3",
		"return this === globalThis":                              "true",
		"'use strict'; return this":                               "undefined",
		"/* x */ \"use strict\"\nreturn this":                     "undefined",
		"'x'; 'use strict'; return this === void 0":               "true",
		"import.meta; return 1":                                   "1",
		"return typeof fetch":                                     "undefined",
		"const fetch = () => 4; return fetch()":                   "4",
		"function process() { return 5 } return process()":        "5",
		"return 'typeof $gb000a.fetch'":                           "typeof $gb000a.fetch",
		"return [1,2]\n//":                                        "1,2",
		"return 1 /*":                                             "",
		"while (true) { break } return 1":                         "1",
		"let n = 0; do {} while (n++ < 3); return n":              "4",
		"for (;;) { break } return `while (true) {\n}`":           "while (true) {\n}",
		"const a = 4, b = 2, g = 1; return a /b/ g":               "2",
		"const import_ = 6; return import_":                       "6",
		"return [..._()].join(); function* _() { yield* [1, 2] }": "1,2",
		"export const a = 1; export function f() { return 2 } export class C {} return a + f()": "3",
		"const x = 1, y = 2; export { x, y as z }; return x":                                    "1",
	} {
		t.Run(code, func(t *testing.T) {
			s, err := lowerJS(code)
			if want == "" {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			v, err := call(t, s)
			if err != nil {
				t.Fatal(err)
			}
			if v.String() != want {
				t.Errorf("got %v, want %s", v, want)
			}
		})
	}
}

func FuzzLower(f *testing.F) {
	for _, code := range []string{
		"import a, {b as c} from 'x'; export default a", "`${`}`}` /re/g.test(a)/2", "}{", "#!x\nawait 1", "export {a as default, b}",
		"for await (const x of y) {}", "@d class A { accessor x = 1 }", "import('x').then()", "\"use strict\"\n'a'", "/[/]/", "a\u2028b", "\\u0061=1",
		"import type A from 'a'; import B = require('b')", "\xff\xfe", "((((((((", "using x = y", "label: while (1) ;",
	} {
		f.Add(code, false)
		f.Add(code, true)
	}
	f.Fuzz(func(t *testing.T, code string, ts bool) {
		lower := lowerJS
		if ts {
			lower = lowerTS
		}
		s, err := lower(code)
		var syntax *SyntaxError
		if err != nil && !errors.As(err, &syntax) {
			t.Fatalf("%q: %v", code, err)
		}
		if err == nil && s.Program == nil {
			t.Fatalf("%q: no program", code)
		}
		if syntax != nil && (syntax.Line < 0 || syntax.Line > strings.Count(code, "\n")+strings.Count(code, "\r")+strings.Count(code, "\u2028")+strings.Count(code, "\u2029")+1) {
			t.Fatalf("%q: %v is outside of the code", code, syntax)
		}
	})
}

// Finding the place of each import anew made a megabyte of imports take minutes.
func TestManyImports(t *testing.T) {
	const n = 20000
	s, err := lowerJS(strings.Repeat("import 'a'\n", n))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Imports[n-1]; len(s.Imports) != n || got.Line != n || got.Column != 1 {
		t.Fatalf("%d imports, the last %v", len(s.Imports), got)
	}
	if s, err = lowerJS(strings.Repeat("import 'a';", n)); err != nil {
		t.Fatal(err)
	}
	if got := s.Imports[n-1]; got.Line != 1 || got.Column != 1+(n-1)*len("import 'a';") {
		t.Fatalf("the last is %v", got)
	}
}

func BenchmarkLowerTrivial(b *testing.B) {
	for b.Loop() {
		if _, err := lowerJS("const x = input.a + 1;\noutput = { x };"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLowerThousandLines(b *testing.B) {
	code := strings.Repeat("function f(a, b) { if (a > b) { return a * 2 + b; } return [a, b].map(x => x + 1); }\n", 1)
	code = strings.Repeat("{\n"+code+"}\n", 330)
	b.SetBytes(int64(len(code)))
	for b.Loop() {
		if _, err := lowerJS(code); err != nil {
			b.Fatal(err)
		}
	}
}
