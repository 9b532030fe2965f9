package lower

import "strings"

// leading counts the calls of require that a script begins with: declarations of names, or of names taken from it, by
// `require("…")` and nothing else. Nothing of the script's own has run when one of them is called. The count is 0 where the script
// mentions require elsewhere: it may have one of its own.
func leading(body, code string) int {
	const name = "require"
	mentions := strings.Count(code, name)
	if mentions == 0 || strings.Contains(code, `\u`) {
		return 0
	}
	s := newScanner(body)
	t := s.next()
	for t.kind == tokString { // directives
		if t = s.next(); s.is(t, ";") {
			t = s.next()
		}
	}
	calls := 0
	for s.is(t, "const") || s.is(t, "let") || s.is(t, "var") || s.is(t, ",") {
		if !s.names() || !s.is(s.next(), "=") || !s.is(s.next(), name) || !s.is(s.next(), "(") ||
			s.next().kind != tokString || !s.is(s.next(), ")") {
			break
		}
		calls++
		switch t = s.next(); {
		case s.is(t, ","):
		case s.is(t, ";"):
			t = s.next()
		case !t.newline:
			t = token{} // the call is a part of something
		}
	}
	if calls != mentions {
		return 0
	}
	return calls
}

// names reads what a declaration binds: a name, or names in braces that are properties' own or new ones.
func (s *scanner) names() bool {
	t := s.next()
	if t.kind == tokName {
		return true
	}
	if !s.is(t, "{") {
		return false
	}
	for t = s.next(); t.kind == tokName; t = s.next() {
		if t = s.next(); s.is(t, ":") {
			if s.next().kind != tokName {
				return false
			}
			t = s.next()
		}
		if s.is(t, "}") {
			return true
		}
		if !s.is(t, ",") {
			return false
		}
	}
	return s.is(t, "}")
}
