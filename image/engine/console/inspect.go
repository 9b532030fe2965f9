package console

import (
	"strings"
	"unicode/utf16"

	"github.com/dop251/goja"
)

// settings are the options of Node's inspect that Glovebox knows.
type settings struct {
	depth          int // -1 prints no object's inside; maxNesting and more means no limit
	breakLength    int
	compact        int  // 0 puts each entry on its own line
	dense          bool // Node's compact: true
	maxArrayLength int
	maxStringLen   int
	showHidden     bool
	showProxy      bool
	sorted         bool
}

const unlimited = 1 << 30

func defaults() settings {
	return settings{depth: 2, breakLength: 80, compact: 3, maxArrayLength: 100, maxStringLen: 10000}
}

// A printer prints the values of one message. It runs none of the script's code.
type printer struct {
	*reader
	*budget
	settings
	errorStack func(*goja.Object) string

	indent   int // columns that the lines of the current value are indented by
	deepest  int // how deep the value printed last went
	open     []*goja.Object
	circular map[*goja.Object]int
	names    map[*goja.Object]string // what instances of a prototype are called
	tags     map[*goja.Object]string
}

// An entryStyle says how the entries of an object are laid out.
type entryStyle uint8

const (
	asProperties entryStyle = iota // name: value
	asElements                     // value
	asArray                        // properties of an array: laid out in columns
)

// value prints any value at the given depth of nesting, 0 outermost.
func (p *printer) value(v goja.Value, depth int) string {
	if p.full || !p.step() {
		return ""
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return p.take(p.primitive(v))
	}
	if p.kindOf(o) == kindProxy {
		px, _ := o.Export().(goja.Proxy)
		if px.Target() == nil {
			return p.take("<Revoked Proxy>")
		}
		if p.showProxy {
			return p.proxy(px, depth)
		}
		if o = p.bare(o); o == nil {
			return p.take("<Proxy>")
		}
	}
	for _, seen := range p.open {
		if seen == o {
			if p.circular == nil {
				p.circular = make(map[*goja.Object]int, 1)
			}
			if p.circular[o] == 0 {
				p.circular[o] = len(p.circular) + 1
			}
			return p.take("[Circular *" + itoa(p.circular[o]) + "]")
		}
	}
	return p.object(o, depth, false)
}

func (p *printer) proxy(px goja.Proxy, depth int) string {
	if depth > p.depth {
		return p.take("Proxy [Array]")
	}
	if depth > maxNesting {
		return p.take("[Object]")
	}
	p.indent += 2
	entries := []string{p.value(px.Target(), depth+1)}
	if h := px.Handler(); h != nil {
		entries = append(entries, p.value(h, depth+1))
	}
	p.indent -= 2
	return p.join(layoutOfEntries{entries: entries, open: "Proxy [", end: "]", style: asArray, depth: depth + 1})
}

// A form is how one object will be printed: filled in by describe, then by the members.
type form struct {
	base    string // what stands before the braces
	open    string
	end     string
	style   entryStyle
	keys    []key
	extra   []string // what showHidden adds of the prototypes
	members func(depth int) []string
	// elements are the values behind members where they decide how columns are aligned.
	elements func(i int) goja.Value
	done     bool // base is the whole text
	class    string
}

// object prints an object that is not a proxy and not being printed already. inTyped is true for the
// buffer of a typed array.
func (p *printer) object(o *goja.Object, depth int, inTyped bool) string {
	f := p.describe(o, depth, inTyped)
	if f.done {
		return p.take(f.base)
	}
	if depth > p.depth || depth > maxNesting {
		return p.take(f.class)
	}
	depth++
	p.spend(len(f.base) + len(f.open) + len(f.end) + 2)
	p.open = append(p.open, o)
	p.deepest = depth
	var entries []string
	if f.members != nil {
		entries = f.members(depth)
	}
	for _, k := range f.keys {
		if p.full {
			break
		}
		entries = append(entries, p.property(o, k, depth, f.style))
	}
	entries = append(entries, f.extra...)
	p.open = p.open[:len(p.open)-1]
	if n := p.circular[o]; n != 0 {
		ref := "<ref *" + itoa(n) + ">"
		switch {
		case p.dense:
			f.open = ref + " " + f.open
		case f.base == "":
			f.base = ref
		default:
			f.base = ref + " " + f.base
		}
	}
	if p.sorted {
		sortEntries(entries, len(f.keys), f.style)
	}
	return p.join(layoutOfEntries{entries: entries, base: f.base, open: f.open, end: f.end, style: f.style, depth: depth,
		elements: f.elements})
}

