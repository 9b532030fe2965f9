package console

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// builder makes values out of arbitrary bytes: nested, shared, cyclic, with odd keys, prototypes and
// stacks.
type builder struct {
	rt    *goja.Runtime
	data  []byte
	made  []goja.Value
	kinds []func(args ...goja.Value) goja.Value
}

func newBuilder(t testing.TB, rt *goja.Runtime, data []byte) *builder {
	t.Helper()
	v, err := rt.RunString(`[
		(...a) => a, (...a) => new Map([[a[0], a[1]], [a[2], 1]]), (...a) => new Set(a), (a) => new Proxy(Object(a), {}),
		(a, b) => Object.assign(new Error(String(typeof b)), { a, b }), (a) => new (class Box { constructor() { this.a = a } }),
		(a, b) => ({ a, b, get g() { throw 1 } }), (a) => Object.create(Object(a)), (a) => Object.assign(Object.create(null), { a }),
		(a) => { const e = new Error('x'); e.stack = String(typeof a === 'string' ? a : ''); return e },
		(a) => { const l = []; l[typeof a === 'number' ? Math.abs(a | 0) % 1e9 : 3] = a; return l },
		(a) => ({ [typeof a === 'string' ? a : 'k']: a }), (a) => [Symbol(typeof a === 'string' ? a : ''), 10n ** 20n, -0, /x/g, new Date(NaN)],
		(a) => { const p = Promise.reject(a); p.catch(() => {}); return p }, (a) => Object.assign(function f() {}, { a }),
		(a) => ({ [Symbol.toStringTag]: a, constructor: a }), () => new Uint8Array(9), (a) => new WeakMap(), (a) => { const o = { a }; o.self = o; return o },
		(a) => Object.assign(new Error('outer', { cause: a }), { name: a }), (a, b) => Object.assign([1, 2, 3, 4, 5, 6, 7], { a, b }),
	]`)
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{rt: rt, data: data}
	list := v.(*goja.Object)
	for i := range int(list.Get("length").ToInteger()) {
		f, _ := goja.AssertFunction(list.Get(fmt.Sprint(i)))
		b.kinds = append(b.kinds, func(args ...goja.Value) goja.Value {
			v, err := f(goja.Undefined(), args...)
			if err != nil {
				return goja.Undefined()
			}
			return v
		})
	}
	return b
}

func (b *builder) next() int {
	if len(b.data) == 0 {
		return 0
	}
	n := b.data[0]
	b.data = b.data[1:]
	return int(n)
}

func (b *builder) text() goja.Value {
	n := min(b.next()%40, len(b.data))
	units := make([]uint16, n)
	for i := range units {
		units[i] = uint16(b.data[i])
		if b.data[i] > 200 {
			units[i] = 0xD700 + uint16(b.data[i])*16 // about the surrogates
		}
	}
	b.data = b.data[n:]
	return goja.StringFromUTF16(units)
}

func (b *builder) value(depth int) goja.Value {
	k := b.next()
	if depth > 6 || len(b.data) == 0 {
		k %= 4
	}
	var v goja.Value
	switch k % 32 {
	case 0:
		v = b.text()
	case 1:
		v = b.rt.ToValue(float64(b.next()-100) * 1e7)
	case 2:
		v = goja.Null()
	case 3:
		if len(b.made) > 0 {
			return b.made[b.next()%len(b.made)]
		}
		v = b.rt.ToValue(true)
	default:
		v = b.kinds[k%len(b.kinds)](b.value(depth+1), b.value(depth+1), b.value(depth+1))
	}
	b.made = append(b.made, v)
	return v
}

func FuzzPrint(f *testing.F) {
	f.Add("%s %d %i %f %j %o %O %c %%", []byte{5, 0, 3, 'a', 'b', 'c', 9, 1, 2, 3}, uint8(3))
	f.Add("%", []byte{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}, uint8(255))
	f.Add("é%o\xff", []byte("\x1e\x1f\x0a\x0b\x00\x20\n\n'\"`${\xd8\xdc"), uint8(0))
	for k := range 32 {
		f.Add("%o", []byte{byte(k + 4), byte(k), 7, 'x', '\n', 200, 220, 'a', byte(k + 1), 2, byte(k + 5), 1, 9, 3, 0}, uint8(k*7))
	}
	f.Fuzz(func(t *testing.T, format string, data []byte, opts uint8) {
		const limit = 2000
		watchdog := time.AfterFunc(10*time.Second, func() { panic("printing goes on for ever") })
		defer watchdog.Stop()
		r := record(t, Options{MaxMessageBytes: limit})
		b := newBuilder(t, r.rt, data)
		a, c := b.value(0), b.value(0)
		r.rt.Set("a", a)
		r.rt.Set("b", c)
		r.rt.Set("f", format)
		r.rt.Set("n", int(opts))
		for _, code := range []string{
			"console.log(f, a, b, a)", "console.log(a, b)", "console.error([a], { b })", "console.table(a)", "console.table([a, b], [f])",
			"console.log('%s|%j', b, a)", "console.group(a); console.log(f); console.groupEnd()", "console.count(f); console.time(f); console.timeEnd(f)",
			"console.dir(a, { depth: n % 7 === 6 ? null : n % 7, compact: n % 5 === 4 ? true : n % 5, breakLength: n, showHidden: n % 2 === 0," +
				" showProxy: n % 3 === 0, sorted: n % 11 === 0, maxArrayLength: n % 13, maxStringLength: n % 17 })",
		} {
			if _, err := r.rt.RunString(code); err != nil && !strings.Contains(code, "%j") && !strings.HasPrefix(code, "console.log(f") {
				t.Errorf("%s: %v", code, err) // only a conversion may throw
			}
		}
		r.Inspect(a)
		for _, line := range r.lines {
			if len(line) > limit {
				t.Errorf("a message of %d bytes", len(line))
			}
			if !utf8.ValidString(line) && utf8.ValidString(format) {
				t.Errorf("not UTF-8: %q", line)
			}
		}
	})
}
