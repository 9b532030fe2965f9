package console

import (
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// isError reports whether the object is an error by construction or by inheritance.
func (r *reader) isError(o *goja.Object, k kind) bool {
	if k == kindError {
		return true
	}
	for at, depth := r.parent(o), 0; at != nil && depth < maxNesting; at, depth = r.parent(at), depth+1 {
		if at == r.errorProto {
			return true
		}
	}
	return false
}

// errorBase prints an error as its stack, under the name of its class, in brackets where it has no
// frames. It takes out of keys what the stack says already, and adds cause and errors.
func (p *printer) errorBase(o *goja.Object, ctor string, isNull bool, tag string, keys *[]key) string {
	name := "Error"
	if pr := p.find(o, key{text: "name"}); !isObject(pr.value) && !goja.IsUndefined(pr.value) && !goja.IsNull(pr.value) {
		name = p.plainText(pr.value)
	}
	message, _ := p.dataString(o, "message")
	stack := p.stackOf(o)
	if !p.showHidden {
		*keys = slices.DeleteFunc(*keys, func(k key) bool {
			if k.symbol != nil || k.text != "name" && k.text != "message" && k.text != "stack" {
				return false
			}
			v := p.own(o, k)
			return !v.accessor() && !isObject(v.value) && strings.Contains(stack, p.plainText(v.value))
		})
	}
	has := func(name string) bool {
		return slices.ContainsFunc(*keys, func(k key) bool { return k.symbol == nil && k.text == name })
	}
	if p.find(o, key{text: "cause"}).exists && !has("cause") {
		*keys = append(*keys, key{text: "cause"})
	}
	if list, ok := p.find(o, key{text: "errors"}).value.(*goja.Object); ok && !has("errors") {
		if k := p.kindOf(list); k == kindArray || k == kindSparseArray {
			*keys = append(*keys, key{text: "errors"})
		}
	}
	stack = underClassName(stack, name, ctor, isNull, tag)
	from := 0
	if message != "" {
		if at := strings.Index(stack, message); at >= 0 {
			from = at + len(message)
		}
	}
	if at := strings.Index(stack[from:], "\n    at"); at < 0 {
		stack = "[" + stack + "]"
	} else {
		at += from
		stack = stack[:at] + "\n" + strings.Join(p.framesBesides(o, stack[at+1:]), "\n")
	}
	if p.indent > 0 {
		stack = strings.ReplaceAll(stack, "\n", "\n"+spaces(p.indent))
	}
	return stack
}

// plainText converts a primitive to text.
func (p *printer) plainText(v goja.Value) string {
	if s, ok := v.(*goja.Symbol); ok {
		return symbolText(s)
	}
	return stringOf(v, p.limit)
}

// stackIsSafe reports whether the stack of an error can be read without running the script's code.
// goja writes it when it is first asked for, or when the error's properties are listed, and reads
// name and message for that: a getter or an object's toString there would be the script's.
func (r *reader) stackIsSafe(o *goja.Object) bool {
	for depth := 0; o != nil && depth < maxNesting; o, depth = r.parent(o), depth+1 {
		if r.kindOf(o) != kindError {
			continue
		}
		if s, known := r.slot(o, "stack"); known && s.exists {
			return true // written already
		}
		for _, name := range []string{"name", "message"} {
			if pr := r.find(o, key{text: name}); pr.accessor() || isObject(pr.value) {
				return false
			}
		}
	}
	return true
}

// stackOf returns the text of an error's stack; where it has none, its name and message.
func (p *printer) stackOf(o *goja.Object) string {
	name, message := p.find(o, key{text: "name"}), p.find(o, key{text: "message"})
	if !p.stackIsSafe(o) {
		return p.headOf(name, message)
	}
	pr := p.find(o, key{text: "stack"})
	if pr.accessor() || isObject(pr.value) || !pr.value.ToBoolean() {
		return p.headOf(name, message)
	}
	text := ""
	if p.errorStack != nil {
		text = p.errorStack(o)
	} else {
		text = frameStyle(p.plainText(pr.value))
	}
	return text[:cutAt(text, p.limit)]
}

// headOf is what Error.prototype.toString would say.
func (p *printer) headOf(name, message prop) string {
	text := func(pr prop, otherwise string) string {
		if pr.accessor() || isObject(pr.value) || goja.IsUndefined(pr.value) {
			return otherwise
		}
		return p.plainText(pr.value)
	}
	n, m := text(name, "Error"), text(message, "")
	switch {
	case n == "":
		return m
	case m == "":
		return n
	}
	return n + ": " + m
}

// frameStyle writes goja's frames as V8 does: indented by four spaces, without the position in
// goja's own byte code, and no empty line at the end.
func frameStyle(stack string) string {
	if !strings.Contains(stack, "\n\tat ") {
		return strings.TrimSuffix(stack, "\n")
	}
	lines := strings.Split(strings.TrimSuffix(stack, "\n"), "\n")
	for i, line := range lines {
		rest, ok := strings.CutPrefix(line, "\tat ")
		if !ok {
			continue
		}
		tail := ""
		if strings.HasSuffix(rest, "))") {
			rest, tail = strings.TrimSuffix(rest, ")"), ")"
		}
		if strings.HasSuffix(rest, ")") {
			if open := strings.LastIndexByte(rest, '('); open > 0 && isIndex(rest[open+1:len(rest)-1]) {
				rest = rest[:open]
			}
		}
		lines[i] = "    at " + rest + tail
	}
	return strings.Join(lines, "\n")
}

// underClassName puts the name of the error's class before the message where the stack begins with
// another name, as a subclass that sets no name of its own makes it.
func underClassName(stack, name, ctor string, isNull bool, tag string) string {
	n := len(name)
	regular := strings.HasSuffix(name, "Error") && strings.HasPrefix(stack, name) &&
		(len(stack) == n || stack[n] == ':' || stack[n] == '\n')
	if !isNull && !regular {
		return stack
	}
	fallback := "Error"
	if isNull {
		head := leadingName(stack)
		if n = len(head); head != "" {
			fallback = head
		}
	}
	full := strings.TrimSuffix(prefix(ctor, isNull, tag, fallback, ""), " ")
	switch {
	case name == full:
		return stack
	case !strings.Contains(full, name):
		return full + " [" + name + "]" + stack[n:]
	case n == 0:
		return full + ": " + stack
	}
	return full + stack[n:]
}

// leadingName returns the name that a stack begins with: a capitalised one before a colon or the
// first frame, or one that ends in Error and is all there is.
func leadingName(stack string) string {
	end := strings.IndexFunc(stack, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_ []()-", r))
	})
	if end < 0 {
		if strings.HasSuffix(stack, "Error") && !strings.ContainsAny(stack, " []()") {
			return stack
		}
		return ""
	}
	if end < 2 || stack[0] < 'A' || stack[0] > 'Z' {
		return ""
	}
	if stack[end] == ':' || strings.HasPrefix(stack[end:], "\n    at") {
		return stack[:end]
	}
	return ""
}

