package web

import (
	"testing"
	"unicode/utf8"
)

// FuzzDecoder holds for any bytes, cut anywhere: no panic, text that is UTF-8, the same text and the
// same verdict as from the whole, never more than one character (of three bytes) for each byte, and
// valid exactly where Go says that UTF-8 is.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{"", "a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xff\xfea\x00", "\xef\xbb\xbfa", "\xe2\x82A", "\xf0\x80\x80\x41", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xc0\xaf\xe0\x80", "\xf1\x80\xc3\xa9", "\x3d\xd8\x00\xde\x00\xde", "\xef\xbb", "\xef\xbb\xbf\xef\xbb\xbf"} {
		f.Add([]byte(s), uint8(1), uint8(2))
	}
	f.Fuzz(func(t *testing.T, data []byte, first, second uint8) {
		for _, name := range []string{"utf-8", "utf-16le", "utf-16be", "windows-1252"} {
			for _, keep := range []bool{false, true} {
				whole, valid := newDecoder(name, keep).feed(data, true)
				if !utf8.ValidString(whole) || len(whole) > 3*len(data) {
					t.Fatalf("%s: %d bytes became %q", name, len(data), whole)
				}
				if name == "utf-8" && valid != utf8.Valid(data) {
					t.Fatalf("utf-8: valid is %v for %q", valid, data)
				}
				i := min(int(first), len(data))
				j := min(i+int(second), len(data))
				d := newDecoder(name, keep)
				pieces, ok := "", true
				for k, part := range [][]byte{data[:i], data[i:j], data[j:]} {
					text, good := d.feed(part, k == 2)
					pieces += text
					ok = ok && good
				}
				if pieces != whole || ok != valid {
					t.Fatalf("%s: %q cut at %d and %d gives %q, %v; whole %q, %v", name, data, i, j, pieces, ok, whole, valid)
				}
			}
		}
	})
}

func TestLabels(t *testing.T) {
	for label, want := range map[string]string{"utf8": "utf-8", " UTF-8\t": "utf-8", "latin1": "windows-1252", "ucs-2": "utf-16le",
		"unicodefffe": "utf-16be", "koi8-r": "", "": "", "utf-8 x": "", "utf\u20108": ""} {
		if got, ok := encodingOf(label); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", label, got, ok)
		}
	}
}
