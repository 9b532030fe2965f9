package values

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// A DecodeError says why a text is not JSON, and at which byte, from 0.
type DecodeError struct {
	Message string
	Offset  int
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s in JSON at position %d", e.Message, e.Offset)
}

// ErrTooDeep says that a JSON text nests deeper than allowed.
var ErrTooDeep = errors.New("the JSON is nested too deep")

// Decode makes values of a JSON text, as JSON.parse does: the last of duplicate keys counts,
// "__proto__" is a key as any other, and a lone surrogate stays one. maxDepth bounds how deep arrays and
// objects may nest; beyond it the error is ErrTooDeep. Every other error is a *DecodeError, or what stop,
// which is asked every now and then, returned. No code of a script runs.
func Decode(rt *goja.Runtime, text string, maxDepth int, stop func() error) (goja.Value, error) {
	d := &decoder{rt: rt, text: text, depth: maxDepth, stop: stop}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if d.space(); d.pos < len(text) {
		return nil, d.unexpected()
	}
	return v, nil
}

type decoder struct {
	rt    *goja.Runtime
	text  string
	pos   int
	depth int // how many levels may still be opened
	count int
	stop  func() error
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) fail(message string) error { return &DecodeError{message, d.pos} }

func (d *decoder) unexpected() error {
	if d.pos >= len(d.text) {
		return d.fail("Unexpected end")
	}
	r, _ := utf8.DecodeRuneInString(d.text[d.pos:])
	return d.fail(fmt.Sprintf("Unexpected token %q", r))
}

func (d *decoder) value() (goja.Value, error) {
	if d.count++; d.count&0x3FF == 0 {
		if err := d.stop(); err != nil {
			return nil, err
		}
	}
	d.space()
	if d.pos >= len(d.text) {
		return nil, d.unexpected()
	}
	switch c := d.text[d.pos]; {
	case c == '{':
		return d.nested(d.object)
	case c == '[':
		return d.nested(d.array)
	case c == '"':
		return d.string()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	case c == 't':
		return d.word("true", d.rt.ToValue(true))
	case c == 'f':
		return d.word("false", d.rt.ToValue(false))
	case c == 'n':
		return d.word("null", goja.Null())
	}
	return nil, d.unexpected()
}

func (d *decoder) word(word string, v goja.Value) (goja.Value, error) {
	for i := range len(word) {
		if d.pos >= len(d.text) || d.text[d.pos] != word[i] {
			return nil, d.unexpected()
		}
		d.pos++
	}
	return v, nil
}

func (d *decoder) nested(read func() (goja.Value, error)) (goja.Value, error) {
	if d.depth == 0 {
		return nil, ErrTooDeep
	}
	d.depth--
	v, err := read()
	d.depth++
	return v, err
}

func (d *decoder) array() (goja.Value, error) {
	d.pos++
	var list []any
	for d.space(); ; d.space() {
		if d.pos < len(d.text) && d.text[d.pos] == ']' && list == nil {
			d.pos++
			break
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		more, err := d.next(']')
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	return d.rt.NewArray(list...), nil
}

// next passes the comma or the closing bracket after an element, and tells which it was.
func (d *decoder) next(closing byte) (more bool, err error) {
	d.space()
	if d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ',':
			d.pos++
			return true, nil
		case closing:
			d.pos++
			return false, nil
		}
	}
	return false, d.unexpected()
}

func (d *decoder) object() (goja.Value, error) {
	d.pos++
	o := d.rt.NewObject()
	for first := true; ; first = false {
		d.space()
		if d.pos < len(d.text) && d.text[d.pos] == '}' && first {
			d.pos++
			return o, nil
		}
		if d.pos >= len(d.text) || d.text[d.pos] != '"' {
			return nil, d.unexpected()
		}
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		if d.space(); d.pos >= len(d.text) || d.text[d.pos] != ':' {
			return nil, d.unexpected()
		}
		d.pos++
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if err := setOwn(o, key.String(), v); err != nil {
			return nil, err
		}
		more, err := d.next('}')
		if err != nil {
			return nil, err
		}
		if !more {
			return o, nil
		}
	}
}

