package web

import (
	"encoding/hex"
	"io"
	"reflect"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

// quota is how many bytes one call of getRandomValues gives.
const quota = 65536

type cryptoState struct{}

// crypto makes the object crypto and its class.
func (h *host) crypto() []goja.Value {
	c := native.NewClass(h.classes, native.Spec[*cryptoState]{Name: "Crypto"})
	c.Method("getRandomValues", 1, func(_ *cryptoState, call goja.FunctionCall) goja.Value {
		h.need(call.Arguments, 1, "getRandomValues takes a typed array of integers")
		return h.randomValues(call.Argument(0))
	})
	c.Method("randomUUID", 0, func(*cryptoState, goja.FunctionCall) goja.Value {
		var id [16]byte
		h.random(id[:])
		id[6], id[8] = id[6]&0x0F|0x40, id[8]&0x3F|0x80 // version 4, variant 1
		s := hex.EncodeToString(id[:])
		return h.rt.ToValue(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
	})
	c.Getter("subtle", func(*cryptoState) goja.Value {
		panic(h.exception("NotSupportedError",
			"crypto.subtle is not available: a box holds no keys and has no cryptography beyond getRandomValues and randomUUID"))
	})
	return []goja.Value{c.New(&cryptoState{}), c.Constructor}
}

// randomValues fills a typed array of integers and returns it.
func (h *host) randomValues(v goja.Value) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		panic(h.rt.NewTypeError("getRandomValues takes a typed array of integers"))
	}
	var b []byte
	switch o.ExportType() {
	case reflect.TypeFor[[]uint8](), reflect.TypeFor[[]int8](), reflect.TypeFor[[]uint16](), reflect.TypeFor[[]int16](),
		reflect.TypeFor[[]uint32](), reflect.TypeFor[[]int32](), reflect.TypeFor[[]uint64](), reflect.TypeFor[[]int64]():
		b, ok = h.view(o)
	default:
		ok = false
	}
	if !ok {
		panic(h.exception("TypeMismatchError", "getRandomValues takes a typed array of integers"))
	}
	if len(b) > quota {
		panic(h.exception("QuotaExceededError", "getRandomValues gives 65536 bytes a call, and the array has more"))
	}
	h.random(b)
	return v
}

func (h *host) random(b []byte) {
	if _, err := io.ReadFull(h.opts.Rand, b); err != nil {
		panic(h.exception("OperationError", "there is no randomness to be had"))
	}
}
