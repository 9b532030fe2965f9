// Package terminal shows hostile text to people: what a script prints must not move the cursor, change the
// window's title or write what looks like our own words.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"
)

// Escape returns s with every control and formatting character but the line feed and the tab written as
// \uXXXX, which is also how JSON would write it within a string. Invalid UTF-8 becomes U+FFFD.
func Escape(s string) string {
	if !strings.ContainsFunc(s, dangerous) {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	var out strings.Builder
	for _, r := range s {
		switch {
		case !dangerous(r):
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// dangerous reports whether a character does something to a terminal other than to stand there: the C0 and
// C1 controls, and the formats (Cf), among them those that turn the direction of writing.
func dangerous(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
}

// Text returns s as it may be written to w: escaped where w is a terminal, and as it is where it goes to a
// file or to another program.
func Text(w io.Writer, s string) string {
	if Is(w) {
		return Escape(s)
	}
	return s
}

// Is reports whether w is a terminal.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