// property prints one own property of an object that is being printed.
func (p *printer) property(o *goja.Object, k key, depth int, style entryStyle) string {
	if !p.step() {
		return ""
	}
	pr := p.own(o, k)
	if !pr.exists { // an inherited cause of an error
		pr = p.find(o, k)
		pr.enumerable = true
	}
	return p.propertyOf(pr, k, depth, style)
}

func (p *printer) propertyOf(pr prop, k key, depth int, style entryStyle) string {
	var name, text string
	if style != asElements {
		name = p.take(p.keyName(k, pr))
	}
	gap := " "
	switch {
	case pr.getter && pr.setter:
		text = p.take("[Getter/Setter]")
	case pr.getter:
		text = p.take("[Getter]")
	case pr.setter:
		text = p.take("[Setter]")
	default:
		shift := 2
		if p.dense && style == asProperties {
			shift = 3
		}
		p.indent += shift
		text = p.value(pr.value, depth)
		if shift == 3 && p.breakLength < displayWidth(text) {
			gap = "\n" + spaces(p.indent)
		}
		p.indent -= shift
	}
	if style == asElements {
		return text
	}
	p.spend(len(gap) + 1)
	return name + ":" + gap + text
}

func (p *printer) keyName(k key, pr prop) string {
	switch {
	case k.symbol != nil:
		return "[" + escaped(utf16.Encode([]rune(symbolText(k.symbol)))) + "]"
	case k.text == "__proto__":
		return "['__proto__']"
	case pr.exists && !pr.enumerable:
		return "[" + escaped(p.keyUnits(k)) + "]"
	case isIdentifier(k.text):
		return k.text
	case k.exact == nil && isPlain(k.text):
		return "'" + k.text + "'"
	}
	return quote(p.keyUnits(k))
}

func (p *printer) keyUnits(k key) []uint16 { return units(p.name(k), p.limit) }

// primitive prints what is not an object.
func (p *printer) primitive(v goja.Value) string {
	switch v := v.(type) {
	case nil:
		return "undefined"
	case goja.String:
		return p.stringLiteral(v)
	case *goja.Symbol:
		return symbolText(v)
	}
	if goja.IsBigInt(v) {
		return bigText(v, p.limit)
	}
	if goja.IsNumber(v) {
		return numberText(v)
	}
	return v.String()
}

// stringLiteral prints a string inside an object: in quotes, cut to maxStringLen, and with a line
// for each of its lines where it is too long for one.
func (p *printer) stringLiteral(s goja.String) string {
	n, trailer := s.Length(), ""
	if n > p.maxStringLen {
		rest := n - p.maxStringLen
		trailer = "... " + itoa(rest) + " more character" + plural(rest)
		s, n = s.Substring(0, p.maxStringLen), p.maxStringLen
	}
	if n > p.bytes {
		s, n = s.Substring(0, p.bytes+1), p.bytes+1 // more than what will be taken
	}
	if !p.dense && n > 16 && n > p.breakLength-p.indent-4 {
		u := units(s, n)
		var b strings.Builder
		for len(u) > 0 {
			end := len(u)
			for i, c := range u {
				if c == '\n' {
					end = i + 1
					break
				}
			}
			if b.Len() > 0 {
				b.WriteString(" +\n")
				b.WriteString(spaces(p.indent + 2))
			}
			b.WriteString(quote(u[:end]))
			u = u[end:]
			if b.Len() > p.bytes {
				break
			}
		}
		return b.String() + trailer
	}
	if text := s.String(); isPlain(text) {
		return "'" + text + "'" + trailer
	}
	return quote(units(s, n)) + trailer
}
