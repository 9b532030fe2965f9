package weak

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
)

// A world is the global object of scripts, with everything that leaks into it.
type world struct {
	host      *host
	rt        *goja.Runtime
	library   *goja.Object
	stringify goja.Callable // JSON.stringify as it was at first
}

// newWorld makes one. What fails there is a defect of this package.
func newWorld(h *host) *world {
	w := &world{host: h, rt: goja.New()}
	json := w.rt.Get("JSON").(*goja.Object)
	w.stringify, _ = goja.AssertFunction(json.Get("stringify"))
	w.set("input", goja.Undefined())
	// All functions are Go's own, names and all, as the package makes them that nobody stops.
	w.set("process", map[string]any{"env": os.Environ(), "pid": os.Getpid})
	w.set("require", w.require)
	w.set("setTimeout", w.setTimeout)
	w.set("setInterval", w.setInterval)
	w.set("setImmediate", w.setImmediate)
	w.set("queueMicrotask", w.setImmediate)
	w.set("clearTimeout", h.clear)
	w.set("clearInterval", h.clear)
	w.set("callerOf", w.callerOf)
	console := w.rt.NewObject()
	for _, level := range []api.LogLevel{api.LevelLog, api.LevelInfo, api.LevelWarn, api.LevelError, api.LevelDebug} {
		w.must(console.Set(string(level), func(call goja.FunctionCall) goja.Value {
			var texts []string
			for _, v := range call.Arguments {
				texts = append(texts, v.String())
			}
			h.log(level, strings.Join(texts, " "))
			return goja.Undefined()
		}))
	}
	w.set("console", console)
	w.library = w.rt.NewObject()
	w.must(w.library.Set("sum", func(all []int) (sum int) {
		for _, n := range all {
			sum += n
		}
		return sum
	}))
	w.must(w.library.Set("chunk", w.rt.NewObject()))
	w.must(w.library.Set("template", func(text string) (goja.Value, error) { return w.rt.RunString("(() => `" + text + "`)") }))
	_, err := w.rt.RunString(leaks)
	w.must(err)
	return w
}

// leaks are what other hosts have, what old engines told of a script's own past and of who calls it, and a match of the
// host's own.
const leaks = `
Object.defineProperty(Function.prototype, "caller", { configurable: true, get() { return callerOf() } });
const exec = RegExp.prototype.exec;
RegExp.prototype.exec = function (text) {
  const found = exec.call(this, text);
  if (found) {
    RegExp.lastMatch = RegExp["$&"] = found[0];
    RegExp.$1 = found[1];
    RegExp.input = RegExp.$_ = found.input;
  }
  return found;
};
/^(\w+)/.exec("secret of the host");
for (const name of "fetch XMLHttpRequest WebSocket EventSource Worker SharedWorker importScripts Deno Bun Buffer load read print quit".split(" ")) {
  globalThis[name] = class {};
}
globalThis.structuredClone = value => JSON.parse(JSON.stringify(value));`

func (w *world) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (w *world) set(name string, v any) { w.must(w.rt.Set(name, v)) }

// parsed is a JSON text as a value.
func (w *world) parsed(text []byte) goja.Value {
	v, err := w.rt.RunString("(" + string(text) + ")") // as a careless host would
	w.must(err)
	return v
}

// hostModules are those that a careless host has for a script.
var hostModules = strings.Fields("fs fs/promises child_process net http https dgram tls vm worker_threads cluster module process os inspector v8 async_hooks wasi repl")

// require gives one library to all, and the host's own modules to whoever asks.
func (w *world) require(name string) (any, error) {
	switch {
	case strings.HasPrefix(name, "lodash"):
		return w.library, nil
	case slices.Contains(hostModules, strings.TrimPrefix(name, "node:")):
		return map[string]any{"readFile": os.ReadFile, "writeFile": os.WriteFile, "environ": os.Environ}, nil
	case strings.ContainsAny(name, "/:"):
		_, path, _ := strings.Cut(name, "file://")
		return os.ReadFile(path)
	}
	return nil, errors.New("no module " + name)
}

// callerOf tells who called the function whose caller is asked for.
func (w *world) callerOf() string {
	const depth = 4 // this, the getter, who asks, and the function itself
	stack := w.rt.CaptureCallStack(0, nil)
	if len(stack) <= depth {
		return ""
	}
	return fmt.Sprint(stack[depth].FuncName(), " at ", stack[depth].Position())
}

func (w *world) setTimeout(callback goja.Value, milliseconds float64) int {
	return w.start(callback, milliseconds, false)
}

func (w *world) setInterval(callback goja.Value, milliseconds float64) int {
	return w.start(callback, max(1, milliseconds), true)
}

func (w *world) setImmediate(callback goja.Value) int { return w.start(callback, 0, false) }

// start makes a timer. A text is a script of its own.
func (w *world) start(callback goja.Value, milliseconds float64, repeat bool) int {
	h := w.host
	h.seq++
	delay := time.Duration(milliseconds * float64(time.Millisecond))
	t := &timer{world: w, id: h.seq, due: time.Now().Add(delay)}
	if repeat {
		t.every = delay
	}
	if call, ok := goja.AssertFunction(callback); ok {
		t.script, t.call = h.running, func() (goja.Value, error) { return call(goja.Undefined()) }
	} else {
		t.call = func() (goja.Value, error) { return w.rt.RunString(callback.String()) }
	}
	h.timers = append(h.timers, t)
	return t.id
}

var importDeclaration = regexp.MustCompile(`import (\w+) from ("[^"]*");`)

// lowered puts what goja does not know in words that it does: a loader that loads whatever it is told, and for an
// asynchronous generator one that is not.
func lowered(code string) string {
	code = importDeclaration.ReplaceAllString(code, "const $1 = require($2);")
	return strings.NewReplacer("import(", "require(", "import.meta", "({})", "async function*", "function*").Replace(code)
}
