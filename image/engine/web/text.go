package web

import (
	"reflect"
	"unicode/utf8"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

type textEncoder struct{}

func (h *host) textEncoder() *goja.Object {
	c := native.NewClass(h.classes, native.Spec[*textEncoder]{Name: "TextEncoder",
		Construct: func([]goja.Value) *textEncoder { return &textEncoder{} }})
	c.Getter("encoding", func(*textEncoder) goja.Value { return h.rt.ToValue("utf-8") })
	c.Method("encode", 0, func(_ *textEncoder, call goja.FunctionCall) goja.Value {
		text := ""
		if v := call.Argument(0); !goja.IsUndefined(v) {
			text = h.str(v)
		}
		return h.bytes([]byte(text))
	})
	c.Method("encodeInto", 2, func(_ *textEncoder, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 2, "encodeInto takes a string and a Uint8Array")
		text := h.str(call.Argument(0))
		dest, isObject := call.Argument(1).(*goja.Object)
		if !isObject || dest.ExportType() != reflect.TypeFor[[]uint8]() {
			panic(h.rt.NewTypeError("encodeInto writes to a Uint8Array"))
		}
		room, ok := h.view(dest)
		if !ok {
			panic(h.rt.NewTypeError("encodeInto writes to a Uint8Array"))
		}
		read, written := encodeInto(room, text)
		result := h.rt.NewObject()
		_ = result.Set("read", read)
		_ = result.Set("written", written)
		return result
	})
	return c.Constructor
}

// encodeInto writes as many whole characters as fit; read counts UTF-16 units, written bytes.
func encodeInto(room []byte, text string) (read, written int) {
	for _, r := range text {
		if written+utf8.RuneLen(r) > len(room) {
			break
		}
		written += utf8.EncodeRune(room[written:], r)
		read++
		if r > 0xFFFF {
			read++
		}
	}
	return read, written
}

type textDecoder struct {
	decoder
	name             string
	fatal, ignoreBOM bool
}

func (h *host) textDecoder() *goja.Object {
	c := native.NewClass(h.classes, native.Spec[*textDecoder]{Name: "TextDecoder",
		Construct: func(args []goja.Value) *textDecoder {
			label := "utf-8"
			if v := argument(args, 0); !goja.IsUndefined(v) {
				label = h.str(v)
			}
			options := argument(args, 1)
			d := &textDecoder{fatal: h.option(options, "fatal").ToBoolean(), ignoreBOM: h.option(options, "ignoreBOM").ToBoolean()}
			name, ok := encodingOf(label)
			if !ok {
				panic(h.rangeError("The \"" + short(label) +
					"\" encoding is not supported: a box decodes utf-8, utf-16le, utf-16be and windows-1252 (latin1)"))
			}
			d.name = name
			d.reset()
			return d
		}})
	c.Getter("encoding", func(d *textDecoder) goja.Value { return h.rt.ToValue(d.name) })
	c.Getter("fatal", func(d *textDecoder) goja.Value { return h.rt.ToValue(d.fatal) })
	c.Getter("ignoreBOM", func(d *textDecoder) goja.Value { return h.rt.ToValue(d.ignoreBOM) })
	c.Method("decode", 0, func(d *textDecoder, call goja.FunctionCall) goja.Value {
		var input []byte
		if v := call.Argument(0); !goja.IsUndefined(v) {
			b, ok := h.view(v)
			if !ok {
				panic(h.rt.NewTypeError("decode takes an ArrayBuffer, a typed array or a DataView"))
			}
			input = b
		}
		stream := h.option(call.Argument(1), "stream").ToBoolean()
		text, ok := d.decode(input, stream)
		if !ok {
			panic(h.rt.NewTypeError("The encoded data was not valid for encoding " + d.name))
		}
		return h.rt.ToValue(text)
	})
	return c.Constructor
}

// reset makes the decoder ready for a text of its own.
func (d *textDecoder) reset() { d.decoder = newDecoder(d.name, d.ignoreBOM) }

// decode returns the text of the input; ok is false where it is not valid and the decoder is fatal.
// Without stream the text ends with the input.
func (d *textDecoder) decode(input []byte, stream bool) (text string, ok bool) {
	text, valid := d.feed(input, !stream)
	if !stream || !valid && d.fatal {
		d.reset()
	}
	return text, valid || !d.fatal
}

// rangeError makes a RangeError to throw.
func (h *host) rangeError(message string) *goja.Object {
	ctor, ok := h.rt.Get("RangeError").(*goja.Object)
	if !ok {
		ctor = h.newError
	}
	e, err := h.rt.New(ctor, h.rt.ToValue(message))
	if err != nil {
		panic(err)
	}
	return e
}
