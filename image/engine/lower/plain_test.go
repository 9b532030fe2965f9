package lower

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
	gojatoken "github.com/dop251/goja/token"
	"github.com/google/go-cmp/cmp"

	"glovebox/api"
)

func newLowering(code string) *lowering {
	return &lowering{
		code: code, options: Options{Language: api.JavaScript, Absent: []string{"fetch", "process"}}, names: newNames(code),
		modules: &modules{body: code}, async: strings.Contains(code, "await"),
	}
}

func TestIsPlain(t *testing.T) {
	for code, want := range map[string]bool{
		"":                     true,
		"output = input.a + 1": true,
		"const { a, b: [c = 1] } = input, d = `x${a}\n`\nfor (const x of c) { output[x] ??= a?.b ** 2 }": true,
		"function f(...a) { return a.map(x => ({ ...x, y: 1.5e-3 })) }\r\nreturn f('\\n')":               true,
		"// ' \n/* \" */ return 1 / 2": false, // what a slash begins is not for a scanner to say
		"return /a/g":                  false,
		"return 010":                   false,
		"return 1_000":                 false,
		"return 0x1f":                  false,
		"return 1n":                    false,
		"return .5":                    false,
		"return 5.":                    false,
		"return '\\x41'":               false,
		"return '\\u0041'":             false,
		"return `a\r\nb`":              false,
		"return 'é'":                   false,
		"return \\u0061":               false,
		"return #x in y":               false,
		"@d class A {}":                false,
		"class A {}":                   false,
		"async () => 1":                false,
		"x <!-- y":                     false,
		"x\n--> y":                     false,
		"while (true) {}":              false,
		"for (;;) { f() }":             true,
		"(":                            false,
		"}":                            false,
		"'abc":                         false,
		"`abc":                         false,
		"with (a) {}":                  false,
		"a\vb":                         false,
	} {
		if got := isPlain(code); got != want {
			t.Errorf("%q: got %v", code, got)
		}
	}
}

// plainScripts are plain, and are read alike in both ways.
var plainScripts = []string{
	"output = 1 + 1", "'use strict'\nreturn this", "const f = function g(a, b = 1, ...c) { return g }, h = (a, b) => a ? b : a => ({ a })",
	"let a = 1\nlet b = a\n++a\nreturn a\n+ b", "return\n1", "if (a) b; else if (c) { d } else e", "l: for (let i = 0, n = 3; i < n; i++) { if (i) continue l; else break l }",
	"do x++\nwhile (x < 5) y()", "switch (a) { case 1: case 2: b(); break; default: c() }", "try { a() } catch { b() } finally { c() }",
	"try { a() } catch ({ message: m = 'x' }) { throw m }", "var a = [1, , 2, ...b, ], o = { 'x-y': 1, 2: 3, [z]: 4, f() { return this }, a, ...b }",
	"a ||= b &&= c ??= d", "delete a.b, void 0, typeof a, !b, ~c, -d, +e, - -f, + +g, -(-h), a-- - --b, a++ + ++b", "new A, new B(), new (a.b()), new a.b.C(1)(2)",
	"a?.b?.[c]?.(d)", "(a, b)", "(function () {})(); (() => {})()", "`a${`b${c}`}d`; t`x${y}z`", "for (const k in o) ; for (k of [1]) { }",
	"for (var i = ('a' in b); ;) break", "a = b ? c : d ? e : f", "x = (a && b) || c && (d || e); y = a ?? (b || c); z = (-a) ** b ** c", "var o = { f: function () {} }, g = function () { function h() {} }; a(function () { })",
	"let x\nx\n(1)", "var of = 1, let_ = 2; of\nlet_", "{ let a = 1; { let a = 2 } } ;;;", "(1).toFixed(), 1.0, 1.5e3, 1e21, 0.1, 1e-7",
	"({}).x; ({ a: 1 }).a; a = [] + {}; ({} = a); [a.b, c = 1, [d], ...e] = f; ({ a, b: c.d, e = 1, ...f } = g)", "a = function () {}\n\n;[1].map(x => x)",
	"var undefined_ = undefined, NaN_ = NaN; Infinity", "return 'a' + \"b\\\"\" + 'it\\'s' + `\\``", "if (true) { a } else { b }\nif (false) c()\nwhile (false) d()",
	"function f() { return 1; g() }\nvar f2 = { g: function () {} }", "x = a < b, c > (d)", "return (\n  1 +\n  2\n)", "throw new Error('x')\n", "var o = { __proto__: null, '__proto__x': 1 }",
	"label: { break label }", "arguments.length; new.target", "a = b\n`x`", "return a\n/* x */", "x = y, z => w", "var a = 1, a = 2; function b() {} function b() {}",
}

