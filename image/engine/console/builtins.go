package console

import (
	"encoding/hex"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// lengthOf returns the length of an array or a typed array without reading a property of it.
func (p *printer) lengthOf(o *goja.Object, k kind) int {
	if f := p.field(o, "length"); f.IsValid() && (f.CanInt() || f.CanUint()) {
		if k == kindTypedArray && p.detached(o) {
			return 0
		}
		return p.intField(o, "length")
	}
	return int(p.own(o, key{text: "length"}).value.ToInteger())
}

func (p *printer) detached(o *goja.Object) bool {
	buf := p.field(o, "viewedArrayBuf")
	if !buf.IsValid() || buf.Kind() != reflect.Pointer || buf.IsNil() {
		return false
	}
	d := buf.Elem().FieldByName("detached")
	return d.IsValid() && d.Bool()
}

// element reads the element at an index; exists is false for a hole.
func (p *printer) element(o *goja.Object, i int) prop {
	v, l, ok := p.impl(o)
	if ok {
		switch l.kind {
		case kindTypedArray:
			return prop{slot: slot{exists: true, enumerable: true}, value: orUndefined(o.Get(itoa(i)))}
		case kindArray:
			values := v.FieldByName("values")
			if i >= values.Len() {
				return prop{value: goja.Undefined()}
			}
			if s, known := readSlot(values.Index(i)); known {
				pr := prop{slot: s, value: goja.Undefined()}
				if s.exists && !s.accessor() {
					pr.value = orUndefined(o.Get(itoa(i)))
				}
				return pr
			}
		}
	}
	return p.own(o, key{text: itoa(i)})
}

// nextElement returns the index of the first element at or behind i, n where there is none. It does
// not visit each hole of an array that is nothing but holes.
func (p *printer) nextElement(o *goja.Object, i, n int) int {
	v, l, ok := p.impl(o)
	if ok && l.kind == kindArray {
		values := v.FieldByName("values")
		for ; i < values.Len(); i++ {
			if i&1023 == 0 && !p.pay(64) {
				return n
			}
			if !values.Index(i).IsNil() {
				return i
			}
		}
		return n
	}
	if ok && l.kind == kindSparseArray {
		if items := v.FieldByName("items"); items.IsValid() {
			lo, hi := 0, items.Len()
			for lo < hi {
				mid := (lo + hi) / 2
				if int(items.Index(mid).FieldByName("idx").Uint()) < i {
					lo = mid + 1
				} else {
					hi = mid
				}
			}
			if lo < items.Len() {
				return int(items.Index(lo).FieldByName("idx").Uint())
			}
			return n
		}
	}
	for ; i < n; i++ {
		if !p.step() || p.own(o, key{text: itoa(i)}).exists {
			return i
		}
	}
	return n
}

// array prints the elements of an array, a run of holes as one entry.
func (p *printer) array(o *goja.Object, n, depth int) (out []string) {
	limit := min(p.maxArrayLength, n)
	i := 0
	for i < n && len(out) < limit && p.step() {
		if pr := p.element(o, i); pr.exists {
			out = append(out, p.propertyOf(pr, key{}, depth, asElements))
			i++
			continue
		}
		next := p.nextElement(o, i+1, n)
		out = append(out, p.take("<"+itoa(next-i)+" empty item"+plural(next-i)+">"))
		i = next
	}
	if i < n {
		out = append(out, p.more(n-i))
	}
	return out
}

func (p *printer) more(n int) string { return p.take("... " + itoa(n) + " more item" + plural(n)) }

// typedArrayName returns the name of the built-in class, as Uint8Array.
func (p *printer) typedArrayName(o *goja.Object) string {
	f := p.field(o, "typedArray")
	if !f.IsValid() || f.Kind() != reflect.Interface || f.IsNil() {
		return "TypedArray"
	}
	name := f.Elem().Type().String()
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.ToUpper(name[:1]) + name[1:]
}

func (p *printer) typedArray(o *goja.Object, n, depth int) (out []string) {
	limit := min(p.maxArrayLength, n)
	for i := 0; i < limit && p.step(); i++ {
		out = append(out, p.take(p.primitive(p.element(o, i).value)))
	}
	if n > limit {
		out = append(out, p.more(n-limit))
	}
	if p.showHidden {
		size := p.intField(o, "elemSize")
		p.indent += 2
		out = append(out, p.take("[BYTES_PER_ELEMENT]: "+itoa(size)), p.take("[length]: "+itoa(n)),
			p.take("[byteLength]: "+itoa(n*size)), p.take("[byteOffset]: "+itoa(p.intField(o, "offset")*size)))
		if buf := p.bufferOf(o); buf != nil {
			out = append(out, "[buffer]: "+p.object(buf, depth, true))
		}
		p.indent -= 2
	}
	return out
}

// bufferOf returns the ArrayBuffer behind a typed array or a DataView.
func (p *printer) bufferOf(o *goja.Object) *goja.Object {
	get := p.nativeOn(o, "buffer", true)
	if get == nil {
		return nil
	}
	buf, _ := get(goja.FunctionCall{This: o}).(*goja.Object)
	return buf
}

func (p *printer) dataView(o *goja.Object, depth int) []string {
	out := []string{p.take("byteLength: " + itoa(p.intField(o, "byteLen"))), p.take("byteOffset: " + itoa(p.intField(o, "byteOffset")))}
	if buf := p.bufferOf(o); buf != nil {
		p.indent += 2
		out = append(out, "buffer: "+p.value(buf, depth))
		p.indent -= 2
	}
	return out
}

func hexBytes(b []byte, limit int) string {
	var s strings.Builder
	for i, c := range b[:min(len(b), limit)] {
		if i > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(hex.EncodeToString([]byte{c}))
	}
	if rest := len(b) - limit; rest > 0 {
		s.WriteString(" ... " + itoa(rest) + " more byte" + plural(rest))
	}
	return s.String()
}

// sizeOf returns how many entries a Map or a Set has.
func (p *printer) sizeOf(o *goja.Object) int {
	if m := p.field(o, "m"); m.IsValid() && m.Kind() == reflect.Pointer && !m.IsNil() {
		if size := m.Elem().FieldByName("size"); size.IsValid() && size.CanInt() {
			return int(size.Int())
		}
	}
	if get := p.nativeOn(o, "size", true); get != nil {
		return int(get(goja.FunctionCall{This: o}).ToInteger())
	}
	return 0
}

// each calls visit with the entries of a Map or a Set until it returns false; a Set's have no key. The
// iterators are goja's own: the script's are passed over, and where it has replaced the built-in
// ones the entries stay unknown and each returns false.
func (p *printer) each(o *goja.Object, k kind, visit func(key, value goja.Value) bool) bool {
	method := "entries"
	if k == kindSet {
		method = "values"
	}
	open := p.nativeOn(o, method, false)
	if open == nil {
		open = p.nativeOn(p.prototypeOf(className(k)), method, false)
	}
	if open == nil {
		return false
	}
	it, ok := open(goja.FunctionCall{This: o}).(*goja.Object)
	if !ok {
		return false
	}
	next := p.nativeOn(it, "next", false)
	if next == nil {
		return false
	}
	for range p.sizeOf(o) {
		r, ok := next(goja.FunctionCall{This: it}).(*goja.Object)
		if !ok {
			return false
		}
		v := orUndefined(r.Get("value"))
		var key goja.Value
		if k == kindMap {
			pair, ok := v.(*goja.Object)
			if !ok {
				return false
			}
			key, v = orUndefined(pair.Get("0")), orUndefined(pair.Get("1"))
		}
		if !visit(key, v) {
			break
		}
	}
	return true
}

// collection prints the entries of a Map or a Set.
func (p *printer) collection(o *goja.Object, k kind, size, depth int) (out []string) {
	limit := min(p.maxArrayLength, size)
	p.indent += 2
	known := p.each(o, k, func(key, value goja.Value) bool {
		if len(out) >= limit || !p.step() {
			return false
		}
		entry := ""
		if key != nil {
			entry = p.value(key, depth) + p.take(" => ")
		}
		out = append(out, entry+p.value(value, depth))
		return true
	})
	p.indent -= 2
	if !known {
		return []string{p.take("<items unknown>")}
	}
	if size > limit {
		out = append(out, p.more(size-limit))
	}
	return out
}

func (p *printer) promise(o *goja.Object, depth int) []string {
	pr, ok := o.Export().(*goja.Promise)
	if !ok || pr.State() == goja.PromiseStatePending {
		return []string{p.take("<pending>")}
	}
	mark := ""
	if pr.State() == goja.PromiseStateRejected {
		mark = p.take("<rejected> ")
	}
	p.indent += 2
	text := p.value(orUndefined(pr.Result()), depth)
	p.indent -= 2
	return []string{mark + text}
}

// unboxed returns what new Number(1) and its like hold, with the name of its type.
func (r *reader) unboxed(o *goja.Object, k kind) (class string, v goja.Value) {
	if k == kindString {
		if get := r.nativeOn(r.prototypeOf("String"), "valueOf", false); get != nil {
			return "String", get(goja.FunctionCall{This: o})
		}
		return "String", r.rt.ToValue("")
	}
	switch inner := o.Export().(type) {
	case string: // a boxed symbol exports its description
		return "Symbol", goja.NewSymbol(inner)
	case bool:
		return "Boolean", r.rt.ToValue(inner)
	case *big.Int:
		return "BigInt", r.rt.ToValue(inner)
	default:
		return "Number", r.rt.ToValue(inner)
	}
}

// boxedBase prints a boxed primitive.
func (p *printer) boxedBase(o *goja.Object, k kind, ctor string, isNull bool, tag string) string {
	class, inner := p.unboxed(o, k)
	base := "[" + class
	if isNull {
		base += " (null prototype)"
	} else if class != ctor {
		base += " (" + ctor + ")"
	}
	base += ": " + p.primitive(inner) + "]"
	if tag != "" && tag != ctor {
		base += " [" + tag + "]"
	}
	return base
}

// bigText prints a BigInt. One whose digits would not fit is not converted: that takes more than
// linear time.
func bigText(v goja.Value, limit int) string {
	if n, ok := v.Export().(*big.Int); ok && n.BitLen() > 4*limit {
		return "<BigInt of " + itoa(n.BitLen()) + " bits>"
	}
	return v.String() + "n"
}

func dateText(o *goja.Object) string {
	t, ok := o.Export().(time.Time)
	if !ok {
		return "Invalid Date"
	}
	t = t.UTC()
	year := t.Year()
	rest := t.Format("-01-02T15:04:05.000Z")
	if year >= 0 && year <= 9999 {
		return t.Format("2006") + rest
	}
	sign := "+"
	if year < 0 {
		sign, year = "-", -year
	}
	digits := itoa(year)
	return sign + strings.Repeat("0", max(0, 6-len(digits))) + digits + rest
}

// regexpText prints a regular expression from what its built-in getters say, not those of a subclass.
func (p *printer) regexpText(o *goja.Object) string {
	get := func(name string) goja.Value {
		call := p.nativeOn(o, name, true)
		if call == nil { // no prototype, or a patched one
			call = p.nativeOn(p.prototypeOf("RegExp"), name, true)
		}
		if call == nil {
			return goja.Undefined()
		}
		return call(goja.FunctionCall{This: o})
	}
	source, ok := asString(get("source"))
	if !ok {
		return "/<source unknown>/"
	}
	flags := ""
	for _, f := range [...]struct{ letter, name string }{
		{"d", "hasIndices"}, {"g", "global"}, {"i", "ignoreCase"}, {"m", "multiline"}, {"s", "dotAll"}, {"u", "unicode"},
		{"v", "unicodeSets"}, {"y", "sticky"},
	} {
		if get(f.name).ToBoolean() {
			flags += f.letter
		}
	}
	return "/" + stringOf(source, p.limit) + "/" + flags
}
