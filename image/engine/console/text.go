package console

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
	"golang.org/x/text/width"
)

// units returns the string's UTF-16 code units, at most limit of them.
func units(s goja.String, limit int) []uint16 {
	n := min(s.Length(), limit)
	u := make([]uint16, n)
	for i := range u {
		u[i] = s.CharAt(i)
	}
	return u
}

// stringOf returns the text of a value that is a string, at most limit UTF-16 units of it. A lone
// surrogate becomes U+FFFD, as everywhere where text leaves a script.
func stringOf(v goja.Value, limit int) string {
	if s, ok := v.(goja.String); ok && s.Length() > limit {
		return s.Substring(0, limit).String()
	}
	return v.String()
}

// asString returns the value as a string where it is a primitive string.
func asString(v goja.Value) (goja.String, bool) {
	s, ok := v.(goja.String)
	return s, ok
}

// utf16Len returns the length that JavaScript sees.
func utf16Len(s string) int {
	n := len(s)
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		n -= size - 1
		if r > 0xFFFF {
			n++
		}
		i += size
	}
	return n
}

// displayWidth returns how many columns of a terminal the text takes.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x20 || r >= 0x7F && r < 0xA0:
		case r < 0x7F:
			n++
		case r != 0xAD && (unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || r >= 0x1160 && r <= 0x11A7):
		default:
			n++
			if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
				n++
			}
		}
	}
	return n
}

// isPlain reports whether the text stands in single quotes as it is.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7E || c == '\'' || c == '\\' {
			return false
		}
	}
	return true
}

// quote writes the units as a string literal, in the quotes that need the fewest escapes: single,
// else double, else backticks.
func quote(u []uint16) string {
	mark := byte('\'')
	var single, double, tick bool
	for i, c := range u {
		switch c {
		case '\'':
			single = true
		case '"':
			double = true
		case '`':
			tick = true
		case '$':
			tick = tick || i+1 < len(u) && u[i+1] == '{'
		}
	}
	if single && !double {
		mark = '"'
	} else if single && !tick {
		mark = '`'
	}
	var b strings.Builder
	b.Grow(len(u) + 2)
	b.WriteByte(mark)
	escapeTo(&b, u, mark == '\'')
	b.WriteByte(mark)
	return b.String()
}

// escaped writes the units as they stand in brackets, as in [Symbol(a)].
func escaped(u []uint16) string {
	var b strings.Builder
	escapeTo(&b, u, true)
	return b.String()
}

func escapeTo(b *strings.Builder, u []uint16, single bool) {
	for i := 0; i < len(u); i++ {
		c := u[i]
		switch {
		case c == '\'' && single, c == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(c))
		case c < 0x20 || c >= 0x7F && c < 0xA0:
			b.WriteString(controlEscape(c))
		case c < utf8.RuneSelf:
			b.WriteByte(byte(c))
		case utf16.IsSurrogate(rune(c)):
			if i+1 < len(u) {
				if r := utf16.DecodeRune(rune(c), rune(u[i+1])); r != unicode.ReplacementChar {
					b.WriteRune(r)
					i++
					continue
				}
			}
			b.WriteString(`\u`)
			b.WriteString(strconv.FormatUint(uint64(c), 16))
		default:
			b.WriteRune(rune(c))
		}
	}
}

func controlEscape(c uint16) string {
	switch c {
	case '\b':
		return `\b`
	case '\t':
		return `\t`
	case '\n':
		return `\n`
	case '\f':
		return `\f`
	case '\r':
		return `\r`
	}
	const digits = "0123456789ABCDEF"
	return string([]byte{'\\', 'x', digits[c>>4&15], digits[c&15]})
}

// isIdentifier reports whether a key needs no quotes.
func isIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// numberText writes a number as JavaScript does, and -0 as -0.
func numberText(v goja.Value) string {
	if f := v.ToFloat(); f == 0 && math.Signbit(f) {
		return "-0"
	}
	return v.String()
}

// symbolText writes a symbol as Symbol(description).
func symbolText(s *goja.Symbol) string { return "Symbol(" + s.String() + ")" }

// plural returns "s" for any number but one.
func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
