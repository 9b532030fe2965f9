package sandbox

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

var errTest = errors.New("as told by the test")

func TestVerdict(t *testing.T) {
	won := &protocol.Result{Code: api.Success, Output: json.RawMessage("1")}
	lost := &protocol.Result{Code: api.RuntimeError, Error: &api.ScriptError{Name: "Error", Message: "thrown"}}
	broken := &protocol.BrokenError{Reason: "as told"}
	const ours = api.ResultCode("") // an error, not a result
	for _, c := range []struct {
		name     string
		evidence evidence
		want     api.ResultCode
	}{
		{"it said SUCCESS", evidence{result: won}, api.Success},
		{"it said an error", evidence{result: lost}, api.RuntimeError},
		{"it said SUCCESS as its time ran out", evidence{result: won, hardTimeout: true, killed: true}, api.Success},
		{"it said SUCCESS and would not leave", evidence{result: won, killed: true, exit: Exit{Signal: 9}}, api.Success},
		{"it said SUCCESS and the kernel had killed something of it", evidence{result: won, usage: Usage{OOMKilled: true}}, api.Success},
		{"it said SUCCESS when the caller had gone", evidence{result: won, cancelled: true, killed: true}, api.Cancelled},

		{"broken", evidence{broken: broken, killed: true, exit: Exit{Signal: 9}}, api.SecurityError},
		{"broken behind a result", evidence{broken: broken, result: won, killed: true}, api.SecurityError},
		{"broken when its time ran out", evidence{broken: broken, hardTimeout: true, killed: true}, api.SecurityError},
		{"broken and out of memory", evidence{broken: broken, usage: Usage{OOMKilled: true}}, api.SecurityError},

		{"cancelled", evidence{cancelled: true, killed: true, exit: Exit{Signal: 9}}, api.Cancelled},
		{"cancelled while the job was handed over", evidence{cancelled: true, killed: true, handError: errTest}, api.Cancelled},
		{"cancelled at its memory limit, which is no kill", evidence{cancelled: true, killed: true, usage: Usage{MemoryAtLimit: true}, exit: Exit{Signal: 9}}, api.Cancelled},
		{"its time ran out", evidence{hardTimeout: true, killed: true, exit: Exit{Signal: 9}}, api.Timeout},
		{"its time ran out near its memory limit", evidence{hardTimeout: true, killed: true, usage: Usage{MemoryAtLimit: true}, exit: Exit{Signal: 9}}, api.Timeout},

		{"killed by the kernel", evidence{usage: Usage{OOMKilled: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"killed by the kernel as its time ran out", evidence{usage: Usage{OOMKilled: true}, hardTimeout: true, killed: true}, api.MemoryLimit},
		{"killed by the kernel, told as a status", evidence{usage: Usage{OOMKilled: true}, exit: Exit{Status: 137}}, api.MemoryLimit},
		{"killed at the limit, which nobody counted", evidence{usage: Usage{MemoryAtLimit: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"killed, and what the kernel counted is gone", evidence{exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"killed by somebody else", evidence{usage: Usage{Final: true}, exit: Exit{Signal: 9}}, ours},
		{"killed by somebody else, told as a status", evidence{usage: Usage{Final: true}, exit: Exit{Status: 137}}, ours},
		{"killed by the kernel, which counts to the end", evidence{usage: Usage{OOMKilled: true, Final: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"killed at the limit, which is counted to the end", evidence{usage: Usage{MemoryAtLimit: true, Final: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"killed by us as it lingered, counted to the end", evidence{lingered: true, killed: true, usage: Usage{Final: true}, exit: Exit{Signal: 9}}, api.SecurityError},
		{"Go ran out of memory", evidence{fatal: fatalMemory, exit: Exit{Status: 2}}, api.MemoryLimit},
		{"out of memory with half a job", evidence{handError: errTest, usage: Usage{OOMKilled: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"at the limit with half a job", evidence{handError: errTest, usage: Usage{MemoryAtLimit: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},

		{"the stack overflowed", evidence{fatal: fatalStack, exit: Exit{Status: 2}}, api.RuntimeError},
		{"a system call that is not allowed", evidence{exit: Exit{Signal: 31}}, api.SecurityError},
		{"the same, told as a status", evidence{exit: Exit{Status: 128 + 31}}, api.SecurityError},
		{"a system call that is not allowed, on gVisor", evidence{fatal: fatalSyscall, exit: Exit{Status: 2}}, api.SecurityError},
		{"it left with 0", evidence{}, api.RuntimeError},
		{"it left with a status", evidence{exit: Exit{Status: 2}}, api.RuntimeError},
		{"it died of another signal", evidence{exit: Exit{Signal: 11}}, api.RuntimeError},
		{"at the limit, but it left by itself", evidence{usage: Usage{MemoryAtLimit: true}, exit: Exit{Status: 1}}, api.RuntimeError},
		{"it lived on behind a closed stdout", evidence{lingered: true, killed: true, exit: Exit{Signal: 9}}, api.SecurityError},
		{"it was only slow to end", evidence{lingered: true, killed: true, exit: Exit{Status: 2}}, api.RuntimeError},
		{"it was only slow to end, out of stack", evidence{lingered: true, killed: true, fatal: fatalStack, exit: Exit{Status: 2}}, api.RuntimeError},
		{"it was only slow to end, out of memory", evidence{lingered: true, killed: true, usage: Usage{OOMKilled: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},

		{"it was lost sight of, and we killed it", evidence{waitError: ErrUnseen, killed: true, exit: Exit{Signal: 9}}, ours},
		{"it was lost sight of at its memory limit", evidence{waitError: ErrUnseen, killed: true, usage: Usage{MemoryAtLimit: true}, exit: Exit{Signal: 9}}, ours},
		{"it was lost sight of, and ended as its stdin did", evidence{waitError: ErrUnseen, exit: Exit{Status: 1}}, ours},
		{"it was lost sight of, and the kernel had killed it", evidence{waitError: ErrUnseen, usage: Usage{OOMKilled: true}, exit: Exit{Signal: 9}}, api.MemoryLimit},
		{"it could not be killed", evidence{hardTimeout: true, killed: true, killError: errTest, waitError: errTest}, ours},
		{"its end cannot be told", evidence{waitError: errTest, killed: true}, ours},
		{"its time ran out and its end cannot be told", evidence{hardTimeout: true, killed: true, waitError: errTest}, api.Timeout},
		{"it died before it had its job", evidence{handError: errTest, exit: Exit{Status: 2}}, ours},
		{"it was killed before it had its job", evidence{handError: errTest, exit: Exit{Signal: 9}}, ours},
		{"it was destroyed", evidence{destroyed: true, exit: Exit{Signal: 9}}, ours},
		{"it was destroyed behind its result", evidence{destroyed: true, result: won}, api.Success},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.evidence.limits = Limits{MemoryBytes: 16 * api.MiB, Timeout: time.Second}
			v, err := c.evidence.verdict()
			if (err != nil) != (c.want == ours) {
				t.Fatalf("error %v, verdict %s; want %s", err, v.code, c.want)
			}
			if v.code != c.want {
				t.Fatalf("%s (%+v), want %s", v.code, v.err, c.want)
			}
			if err == nil && (v.code == api.Success) != (v.err == nil) {
				t.Errorf("%s with the error %+v", v.code, v.err)
			}
			if v.code == api.ExecutionFailed {
				t.Error("EXECUTION_FAILED is never a verdict on a box")
			}
		})
	}
}

// What a script throws may read like anything: the class comes from elsewhere.
func TestVerdictNeverReadsMessages(t *testing.T) {
	for _, text := range []string{
		"TIMEOUT", "MEMORY_LIMIT: out of memory", "SecurityError", "runtime: goroutine stack exceeds 1-byte limit", "killed", "CANCELLED",
		"fatal error: runtime: out of memory", "signal: killed", "EXECUTION_FAILED",
	} {
		e := evidence{result: &protocol.Result{Code: api.RuntimeError,
			Error: &api.ScriptError{Name: text, Message: text, Stack: text}, Warnings: []string{text}}}
		v, err := e.verdict()
		if err != nil || v.code != api.RuntimeError {
			t.Errorf("%q: %s, %v", text, v.code, err)
		}
	}
}

func TestVerdictTellsLimits(t *testing.T) {
	e := evidence{limits: Limits{MemoryBytes: 64 * api.MiB, Timeout: 1500 * time.Millisecond}, usage: Usage{OOMKilled: true}}
	if v, _ := e.verdict(); !strings.Contains(v.err.Message, "64 MB") {
		t.Errorf("%q does not name the limit", v.err.Message)
	}
	e.usage, e.hardTimeout = Usage{}, true
	if v, _ := e.verdict(); !strings.Contains(v.err.Message, "1.5s") {
		t.Errorf("%q does not name the limit", v.err.Message)
	}
}

func TestExit(t *testing.T) {
	for _, c := range []struct {
		exit   Exit
		text   string
		killed bool
	}{
		{Exit{}, "exit status 0", false}, {Exit{Status: 2}, "exit status 2", false}, {Exit{Status: 137}, "exit status 137", true},
		{Exit{Signal: 9}, "signal 9", true}, {Exit{Signal: 31}, "signal 31", false}, {Exit{Status: 128 + 15}, "exit status 143", false},
	} {
		if c.exit.String() != c.text || c.exit.Killed() != c.killed {
			t.Errorf("%+v: %q, killed %v", c.exit, c.exit.String(), c.exit.Killed())
		}
	}
}