// What goja reads of a plain script must be what it reads of what esbuild makes of it.
func comparePlain(t *testing.T, code string) {
	t.Helper()
	l := newLowering(code)
	script := l.plain()
	if script == nil {
		return
	}
	lowered, err := l.esbuild()
	if err != nil {
		t.Fatalf("%q is plain, but: %v", code, err)
	}
	want, err := parser.ParseFile(nil, "", string(lowered.Code), 0, parser.WithDisableSourceMaps)
	if err != nil {
		t.Fatalf("%q: %v", code, err)
	}
	got, err := parser.ParseFile(nil, "", l.wrapped(), 0, parser.WithDisableSourceMaps)
	if err != nil {
		t.Fatalf("%q: %v", code, err)
	}
	if diff := cmp.Diff(tree(want), tree(got)); diff != "" && !strings.Contains(tree(got), decided) {
		t.Fatalf("%q is read otherwise (-esbuild's +its own):\n%s", code, diff)
	}
}

func TestPlainIsReadAlike(t *testing.T) {
	for _, code := range plainScripts {
		if newLowering(code).plain() == nil {
			t.Errorf("%q is not plain", code)
			continue
		}
		comparePlain(t, code)
	}
}

func FuzzPlainIsReadAlike(f *testing.F) {
	for _, code := range plainScripts {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code string) { comparePlain(t, code) })
}

// tree writes a syntax tree down: all but where things stand, and how they were spelled.
func tree(program *ast.Program) string {
	var b strings.Builder
	writeTree(&b, reflect.ValueOf(program.Body), 0)
	return b.String()
}

var positionType = reflect.TypeFor[file.Idx]()

func writeTree(b *strings.Builder, v reflect.Value, depth int) {
	indent := strings.Repeat(" ", depth)
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			fmt.Fprintf(b, "%snil\n", indent)
			return
		}
		if list, ok := v.Interface().(*ast.SequenceExpression); ok {
			// Of what is thrown away esbuild keeps what does something.
			for i, part := range flat(list) {
				if i == len(flat(list))-1 || !isPure(part) {
					writeTree(b, reflect.ValueOf(part), depth+1)
				}
			}
			return
		}
		if e, ok := v.Interface().(ast.Expression); ok && (isPure(e) || isPlus(e)) {
			for _, part := range sum(e) {
				if isPure(part) {
					fmt.Fprintf(b, "%sconstant\n", indent) // esbuild has worked it out, perhaps
				} else {
					writeTree(b, reflect.ValueOf(part), depth+1)
				}
			}
			return
		}
		writeTree(b, v.Elem(), depth)
	case reflect.Slice:
		for i := range v.Len() {
			element := v.Index(i)
			if !isNothing(element.Interface()) {
				writeTree(b, element, depth+1)
			}
		}
	case reflect.Struct:
		switch e := v.Addr().Interface().(type) {
		case *ast.ConditionalExpression:
			if isKnown(e.Test) {
				b.WriteString(decided)
			}
		case *ast.BinaryExpression:
			switch e.Operator {
			case gojatoken.LOGICAL_AND, gojatoken.LOGICAL_OR, gojatoken.COALESCE:
				if isKnown(e.Left) {
					b.WriteString(decided)
				}
			}
		}
		if statement, ok := v.Addr().Interface().(ast.Statement); ok {
			if inner := alone(statement); inner != statement {
				writeTree(b, reflect.ValueOf(inner), depth)
				return
			}
		}
		if short, ok := v.Addr().Interface().(*ast.PropertyShort); ok && short.Initializer == nil {
			// It is the same as a name with a value, and esbuild makes one of it where it renames the value.
			keyed := &ast.PropertyKeyed{
				Key: &ast.StringLiteral{Value: short.Name.Name}, Kind: ast.PropertyKindValue, Value: &short.Name,
			}
			v = reflect.ValueOf(keyed).Elem()
		}
		if id, ok := v.Addr().Interface().(*ast.Identifier); ok {
			// Of two names esbuild gives the inner one a number.
			fmt.Fprintf(b, "%sIdentifier %s\n", indent, strings.TrimRight(string(id.Name), "0123456789"))
			return
		}
		fmt.Fprintf(b, "%s%s\n", indent, v.Type().Name())
		for i := range v.NumField() {
			field := v.Type().Field(i)
			switch {
			case field.Type == positionType, !field.IsExported(), field.Name == "Literal", field.Name == "Source", field.Name == "DeclarationList", field.Name == "File":
				continue
			}
			fmt.Fprintf(b, "%s %s:\n", indent, field.Name)
			writeTree(b, v.Field(i), depth+2)
		}
	default:
		fmt.Fprintf(b, "%s%#v\n", indent, v.Interface())
	}
}

// isNothing reports whether a statement does nothing: esbuild leaves it out.
func isNothing(node any) bool {
	switch s := node.(type) {
	case *ast.EmptyStatement:
		return true
	case *ast.ExpressionStatement:
		_, directive := s.Expression.(*ast.StringLiteral)
		return !directive && isPure(s.Expression)
	}
	return false
}

