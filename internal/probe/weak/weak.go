// Package weak is an engine without anything that makes an engine a layer: it stands in the real one's place in the
// controls of script probes. It is goja as it comes, in the hands of a careless host: texts are compiled, objects and
// functions of the host's lie about, a world may be kept from one script to the next, a console passes frames on, an error says
// itself how it is to be told, and nothing is bounded. It is linked into the audit's own image alone, and what runs in it
// runs in disposable boxes.
package weak

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// A Script is one script to be run.
type Script struct {
	Code string
	// Input is JSON; without any, the input stays that of the script before.
	Input json.RawMessage
	// KeepWorld runs it in the world of the script before, with all that that one has left there.
	KeepWorld bool
}

// Serve runs the first script, and each that next returns, though others may not have ended, until next returns
// an error: io.EOF is a good end. What scripts print, and how they end, it writes to stdout as the runner's frames are.
func Serve(first Script, next func() (Script, error), stdout io.Writer) error {
	h := &host{stdout: stdout}
	scripts, ended := make(chan Script), make(chan error, 1)
	go func() {
		for {
			script, err := next()
			if err != nil {
				ended <- err
				return
			}
			scripts <- script
		}
	}()
	h.begin(first)
	for h.err == nil {
		select {
		case script := <-scripts:
			h.begin(script)
		case <-h.untilTimer():
			h.fire()
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
	return h.err
}

// A host runs scripts in worlds. It belongs to one goroutine.
type host struct {
	stdout  io.Writer
	world   *world // the newest
	timers  []*timer
	waiting []pending // scripts that await something
	seq     int       // of timers
	running int       // the number of the script whose code runs
	begun   int       // scripts
	passed  bool      // the console has passed on a result: the host takes it for its own
	err     error
}

// A pending is a script on its way.
type pending struct {
	world  *world
	number int
	main   *goja.Promise
}

// A timer is a callback to come.
type timer struct {
	world  *world
	script int // the number of the one that it keeps from ending; 0 for none
	id     int
	due    time.Time
	every  time.Duration // 0 for a timeout
	call   func() (goja.Value, error)
}

// begin runs a script as far as it comes without waiting.
func (h *host) begin(s Script) {
	if h.world == nil || !s.KeepWorld {
		h.world = newWorld(h)
	}
	w := h.world
	h.begun++
	h.running = h.begun
	if s.Input != nil {
		w.set("input", w.parsed(s.Input))
	}
	w.set("output", goja.Undefined())
	v, err := w.rt.RunString("(async function () { const returned = await (async function () {" + lowered(s.Code) +
		"\n})(); return returned === undefined ? output : returned })()")
	if err != nil {
		h.fail(w, err)
		return
	}
	main, _ := v.Export().(*goja.Promise)
	h.waiting = append(h.waiting, pending{w, h.begun, main})
	h.settle()
}

// settle answers for each script that has come to its end.
func (h *host) settle() {
	h.waiting = slices.DeleteFunc(h.waiting, func(p pending) bool {
		switch state := p.main.State(); {
		case state == goja.PromiseStateRejected:
			h.refuse(p.world, p.main.Result())
		case state == goja.PromiseStatePending, slices.ContainsFunc(h.timers, func(t *timer) bool { return t.script == p.number }):
			return false
		default:
			h.answer(p.world, p.main.Result())
		}
		return true
	})
}

func (h *host) untilTimer() <-chan time.Time {
	if len(h.timers) == 0 {
		return nil
	}
	first := slices.MinFunc(h.timers, func(a, b *timer) int { return a.due.Compare(b.due) })
	return time.After(time.Until(first.due))
}

// fire calls what is due.
func (h *host) fire() {
	now := time.Now()
	for _, t := range slices.Clone(h.timers) {
		if t.due.After(now) || !slices.Contains(h.timers, t) {
			continue
		}
		if t.every > 0 {
			t.due = now.Add(t.every)
		} else {
			h.clear(t.id)
		}
		h.running = t.script
		if _, err := t.call(); err != nil {
			h.fail(t.world, err)
		}
		h.settle()
	}
}

func (h *host) clear(id int) {
	h.timers = slices.DeleteFunc(h.timers, func(t *timer) bool { return t.id == id })
}

// answer sends what a script returned. It looks at it first, and then reads it anew: a getter may answer otherwise. What
// has a type is taken for a frame.
func (h *host) answer(w *world, v goja.Value) {
	isFrame := false
	if object, ok := v.(*goja.Object); ok {
		if _, err := w.stringify(goja.Undefined(), object); err != nil {
			h.fail(w, err)
			return
		}
		kind := object.Get("type")
		isFrame = kind != nil && !goja.IsUndefined(kind)
	}
	text, err := w.stringify(goja.Undefined(), v)
	if err != nil {
		h.fail(w, err)
		return
	}
	output := "null"
	if text != nil && !goja.IsUndefined(text) {
		output = text.String()
	}
	if isFrame {
		h.send(output)
		return
	}
	h.result(`{"type":"result","result":{"code":"SUCCESS","output":`, output, `}}`)
}

// fail tells of an error of goja's.
func (h *host) fail(w *world, err error) {
	var thrown *goja.Exception
	if errors.As(err, &thrown) {
		h.refuse(w, thrown.Value())
		return
	}
	h.failed(api.RuntimeError, api.ScriptError{Name: "Error", Message: err.Error()})
}

// refuse tells of what a script threw. What that says of itself is the code, where it is one.
func (h *host) refuse(w *world, thrown goja.Value) {
	e := api.ScriptError{Name: "Error", Message: thrown.String()}
	code := api.RuntimeError
	if object, ok := thrown.(*goja.Object); ok {
		said := func(name string) string {
			if v := object.Get(name); v != nil {
				return v.String()
			}
			return ""
		}
		e = api.ScriptError{Name: said("name"), Message: said("message"), Stack: said("stack")}
		for _, name := range []string{"resultCode", "code", "name", "message"} {
			if i := slices.IndexFunc(api.Codes(), func(c api.CodeInfo) bool { return string(c.Code) == said(name) }); i >= 0 {
				code = api.Codes()[i].Code
			}
		}
	}
	if code == api.Success {
		h.result(`{"type":"result","result":{"code":"SUCCESS","output":`, "null", `}}`)
		return
	}
	h.failed(code, e)
}

func (h *host) failed(code api.ResultCode, e api.ScriptError) {
	body, err := json.Marshal(protocol.Frame{Type: protocol.FrameResult, Result: &protocol.Result{Code: code, Error: &e}})
	if err != nil {
		h.note(err)
		return
	}
	h.result(string(body))
}

// result sends a result, unless one has gone by as a text.
func (h *host) result(parts ...string) {
	if h.passed {
		h.passed = false
		return
	}
	h.send(parts...)
}

// log sends a text that was printed: what is a frame already goes as it is.
func (h *host) log(level api.LogLevel, text string) {
	if isFrame(text) {
		_, err := io.WriteString(h.stdout, text)
		h.note(err)
		h.passed = strings.Contains(text, `"type":"result"`)
		return
	}
	h.note(protocol.WriteMessage(h.stdout, protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: level, Message: text}}))
}

// headBytes is the length of a frame's length.
const headBytes = 4

func isFrame(text string) bool {
	return len(text) > headBytes && int(binary.BigEndian.Uint32([]byte(text[:headBytes]))) == len(text)-headBytes
}

// send writes a frame, without a copy of what it is made of.
func (h *host) send(parts ...string) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	_, err := h.stdout.Write(binary.BigEndian.AppendUint32(nil, uint32(length)))
	h.note(err)
	for _, part := range parts {
		_, err := io.WriteString(h.stdout, part)
		h.note(err)
	}
}

// note keeps the first error of stdout's.
func (h *host) note(err error) {
	if h.err == nil {
		h.err = err
	}
}
