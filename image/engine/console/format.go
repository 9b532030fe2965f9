package console

import (
	"math"
	"strings"

	"github.com/dop251/goja"
)

// text writes the arguments of a console method as one message, as Node's util.format does: a
// leading string may hold specifiers, and what it does not use follows behind spaces.
func (c *Console) text(b *budget, args []goja.Value) string {
	if len(args) == 0 {
		return ""
	}
	var out strings.Builder
	rest := args
	if first, ok := asString(args[0]); ok {
		if len(args) == 1 {
			return b.take(stringOf(first, b.bytes+1))
		}
		var used int
		used, rest = c.template(b, &out, first, args[1:])
		if used < 0 { // no specifier in it
			out.WriteString(b.take(stringOf(first, b.bytes+1)))
		}
		if len(rest) > 0 {
			out.WriteString(b.take(" "))
		}
	}
	for i, v := range rest {
		if b.full {
			break
		}
		if i > 0 {
			out.WriteString(b.take(" "))
		}
		if s, ok := asString(v); ok {
			out.WriteString(b.take(stringOf(s, b.bytes+1)))
		} else {
			out.WriteString(c.print(b, v, defaults()))
		}
	}
	return out.String()
}

// template writes a string with its specifiers replaced and returns the arguments that are left;
// used is -1, and nothing is written, where the string has no specifier to replace.
func (c *Console) template(b *budget, out *strings.Builder, first goja.String, args []goja.Value) (used int, rest []goja.Value) {
	f := stringOf(first, b.bytes+1)
	used, from := -1, 0
	for i := 0; i+1 < len(f) && !b.full; i++ {
		if f[i] != '%' {
			continue
		}
		verb := f[i+1]
		if verb == '%' {
			out.WriteString(b.take(f[from : i+1]))
			from = i + 2
			used = max(used, 0)
			i++
			continue
		}
		if len(args) == 0 || !strings.ContainsRune("sdifjoOc", rune(verb)) {
			i++
			continue
		}
		out.WriteString(b.take(f[from:i]))
		out.WriteString(c.specifier(b, verb, args[0]))
		args = args[1:]
		from = i + 2
		used = max(used, 0) + 1
		i++
	}
	if used >= 0 {
		out.WriteString(b.take(f[from:]))
	}
	return used, args
}

// specifier writes one argument as its specifier asks. %s, %d, %i, %f and %j convert the value as
// the language does, so they alone can run the script's code: its toString, valueOf or toJSON.
func (c *Console) specifier(b *budget, verb byte, v goja.Value) string {
	switch verb {
	case 'c':
		return ""
	case 'j':
		return c.json(b, v)
	case 'o':
		s := defaults()
		s.showHidden, s.showProxy, s.depth = true, true, 4
		return c.print(b, v, s)
	case 'O':
		return c.print(b, v, defaults())
	case 's':
		o, ok := v.(*goja.Object)
		switch {
		case !ok && (goja.IsNumber(v) || goja.IsBigInt(v)), ok && c.reader.printsItself(o):
			s := defaults()
			s.depth = 0
			return c.print(b, v, s)
		case ok:
			return b.take(c.converted(o))
		}
		if s, ok := v.(*goja.Symbol); ok {
			return b.take(symbolText(s))
		}
		return b.take(stringOf(v, b.bytes+1))
	}
	if _, ok := v.(*goja.Symbol); ok {
		return b.take("NaN")
	}
	if o, ok := v.(*goja.Object); ok {
		if c.reader.kindOf(o) == kindProxy {
			return b.take("NaN") // a conversion would reach its traps
		}
		if verb != 'd' {
			v = c.rt.ToValue(c.converted(o))
		}
	}
	if goja.IsBigInt(v) && verb != 'f' {
		return b.take(bigText(v, b.limit))
	}
	switch verb {
	case 'd':
		v = v.ToNumber()
	case 'i':
		v = c.rt.ToValue(parseInt(stringOf(v, 1024)))
	case 'f':
		v = c.rt.ToValue(parseFloat(stringOf(v, 1024)))
	}
	return b.take(numberText(v))
}

// converted is String(o): it can run the script's toString, and so it can throw.
func (c *Console) converted(o *goja.Object) string { return o.String() }

// printsItself reports whether %s prints the object as inspect does: where neither it nor a class of
// the script's own says how to make a string of it.
func (r *reader) printsItself(o *goja.Object) bool {
	if o = r.bare(o); o == nil {
		return true
	}
	if r.isFunction(o) {
		return false
	}
	callable := func(pr prop) bool {
		fn, ok := pr.value.(*goja.Object)
		return ok && (r.kindOf(fn) == kindProxy || r.isFunction(fn))
	}
	names := make([]key, 0, 2)
	for _, k := range []key{{text: "toString"}, {symbol: goja.SymToPrimitive}} {
		if !callable(r.find(o, k)) {
			continue
		}
		if r.own(o, k).exists {
			return false
		}
		names = append(names, k)
	}
	for at, depth := r.parent(o), 0; at != nil && depth < maxNesting; at, depth = r.parent(at), depth+1 {
		for _, k := range names {
			if !r.own(at, k).exists {
				continue
			}
			fn, ok := r.own(at, key{text: "constructor"}).value.(*goja.Object)
			if !ok || r.kindOf(fn) == kindProxy || !r.isFunction(fn) {
				return at == r.objectProto || at == r.functionProto
			}
			name, _ := asString(r.own(fn, key{text: "name"}).value)
			return at == r.objectProto || at == r.functionProto || name != nil && isBuiltIn(name.String())
		}
	}
	return true
}

// parseInt reads the leading whole number of a text as JavaScript's parseInt does, with a radix of
// ten, or sixteen behind 0x.
func parseInt(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r\u00a0\ufeff\u2028\u2029")
	sign := 1.0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	radix := 10.0
	if len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x' {
		radix, s = 16, s[2:]
	}
	n, digits := 0.0, 0
	for ; digits < len(s); digits++ {
		d := hexDigit(s[digits])
		if d < 0 || float64(d) >= radix {
			break
		}
		n = n*radix + float64(d)
	}
	if digits == 0 {
		return math.NaN()
	}
	if radix == 10 && digits > 15 {
		n = parseFloat(s[:digits]) // exact where adding up digits is not
	}
	return sign * n
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
