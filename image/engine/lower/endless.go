package lower

import "strings"

// markThrows puts what is thrown through a function, but for `throw new`. code is what esbuild printed,
// where every statement ends in a semicolon. Positions inside of what is thrown move by some columns.
func markThrows(code, function string) string {
	if !strings.Contains(code, "throw ") {
		return code
	}
	e := &editor{src: code}
	s := newScanner(code)
	var pending []int // the bracket depths of the statements that are open
	keyword := false  // the token before is the keyword throw, not a name after a dot
	for t := s.next(); t.kind != tokEOF; t = s.next() {
		last := len(pending) - 1
		switch {
		case keyword && startsThrown(s, t):
			e.replace(t.start, t.start, function+"(")
			pending = append(pending, t.depth)
		case last >= 0 && t.depth == pending[last] && s.is(t, ";"):
			e.replace(t.start, t.start, ")")
			pending = pending[:last]
		}
		keyword = s.is(t, "throw") && !s.is(s.prev, ".") && !s.is(s.prev, "?.")
	}
	if len(pending) > 0 {
		return code // not what esbuild prints: leave it
	}
	return e.result()
}

// startsThrown reports whether the token after throw starts an expression that is not made on the spot. A bracket,
// colon or = would mean that throw is the name of a member.
func startsThrown(s *scanner, t token) bool {
	switch t.kind {
	case tokName:
		return !s.is(t, "new")
	case tokString, tokNumber, tokTemplate:
		return true
	}
	return s.is(t, "{") || s.is(t, "[")
}

// markEndless puts an expression into the loops that never end and do nothing, `while (true) {}` and
// the like: goja knows no position in them, and a script that hangs in one is to be told where. code is
// what esbuild printed. The expression stands at the end of a line, where it moves nothing else.
func markEndless(code, expression string) string {
	if !strings.Contains(code, "while (") && !strings.Contains(code, "for (; ; )") {
		return code
	}
	e := &editor{src: code}
	s := newScanner(code)
	var last [7]token // the latest tokens, the newest at the end
	for t := s.next(); t.kind != tokEOF; t = s.next() {
		copy(last[:], last[1:])
		last[len(last)-1] = t
		switch {
		case !s.isEndless(last[:]):
		case s.is(t, "}"):
			open := last[len(last)-2].end
			e.replace(open, open, expression)
		case !isDoWhile(code, last[:], s):
			e.replace(t.start, t.start, expression)
		}
	}
	return e.result()
}

// isEndless reports whether the tokens end with an empty loop without an end: one in braces, or, where it is not the end of a do
// loop, one with a semicolon for its body.
func (s *scanner) isEndless(last []token) bool {
	return s.ends(last, "for", "(", ";", ";", ")", "{", "}") || s.ends(last, "while", "(", "true", ")", "{", "}") ||
		s.ends(last, "while", "(", "1", ")", "{", "}") || s.ends(last, "do", "{", "}") ||
		s.ends(last, "for", "(", ";", ";", ")", ";") || s.ends(last, "while", "(", "true", ")", ";") ||
		s.ends(last, "while", "(", "1", ")", ";")
}

// isDoWhile reports whether the while among the tokens ends a do loop, as it does after a brace on the
// same line in what esbuild prints.
func isDoWhile(code string, last []token, s *scanner) bool {
	for _, t := range last {
		if t.kind == tokName && s.text(t) == "while" {
			line := code[strings.LastIndexByte(code[:t.start], '\n')+1 : t.start]
			return strings.HasPrefix(strings.TrimSpace(line), "}")
		}
	}
	return false
}

// ends reports whether the tokens end with these texts.
func (s *scanner) ends(tokens []token, texts ...string) bool {
	tail := tokens[len(tokens)-len(texts):]
	for i, t := range tail {
		if t.kind == tokNone || t.kind == tokString || t.kind == tokTemplate || s.text(t) != texts[i] {
			return false
		}
	}
	return true
}