// setOwn sets an own property of a new object. Only __proto__ has a setter that Set would call.
func setOwn(o *goja.Object, key string, v goja.Value) error {
	if key == "__proto__" {
		return o.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	}
	return o.Set(key, v)
}

func (d *decoder) number() (goja.Value, error) {
	start := d.pos
	if d.text[d.pos] == '-' {
		d.pos++
	}
	intStart := d.pos
	if err := d.digits(); err != nil {
		return nil, err
	}
	if d.text[intStart] == '0' && d.pos > intStart+1 {
		d.pos = intStart + 1
		return nil, d.unexpected()
	}
	whole := true
	if d.pos < len(d.text) && d.text[d.pos] == '.' {
		whole = false
		d.pos++
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	if d.pos < len(d.text) && d.text[d.pos]|0x20 == 'e' {
		whole = false
		d.pos++
		if d.pos < len(d.text) && (d.text[d.pos] == '+' || d.text[d.pos] == '-') {
			d.pos++
		}
		if err := d.digits(); err != nil {
			return nil, err
		}
	}
	text := d.text[start:d.pos]
	const safeDigits = 15 // as many always fit into an exact integer
	if whole && len(text) <= safeDigits && text != "-0" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return d.rt.ToValue(n), nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, d.fail("Bad number")
	}
	if math.IsInf(f, 0) || f != 0 {
		return d.rt.ToValue(f), nil
	}
	return d.rt.ToValue(math.Copysign(0, f)), nil
}

func (d *decoder) digits() error {
	start := d.pos
	for d.pos < len(d.text) && d.text[d.pos] >= '0' && d.text[d.pos] <= '9' {
		d.pos++
	}
	if d.pos == start {
		return d.unexpected()
	}
	return nil
}

// string reads a string. Most have no escape and are taken as they stand.
func (d *decoder) string() (goja.Value, error) {
	start := d.pos + 1
	for i := start; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.pos = i + 1
			return d.rt.ToValue(d.text[start:i]), nil
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			d.pos = i
			return nil, d.fail("Bad control character in string")
		}
	}
	d.pos = len(d.text)
	return nil, d.fail("Unterminated string")
}

// escaped reads a string whose first escape is at i, in UTF-16, since it may hold lone surrogates.
func (d *decoder) escaped(start, i int) (goja.Value, error) {
	units := utf16.Encode([]rune(d.text[start:i]))
	for i < len(d.text) {
		c := d.text[i]
		switch {
		case c == '"':
			d.pos = i + 1
			return goja.StringFromUTF16(units), nil
		case c < ' ':
			d.pos = i
			return nil, d.fail("Bad control character in string")
		case c != '\\':
			r, size := utf8.DecodeRuneInString(d.text[i:])
			units = utf16.AppendRune(units, r)
			i += size
			continue
		}
		unit, size, ok := unescape(d.text[i:])
		if !ok {
			d.pos = i
			return nil, d.fail("Bad escaped character")
		}
		units = append(units, unit)
		i += size
	}
	d.pos = len(d.text)
	return nil, d.fail("Unterminated string")
}

// unescape reads one escape at the start of the text, and tells its length.
func unescape(text string) (unit uint16, size int, ok bool) {
	if len(text) < 2 {
		return 0, 0, false
	}
	switch text[1] {
	case '"', '\\', '/':
		return uint16(text[1]), 2, true
	case 'b':
		return '\b', 2, true
	case 'f':
		return '\f', 2, true
	case 'n':
		return '\n', 2, true
	case 'r':
		return '\r', 2, true
	case 't':
		return '\t', 2, true
	case 'u':
		if len(text) < 6 {
			return 0, 0, false
		}
		for _, c := range []byte(text[2:6]) {
			n, isHex := hexDigit(c)
			if !isHex {
				return 0, 0, false
			}
			unit = unit<<4 | n
		}
		return unit, 6, true
	}
	return 0, 0, false
}

func hexDigit(c byte) (uint16, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint16(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint16(c|0x20-'a') + 10, true
	}
	return 0, false
}