// framesBesides returns the frames of an error's stack without those that its cause shows too.
func (p *printer) framesBesides(o *goja.Object, frames string) []string {
	lines := strings.Split(frames, "\n")
	cause, ok := p.find(o, key{text: "cause"}).value.(*goja.Object)
	if !ok {
		return lines
	}
	if cause = p.bare(cause); cause == nil || !p.isError(cause, p.kindOf(cause)) {
		return lines
	}
	below := p.stackOf(cause)
	at := strings.Index(below, "\n    at")
	if at < 0 || !p.pay(len(lines)) {
		return lines
	}
	same, from := commonFrames(lines, strings.Split(below[at+1:], "\n"))
	if same == 0 {
		return lines
	}
	mark := "    ... " + itoa(same-2) + " lines matching cause stack trace ..."
	return slices.Concat(lines[:from+1], []string{mark}, lines[from+same-1:])
}

// commonFrames finds the first run of more than three lines of a that stands in b too.
func commonFrames(a, b []string) (length, from int) {
	for i := 0; i < len(a)-3; i++ {
		at := slices.Index(b, a[i])
		if at < 0 || len(b)-at <= 3 {
			continue
		}
		n := 1
		for limit := min(len(a)-i, len(b)-at); n < limit && a[i+n] == b[at+n]; n++ {
		}
		if n > 3 {
			return n, i
		}
	}
	return 0, 0
}
