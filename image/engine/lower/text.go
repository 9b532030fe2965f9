package lower

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An editor collects replacements in a text, in rising order, and makes the new text once.
type editor struct {
	src  string
	out  strings.Builder
	done int
}

func (e *editor) replace(start, end int, text string) {
	e.out.WriteString(e.src[e.done:start])
	e.out.WriteString(text)
	e.done = end
}

// blank writes spaces over the range, keeping its lines, so that what follows keeps line and column.
func (e *editor) blank(start, end int) {
	e.out.WriteString(e.src[e.done:start])
	for _, r := range e.src[start:end] {
		switch r {
		case '\n', '\r', '\u2028', '\u2029':
			e.out.WriteRune(r)
		default:
			for range utf16Len(r) {
				e.out.WriteByte(' ')
			}
		}
	}
	e.done = end
}

func (e *editor) result() string {
	if e.done == 0 {
		return e.src
	}
	e.out.WriteString(e.src[e.done:])
	return e.out.String()
}

func utf16Len(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// position returns the line and column, from 1, of an offset; columns count UTF-16 units, as
// JavaScript does.
func position(src string, offset int) (line, column int) {
	l := locator{src: src}
	return l.position(offset)
}

// A locator finds the positions of rising offsets in one pass over the text.
type locator struct {
	src    string
	at     int // how far it has counted
	lines  int // that ended before at
	column int // UTF-16 units of the line before at
}

// position is as the function of that name; offset must not be less than in the call before.
func (l *locator) position(offset int) (line, column int) {
	offset = min(offset, len(l.src))
	for l.at < offset {
		n := lineEnd(l.src[l.at:])
		switch {
		case n == 0:
			r, size := utf8.DecodeRuneInString(l.src[l.at:])
			l.at += size
			l.column += utf16Len(r)
		case l.at+n > offset: // between the two bytes of an end of line
			return l.lines + 1, l.column + 1
		default:
			l.at += n
			l.lines++
			l.column = 0
		}
	}
	return l.lines + 1, l.column + 1
}

// At returns the text of the source from a line and column, as errors name them, on; "" where there is no such place.
func At(src string, line, column int) string {
	for line > 1 {
		n := 0
		for n == 0 {
			if src == "" {
				return ""
			}
			if n = lineEnd(src); n == 0 {
				src = src[1:]
			}
		}
		src = src[n:]
		line--
	}
	for i, r := range src {
		if column <= 1 {
			return src[i:]
		}
		column -= utf16Len(r)
	}
	return ""
}

// lineEnd returns the length of the line terminator at the start of the text, 0 where there is none.
func lineEnd(text string) int {
	switch {
	case text[0] == '\n':
		return 1
	case text[0] == '\r':
		if len(text) > 1 && text[1] == '\n' {
			return 2
		}
		return 1
	case text[0] == 0xE2 && (strings.HasPrefix(text, "\u2028") || strings.HasPrefix(text, "\u2029")):
		return 3
	}
	return 0
}

// utf16Column counts the UTF-16 units of a piece of text.
func utf16Column(text string) int {
	n := 0
	for _, r := range text {
		n += utf16Len(r)
	}
	return n
}

// quote writes a JavaScript string literal: JSON's, which is one.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string always marshals
	}
	return string(b)
}

// unquote reads a JavaScript string literal of the simple kind that module specifiers are.
func unquote(literal string) (string, bool) {
	if len(literal) < 2 || literal[0] != literal[len(literal)-1] || !utf8.ValidString(literal) {
		return "", false
	}
	body := literal[1 : len(literal)-1]
	if !strings.ContainsRune(body, '\\') {
		return body, true
	}
	// An escape means nothing in a module's name but to hide it: refuse what Go does not read alike.
	if strings.Contains(body, `"`) {
		return "", false
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(body, `\'`, `'`) + `"`)
	return text, err == nil
}
