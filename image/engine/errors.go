package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/lower"
	"glovebox/image/engine/values"
)

// A stop is why a script is interrupted. It is what goja carries, so that the reason is read from its
// type and never from a text.
type stop string

const (
	stopTimeout stop = "timeout"
	stopCancel  stop = "cancelled"
	stopMemory  stop = "memory limit"
)

// contextStop tells a deadline that passed from an execution that was called off.
func contextStop(ctx context.Context) stop {
	if errors.Is(ctx.Err(), context.Canceled) {
		return stopCancel
	}
	return stopTimeout
}

// A stopError is a stop that was noticed outside of the interpreter; frames are where the script was, if it ran.
type stopError struct {
	why    stop
	frames []goja.StackFrame
}

func (e *stopError) Error() string { return string(e.why) }

// An inputError says that the input is not what it should be.
type inputError struct{ cause error }

func (e *inputError) Error() string { return "the input: " + e.cause.Error() }

// A rejection is a promise that was rejected and that nothing caught, or the rejection of the script's
// main function itself.
type rejection struct{ reason goja.Value }

func (e *rejection) Error() string { return "unhandled rejection" }

// A placedError is a failure that has a place in the script of its own: an import that cannot be
// resolved.
type placedError struct {
	code         api.ResultCode
	name         string
	message      string
	line, column int
}

func (e *placedError) Error() string { return e.message }

// A panicError is a Go panic inside of the interpreter that is not goja's own way of throwing.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.value) }

var (
	errNoMain  = errors.New("engine: the lowered script has no main function")
	errStalled = errors.New("a promise that nothing is left to settle")
)

// panicked turns what was recovered into an error.
func (g *Goja) panicked(x any) error {
	switch x := x.(type) {
	case *goja.InterruptedError:
		return x
	case *goja.StackOverflowError:
		return x
	case *goja.Exception:
		return x
	case *stopError:
		return x
	case goja.Value:
		return &rejection{x}
	}
	return &panicError{x}
}

// failed sorts an error into an outcome. The class comes from the error's type, or from whether the
// object that was thrown is one that this engine made to be thrown: never from a text, all of which
// the script can write.
func (g *Goja) failed(err error) (out Outcome) {
	switch e := err.(type) { //nolint:errorlint // what an error of the script wraps is the script's own
	case *goja.InterruptedError:
		why, _ := e.Value().(stop)
		return g.interrupted(why, e.Stack())
	case *stopError:
		return g.interrupted(e.why, e.frames)
	case *goja.StackOverflowError:
		return g.failure(api.RuntimeError, "RangeError", "Maximum call stack size exceeded", e.Stack())
	case *goja.Exception:
		return g.threw(e.Value(), e.Stack())
	case *rejection:
		return g.threw(e.reason, nil)
	case *placedError:
		out := g.failure(e.code, e.name, e.message, nil)
		out.Error.Line, out.Error.Column = e.line, e.column
		return out
	case *lower.SyntaxError:
		return Outcome{Code: api.SyntaxError, Error: &api.ScriptError{
			Name: "SyntaxError", Message: bound(e.Message, maxMessage), Line: e.Line, Column: e.Column}}
	case *inputError:
		return g.failure(api.InvalidInputData, "InputError", e.Error(), nil)
	case *values.CycleError, *values.DepthError:
		return g.failure(api.RuntimeError, "TypeError", err.Error(), nil)
	case *values.ThrownError:
		out := g.threw(e.Cause.Value(), e.Cause.Stack())
		out.Error.Message = bound(e.Error()+": "+out.Error.Message, maxMessage)
		return out
	case *panicError:
		return g.nativeFailure(e)
	}
	switch {
	case errors.Is(err, values.ErrTooLarge):
		return g.failure(api.OutputLimit, "OutputLimitError", fmt.Sprintf(
			"The output, as JSON, is larger than %d bytes", g.program.MaxOutputBytes), nil)
	case errors.Is(err, errStalled):
		return g.failure(api.RuntimeError, "Error", "The script waits for a promise that never settles: no timer and no "+
			"other promise is left that could settle it", g.awaits.latest())
	}
	return Outcome{Code: api.ExecutionFailed, Error: &api.ScriptError{Name: "Error", Message: bound(err.Error(), maxMessage)}}
}

// interrupted is the outcome of a script that had to stop; frames are where it was.
func (g *Goja) interrupted(why stop, frames []goja.StackFrame) Outcome {
	if line, _ := g.place(frames); line == 0 {
		frames = g.awaits.latest()
	}
	switch why {
	case stopMemory:
		return g.failure(api.MemoryLimit, "MemoryLimitError", fmt.Sprintf(
			"The script needed more than its %d MB of memory", g.program.MemoryBytes>>20), frames)
	case stopCancel:
		return g.failure(api.Cancelled, "CancelledError", "The execution was cancelled", frames)
	}
	return g.failure(api.Timeout, "TimeoutError", "The script did not end within "+g.timeoutText(), frames)
}

// nativeFailure is the outcome of a panic in Go code below the script. The Go runtime's own errors there
// are an impossible size or index that a script asked for.
func (g *Goja) nativeFailure(e *panicError) Outcome {
	if _, ok := e.value.(runtime.Error); ok {
		return g.failure(api.RuntimeError, "RangeError", "The engine cannot do this: a length or an index is out of range", nil)
	}
	return g.failure(api.RuntimeError, "InternalError", "The engine failed on this script", nil)
}

// failure makes an outcome from what we say ourselves.
func (g *Goja) failure(code api.ResultCode, name, message string, frames []goja.StackFrame) Outcome {
	e := &api.ScriptError{Name: name, Message: bound(message, maxMessage)}
	e.Line, e.Column = g.place(frames)
	if len(frames) > 0 {
		e.Stack = g.stackText(name+": "+message, frames)
	}
	return Outcome{Code: code, Error: e}
}

// Bounds, in bytes, of what an error may say.
const (
	maxName    = 256
	maxMessage = 8 << 10
	maxStack   = 16 << 10
	maxFrames  = 20
)

// bound cuts a text, which may come from the script, to so many bytes of valid UTF-8.
func bound(s string, most int) string {
	if len(s) > most {
		cut := most - len("…")
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
