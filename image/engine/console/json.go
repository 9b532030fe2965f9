package console

import (
	"math"
	"strings"

	"github.com/dop251/goja"
)

// json writes the value as JSON.stringify does, for %j. goja's own would not stop for an interrupt,
// nor for a limit: a tree of forty shared levels keeps it busy for ever. As in the language, toJSON
// and getters are called; a proxy stands for its target.
func (c *Console) json(b *budget, v goja.Value) string {
	w := jsonWriter{c: c, budget: b}
	start := *b
	if !w.write(v, "", 0) {
		return b.take("undefined")
	}
	if w.cycle {
		*b = start
		return b.take("[Circular]")
	}
	return w.out.String()
}

type jsonWriter struct {
	c *Console
	*budget
	out   strings.Builder
	open  []*goja.Object
	cycle bool
}

func (w *jsonWriter) put(s string) { w.out.WriteString(w.take(s)) }

// resolve replaces a value by what its toJSON makes of it.
func (w *jsonWriter) resolve(v goja.Value, name string) goja.Value {
	holder, ok := v.(*goja.Object)
	if ok && w.c.reader.kindOf(holder) == kindProxy {
		return v
	}
	if !ok {
		if !goja.IsBigInt(v) {
			return v
		}
		holder = v.ToObject(w.c.rt)
	}
	to, ok := goja.AssertFunction(orUndefined(holder.Get("toJSON")))
	if !ok {
		return v
	}
	r, err := to(v, w.c.rt.ToValue(name))
	if err != nil {
		panic(err)
	}
	return r
}

// write appends one value; false means that JSON has nothing for it.
func (w *jsonWriter) write(v goja.Value, name string, depth int) bool {
	if w.cycle || w.full || !w.step() {
		return true
	}
	return w.resolved(w.resolve(v, name), depth)
}

// resolved appends a value whose toJSON has been called.
func (w *jsonWriter) resolved(v goja.Value, depth int) bool {
	o, ok := v.(*goja.Object)
	if !ok {
		return w.primitive(v)
	}
	if o = w.c.reader.bare(o); o == nil {
		panic(w.c.rt.NewTypeError("Cannot convert a revoked proxy to JSON"))
	}
	k := w.c.reader.kindOf(o)
	switch {
	case w.c.reader.isFunction(o):
		return false
	case k == kindPrimitive || k == kindString:
		if class, inner := w.c.reader.unboxed(o, k); class != "Symbol" {
			return w.primitive(inner)
		}
		w.put("{}")
		return true
	case depth > maxNesting:
		w.full = true
		return true
	}
	for _, seen := range w.open {
		if seen == o {
			w.cycle = true
			return true
		}
	}
	w.open = append(w.open, o)
	if k == kindArray || k == kindSparseArray {
		w.array(o, depth)
	} else {
		w.object(o, depth)
	}
	w.open = w.open[:len(w.open)-1]
	return true
}

func (w *jsonWriter) array(o *goja.Object, depth int) {
	w.put("[")
	n := int(o.Get("length").ToInteger())
	for i := 0; i < n && !w.full && !w.cycle; i++ {
		if i > 0 {
			w.put(",")
		}
		if !w.write(orUndefined(o.Get(itoa(i))), itoa(i), depth+1) {
			w.put("null")
		}
	}
	w.put("]")
}

func (w *jsonWriter) object(o *goja.Object, depth int) {
	w.put("{")
	first := true
	for _, k := range w.c.reader.keys(o, false, w.limit/4+1) {
		if k.symbol != nil || w.full || w.cycle {
			continue
		}
		var v goja.Value
		if k.exact == nil {
			v = orUndefined(o.Get(k.text))
		} else {
			v = w.c.reader.own(o, k).value
		}
		v = w.resolve(v, k.text)
		if skips(v, w.c.reader) {
			continue
		}
		if !first {
			w.put(",")
		}
		first = false
		w.put(jsonString(w.c.reader.name(k), w.bytes+1) + ":")
		w.resolved(v, depth+1)
	}
	w.put("}")
}

// skips reports whether a member with that value is left out.
func skips(v goja.Value, r *reader) bool {
	if o, ok := v.(*goja.Object); ok {
		o = r.bare(o)
		return o != nil && r.isFunction(o)
	}
	_, symbol := v.(*goja.Symbol)
	return symbol || goja.IsUndefined(v)
}

func (w *jsonWriter) primitive(v goja.Value) bool {
	if s, ok := asString(v); ok {
		w.put(jsonString(s, w.bytes+1))
		return true
	}
	switch {
	case goja.IsUndefined(v):
		return false
	case goja.IsBigInt(v):
		panic(w.c.rt.NewTypeError("Do not know how to serialize a BigInt"))
	case goja.IsNumber(v):
		if f := v.ToFloat(); math.IsNaN(f) || math.IsInf(f, 0) {
			w.put("null")
			return true
		}
	}
	if _, ok := v.(*goja.Symbol); ok {
		return false
	}
	w.put(v.String())
	return true
}

// jsonString writes at most limit units of a string in JSON's quotes.
func jsonString(s goja.String, limit int) string {
	var b strings.Builder
	b.WriteByte('"')
	plainFrom := 0
	u := units(s, limit)
	flush := func(end int) {
		if end > plainFrom {
			b.WriteString(goja.StringFromUTF16(u[plainFrom:end]).String())
		}
		plainFrom = end + 1
	}
	for i, c := range u {
		esc := ""
		switch {
		case c == '"' || c == '\\':
			esc = `\` + string(rune(c))
		case c == '\b' || c == '\t' || c == '\n' || c == '\f' || c == '\r':
			esc = controlEscape(c)
		case c < 0x20:
			esc = `\u00` + strings.ToLower(controlEscape(c)[2:])
		case c >= 0xD800 && c < 0xDC00 && (i+1 >= len(u) || u[i+1] < 0xDC00 || u[i+1] > 0xDFFF),
			c >= 0xDC00 && c < 0xE000 && (i == 0 || u[i-1] < 0xD800 || u[i-1] > 0xDBFF):
			esc = `\u` + hex4(c)
		default:
			continue
		}
		flush(i)
		b.WriteString(esc)
	}
	flush(len(u))
	b.WriteByte('"')
	return b.String()
}

func hex4(c uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>12], digits[c>>8&15], digits[c>>4&15], digits[c&15]})
}
