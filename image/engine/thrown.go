package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/lower"
)

const classError = "Error"

// thrown is what an async script threw last that is no error, and where: the promise that it rejects knows
// no place.
type thrown struct {
	value  goja.Value
	frames []goja.StackFrame
}

// noteThrow is called by the script's own throw statements (see lower.HostThrow).
func (g *Goja) noteThrow(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if o, ok := v.(*goja.Object); !ok || o.ClassName() != classError {
		g.thrown = thrown{v, g.rt.CaptureCallStack(0, nil)}
	}
	return v
}

// threw is the outcome of a value that the script threw and nothing caught. frames are where it was
// thrown, nil where only the value is known.
func (g *Goja) threw(v goja.Value, frames []goja.StackFrame) Outcome {
	o, isObject := v.(*goja.Object)
	if isObject && o.ClassName() == classError {
		// An error knows where it was made, which says more than where it was thrown again.
		if made := g.errorFrames(o); len(made) > 0 {
			frames = made
		}
	}
	if frames == nil && g.thrown.value != nil && g.thrown.value.SameAs(v) {
		frames = g.thrown.frames
	}
	code := api.RuntimeError
	if isObject && g.brands.has(o) {
		code = api.SecurityError
	}
	name, message := "Error", ""
	// Describing the value may run the script's code, which may throw, or never end: then the clock
	// ends it.
	err := g.protect(func() {
		name, message = g.describe(v)
		if isObject && g.holdsDenial(o) {
			code = api.SecurityError
		}
	})
	if err != nil {
		var stopped *goja.InterruptedError
		if errors.As(err, &stopped) {
			why, _ := stopped.Value().(stop)
			return g.interrupted(why, frames)
		}
		if message == "" {
			message = "an error that cannot be described: reading it throws"
		}
	}
	e := &api.ScriptError{Name: bound(name, maxName), Message: bound(message, maxMessage)}
	e.Line, e.Column = g.place(frames)
	head := e.Name
	if e.Message != "" {
		head += ": " + e.Message
	}
	e.Stack = g.stackText(head, frames)
	return Outcome{Code: code, Error: e}
}

// protect runs f, which may run the script's code, and returns what it panicked with as an error.
func (g *Goja) protect(f func()) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = g.panicked(x)
		}
	}()
	if ex := g.rt.Try(f); ex != nil {
		return ex
	}
	return nil
}

// describe returns the name and the message of what was thrown. It may panic as goja does.
func (g *Goja) describe(v goja.Value) (name, message string) {
	o, ok := v.(*goja.Object)
	if !ok {
		if v == nil {
			v = goja.Undefined()
		}
		if s, ok := v.(goja.String); ok {
			return "Error", text(s)
		}
		return "Error", g.console.Inspect(v)
	}
	if _, isProxy := o.Export().(goja.Proxy); isProxy || o.ClassName() != classError && !looksLikeError(o) {
		return "Error", g.console.Inspect(o)
	}
	name = g.property(o, "name", "Error")
	message = g.property(o, "message", "")
	if list := g.aggregated(o); list != "" {
		message += list
	}
	return name, message
}

// looksLikeError reports whether the object, which is no Error, says what it is in the way of one.
func looksLikeError(o *goja.Object) bool {
	_, name := o.Get("name").(goja.String)
	_, message := o.Get("message").(goja.String)
	return name && message
}

// property reads a property that ought to be a string.
func (g *Goja) property(o *goja.Object, key, otherwise string) string {
	switch v := o.Get(key).(type) {
	case nil:
		return otherwise
	case goja.String:
		return text(v)
	case *goja.Object, *goja.Symbol:
		return g.console.Inspect(v)
	default:
		if goja.IsUndefined(v) {
			return otherwise
		}
		return v.String()
	}
}

// text converts no more of a string than a message may hold.
func text(s goja.String) string {
	if s.Length() > maxMessage {
		s = s.Substring(0, maxMessage)
	}
	return s.String()
}

