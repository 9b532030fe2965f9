package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// evidence is everything that is known of how a job ended, each from its own source. The verdict is
// passed on it alone, and never on the text of a script's message.
type evidence struct {
	limits      Limits
	elapsed     time.Duration
	result      *protocol.Result      // what the runner said, if it came to that
	broken      *protocol.BrokenError // what it said that no honest runner says
	cancelled   bool                  // we killed it: the caller had gone
	hardTimeout bool                  // we killed it: its time was up
	killed      bool                  // we killed it, for whatever reason
	lingered    bool                  // we killed it: it had closed its stdout, and lived on
	destroyed   bool                  // somebody called Destroy meanwhile
	exit        Exit                  // how it ended, where there is no result
	usage       Usage
	fatal       fatal // what kind of Go fatal its last words tell of
	handError   error
	killError   error
	waitError   error
}

// A verdict is how the job is told to have ended.
type verdict struct {
	code          api.ResultCode
	output        json.RawMessage
	err           *api.ScriptError
	warnings      []string
	logsTruncated bool
}

// verdict judges. The order matters: what we did ourselves comes first, then what the kernel counted,
// then what the runner said, then how it died. The error is ours: it could not be killed, it never had
// the job, or nobody can tell how it ended.
func (e *evidence) verdict() (verdict, error) {
	switch {
	case e.waitError != nil && e.killError != nil:
		return verdict{}, fmt.Errorf("sandbox: the box would not die: %w", errors.Join(e.killError, e.waitError))
	case e.broken != nil:
		return failed(api.SecurityError, "ProtocolError",
			"the box broke the protocol between runner and controller: "+e.broken.Reason), nil
	case e.result != nil && !e.cancelled:
		return e.said(), nil
	case e.usage.OOMKilled:
		return e.memory(), nil
	case e.cancelled:
		return failed(api.Cancelled, "Cancelled", "the execution was cancelled"), nil
	case e.hardTimeout:
		return e.timeout(), nil
	case e.destroyed:
		return verdict{}, fmt.Errorf("sandbox: %w while it ran", errDestroyed)
	case e.fatal == fatalMemory:
		return e.memory(), nil
	case e.exit.Killed() && e.usage.MemoryAtLimit && e.waitError == nil:
		// gVisor's kernel dies whole, and nobody counts an OOM kill of ours.
		return e.memory(), nil
	case e.handError != nil:
		return verdict{}, &NotHandedError{fmt.Errorf("the box did not take in its job: %w; it ended with %v", e.handError, e.exit)}
	case e.waitError != nil:
		return verdict{}, fmt.Errorf("sandbox: how the box ended cannot be told: %w", e.waitError)
	case e.lingered && e.exit.Killed():
		return failed(api.SecurityError, "ProtocolError",
			"the box broke the protocol between runner and controller: it closed its stdout and lived on"), nil
	case e.exit.Killed() && e.usage.Final:
		return verdict{}, &KilledError{e.exit}
	default:
		return e.death(), nil
	}
}

// said takes over what the runner told.
func (e *evidence) said() verdict {
	r := e.result
	return verdict{code: r.Code, output: r.Output, err: r.Error, warnings: r.Warnings, logsTruncated: r.LogsTruncated}
}

// death judges a runner that ended without a result, without our doing and, as far as can be seen, without anybody else's. It is
// never our fault: the job had been handed over, and the script did this, whatever it did.
func (e *evidence) death() verdict {
	switch {
	case e.fatal == fatalStack:
		return failed(api.RuntimeError, "RangeError", "the script nested too deeply: the stack overflowed")
	case e.exit.Killed():
		return failed(api.MemoryLimit, "MemoryLimitError",
			"the box was killed from outside, as the kernel does when memory runs out, though it counted nothing")
	case e.fatal == fatalSyscall || e.exit.Signal == sigsys || e.exit.Status == 128+sigsys:
		return failed(api.SecurityError, "SecurityError", "the box made a system call that is not allowed")
	default:
		return failed(api.RuntimeError, "Error", "the runner ended without a result: "+e.exit.String())
	}
}

// sigsys is what a syscall that the profile kills for raises.
const sigsys = 31

func (e *evidence) memory() verdict {
	return failed(api.MemoryLimit, "MemoryLimitError",
		fmt.Sprintf("the script needed more than its %d MB of memory", e.limits.MemoryBytes/api.MiB))
}

func (e *evidence) timeout() verdict {
	return failed(api.Timeout, "TimeoutError",
		fmt.Sprintf("the script did not end within %v; it was killed in something that cannot be interrupted", e.limits.Timeout))
}

func failed(code api.ResultCode, name, message string) verdict {
	return verdict{code: code, err: &api.ScriptError{Name: name, Message: message}}
}

// String tells an exit in words.
func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d", e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}
