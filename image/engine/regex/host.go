package regex

import (
	"fmt"

	"github.com/dop251/goja"

	"glovebox/image/engine/regex/side"
)

// A regex is what stands behind a RegExp object: its source as written, its flags and its program.
type regex struct {
	source goja.String // as the property source gives it
	flags  flags
	prog   *program
}

// A host holds what one runtime needs. Like the runtime it belongs to one goroutine at a time.
type host struct {
	rt         *goja.Runtime
	proto      *goja.Object // %RegExp.prototype%, goja's own
	ctor       *goja.Object // our %RegExp%
	exec       *goja.Object // our %RegExp.prototype.exec%
	iterProto  *goja.Object // %RegExpStringIteratorPrototype%, goja's own; nil until asked for
	newNative  goja.Constructor
	nativeAll  goja.Callable
	source     goja.Callable // goja's accessors, which tell about the objects that it made
	nativeComp goja.Callable // goja's compile
	template   *goja.Object  // an object of goja's with the marker: it makes a copy without compiling
	marker     goja.Value    // the source that goja sees in the objects that we made
	getters    []nativeFlag
	poll       func()
	ascii      matcher[uint8]
	wide       matcher[uint16]
	texts      side.Viewer
	programs   map[string]*regex
	remembered int // bytes of the keys of programs
	recent     [256]slot
	made       side.Table[*regex]
	lastInput  goja.String
	lastGroups []int32
}

// A slot remembers what stands behind an object that was used lately. It keeps the object alive,
// which is what makes comparing its address safe.
type slot struct {
	obj *goja.Object
	re  *regex
}

type nativeFlag struct {
	get  goja.Callable
	flag byte
}

// markerSource is no pattern that a script would write. Where one does, nothing is lost: its object is
// not among those that we made.
const markerSource = "glovebox\x00"

// maxRemembered bounds the patterns whose programs are remembered, in bytes of their source: a program
// is about a hundred times as large.
const maxRemembered = 256 << 10

// keepStack is how large a backtracking stack may stay between two matches, in frames.
const keepStack = 1 << 16

func (h *host) throw(ctor, format string, args ...any) {
	v, err := h.rt.New(h.rt.GlobalObject().Get(ctor), h.rt.ToValue(fmt.Sprintf(format, args...)))
	if err != nil {
		panic(err)
	}
	panic(v)
}

func (h *host) typeError(format string, args ...any) {
	panic(h.rt.NewTypeError(fmt.Sprintf(format, args...)))
}

// check passes on what JavaScript threw within a call from Go.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// compiled gives the regex of a pattern and flags, from memory where they were met before.
func (h *host) compiled(pattern goja.String, f flags) *regex {
	units := h.unitsOf(pattern)
	key := make([]byte, 0, 2*len(units)+9)
	key = append(key, f.String()...)
	key = append(key, '/')
	for _, u := range units {
		if u < 0x80 && u != 0 {
			key = append(key, byte(u))
		} else {
			key = append(key, 0, byte(u>>8), byte(u))
		}
	}
	if re, ok := h.programs[string(key)]; ok {
		return re
	}
	p, err := parse(units, f)
	var prog *program
	if err == nil {
		prog, err = compile(p, f)
	}
	if err != nil {
		h.throw("SyntaxError", "Invalid regular expression: /%s/%s: %s", pattern.String(), f, err)
	}
	re := &regex{source: pattern, flags: f, prog: prog}
	if escaped := escapeSource(units); escaped != pattern.String() {
		re.source = h.rt.ToValue(escaped).(goja.String)
	}
	if h.remembered += len(key); h.remembered > maxRemembered {
		clear(h.programs)
		h.remembered = len(key)
	}
	if len(key) < maxRemembered/8 {
		h.programs[string(key)] = re
	}
	return re
}

// bind says what stands behind obj, which our constructor made.
func (h *host) bind(obj *goja.Object, re *regex) {
	h.made.Put(obj, re)
	*h.slotOf(obj) = slot{obj, re}
}

// find gives what stands behind a value, or nil where it is no RegExp object. Behind an object that
// the runtime made from a literal, or for itself, stands what goja says of it.
func (h *host) find(v goja.Value) *regex {
	obj, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	s := h.slotOf(obj)
	if s.obj == obj {
		return s.re
	}
	if obj.ClassName() != "RegExp" {
		return nil
	}
	src, err := h.source(obj)
	if err != nil {
		return nil // a Proxy, or an object that only looks like one
	}
	var re *regex
	if src.SameAs(h.marker) {
		re, _ = h.made.Get(obj)
	}
	if re == nil {
		var f flags
		for _, g := range h.getters {
			if v, err := g.get(obj); err == nil && v.ToBoolean() {
				f.set(g.flag)
			}
		}
		pattern := src.(goja.String)
		if pattern.String() == "(?:)" {
			pattern = h.rt.ToValue("").(goja.String)
		}
		re = h.compiled(pattern, f)
	}
	*s = slot{obj, re}
	return re
}

// match looks for re in s from the position on. The result lives until the next match.
func (h *host) match(re *regex, s goja.String, v side.View, from int, sticky bool) []int32 {
	if re.flags.fullUnicode() && from > 0 && from < len(v.Units) &&
		v.Units[from]&0xFC00 == 0xDC00 && v.Units[from-1]&0xFC00 == 0xD800 {
		from-- // the middle of a code point: it is read whole
	}
	var caps []int32
	var err error
	if v.Units == nil {
		m := &h.ascii
		m.prog, m.text, m.poll = re.prog, v.ASCII, h.poll
		caps, err = m.search(from, sticky)
		m.stack = shrink(m.stack)
	} else {
		m := &h.wide
		m.prog, m.text, m.poll = re.prog, v.Units, h.poll
		caps, err = m.search(from, sticky)
		m.stack = shrink(m.stack)
	}
	if err != nil {
		h.throw("RangeError", "%s", err)
	}
	if caps != nil {
		h.lastInput = s
		h.lastGroups = append(h.lastGroups[:0], caps[:min(len(caps), 20)]...)
	}
	return caps
}

func shrink(stack []frame) []frame {
	if cap(stack) > keepStack {
		return nil
	}
	return stack
}
