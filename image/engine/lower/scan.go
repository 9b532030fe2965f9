package lower

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A scanner cuts source text into just enough tokens to tell code from strings, templates, regular
// expressions and comments, and to know how deep in brackets a token stands. It is no parser:
// esbuild judges the code. The scanner only finds the few words that must be moved or renamed before
// esbuild sees them (see modules), and the bracket that closes more than was opened.
type scanner struct {
	src string
	pos int

	tok  token
	prev token // the token before tok; kind tokNone at the start

	// stack holds the open brackets; for a template's ${ a '$'.
	stack []bracket
	// stray is the offset of the first closing bracket that closes nothing, or -1.
	stray int
	// maxDepth is the deepest bracket nesting that was met.
	maxDepth int
	// closedParen says, for a tok that is ")", whether it closed the head of if, while, for or with;
	// closedBlock, for a "}", whether it closed a block. After either a "/" starts a regular expression.
	closedHead, closedBlock bool
}

type tokenKind uint8

const (
	tokNone tokenKind = iota
	tokEOF
	tokName   // identifier or keyword
	tokString // '…' or "…"
	tokNumber
	tokTemplate // a whole template, or a piece of one up to ${
	tokRegExp
	tokPunct
)

type token struct {
	kind       tokenKind
	start, end int
	depth      int  // how many brackets are open around it
	newline    bool // a line ends between it and the token before it
}

type bracket struct {
	open byte
	head bool // a "(" after if, while, for or with
	expr bool // a "{" that starts an expression: an object literal
}

func newScanner(src string) *scanner { return &scanner{src: src, stray: -1} }

func (s *scanner) text(t token) string { return s.src[t.start:t.end] }

func (s *scanner) is(t token, text string) bool {
	return (t.kind == tokPunct || t.kind == tokName) && s.text(t) == text
}

// next moves to the next token and returns it.
func (s *scanner) next() token {
	s.prev = s.tok
	newline := s.skipSpace()
	start := s.pos
	t := token{start: start, depth: len(s.stack), newline: newline}
	if s.pos >= len(s.src) {
		t.kind, t.end = tokEOF, s.pos
		s.tok = t
		return t
	}
	switch c := s.src[s.pos]; {
	case c == '"' || c == '\'':
		s.skipString(c)
		t.kind = tokString
	case c == '`':
		s.pos++
		s.skipTemplate()
		t.kind = tokTemplate
	case c >= '0' && c <= '9', c == '.' && s.digitAt(s.pos+1):
		s.skipNumber()
		t.kind = tokNumber
	case c == '/' && s.regexpAllowed() && s.skipRegExp():
		t.kind = tokRegExp
	case isNameByte(c) || c == '#' || c == '\\':
		s.skipName()
		t.kind = tokName
	default:
		t.kind = tokPunct
		s.punct(c, &t)
	}
	t.end = s.pos
	s.tok = t
	return t
}

func (s *scanner) digitAt(i int) bool {
	return i < len(s.src) && s.src[i] >= '0' && s.src[i] <= '9'
}

func isNameByte(c byte) bool {
	return c == '_' || c == '$' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
}

// skipSpace passes white space and comments and reports whether a line ended among them.
func (s *scanner) skipSpace() (newline bool) {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '\n' || c == '\r':
			newline = true
			s.pos++
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			s.pos++
		case c == '/' && strings.HasPrefix(s.src[s.pos:], "//"):
			s.skipLine()
		case c == '/' && strings.HasPrefix(s.src[s.pos:], "/*"):
			end := strings.Index(s.src[s.pos+2:], "*/")
			if end < 0 {
				s.pos = len(s.src)
				return newline
			}
			comment := s.src[s.pos : s.pos+2+end]
			newline = newline || strings.ContainsAny(comment, "\n\r")
			s.pos += end + 4
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s.src[s.pos:])
			if !unicode.IsSpace(r) && r != '\uFEFF' && r != '\u2028' && r != '\u2029' {
				return newline
			}
			newline = newline || r == '\u2028' || r == '\u2029'
			s.pos += size
		default:
			return newline
		}
	}
	return newline
}

func (s *scanner) skipLine() {
	for s.pos < len(s.src) && s.src[s.pos] != '\n' && s.src[s.pos] != '\r' {
		s.pos++
	}
}

func (s *scanner) skipString(quote byte) {
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
		case quote:
			s.pos++
			return
		case '\n':
			return // not closed: esbuild says so
		}
	}
	s.pos = min(s.pos, len(s.src))
}

// skipTemplate passes the rest of a template up to its end, or to a ${, which it opens as a bracket.
func (s *scanner) skipTemplate() {
	for ; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
		case '`':
			s.pos++
			return
		case '$':
			if strings.HasPrefix(s.src[s.pos:], "${") {
				s.pos += 2
				s.open(bracket{open: '$'})
				return
			}
		}
	}
	s.pos = min(s.pos, len(s.src))
}

