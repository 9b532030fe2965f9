package lower

import (
	"strings"

	"github.com/go-sourcemap/sourcemap"

	"glovebox/api"
)

// plain lowers a script that needs nothing rewritten, without esbuild, which takes ten times as long over a short one as all
// the rest. It is nil where the script is not plain, or where goja finds a fault in it: esbuild then has the word, whose
// messages are the better ones. What is plain is a matter of tokens, and narrow: whatever esbuild rewrites, and whatever two
// parsers have been known to read in two ways, is left to it. A fuzz test holds the two ways to one tree.
func (l *lowering) plain() *Script {
	if l.options.Language != api.JavaScript || l.async || l.modules.found || l.absent() != nil || !isPlain(l.code) {
		return nil
	}
	wrapped := l.wrapped()
	consumer, err := tokenMap(wrapped, File(l.options.Language))
	if err != nil {
		return nil
	}
	script, err := l.compile(wrapped, consumer)
	if err != nil {
		return nil
	}
	return script
}

// notPlain are the words that a plain script does not have, be it as the name of a property.
var notPlain = map[string]bool{
	"await": true, "async": true, "class": true, "debugger": true, "enum": true, "export": true, "implements": true, "import": true,
	"interface": true, "package": true, "private": true, "protected": true, "public": true, "static": true, "super": true, "using": true,
	"with": true, "yield": true, "get": true, "set": true, "accessor": true,
}

