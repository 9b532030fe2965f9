package web

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// encodingOf returns the name of the encoding that a label stands for, as the Encoding standard
// lists them; ok is false for those that we do not have.
func encodingOf(label string) (name string, ok bool) {
	switch strings.ToLower(strings.Trim(label, "\t\n\f\r ")) {
	case "utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8":
		return "utf-8", true
	case "utf-16le", "utf-16", "unicode", "unicodefeff", "csunicode", "iso-10646-ucs-2", "ucs-2":
		return "utf-16le", true
	case "utf-16be", "unicodefffe":
		return "utf-16be", true
	case "windows-1252", "ansi_x3.4-1968", "ascii", "cp1252", "cp819", "csisolatin1", "ibm819", "iso-8859-1", "iso-ir-100",
		"iso8859-1", "iso88591", "iso_8859-1", "iso_8859-1:1987", "l1", "latin1", "us-ascii", "x-cp1252":
		return "windows-1252", true
	}
	return "", false
}

// A decoder turns bytes into text piece by piece.
type decoder interface {
	// feed decodes the next piece; end says that nothing follows. What is not valid becomes U+FFFD,
	// as many of them as the Encoding standard says, and valid is false.
	feed(input []byte, end bool) (text string, valid bool)
}

var (
	_ decoder = (*utf8Decoder)(nil)
	_ decoder = (*utf16Decoder)(nil)
	_ decoder = windows1252Decoder{}
)

func newDecoder(name string, keepBOM bool) decoder {
	switch name {
	case "utf-16le", "utf-16be":
		return &utf16Decoder{bigEndian: name == "utf-16be", started: keepBOM}
	case "windows-1252":
		return windows1252Decoder{}
	}
	return &utf8Decoder{started: keepBOM}
}

const bom = "\uFEFF"

// utf8Decoder decodes UTF-8. pending is a character of which more bytes must come: valid as far as it
// goes, three bytes at most.
type utf8Decoder struct {
	pending []byte
	started bool // the place of a byte order mark is behind us
}

func (d *utf8Decoder) feed(input []byte, end bool) (string, bool) {
	if len(d.pending) > 0 {
		input = append(d.pending, input...)
		d.pending = nil
	}
	valid := true
	var b strings.Builder
	if !utf8.Valid(input) {
		b.Grow(len(input) + 8)
	}
	from := 0
	for i := 0; i < len(input); {
		if input[i] < utf8.RuneSelf {
			i++
			continue
		}
		if r, size := utf8.DecodeRune(input[i:]); r != utf8.RuneError || size > 1 {
			i += size
			continue
		}
		n, whole := brokenPrefix(input[i:])
		if !whole && !end {
			d.pending = append([]byte(nil), input[i:]...)
			input = input[:i]
			break
		}
		valid = false
		b.Write(input[from:i])
		b.WriteRune(utf8.RuneError)
		i += n
		from = i
	}
	text := ""
	if from == 0 {
		text = string(input)
	} else {
		b.Write(input[from:])
		text = b.String()
	}
	if !d.started && text != "" {
		d.started = true
		text = strings.TrimPrefix(text, bom)
	}
	return text, valid
}

// brokenPrefix measures what stands at the start of bytes that do not begin a whole character: n
// bytes are replaced by one U+FFFD, the longest start of a character that they are. whole is false
// where the input ended within that start, so that more bytes could complete it.
func brokenPrefix(b []byte) (n int, whole bool) {
	lower, upper, need := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c >= 0xE0 && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			lower = 0xA0
		} else if c == 0xED {
			upper = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			lower = 0x90
		} else if c == 0xF4 {
			upper = 0x8F
		}
	default:
		return 1, true
	}
	for n = 1; n <= need; n++ {
		if n == len(b) {
			return n, false
		}
		if b[n] < lower || b[n] > upper {
			return n, true
		}
		lower, upper = 0x80, 0xBF
	}
	return n, true
}

// utf16Decoder decodes UTF-16 of either order.
type utf16Decoder struct {
	bigEndian bool
	started   bool
	half      []byte // the first byte of a unit, where the other has not come
	lead      rune   // the first half of a pair, 0 for none
}

func (d *utf16Decoder) feed(input []byte, end bool) (string, bool) {
	if len(d.half) > 0 {
		input = append(d.half, input...)
		d.half = nil
	}
	valid := true
	var b strings.Builder
	b.Grow(len(input))
	broken := func() {
		valid = false
		b.WriteRune(utf8.RuneError)
	}
	i := 0
	for ; i+1 < len(input); i += 2 {
		u := rune(input[i]) | rune(input[i+1])<<8
		if d.bigEndian {
			u = rune(input[i])<<8 | rune(input[i+1])
		}
		if d.lead != 0 {
			if r := utf16.DecodeRune(d.lead, u); r != utf8.RuneError {
				b.WriteRune(r)
				d.lead = 0
				continue
			}
			broken()
			d.lead = 0
		}
		switch {
		case u >= 0xD800 && u <= 0xDBFF:
			d.lead = u
		case u >= 0xDC00 && u <= 0xDFFF:
			broken()
		default:
			b.WriteRune(u)
		}
	}
	if i < len(input) {
		d.half = append([]byte(nil), input[i:]...)
	}
	if end && (d.lead != 0 || len(d.half) > 0) {
		d.lead, d.half = 0, nil
		broken()
	}
	text := b.String()
	if !d.started && text != "" {
		d.started = true
		text = strings.TrimPrefix(text, bom)
	}
	return text, valid
}

// windows1252Decoder decodes what the web calls latin1: each byte is a character.
type windows1252Decoder struct{}

// high holds the characters of the bytes 0x80 to 0x9F, where windows-1252 is not latin1.
const high = "\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D\u008F" +
	"\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E\u0178"

func (windows1252Decoder) feed(input []byte, _ bool) (string, bool) {
	var table []rune
	var b strings.Builder
	b.Grow(len(input))
	for _, c := range input {
		if c < 0x80 || c > 0x9F {
			b.WriteRune(rune(c))
			continue
		}
		if table == nil {
			table = []rune(high)
		}
		b.WriteRune(table[c-0x80])
	}
	return b.String(), true
}
