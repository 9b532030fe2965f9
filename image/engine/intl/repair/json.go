package repair

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
)

// maxJSONDepth bounds how deep arrays and objects may nest. goja's own parser recurses without a bound,
// and an overflow of Go's stack ends the process.
const maxJSONDepth = 10000

func (h *host) installJSON() {
	h.isArray = h.callable(h.global("Array"), "isArray")
	h.method(h.global("JSON"), "parse", 2, func(call goja.FunctionCall) goja.Value {
		s := h.text(call.Argument(0))
		p := jsonParser{h: h, text: h.texts.Of(s)}
		p.source = h.texts.Plain(s)
		v := p.document()
		reviver, ok := goja.AssertFunction(call.Argument(1))
		if !ok {
			return v
		}
		root := h.rt.NewObject()
		check(root.DefineDataProperty("", v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
		return h.revive(reviver, root, "", 0)
	})
}

// A jsonParser reads one JSON text into values. It panics with what the script is to see.
type jsonParser struct {
	h      *host
	source goja.String
	text   side.View
	pos    int
	depth  int
}

func (p *jsonParser) peek() rune {
	if p.pos < p.text.Len() {
		return p.text.At(p.pos)
	}
	return -1
}

func (p *jsonParser) fail() {
	if p.pos >= p.text.Len() {
		p.h.throw("SyntaxError", "Unexpected end of JSON input")
	}
	p.h.throw("SyntaxError", fmt.Sprintf("Unexpected token %q in JSON at position %d", string(p.text.At(p.pos)), p.pos))
}

func (p *jsonParser) space() {
	for {
		switch p.peek() {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) expect(r rune) {
	if p.peek() != r {
		p.fail()
	}
	p.pos++
}

func (p *jsonParser) document() goja.Value {
	v := p.value()
	p.space()
	if p.pos < p.text.Len() {
		p.fail()
	}
	return v
}

func (p *jsonParser) value() goja.Value {
	p.space()
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return p.string()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		p.word("true")
		return p.h.rt.ToValue(true)
	case c == 'f':
		p.word("false")
		return p.h.rt.ToValue(false)
	case c == 'n':
		p.word("null")
		return goja.Null()
	}
	p.fail()
	return nil
}

func (p *jsonParser) word(w string) {
	for _, r := range w {
		p.expect(r)
	}
}

func (p *jsonParser) enter() {
	p.pos++
	if p.depth++; p.depth > maxJSONDepth {
		p.h.throw("RangeError", fmt.Sprintf("JSON is nested deeper than %d", maxJSONDepth))
	}
}

func (p *jsonParser) array() goja.Value {
	p.enter()
	var items []any
	for p.space(); p.peek() != ']'; {
		items = append(items, p.value())
		p.space()
		if p.peek() != ',' {
			break
		}
		p.pos++
		if p.space(); p.peek() == ']' {
			p.fail()
		}
	}
	p.expect(']')
	p.depth--
	return p.h.rt.NewArray(items...)
}

func (p *jsonParser) object() goja.Value {
	p.enter()
	obj := p.h.rt.NewObject()
	for p.space(); p.peek() != '}'; {
		if p.peek() != '"' {
			p.fail()
		}
		key := p.string().String()
		p.space()
		p.expect(':')
		v := p.value()
		if key == "__proto__" {
			check(obj.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
		} else {
			check(obj.Set(key, v))
		}
		p.space()
		if p.peek() != ',' {
			break
		}
		p.pos++
		if p.space(); p.peek() == '}' {
			p.fail()
		}
	}
	p.expect('}')
	p.depth--
	return obj
}

// number reads a number by the grammar of JSON, which is narrower than that of Go.
func (p *jsonParser) number() goja.Value {
	start := p.pos
	digits := func() {
		if c := p.peek(); c < '0' || c > '9' {
			p.fail()
		}
		for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
			p.pos++
		}
	}
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else {
		digits()
	}
	whole := true
	if p.peek() == '.' {
		whole = false
		p.pos++
		digits()
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		whole = false
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		digits()
	}
	text := p.source.Substring(start, p.pos).String()
	if whole && len(text) < 16 {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && (n != 0 || text == "0") {
			return p.h.rt.ToValue(n)
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		p.fail()
	}
	return p.h.rt.ToValue(f)
}

// string reads a string. One without escapes is a piece of the text itself.
func (p *jsonParser) string() goja.String {
	p.pos++
	start := p.pos
	var b *goja.StringBuilder
	for {
		c := p.peek()
		switch {
		case c == '"':
			rest := p.source.Substring(start, p.pos)
			p.pos++
			if b == nil {
				return rest
			}
			b.WriteString(rest)
			return b.String()
		case c < ' ': // the end of the text too
			p.fail()
		case c == '\\':
			if b == nil {
				b = new(goja.StringBuilder)
			}
			b.WriteString(p.source.Substring(start, p.pos))
			p.pos++
			p.escape(b)
			start = p.pos
		default:
			p.pos++
		}
	}
}

func (p *jsonParser) escape(b *goja.StringBuilder) {
	c := p.peek()
	if c == 'u' {
		p.pos++
		r := p.hex()
		if isHigh(r) && p.peek() == '\\' && p.pos+1 < p.text.Len() && p.text.At(p.pos+1) == 'u' {
			at := p.pos
			p.pos += 2
			if low := p.hex(); isLow(low) {
				b.WriteRune(utf16.DecodeRune(r, low))
				return
			}
			p.pos = at
		}
		if isHigh(r) || isLow(r) {
			b.WriteString(p.h.lone(r))
			return
		}
		b.WriteRune(r)
		return
	}
	r, ok := map[rune]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[c]
	if !ok {
		p.fail()
	}
	p.pos++
	b.WriteRune(r)
}

func (p *jsonParser) hex() rune {
	v := rune(0)
	for range 4 {
		c := p.peek()
		switch {
		case c >= '0' && c <= '9':
			v = v*16 + c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v*16 + (c | 0x20) - 'a' + 10
		default:
			p.fail()
		}
		p.pos++
	}
	return v
}

// lone makes a string of one lone surrogate, which no string of Go's can hold.
func (h *host) lone(r rune) goja.String {
	return goja.StringFromUTF16([]uint16{uint16(r)})
}

// revive is InternalizeJSONProperty.
func (h *host) revive(reviver goja.Callable, holder *goja.Object, name string, depth int) goja.Value {
	if depth > maxJSONDepth {
		h.throw("RangeError", fmt.Sprintf("JSON is nested deeper than %d", maxJSONDepth))
	}
	v := holder.Get(name)
	if v == nil {
		v = goja.Undefined()
	}
	if obj, ok := v.(*goja.Object); ok {
		for _, key := range h.keys(obj) {
			item := h.revive(reviver, obj, key, depth+1)
			var err error
			if goja.IsUndefined(item) {
				err = obj.Delete(key)
			} else {
				err = obj.DefineDataProperty(key, item, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
			}
			check(err)
		}
	}
	out, err := reviver(holder, h.rt.ToValue(name), v)
	check(err)
	return out
}

// keys lists what a reviver is to see of an object: its elements where it is an array.
func (h *host) keys(obj *goja.Object) []string {
	is, err := h.isArray(goja.Undefined(), obj)
	check(err)
	if !is.ToBoolean() {
		return obj.Keys()
	}
	keys := make([]string, 0, 8)
	for i := range obj.Get("length").ToInteger() {
		keys = append(keys, strconv.FormatInt(i, 10))
	}
	return keys
}
