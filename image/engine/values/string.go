package values

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

const hex = "0123456789abcdef"

// appendString appends the text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendJSString appends a string of JavaScript's. A surrogate that has no partner, which UTF-8 cannot
// hold, is written as an escape, as JSON.stringify does.
func appendJSString(b []byte, s goja.String) []byte {
	text := s.String()
	if !strings.ContainsRune(text, utf8.RuneError) {
		return appendString(b, text)
	}
	// Either a real U+FFFD or what goja makes of a lone surrogate: look at the units themselves.
	b = append(b, '"')
	for i, n := 0, s.Length(); i < n; i++ {
		unit := s.CharAt(i)
		switch {
		case !utf16.IsSurrogate(rune(unit)):
			b = appendRune(b, rune(unit))
		case i+1 < n && utf16.DecodeRune(rune(unit), rune(s.CharAt(i+1))) != utf8.RuneError:
			b = utf8.AppendRune(b, utf16.DecodeRune(rune(unit), rune(s.CharAt(i+1))))
			i++
		default:
			b = append(b, '\\', 'u', hex[unit>>12], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
		}
	}
	return append(b, '"')
}

func appendRune(b []byte, r rune) []byte {
	if r < ' ' || r == '"' || r == '\\' {
		return appendEscape(b, byte(r))
	}
	return utf8.AppendRune(b, r)
}
