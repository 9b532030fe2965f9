// Package console is the console of a script: messages written as Node 20 writes them, bounded in
// size and time, and without running the script's own code where that would surprise.
//
// Printing a value calls no getter, no trap of a proxy, no util.inspect.custom (which is not
// supported) and no Symbol.hasInstance. Only what converts by its nature does: %s, %d, %i, %f and %j
// of an object with a toString, valueOf or toJSON of the script's own, and the labels of count and
// time.
package console

import (
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/web/native"
)

// DefaultMaxMessageBytes is how long a message may be where Options says nothing.
const DefaultMaxMessageBytes = 64 << 10

// Options are what a console needs of its host.
type Options struct {
	// Log receives each message, on the goroutine that runs the script. Required.
	Log func(level api.LogLevel, message string)
	// Now is a monotonic clock for console.time. Required.
	Now func() time.Time
	// MaxMessageBytes is how long one message may be; what goes beyond is cut, with a mark that says
	// so. The time that a message takes is bounded in proportion. 0 means DefaultMaxMessageBytes.
	MaxMessageBytes int
	// Stack returns the script's own stack for console.trace: lines of "    at f (place)". nil leaves
	// it out.
	Stack func() string
	// ErrorStack returns the text that is printed for an error, its message first, as the script's
	// `stack` property has it; it is only asked where reading that property runs no code of the
	// script's. nil takes the property and writes goja's frames as V8 does.
	ErrorStack func(*goja.Object) string
}

// A Console is one runtime's console. It may be used on the goroutine that runs the script only.
type Console struct {
	rt     *goja.Runtime
	opts   Options
	reader *reader
	group  int // columns by which messages are indented
	counts map[string]int
	timers map[string]time.Time
}