// aggregated lists what an AggregateError holds.
func (g *Goja) aggregated(o *goja.Object) string {
	list, ok := o.Get("errors").(*goja.Object)
	if !ok || list.ClassName() != "Array" || !g.isInstance(o, g.builtin.aggregateErrorPrototype) {
		return ""
	}
	const most = 10
	n := list.Get("length").ToInteger()
	var b strings.Builder
	for i := range min(n, most) {
		inner, ok := list.Get(fmt.Sprint(i)).(*goja.Object)
		if !ok || inner.ClassName() != classError {
			fmt.Fprintf(&b, "\n  [%d] %s", i, g.console.Inspect(list.Get(fmt.Sprint(i))))
			continue
		}
		fmt.Fprintf(&b, "\n  [%d] %s: %s", i, g.property(inner, "name", "Error"), g.property(inner, "message", ""))
	}
	if n > most {
		fmt.Fprintf(&b, "\n  … and %d more", n-most)
	}
	return b.String()
}

// holdsDenial reports whether an AggregateError is what Promise.any made of a denial: nothing caught it.
func (g *Goja) holdsDenial(o *goja.Object) bool {
	if o.ClassName() != classError || !g.isInstance(o, g.builtin.aggregateErrorPrototype) {
		return false
	}
	list, ok := o.Get("errors").(*goja.Object)
	if !ok || list.ClassName() != "Array" {
		return false
	}
	const most = 1000
	for i := range min(list.Get("length").ToInteger(), most) {
		if inner, ok := list.Get(strconv.FormatInt(i, 10)).(*goja.Object); ok && g.brands.has(inner) {
			return true
		}
	}
	return false
}

// isInstance looks for the prototype above the object. The search is bounded: a proxy may answer
// without end.
func (g *Goja) isInstance(o, prototype *goja.Object) bool {
	const levels = 64
	for p, i := o.Prototype(), 0; p != nil && i < levels; p, i = p.Prototype(), i+1 {
		if p == prototype {
			return true
		}
	}
	return false
}

// errorFrames returns where an error was made, as goja keeps it: the script can write the stack
// property, but not this.
func (g *Goja) errorFrames(o *goja.Object) []goja.StackFrame {
	// goja takes the frames out of an error that is thrown.
	ex := g.rt.Try(func() { panic(o) })
	if ex == nil {
		return nil
	}
	frames := ex.Stack()
	// An error of a class of the script's own is made where it says new, not in its super().
	for len(frames) > 1 && g.isSuperCall(&frames[0]) {
		frames = frames[1:]
	}
	return frames
}

// isSuperCall reports whether the frame stands on the word super in the script.
func (g *Goja) isSuperCall(f *goja.StackFrame) bool {
	p := f.Position()
	if g.script == nil || p.Filename != g.script.File || p.Line <= 0 {
		return false
	}
	return strings.HasPrefix(lower.At(g.program.Code, p.Line, p.Column), "super")
}

// place returns the line and column of the innermost frame that is in the script.
func (g *Goja) place(frames []goja.StackFrame) (line, column int) {
	if g.script == nil {
		return 0, 0
	}
	for i := range frames {
		if p := frames[i].Position(); p.Filename == g.script.File && p.Line > 0 {
			return p.Line, p.Column
		}
	}
	return 0, 0
}

// stackText writes a stack as Node does. Frames of the engine's own Go functions are left out; no name
// in it is a path of a file.
func (g *Goja) stackText(head string, frames []goja.StackFrame) string {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString(frameLines(frames))
	return bound(b.String(), maxStack)
}

func frameLines(frames []goja.StackFrame) string {
	var b strings.Builder
	written := 0
	for i := range frames {
		f := &frames[i]
		if f.SrcName() == "<native>" {
			continue
		}
		p := f.Position()
		if p.Line <= 0 {
			continue // our own wrapping
		}
		if written++; written > maxFrames {
			fmt.Fprintf(&b, "\n    … %d more", len(frames)-i)
			break
		}
		where := fmt.Sprintf("%s:%d:%d", p.Filename, p.Line, p.Column)
		if name := f.FuncName(); name != "" && name != "<anonymous>" {
			where = bound(name, maxName) + " (" + where + ")"
		}
		b.WriteString("\n    at " + where)
	}
	return b.String()
}
