// Package lower turns a user's script into a program that goja can run: it takes out the imports, lets
// esbuild strip TypeScript and rewrite what goja lacks, and keeps every position the user's own.
//
// It runs inside the box: esbuild never sees a user's code in the controller.
//
// # What a script is
//
// A script is the body of a function: return works at its top level, and await (then the function is
// async) and import declarations (hoisted) beside it. It is sloppy code unless it says "use strict"
// or has an import or export declaration, which make strict code of it as of a module. A default export is the
// script's output, unless it returns a value; other exports declare what they declare, and that is all.
package lower

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
	esbuild "github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"

	"glovebox/api"
)

// A SyntaxError says where the code does not parse. Line and Column count from 1; 0 means unknown.
type SyntaxError struct {
	Message      string
	Line, Column int
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

// A Script is a lowered script.
type Script struct {
	// Program evaluates to a function of one argument, the host object, in which it sets HostMain to the
	// script's main function. Calling main with the input runs the script; it returns what the script
	// returns, or a promise of it where Async is true.
	Program *goja.Program
	// Async is true where the main function is async.
	Async bool
	// Imports are to be resolved, in order, before main is called.
	Imports []Import
	// Requires is how many calls of require the script begins with: nothing of its own has run before the last of them.
	Requires int
	// File is the name that stack frames of the script carry.
	File string
}

// The members of the host object, by which a lowered script and the engine meet. A script that knows
// its name could reach it, and could do no more with it than with what it has anyway.
const (
	// HostMain is set by the program.
	HostMain = "main"
	// HostImport is called for import(specifier), and returns a promise.
	HostImport = "import"
	// HostOutput is called once, before anything of the script runs, with a function that answers the
	// value of the script's own `output`, and throws while that is not yet initialised; a second one,
	// if given, answers the default export.
	HostOutput = "output"
	// HostThrow is called, in an async script, with what it throws that is not made on the spot, and
	// returns it: once it is the reason of a promise, nobody knows any more where it was thrown.
	HostThrow = "thrown"
	// HostModules is the array of the namespaces of Script.Imports.
	HostModules = "modules"
	// HostAbsent is an object with an accessor for each name of Options.Absent, read where the script
	// uses the name of a global that is not there; HostQuiet one with the same names for typeof.
	HostAbsent = "absent"
	HostQuiet  = "quiet"
)

// Options say how a script is lowered.
type Options struct {
	Language api.Language
	// Absent are the global names that the script may only ask for with typeof: any other use reads
	// the accessor of that name from the host object's HostAbsent.
	Absent []string
}

// maxDepth bounds the nesting of brackets, since parsers recurse: goja's and esbuild's stacks would
// outgrow the box before they said no.
const maxDepth = 2000

// File returns the name of a script in stack traces.
func File(language api.Language) string {
	if language == api.TypeScript {
		return "script.ts"
	}
	return "script.js"
}

// Lower turns the code into a Script. An error in the code is a *SyntaxError; any other error is ours.
func Lower(code string, o Options) (*Script, error) {
	l := lowering{code: code, options: o, names: newNames(code)}
	if strings.HasPrefix(code, "#!") {
		// A comment of the same length keeps every column.
		l.code = "//" + code[2:]
	}
	return l.run()
}

// names are the identifiers that the wrapping adds: none of them occurs in the user's code.
type names string

func newNames(code string) names {
	for n := 0; ; n++ {
		stem := fmt.Sprintf("$gb%03d", n)
		if !strings.Contains(code, stem) {
			return names(stem)
		}
	}
}

func (n names) dynamicImport() string { return string(n) } // six characters, as import
func (n names) host() string          { return string(n) + "h" }
func (n names) absent() string        { return string(n) + "a" }
func (n names) quiet() string         { return string(n) + "q" }
func (n names) defaultExport() string { return string(n) + "x" }
func (n names) module(i int) string {
	return fmt.Sprintf("%s.%s[%d]", n.host(), HostModules, i)
}

type lowering struct {
	code    string
	options Options
	names   names

	modules *modules
	async   bool
	// typeMap, where it is not empty, is the source map, as a data URL, from the wrapped source to the
	// user's: the types are gone from it already (see stripTypes).
	typeMap string
}

func (l *lowering) run() (*Script, error) {
	if l.deep() {
		return nil, &SyntaxError{Message: fmt.Sprintf("The code nests brackets deeper than %d", maxDepth), Line: 1, Column: 1}
	}
	l.modules = &modules{body: l.code}
	if strings.Contains(l.code, "import") || strings.Contains(l.code, "export") {
		var err *SyntaxError
		l.modules, err = splitModules(l.code, l.names, l.options.Language == api.TypeScript)
		if err != nil {
			return nil, err
		}
	}
	l.async = strings.Contains(l.code, "await")
	if l.options.Language == api.TypeScript && hasNamespace(l.modules.body) {
		if err := l.stripTypes(); err != nil {
			return nil, err
		}
	}
	if script := l.plain(); script != nil {
		return script, nil
	}
	return l.rewrite()
}

// rewrite lowers the script by way of esbuild.
func (l *lowering) rewrite() (*Script, error) {
	lowered, err := l.esbuild()
	if err != nil {
		return nil, err
	}
	n := l.names
	code := string(lowered.Code)
	if strings.Contains(code, n.absent()) {
		// esbuild prints typeof in one way alone, and the name is ours: nothing else can match.
		code = strings.ReplaceAll(code, "typeof "+n.absent()+".", "typeof "+n.quiet()+".")
	}
	code = markEndless(code, n.host()+"."+HostMain)
	if l.async {
		code = markThrows(code, n.host()+"."+HostThrow)
	}
	linesBefore := 1
	if l.typeMap != "" {
		linesBefore = 0 // esbuild has followed typeMap
	}
	consumer, err := userMap(lowered.Map, File(l.options.Language), linesBefore)
	if err != nil {
		return nil, err
	}
	return l.compile(code, consumer)
}

// deep reports whether the code nests brackets too deep. Counting bytes is enough to say no; only
// code that looks deep is looked at closely.
func (l *lowering) deep() bool {
	depth, deepest := 0, 0
	for i := 0; i < len(l.code); i++ {
		switch l.code[i] {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	if deepest <= maxDepth {
		return false
	}
	s := newScanner(l.code)
	for s.next().kind != tokEOF && s.maxDepth <= maxDepth {
	}
	return s.maxDepth > maxDepth
}

// wrapped returns the source for esbuild: one line of ours, the user's lines, and an end.
func (l *lowering) wrapped() string {
	var b strings.Builder
	b.Grow(len(l.modules.body) + 256)
	n := l.names
	fmt.Fprintf(&b, "%s.%s=", n.host(), HostMain)
	if l.async {
		b.WriteString("async ")
	}
	b.WriteString("function(){")
	if l.strict() {
		b.WriteString(`"use strict";`)
	}
	m := l.modules
	if m.defaultExpr {
		fmt.Fprintf(&b, "let %s;", n.defaultExport())
	}
	exported := m.defaultName
	if m.defaultExpr {
		exported = n.defaultExport()
	}
	switch {
	case exported != "":
		fmt.Fprintf(&b, "%s.%s(()=>output,()=>%s);", n.host(), HostOutput, exported)
	case strings.Contains(m.body, "output") || len(m.imports) > 0:
		fmt.Fprintf(&b, "%s.%s(()=>output);", n.host(), HostOutput)
	}
	b.WriteString(m.bindings.String())
	b.WriteByte('\n')
	b.WriteString(m.body)
	// The last line overrides a sourceMappingURL of the user's own, which esbuild would follow.
	b.WriteString("\n}\n//# sourceMappingURL=")
	if l.typeMap != "" {
		b.WriteString(l.typeMap)
	} else {
		b.WriteString("none:none")
	}
	b.WriteByte('\n')
	return b.String()
}

// strict reports whether the user's code is strict: by directive, or as a module.
func (l *lowering) strict() bool {
	if l.modules.found {
		return true
	}
	s := newScanner(l.code)
	for t := s.next(); t.kind == tokString; t = s.next() {
		text := s.text(t)
		if after := s.next(); !s.is(after, ";") && !after.newline && after.kind != tokEOF && !s.is(after, "}") {
			return false
		} else if text == `"use strict"` || text == `'use strict'` {
			return true
		} else if !s.is(after, ";") {
			return false
		}
	}
	return false
}

// lowerings are the features that goja lacks and esbuild can rewrite. A regular expression literal that
// goja cannot read becomes a call of RegExp, which the engine replaces.
func lowerings() map[string]bool {
	return map[string]bool{
		"async-generator":                 false,
		"decorators":                      false,
		"dynamic-import":                  false,
		"for-await":                       false,
		"import-meta":                     false,
		"regexp-match-indices":            false,
		"regexp-set-notation":             false,
		"regexp-unicode-property-escapes": false,
		"using":                           false,
	}
}

// esbuild lowers the wrapped source.
func (l *lowering) esbuild() (*esbuild.TransformResult, error) {
	loader := esbuild.LoaderJS
	if l.options.Language == api.TypeScript && l.typeMap == "" {
		loader = esbuild.LoaderTS
	}
	result := esbuild.Transform(l.wrapped(), esbuild.TransformOptions{
		LogLevel:       esbuild.LogLevelSilent,
		LogLimit:       1,
		Sourcemap:      esbuild.SourceMapExternal,
		SourcesContent: esbuild.SourcesContentExclude,
		Target:         esbuild.ESNext,
		Supported:      lowerings(),
		Define:         l.absent(),
		TreeShaking:    esbuild.TreeShakingFalse,
		LegalComments:  esbuild.LegalCommentsNone,
		Sourcefile:     File(l.options.Language),
		Loader:         loader,
	})
	if len(result.Errors) > 0 {
		return nil, l.syntaxError(result.Errors[0], 1)
	}
	return &result, nil
}

// absent tells esbuild, which knows scopes, which free names to read from the host instead.
func (l *lowering) absent() map[string]string {
	var define map[string]string
	for _, name := range l.options.Absent {
		if !strings.Contains(l.code, name) {
			continue
		}
		if define == nil {
			define = make(map[string]string)
		}
		define[name] = l.names.absent() + "." + name
	}
	return define
}

// syntaxError turns what esbuild says into the user's terms; before is how many lines of ours stand
// before the user's.
func (l *lowering) syntaxError(m esbuild.Message, before int) *SyntaxError {
	lines, _ := position(l.code, len(l.code))
	at := &SyntaxError{Message: m.Text}
	if m.Location != nil {
		at.Line = m.Location.Line - before
		at.Column = utf16Column(m.Location.LineText[:min(m.Location.Column, len(m.Location.LineText))]) + 1
	}
	if stray := l.strayBracket(at); stray != nil {
		return stray
	}
	if at.Line > lines {
		at.Line, at.Column = position(l.code, len(l.code))
		if strings.HasPrefix(m.Text, `Unexpected "}"`) {
			at.Message = "Unexpected end of file"
		}
	}
	at.Line = max(at.Line, 1)
	return at
}

// strayBracket finds the closing bracket that would close our wrapping, where one stands at or before
// the error.
func (l *lowering) strayBracket(before *SyntaxError) *SyntaxError {
	s := newScanner(l.code)
	for s.next().kind != tokEOF && s.stray < 0 {
	}
	if s.stray < 0 {
		return nil
	}
	line, column := position(l.code, s.stray)
	if before != nil && (line > before.Line || line == before.Line && column > before.Column) {
		return nil
	}
	return &SyntaxError{Message: `Unexpected "` + l.code[s.stray:s.stray+1] + `"`, Line: line, Column: column}
}

// compile puts the lowered code into the program that evaluates to a function of the host object, and compiles it. consumer maps
// the program to the user's source.
func (l *lowering) compile(code string, consumer *sourcemap.Consumer) (*Script, error) {
	n := l.names
	var b strings.Builder
	fmt.Fprintf(&b, "(function(%[1]s){var %[2]s=%[1]s.%[3]s,%[4]s=%[1]s.%[5]s,%[6]s=%[1]s.%[7]s;\n", n.host(),
		n.dynamicImport(), HostImport, n.absent(), HostAbsent, n.quiet(), HostQuiet)
	b.WriteString(code)
	b.WriteString("\n})")

	file := File(l.options.Language)
	program, err := parser.ParseFile(nil, file, b.String(), 0, parser.WithDisableSourceMaps)
	if program != nil && program.File != nil {
		program.File.SetSourceMap(consumer)
	}
	if err != nil {
		return nil, l.gojaError(err, consumer)
	}
	if err := l.check(program); err != nil {
		return nil, err
	}
	compiled, err := goja.CompileAST(program, false)
	if err != nil {
		return nil, l.gojaError(err, consumer)
	}
	return &Script{Program: compiled, Async: l.async, Imports: l.modules.imports, Requires: leading(l.modules.body, l.code), File: file}, nil
}

// check sees that the user's code stands inside our function, and gives main the parameter input where
// the user declares `var input`: without it, `var input = input || {}` would lose the input.
func (l *lowering) check(program *ast.Program) error {
	broken := func() error {
		if stray := l.strayBracket(nil); stray != nil {
			return stray
		}
		return &SyntaxError{Message: `Unexpected "}"`}
	}
	if len(program.Body) != 1 {
		return broken()
	}
	outer, ok := expression[*ast.FunctionLiteral](program.Body[0])
	if !ok {
		return broken()
	}
	list := outer.Body.List
	var main *ast.FunctionLiteral
	for i, statement := range list {
		assign, ok := expression[*ast.AssignExpression](statement)
		if !ok {
			continue
		}
		if !l.isMain(assign.Left) {
			continue
		}
		if i != len(list)-1 {
			return broken()
		}
		main, ok = assign.Right.(*ast.FunctionLiteral)
		if !ok {
			return broken()
		}
	}
	if main == nil {
		return broken()
	}
	if declaresVar(main, "input") {
		id := &ast.Identifier{Name: "input", Idx: main.ParameterList.Opening}
		main.ParameterList.List = append(main.ParameterList.List, &ast.Binding{Target: id})
	}
	return nil
}

// isMain reports whether the expression is the host object's HostMain.
func (l *lowering) isMain(e ast.Expression) bool {
	dot, ok := e.(*ast.DotExpression)
	if !ok || dot.Identifier.Name != HostMain {
		return false
	}
	id, ok := dot.Left.(*ast.Identifier)
	return ok && string(id.Name) == l.names.host()
}

func expression[T ast.Expression](statement ast.Statement) (T, bool) {
	var none T
	es, ok := statement.(*ast.ExpressionStatement)
	if !ok {
		return none, false
	}
	e, ok := es.Expression.(T)
	return e, ok
}

func declaresVar(f *ast.FunctionLiteral, name string) bool {
	for _, declaration := range f.DeclarationList {
		for _, binding := range declaration.List {
			if id, ok := binding.Target.(*ast.Identifier); ok && string(id.Name) == name {
				return true
			}
		}
	}
	return false
}

// gojaError turns an error of goja's parser or compiler, which esbuild let pass, into the user's terms.
func (l *lowering) gojaError(err error, m interface {
	Source(line, column int) (string, string, int, int, bool)
}) error {
	var list parser.ErrorList
	var compile *goja.CompilerSyntaxError
	at := &SyntaxError{}
	switch {
	case errors.As(err, &list) && len(list) > 0:
		at.Message = list[0].Message
		at.Line, at.Column = list[0].Position.Line, list[0].Position.Column
		if _, _, line, column, ok := m.Source(at.Line, at.Column); ok {
			at.Line, at.Column = line, column
		}
	case errors.As(err, &compile):
		at.Message = compile.Message
		if compile.File != nil {
			p := compile.File.Position(compile.Offset)
			at.Line, at.Column = p.Line, p.Column
		}
	default:
		return err
	}
	if at.Line < 1 {
		at.Line, at.Column = 0, 0
	}
	return at
}
