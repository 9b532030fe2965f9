package repair

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenNumber
	tokenWord
	tokenSymbol
	tokenSpace
)

// A dateToken is a piece of a date string. word holds the first three letters of a word, in lower case;
// length counts the digits of a number or the letters of a word.
type dateToken struct {
	kind   tokenKind
	n      int
	length int
	word   string
	symbol rune
}

func (t dateToken) isNumber(length int) bool { return t.kind == tokenNumber && t.length == length }
func (t dateToken) isSign() bool             { return t.symbol == '+' || t.symbol == '-' }

func (t dateToken) sign() int {
	if t.symbol == '-' {
		return -1
	}
	return 1
}

// millis reads a number as a fraction of a second.
func (t dateToken) millis() int {
	n, length := t.n, min(t.length, maxDigits)
	for ; length < 3; length++ {
		n *= 10
	}
	for ; length > 3; length-- {
		n /= 10
	}
	return n
}

// maxDigits is how many digits of a number count; more are read over.
const maxDigits = 9

// A dateScanner cuts a date string into tokens, one ahead.
type dateScanner struct {
	rest  string
	ahead dateToken
}

func newDateScanner(s string) dateScanner {
	sc := dateScanner{rest: s}
	sc.ahead = sc.scan()
	return sc
}

func (s *dateScanner) peek() dateToken { return s.ahead }

func (s *dateScanner) next() dateToken {
	t := s.ahead
	s.ahead = s.scan()
	return t
}

func (s *dateScanner) skip(symbol rune) bool {
	if s.ahead.symbol != symbol {
		return false
	}
	s.next()
	return true
}

const spaces = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

func (s *dateScanner) scan() dateToken {
	if s.rest == "" {
		return dateToken{}
	}
	r, size := utf8.DecodeRuneInString(s.rest)
	switch {
	case r >= '0' && r <= '9':
		return s.number()
	case strings.ContainsRune(spaces, r):
		s.rest = s.rest[size:]
		for s.rest != "" {
			r, size := utf8.DecodeRuneInString(s.rest)
			if !strings.ContainsRune(spaces, r) {
				break
			}
			s.rest = s.rest[size:]
		}
		return dateToken{kind: tokenSpace}
	case r >= 'A':
		return s.letters()
	case r == '(':
		s.parentheses()
		return dateToken{kind: tokenSymbol, symbol: '('}
	}
	s.rest = s.rest[size:]
	return dateToken{kind: tokenSymbol, symbol: r}
}

func (s *dateScanner) number() dateToken {
	t := dateToken{kind: tokenNumber}
	significant := 0
	for s.rest != "" && s.rest[0] >= '0' && s.rest[0] <= '9' {
		if t.n > 0 || s.rest[0] != '0' {
			if significant++; significant <= maxDigits {
				t.n = t.n*10 + int(s.rest[0]-'0')
			}
		}
		t.length++
		s.rest = s.rest[1:]
	}
	return t
}

func (s *dateScanner) letters() dateToken {
	t := dateToken{kind: tokenWord}
	for s.rest != "" {
		r, size := utf8.DecodeRuneInString(s.rest)
		if r < 'A' || strings.ContainsRune(spaces, r) {
			break
		}
		if t.length < 3 {
			t.word += strings.ToLower(string(r))
		}
		t.length++
		s.rest = s.rest[size:]
	}
	return t
}

// parentheses reads over a comment, which may hold others.
func (s *dateScanner) parentheses() {
	depth := 0
	for i, r := range s.rest {
		switch r {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				s.rest = s.rest[i+1:]
				return
			}
		}
	}
	s.rest = ""
}
