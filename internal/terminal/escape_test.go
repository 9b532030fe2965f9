package terminal

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"plain text", "a line\n\tand another é 漢 😀", "a line\n\tand another é 漢 😀"},
		{"a colour", "\x1b[31mred", `\u001b[31mred`},
		{"a window title", "\x1b]0;owned\x07", `\u001b]0;owned\u0007`},
		{"an 8-bit CSI", "\u009b2J", `\u009b2J`},
		{"a carriage return, to write over the line", "ok\rno", `ok\u000dno`},
		{"a backspace", "a\bb", `a\u0008b`},
		{"DEL", "a\x7f", `a\u007f`},
		{"a right-to-left override", "a\u202eb", `a\u202eb`},
		{"a tag beyond the basic plane", "a\U000e0041", `a\udb40\udc41`},
		{"invalid UTF-8", "a\xffb", "a\ufffdb"},
		{"invalid UTF-8 beside a control", "\x1b\xff", "\\u001b\ufffd"},
	} {
		if got := Escape(test.in); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}

func TestTextGoesUnchangedToAFile(t *testing.T) {
	if got := Text(&bytes.Buffer{}, "\x1b[31m"); got != "\x1b[31m" {
		t.Errorf("got %q", got)
	}
}

// An escaped JSON document is the same document.
func FuzzEscape(f *testing.F) {
	f.Add("\x1b[2J\u009b\u202e\U000e0041")
	f.Fuzz(func(t *testing.T, s string) {
		escaped := Escape(s)
		for _, r := range escaped {
			if dangerous(r) {
				t.Fatalf("%q is left in %q", r, escaped)
			}
		}
		if !utf8.ValidString(s) {
			return
		}
		document, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal([]byte(Escape(string(document))), &back); err != nil || back != s {
			t.Fatalf("%q came back as %q: %v", s, back, err)
		}
	})
}
