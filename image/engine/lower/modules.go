package lower

import (
	"fmt"
	"strings"
)

// An Import is one import declaration of the script, to be resolved before the script starts, as
// ECMAScript has it.
type Import struct {
	// Specifier is what stands between the quotes.
	Specifier string
	// Names are the exports that the script binds by name, "default" among them. A namespace import
	// and an import for side effects name none.
	Names []string
	// Line and Column, from 1, are where the declaration stands.
	Line, Column int
}

// modules is what was found in a script of the words import and export at its top level.
type modules struct {
	// body is the source with those declarations blanked or renamed; every character that stays keeps
	// its line and column.
	body    string
	places  locator
	imports []Import
	// found is true where there is an import or export declaration: the script is strict then.
	found bool
	// bindings declares what the imports bind, as JavaScript in terms of names.module(i).
	bindings strings.Builder
	// defaultName is the name of the function or class that is exported by default, if it has one;
	// defaultExpr is true where an expression is.
	defaultName string
	defaultExpr bool
}

// splitModules finds the import and export declarations at the top level of the source, and takes
// them out. Dynamic imports, at any depth, become calls of names.dynamicImport, which is as long as
// the word import.
func splitModules(src string, names names, ts bool) (*modules, *SyntaxError) {
	m := &modules{places: locator{src: src}}
	e := &editor{src: src}
	s := newScanner(src)
	for t := s.next(); t.kind != tokEOF; t = s.next() {
		if t.kind != tokName || s.is(s.prev, ".") || s.is(s.prev, "?.") {
			continue
		}
		switch s.text(t) {
		case "import":
			if err := m.importWord(s, e, t, names, ts); err != nil {
				return nil, err
			}
		case "export":
			if t.depth == 0 && statementStart(s, t) {
				if err := m.exportWord(s, e, t, names, ts); err != nil {
					return nil, err
				}
			}
		}
	}
	m.body = e.result()
	return m, nil
}

// statementStart reports whether the token, at depth 0, can start a statement.
func statementStart(s *scanner, t token) bool {
	switch {
	case s.prev.kind == tokNone, t.newline, s.is(s.prev, ";"), s.is(s.prev, "}"):
		return true
	}
	return false
}

func (m *modules) importWord(s *scanner, e *editor, word token, names names, ts bool) *SyntaxError {
	top := word.depth == 0 && statementStart(s, word)
	save := *s
	next := s.next()
	switch {
	case s.is(next, "("):
		if s.is(save.prev, "function") || s.is(save.prev, "async") {
			return nil
		}
		e.replace(word.start, word.end, names.dynamicImport())
		return nil
	case !top, s.is(next, "."), s.is(next, ":"), s.is(next, "="), s.is(next, ","), s.is(next, "}"):
		return nil
	}
	clause, err := parseImportClause(s, next, ts)
	if err != nil {
		err.Line, err.Column = position(s.src, s.tok.start)
		return err
	}
	if clause.alias {
		// TypeScript's import A = N.B is a declaration of a constant.
		e.replace(word.start, word.end, "const ")
		return nil
	}
	m.found = true
	e.blank(word.start, s.tok.end)
	if clause.typeOnly {
		return nil
	}
	line, column := m.places.position(word.start)
	imp := Import{Specifier: clause.specifier, Line: line, Column: column}
	module := names.module(len(m.imports))
	for _, b := range clause.bindings {
		if b.imported == "*" {
			fmt.Fprintf(&m.bindings, "const %s=%s;", b.local, module)
			continue
		}
		if !ts { // in TypeScript the name may be a type, which does not exist when running
			imp.Names = append(imp.Names, b.imported)
		}
		fmt.Fprintf(&m.bindings, "const %s=%s[%s];", b.local, module, quote(b.imported))
	}
	m.imports = append(m.imports, imp)
	return nil
}

type importBinding struct{ imported, local string }

type importClause struct {
	specifier string
	bindings  []importBinding
	typeOnly  bool
	alias     bool
}

// parseImportClause reads what follows the word import, the first token of which is t. When it
// returns, s stands on the last token of the declaration.
func parseImportClause(s *scanner, t token, ts bool) (c importClause, err *SyntaxError) {
	if ts && s.is(t, "type") {
		save := *s
		after := s.next()
		if s.is(after, "{") || s.is(after, "*") || after.kind == tokName && !s.is(after, "from") {
			c.typeOnly = true
			t = after
		} else {
			*s = save
		}
	}
	if t.kind != tokString {
		if t, err = c.parseBindings(s, t, ts); err != nil || c.alias {
			return c, err
		}
		if c.specifier != "" { // import x = require("y")
			return c, nil
		}
		if !s.is(t, "from") {
			return c, unexpected(s, t)
		}
		t = s.next()
	}
	if t.kind != tokString {
		return c, unexpected(s, t)
	}
	spec, ok := unquote(s.text(t))
	if !ok {
		return c, unexpected(s, t)
	}
	c.specifier = spec
	return c, endOfDeclaration(s)
}

// parseBindings reads the bindings of an import clause and returns the token after them.
func (c *importClause) parseBindings(s *scanner, t token, ts bool) (token, *SyntaxError) {
	if t.kind == tokName {
		local := s.text(t)
		t = s.next()
		if ts && s.is(t, "=") {
			return t, c.parseEquals(s, local)
		}
		c.bindings = append(c.bindings, importBinding{"default", local})
		if !s.is(t, ",") {
			return t, nil
		}
		t = s.next()
	}
	switch {
	case s.is(t, "*"):
		if t = s.next(); !s.is(t, "as") {
			return t, unexpected(s, t)
		}
		if t = s.next(); t.kind != tokName {
			return t, unexpected(s, t)
		}
		c.bindings = append(c.bindings, importBinding{"*", s.text(t)})
		return s.next(), nil
	case s.is(t, "{"):
		list, err := parseNameList(s, ts)
		c.bindings = append(c.bindings, list...)
		if err != nil {
			return s.tok, err
		}
		return s.next(), nil
	}
	return t, unexpected(s, t)
}