// isPlain reports whether the code's tokens are all of the plain kind.
func isPlain(code string) bool {
	for i := range len(code) {
		// Of control characters only those that end lines and indent; nothing beyond ASCII, so that a column is a byte.
		if c := code[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	s := newScanner(code)
	var last [7]token // the latest tokens, the newest at the end
	var nest nesting
	for t := s.next(); t.kind != tokEOF; t = s.next() {
		copy(last[:], last[1:])
		last[len(last)-1] = t
		if !s.isPlainToken(t) || s.isEndless(last[:]) || !nest.take(s, t, last[len(last)-3]) {
			return false
		}
	}
	return s.stray < 0 && len(s.stack) == 0
}

// A nesting is the brackets around a token, each by what it is: a function's parameters, a function's body, an object literal, or
// any other.
type nesting struct {
	open   []byte
	closed byte // the kind of bracket that the token before closed
}

const (
	inParameters = 'p'
	inBody       = 'b'
	inObject     = 'o'
	inOther      = '-'
)

// take takes the next token, of which before is the one before last. It reports false where a function is declared anywhere but
// right in a script's or a function's body: what that means in sloppy code is told in many ways.
func (n *nesting) take(s *scanner, t, before token) bool {
	closed := n.closed
	n.closed = 0
	text, previous := s.text(t), s.prev
	switch {
	case t.kind == tokName && text == "function":
		return n.isExpression(s, previous) || n.isBody() &&
			(previous.kind == tokNone || s.is(previous, ";") || s.is(previous, "{") || s.is(previous, "}") && closed != inObject)
	case t.kind == tokTemplate:
		if text[0] == '}' {
			n.pop()
		}
		if strings.HasSuffix(text, "${") {
			n.open = append(n.open, inOther)
		}
	case t.kind != tokPunct:
	case text == "(" && (s.is(previous, "function") || s.is(before, "function") || s.is(previous, "*") && s.is(before, "function")):
		n.open = append(n.open, inParameters)
	case text == "(", text == "[":
		n.open = append(n.open, inOther)
	case text == "{":
		kind := byte(inOther)
		if s.is(previous, "=>") || closed == inParameters {
			kind = inBody
		} else if s.stack[len(s.stack)-1].expr {
			kind = inObject
		}
		n.open = append(n.open, kind)
	case text == ")", text == "]", text == "}":
		n.pop()
	}
	return true
}

func (n *nesting) pop() {
	if last := len(n.open) - 1; last >= 0 {
		n.closed, n.open = n.open[last], n.open[:last]
	}
}

// isBody reports whether the innermost bracket is a function's body; the script is one.
func (n *nesting) isBody() bool { return len(n.open) == 0 || n.open[len(n.open)-1] == inBody }

// isExpression reports whether a function behind the token is an expression.
func (n *nesting) isExpression(s *scanner, previous token) bool {
	for _, sign := range [...]string{"=", "(", ",", "=>", "return", "["} {
		if s.is(previous, sign) {
			return true
		}
	}
	return s.is(previous, ":") && len(n.open) > 0 && n.open[len(n.open)-1] == inObject
}

func (s *scanner) isPlainToken(t token) bool {
	text := s.text(t)
	switch t.kind {
	case tokName:
		return !notPlain[text] && !strings.ContainsAny(text, `\#`)
	case tokNumber:
		return isPlainNumber(text)
	case tokString:
		return len(text) > 1 && text[len(text)-1] == text[0] && hasPlainEscapes(text)
	case tokTemplate:
		closed := text[len(text)-1] == '`' && (len(text) > 1 || text[0] == '}') || strings.HasSuffix(text, "${")
		return closed && hasPlainEscapes(text)
	case tokPunct:
		switch text {
		case "@", "#", "\\", "/": // what a slash begins is a matter of what stands before it
			return false
		case "<":
			return !strings.HasPrefix(s.src[t.start:], "<!--")
		case "--":
			return !strings.HasPrefix(s.src[t.start:], "-->")
		}
		return true
	}
	return false
}

// isPlainNumber reports whether the text is a decimal number as JSON has it.
func isPlainNumber(text string) bool {
	digits := func() int {
		n := 0
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n
	}
	zero := text[0] == '0'
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if strings.HasPrefix(text, ".") {
		text = text[1:]
		if digits() == 0 {
			return false
		}
	}
	if strings.HasPrefix(text, "e") || strings.HasPrefix(text, "E") {
		if text = text[1:]; text != "" && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return text == ""
}

// hasPlainEscapes reports whether only such characters are escaped as mean the same in every kind of literal.
func hasPlainEscapes(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '\r' { // a template's end of line may be read as it stands, or as \n
			return false
		}
		if text[i] != '\\' {
			continue
		}
		if i++; i >= len(text) || !strings.ContainsRune("nrt\\'\"`$", rune(text[i])) {
			return false
		}
	}
	return true
}

// tokenMap is the source map from the program as goja sees it to the user's own source, where the wrapped source is what goja
// sees after a line of ours: a mapping for each token that goja could have a position for. Columns are as in [userMap].
func tokenMap(wrapped, file string) (*sourcemap.Consumer, error) {
	own := strings.IndexByte(wrapped, '\n') + 1 // the user's first line begins there
	var m strings.Builder
	m.Grow(8*len(wrapped)/3 + 64)
	segment := func(fields ...int) {
		for _, f := range fields {
			encodeVLQ(&m, f)
		}
	}
	segment(0, 0, -1, 0)
	m.WriteString(";;")
	s := newScanner(wrapped[own:])
	at, lineStart := 0, 0             // how far lines have been counted, and where this one begins
	sourceLine, sourceColumn := -1, 0 // of the segment before
	line, column, begins := 0, 0, true
	for {
		operand := s.regexpAllowed() // what comes begins one
		t := s.next()
		if t.kind == tokEOF {
			break
		}
		for ; at < t.start; at++ {
			if c := s.src[at]; c == '\n' || c == '\r' && !strings.HasPrefix(s.src[at:], "\r\n") {
				line, lineStart, column, begins = line+1, at+1, 0, true
				m.WriteByte(';')
			}
		}
		if t.kind == tokPunct && !operand {
			continue // the bracket of a call has the place of what is called
		}
		if !begins {
			m.WriteByte(',')
		}
		begins = false
		here := t.start - lineStart + 1
		segment(here-column, 0, line-sourceLine, here-sourceColumn)
		column, sourceLine, sourceColumn = here, line, here
	}
	m.WriteString(";;;;AAAA")
	return parseMap(m.String(), file)
}