func (s *scanner) skipNumber() {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		exponent := (c == '+' || c == '-') && s.src[s.pos-1]|0x20 == 'e' && !strings.HasPrefix(s.src[s.tokenStart():], "0x")
		if !isNameByte(c) && !s.digitAt(s.pos) && c != '.' && !exponent {
			return
		}
		s.pos++
	}
}

// tokenStart returns where the number that is being passed began.
func (s *scanner) tokenStart() int {
	i := s.pos
	for i > 0 && (isNameByte(s.src[i-1]) || s.digitAt(i-1) || s.src[i-1] == '.') {
		i--
	}
	return i
}

func (s *scanner) skipName() {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case isNameByte(c) && c < utf8.RuneSelf, s.digitAt(s.pos), c == '#':
			s.pos++
		case c == '\\': // a \u escape in a name
			s.pos++
			if strings.HasPrefix(s.src[s.pos:], "u{") {
				for s.pos < len(s.src) && s.src[s.pos] != '}' {
					s.pos++
				}
				s.pos = min(s.pos+1, len(s.src))
			}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s.src[s.pos:])
			if unicode.IsSpace(r) || r == '\u2028' || r == '\u2029' || r == '\uFEFF' {
				return
			}
			s.pos += size
		default:
			return
		}
	}
}

// skipRegExp passes a regular expression with its flags. It reports false, and does not move, where
// the line ends first: then the "/" is a division.
func (s *scanner) skipRegExp() bool {
	class := false
	for i := s.pos + 1; i < len(s.src); i++ {
		switch s.src[i] {
		case '\n', '\r':
			return false
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '/':
			if class {
				continue
			}
			s.pos = i + 1
			for s.pos < len(s.src) && (isNameByte(s.src[s.pos]) || s.digitAt(s.pos)) {
				s.pos++
			}
			return true
		}
	}
	return false
}

// regexpAllowed reports whether a "/" after the current token starts a regular expression.
func (s *scanner) regexpAllowed() bool {
	switch t := s.tok; t.kind {
	case tokNone:
		return true
	case tokName:
		return keywordBeforeExpression(s.text(t)) && !s.is(s.prev, ".") && !s.is(s.prev, "?.")
	case tokPunct:
		switch s.text(t) {
		case ")":
			return s.closedHead
		case "]", "++", "--":
			return false
		case "}":
			return s.closedBlock
		}
		return true
	case tokTemplate:
		// A piece that ends in ${ is followed by an expression.
		return strings.HasSuffix(s.text(t), "${")
	}
	return false
}

func keywordBeforeExpression(word string) bool {
	switch word {
	case "return", "typeof", "case", "do", "else", "in", "of", "void", "delete", "throw", "new",
		"instanceof", "await", "yield", "default", "extends":
		return true
	}
	return false
}

// punct passes a punctuator. Only brackets and the few that decide what follows are told apart.
func (s *scanner) punct(c byte, t *token) {
	switch c {
	case '(':
		head := s.tok.kind == tokName && isHeadKeyword(s.text(s.tok)) && !s.is(s.prev, ".")
		s.open(bracket{open: c, head: head})
	case '[':
		s.open(bracket{open: c})
	case '{':
		s.open(bracket{open: c, expr: s.startsObject()})
	case ')', ']', '}':
		s.close(c, t)
		return
	case '+', '-', '=', '?':
		for _, long := range [...]string{"++", "--", "=>", "?."} {
			if strings.HasPrefix(s.src[s.pos:], long) {
				s.pos += len(long)
				return
			}
		}
	}
	s.pos++
	if c >= utf8.RuneSelf {
		for s.pos < len(s.src) && !utf8.RuneStart(s.src[s.pos]) {
			s.pos++
		}
	}
	if c == '(' || c == '[' || c == '{' {
		t.depth = len(s.stack) - 1
	}
}

func isHeadKeyword(word string) bool {
	switch word {
	case "if", "while", "for", "with", "await": // for await (
		return true
	}
	return false
}

// startsObject reports whether a "{" after the current token starts an object literal.
func (s *scanner) startsObject() bool {
	switch t := s.tok; t.kind {
	case tokPunct:
		switch s.text(t) {
		case ")", ";", "{", "}", "=>", "]":
			return false
		}
		return true
	case tokName:
		switch s.text(t) {
		case "else", "do", "try", "finally":
			return false
		}
		return keywordBeforeExpression(s.text(t))
	case tokTemplate:
		return strings.HasSuffix(s.text(t), "${")
	}
	return false
}

func (s *scanner) open(b bracket) {
	s.stack = append(s.stack, b)
	s.maxDepth = max(s.maxDepth, len(s.stack))
}

// close passes a closing bracket; one that ends a template's ${} goes on with the template.
func (s *scanner) close(c byte, t *token) {
	s.pos++
	s.closedHead, s.closedBlock = false, true
	if len(s.stack) == 0 {
		if s.stray < 0 {
			s.stray = t.start
		}
		return
	}
	top := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	t.depth = len(s.stack)
	s.closedHead, s.closedBlock = top.head, !top.expr
	if c == '}' && top.open == '$' {
		t.kind = tokTemplate
		s.skipTemplate()
	}
}
