package api

import (
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep JSON may nest, in what comes in and in what a script gives out: 1,000 arrays and
// objects in one another are the most.
const MaxDepth = 1000

// A JSONError says what is wrong with a JSON text, and where.
type JSONError struct {
	Offset int    // in bytes, from 0
	Reason string // for people; holds no byte of the text beyond a short, escaped key
	Kind   JSONErrorKind
}

// JSONErrorKind tells the kinds of fault apart, for callers that answer them differently.
type JSONErrorKind int

// The kinds of fault that a JSON text may have.
const (
	JSONSyntax JSONErrorKind = iota
	JSONTooDeep
	JSONDuplicateKey
	JSONBadUTF8
	JSONTrailing // a second document, or anything else, behind the first
)

func (e *JSONError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// CheckJSON reports whether data is exactly one JSON value (RFC 8259) in valid UTF-8, nested at most
// maxDepth deep, with no key twice in an object. It decodes nothing and allocates only for keys: it
// is how bytes from a box and from a client are judged before anything is made of them. The error is
// a *[JSONError]. Lone surrogate escapes (\ud800) are accepted, as ECMAScript writes them.
func CheckJSON(data []byte, maxDepth int) error {
	s := scanner{data: data, maxDepth: maxDepth}
	s.space()
	if err := s.value(0); err != nil {
		return err
	}
	s.space()
	if s.pos < len(s.data) {
		return s.fail(JSONTrailing, "unexpected data after the JSON value")
	}
	return nil
}

type scanner struct {
	data     []byte
	pos      int
	maxDepth int
}

func (s *scanner) fail(kind JSONErrorKind, reason string) error {
	return &JSONError{Offset: s.pos, Reason: reason, Kind: kind}
}

func tooDeep(offset, most int) *JSONError {
	return &JSONError{Offset: offset, Reason: fmt.Sprintf("JSON is nested more than %d deep", most), Kind: JSONTooDeep}
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value scans one value; depth is the number of arrays and objects around it. The recursion is
// bounded by maxDepth.
func (s *scanner) value(depth int) error {
	if s.pos >= len(s.data) {
		return s.fail(JSONSyntax, "unexpected end of JSON")
	}
	switch c := s.data[s.pos]; {
	case c == '{' || c == '[':
		if depth >= s.maxDepth {
			return tooDeep(s.pos, s.maxDepth)
		}
		if c == '{' {
			return s.object(depth + 1)
		}
		return s.array(depth + 1)
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.fail(JSONSyntax, "unexpected character")
	}
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if s.pos >= len(s.data) {
			return s.fail(JSONSyntax, "unexpected end of JSON")
		}
		if s.data[s.pos] != word[i] {
			return s.fail(JSONSyntax, "unexpected character")
		}
		s.pos++
	}
	return nil
}

func (s *scanner) array(depth int) error {
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if err := s.value(depth); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return s.unexpected("expected , or ] in the array")
		}
	}
}

func (s *scanner) object(depth int) error {
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	var keys keySet
	for {
		s.space()
		if s.peek() != '"' {
			return s.unexpected("expected a key in the object")
		}
		at := s.pos
		raw, err := s.str()
		if err != nil {
			return err
		}
		if !keys.add(raw) {
			s.pos = at
			return s.fail(JSONDuplicateKey, "duplicate key "+shortKey(raw))
		}
		s.space()
		if s.peek() != ':' {
			return s.unexpected("expected : after the key")
		}
		s.pos++
		s.space()
		if err := s.value(depth); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.unexpected("expected , or } in the object")
		}
	}
}

// peek returns the next byte, or 0 at the end; 0 is never valid outside a string.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) unexpected(reason string) error {
	if s.pos >= len(s.data) {
		reason = "unexpected end of JSON"
	}
	return s.fail(JSONSyntax, reason)
}

// str scans a string and returns what stands between its quotes, escapes and all.
func (s *scanner) str() ([]byte, error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			raw := s.data[start:s.pos]
			s.pos++
			return raw, nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, s.fail(JSONSyntax, "control character in a string")
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, size := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return nil, s.fail(JSONBadUTF8, "invalid UTF-8 in a string")
			}
			s.pos += size
		}
	}
	return nil, s.fail(JSONSyntax, "unexpected end of JSON in a string")
}

func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if !isHex(s.peek()) {
				return s.unexpected("invalid \\u escape in a string")
			}
			s.pos++
		}
		return nil
	}
	return s.unexpected("invalid escape in a string")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case c >= '1' && c <= '9':
		s.digits()
	default:
		return s.unexpected("invalid number")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.unexpected("invalid number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.unexpected("invalid number")
		}
	}
	return nil
}

func (s *scanner) digits() (some bool) {
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
		some = true
	}
	return some
}