// Install makes the global `console` and returns it. It must run before any of the script's code
// does: it takes hold of the built-ins that it needs.
func Install(rt *goja.Runtime, opts Options) *Console {
	if opts.MaxMessageBytes <= 0 {
		opts.MaxMessageBytes = DefaultMaxMessageBytes
	}
	c := &Console{rt: rt, opts: opts, reader: newReader(rt), counts: map[string]int{}, timers: map[string]time.Time{}}
	obj := rt.NewObject()
	for _, m := range []struct {
		name   string
		length int
		call   func(args []goja.Value)
	}{
		{"log", 0, c.logs(api.LevelLog)},
		{"warn", 0, c.logs(api.LevelWarn)},
		{"dir", 0, c.dir},
		{"time", 0, c.time},
		{"timeEnd", 0, c.timeEnd},
		{"timeLog", 0, c.timeLog},
		{"trace", 0, c.trace},
		{"assert", 0, c.assert},
		{"clear", 0, func([]goja.Value) {}},
		{"count", 0, c.count},
		{"countReset", 0, c.countReset},
		{"group", 0, c.openGroup},
		{"groupEnd", 0, c.closeGroup},
		{"table", 1, c.table},
		{"debug", 0, c.logs(api.LevelDebug)},
		{"info", 0, c.logs(api.LevelInfo)},
		{"dirxml", 0, c.logs(api.LevelLog)},
		{"error", 0, c.logs(api.LevelError)},
		{"groupCollapsed", 0, c.openGroup},
	} {
		call := m.call
		fn := native.Func(rt, m.name, m.length, func(f goja.FunctionCall) goja.Value {
			call(f.Arguments)
			return goja.Undefined()
		})
		_ = obj.DefineDataProperty(m.name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	}
	native.Tag(rt, obj, "console")
	native.Hidden(rt.GlobalObject(), "console", obj)
	return c
}

// Inspect prints a value as console.log prints an object's member: strings in quotes. It runs none
// of the script's code, and may be called while no script runs.
func (c *Console) Inspect(v goja.Value) string {
	b := newBudget(c.opts.MaxMessageBytes)
	text := ""
	if c.rt.Try(func() { text = c.print(b, v, defaults()) }) != nil {
		return "<cannot be printed>" // the exception's own text would be the script's code again
	}
	return b.end(text)
}

// print prints one value into a message.
func (c *Console) print(b *budget, v goja.Value, s settings) string {
	p := printer{reader: c.reader, budget: b, settings: s, errorStack: c.opts.ErrorStack,
		names: map[*goja.Object]string{}, tags: map[*goja.Object]string{}}
	return p.value(v, 0)
}

// logs returns the method that logs at a level.
func (c *Console) logs(level api.LogLevel) func(args []goja.Value) {
	return func(args []goja.Value) { c.write(level, args) }
}

func (c *Console) write(level api.LogLevel, args []goja.Value) {
	b := newBudget(c.opts.MaxMessageBytes)
	c.emit(level, b, c.text(b, args))
}

// emit logs a message that is written, indented as its group is.
func (c *Console) emit(level api.LogLevel, b *budget, text string) {
	if c.group > 0 {
		text = indented(text, c.group, b.limit)
	}
	c.opts.Log(level, b.end(text))
}

func (c *Console) dir(args []goja.Value) {
	s := defaults()
	if len(args) == 0 {
		args = []goja.Value{goja.Undefined()}
	}
	if len(args) > 1 {
		if o, ok := args[1].(*goja.Object); ok {
			c.dirOptions(&s, o)
		}
	}
	b := newBudget(c.opts.MaxMessageBytes)
	c.emit(api.LevelLog, b, c.print(b, args[0], s))
}

// dirOptions reads the options of console.dir. colors, customInspect, getters, numericSeparator and
// a function as sorted are not supported, and not read.
func (c *Console) dirOptions(s *settings, o *goja.Object) {
	if o = c.reader.bare(o); o == nil {
		return
	}
	option := func(name string) goja.Value { return c.reader.own(o, key{text: name}).value }
	number := func(name string, to *int) {
		switch v := option(name); {
		case goja.IsNull(v):
			*to = unlimited
		case goja.IsNumber(v):
			*to = int(min(max(v.ToFloat(), -1), unlimited))
		}
	}
	flag := func(name string, to *bool) {
		if v := option(name); !isObject(v) {
			*to = v.ToBoolean()
		}
	}
	number("depth", &s.depth)
	number("breakLength", &s.breakLength)
	number("maxArrayLength", &s.maxArrayLength)
	number("maxStringLength", &s.maxStringLen)
	s.maxArrayLength, s.maxStringLen = max(s.maxArrayLength, 0), max(s.maxStringLen, 0)
	flag("showHidden", &s.showHidden)
	flag("showProxy", &s.showProxy)
	flag("sorted", &s.sorted)
	switch v := option("compact"); {
	case goja.IsNumber(v):
		number("compact", &s.compact)
	case isObject(v), goja.IsUndefined(v):
	default:
		s.compact, s.dense = 0, v.ToBoolean()
	}
}

func (c *Console) assert(args []goja.Value) {
	if len(args) > 0 && args[0].ToBoolean() {
		return
	}
	rest := []goja.Value{c.rt.ToValue("Assertion failed")}
	if len(args) > 1 {
		if s, ok := asString(args[1]); ok {
			rest[0] = c.rt.ToValue("Assertion failed: ").(goja.String).Concat(s)
			args = args[1:]
		} else {
			rest[0] = c.rt.ToValue("Assertion failed:")
		}
		rest = append(rest, args[1:]...)
	}
	c.write(api.LevelError, rest)
}

func (c *Console) trace(args []goja.Value) {
	b := newBudget(c.opts.MaxMessageBytes)
	text := b.take("Trace")
	if len(args) > 0 {
		text += b.take(": ") + c.text(b, args)
	}
	if c.opts.Stack != nil {
		if stack := c.opts.Stack(); stack != "" {
			text += b.take("\n" + stack)
		}
	}
	c.emit(api.LevelError, b, text)
}

func (c *Console) openGroup(args []goja.Value) {
	if len(args) > 0 {
		c.write(api.LevelLog, args)
	}
	c.group += 2
}

func (c *Console) closeGroup([]goja.Value) { c.group = max(0, c.group-2) }