func isPure(e ast.Expression) bool {
	all := func(list ...ast.Expression) bool {
		for _, e := range list {
			if !isPure(e) {
				return false
			}
		}
		return true
	}
	switch e := e.(type) {
	case nil, *ast.NumberLiteral, *ast.BooleanLiteral, *ast.NullLiteral:
		return true
	case *ast.StringLiteral:
		return true
	case *ast.TemplateLiteral:
		return e.Tag == nil && all(e.Expressions...)
	case *ast.ArrayLiteral:
		return all(e.Value...)
	case *ast.ObjectLiteral:
		return len(e.Value) == 0
	case *ast.UnaryExpression:
		return !e.Postfix && isPure(e.Operand)
	case *ast.BinaryExpression:
		return all(e.Left, e.Right)
	case *ast.SequenceExpression:
		return all(e.Sequence...)
	case *ast.ConditionalExpression:
		return all(e.Test, e.Consequent, e.Alternate)
	}
	return constant(e) != ""
}

func isPlus(e ast.Expression) bool {
	b, ok := e.(*ast.BinaryExpression)
	return ok && b.Operator == gojatoken.PLUS
}

// sum lists what is added up, neighbouring constants as one.
func sum(e ast.Expression) []ast.Expression {
	if !isPlus(e) {
		return []ast.Expression{e}
	}
	b := e.(*ast.BinaryExpression)
	var parts []ast.Expression
	for _, part := range append(sum(b.Left), sum(b.Right)...) {
		if last := len(parts) - 1; last < 0 || !isPure(parts[last]) || !isPure(part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// flat lists what a comma separates.
func flat(e ast.Expression) []ast.Expression {
	list, ok := e.(*ast.SequenceExpression)
	if !ok {
		return []ast.Expression{e}
	}
	var parts []ast.Expression
	for _, part := range list.Sequence {
		parts = append(parts, flat(part)...)
	}
	return parts
}

// constant names what esbuild writes in another way: undefined as void 0, Infinity as 1 / 0, NaN as 0 / 0.
func constant(e ast.Expression) string {
	number := func(e ast.Expression, want int64) bool {
		n, ok := e.(*ast.NumberLiteral)
		return ok && n.Value == want
	}
	switch e := e.(type) {
	case *ast.Identifier:
		switch e.Name {
		case "undefined", "Infinity", "NaN":
			return string(e.Name)
		}
	case *ast.UnaryExpression:
		if e.Operator == gojatoken.VOID && number(e.Operand, 0) {
			return "undefined"
		}
	case *ast.BinaryExpression:
		if e.Operator == gojatoken.SLASH && number(e.Right, 0) && number(e.Left, 1) {
			return "Infinity"
		}
	}
	return ""
}

// decided marks a choice that is made before the script runs: esbuild leaves out what is not chosen.
const decided = "decided\n"

// isKnown reports whether esbuild may know what a value is taken for: that is so for all that does not come from elsewhere.
func isKnown(e ast.Expression) bool {
	switch e.(type) {
	case *ast.Identifier, *ast.DotExpression, *ast.BracketExpression, *ast.CallExpression, *ast.OptionalChain:
		return constant(e) != ""
	}
	return true
}

// alone returns the one statement that a block holds, where the block makes no difference.
func alone(s ast.Statement) ast.Statement {
	if isNothing(s) {
		return nothing
	}
	block, ok := s.(*ast.BlockStatement)
	if !ok {
		return s
	}
	var only ast.Statement = nothing
	for _, inner := range block.List {
		switch _, lexical := inner.(*ast.LexicalDeclaration); {
		case isNothing(inner):
		case only != nothing || lexical:
			return s
		default:
			only = inner
		}
	}
	return alone(only)
}

var nothing = &ast.EmptyStatement{}

// What goes wrong in a plain script is told at the same place as when esbuild has read it.
func TestPlainPositions(t *testing.T) {
	for _, code := range []string{
		"nope()", "x = 1\n  undefined.foo.bar", "const a = null; a[0]", "f(); function f() { throw new Error('x') }", "return JSON.parse('{bad')",
		"let a = {}; a.b.c()", "[1].map(x => x.y.z)", "new nope(1)", "`a${nope}`", "let a = 1;\n\ta()", "return 1 + nope", "if (nope) { }",
		"const { a } = null", "for (const x of 5) { }", "let o = { f() { return this.g.h } }\r\no.f()", "(function () { null.x })()", "return (\n  1 +\n  nope\n)",
		"throw new Error('a' + 1)", "return typeof x + y", "let a = [1, nope]", "return { a: nope }", "x => x; (() => nope())()", "switch (1) { case nope: }",
	} {
		l := newLowering(code)
		place := func(s *Script, err error) string {
			if s == nil || err != nil {
				t.Fatalf("%q is not plain: %v", code, err)
			}
			_, err = call(t, s)
			var ex *goja.Exception
			if !errors.As(err, &ex) {
				t.Fatalf("%q: no exception but %v", code, err)
			}
			return ex.Stack()[0].Position().String()
		}
		if got, want := place(l.plain(), nil), place(l.rewrite()); got != want {
			t.Errorf("%q fails at %s, and by way of esbuild at %s", code, got, want)
		}
	}
}