// parseEquals reads the right side of TypeScript's import x = require("y") or import x = N.M.
func (c *importClause) parseEquals(s *scanner, local string) *SyntaxError {
	if t := s.next(); !s.is(t, "require") {
		c.alias = true
		return nil
	}
	if t := s.next(); !s.is(t, "(") {
		return unexpected(s, t)
	}
	t := s.next()
	spec, ok := unquote(s.text(t))
	if t.kind != tokString || !ok {
		return unexpected(s, t)
	}
	if t := s.next(); !s.is(t, ")") {
		return unexpected(s, t)
	}
	c.specifier = spec
	c.bindings = []importBinding{{"*", local}}
	return endOfDeclaration(s)
}

// parseNameList reads { a, b as c, "d e" as f, type T } up to its closing brace, on which s stands
// when it returns. Names that are types only are left out.
func parseNameList(s *scanner, ts bool) (list []importBinding, err *SyntaxError) {
	t := s.next()
	for !s.is(t, "}") {
		var words []string
		for t.kind == tokName || t.kind == tokString {
			word := s.text(t)
			if t.kind == tokString {
				var ok bool
				if word, ok = unquote(word); !ok {
					return list, unexpected(s, t)
				}
			}
			words = append(words, word)
			t = s.next()
		}
		typeOnly := ts && len(words) > 1 && words[0] == "type" && words[1] != "as" ||
			ts && len(words) == 4 && words[0] == "type"
		switch {
		case typeOnly:
		case len(words) == 1:
			list = append(list, importBinding{words[0], words[0]})
		case len(words) == 3 && words[1] == "as":
			list = append(list, importBinding{words[0], words[2]})
		default:
			return list, unexpected(s, t)
		}
		if s.is(t, ",") {
			t = s.next()
		} else if !s.is(t, "}") {
			return list, unexpected(s, t)
		}
	}
	return list, nil
}

// endOfDeclaration passes import attributes and a semicolon where they follow.
func endOfDeclaration(s *scanner) *SyntaxError {
	save := *s
	t := s.next()
	if s.is(t, "with") || s.is(t, "assert") && !t.newline {
		if t = s.next(); !s.is(t, "{") {
			return unexpected(s, t)
		}
		for !s.is(t, "}") {
			if t = s.next(); t.kind == tokEOF {
				return unexpected(s, t)
			}
		}
		save = *s
		t = s.next()
	}
	switch {
	case s.is(t, ";"):
		return nil
	case t.newline, t.kind == tokEOF, s.is(t, "}"):
		*s = save
		return nil
	}
	return unexpected(s, t)
}

func unexpected(s *scanner, t token) *SyntaxError {
	if t.kind == tokEOF {
		return &SyntaxError{Message: "Unexpected end of file"}
	}
	text := s.text(t)
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return &SyntaxError{Message: `Unexpected "` + text + `"`}
}

// exportWord handles an export declaration. What it declares stays; that it is exported has no
// meaning in a script that nobody imports, but for the default export, which is the script's output.
func (m *modules) exportWord(s *scanner, e *editor, word token, names names, ts bool) *SyntaxError {
	at := func(message string) *SyntaxError {
		line, column := position(s.src, word.start)
		return &SyntaxError{Message: message, Line: line, Column: column}
	}
	m.found = true
	next := s.next()
	if ts && s.is(next, "type") {
		save := *s
		next = s.next()
		if !s.is(next, "{") && !s.is(next, "*") {
			*s = save
			e.blank(word.start, word.end)
			return nil
		}
	}
	switch {
	case s.is(next, "default"):
		m.exportDefault(s, e, word, next, names)
		return nil
	case s.is(next, "*"):
		return at("export … from is not supported: nothing imports this script")
	case s.is(next, "{"):
		list, err := parseNameList(s, false)
		if err != nil {
			err.Line, err.Column = position(s.src, s.tok.start)
			return err
		}
		save := *s
		if s.is(s.next(), "from") {
			return at("export … from is not supported: nothing imports this script")
		}
		*s = save
		e.blank(word.start, s.tok.end)
		for _, b := range list {
			if b.local == "default" {
				m.defaultName = b.imported
			}
		}
		return nil
	case ts && s.is(next, "="):
		e.replace(word.start, next.end, pad(names.defaultExport()+"=", next.end-word.start))
		m.defaultExpr = true
		return nil
	}
	e.blank(word.start, word.end)
	return nil
}

// exportDefault blanks the words before a named function or class, and turns them into an assignment
// before anything else.
func (m *modules) exportDefault(s *scanner, e *editor, word, def token, names names) {
	save := *s
	t := s.next()
	if s.is(t, "async") || s.is(t, "abstract") {
		t = s.next()
	}
	if s.is(t, "interface") {
		*s = save
		e.blank(word.start, def.end)
		return
	}
	if s.is(t, "function") || s.is(t, "class") {
		if t = s.next(); s.is(t, "*") {
			t = s.next()
		}
		if t.kind == tokName && !s.is(t, "extends") && !s.is(t, "implements") {
			m.defaultName = s.text(t)
			*s = save
			e.blank(word.start, def.end)
			return
		}
	}
	*s = save
	m.defaultExpr = true
	e.replace(word.start, def.end, pad(names.defaultExport()+"=", def.end-word.start))
}

// pad fills the text with spaces up to the width; the names are chosen to be short enough.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-len(text)))
}
