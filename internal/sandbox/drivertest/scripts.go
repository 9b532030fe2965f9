package drivertest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// testScripts runs real scripts on the real runner: each result code that a script can have, and the
// limits that the runner keeps itself, as they come out of a real box.
func (h Harness) testScripts(t *testing.T) {
	f := h.open(t, h.Runner(t))
	f.playAll(t, scriptCases())
}

func scriptCases() []Case {
	kept := Log(api.LevelLog, "kept")
	runtimeError := []api.ResultCode{api.RuntimeError}
	return []Case{
		{Name: "output", Code: "output = 1 + 1", Script: []Step{Output("2")}, Want: success, Output: "2"},
		{Name: "nothing", Code: "const nothing = 1", Want: success, Output: "null"},
		{Name: "return", Code: "return {a: [1, 'é']}", Script: []Step{Output(`{"a":[1,"é"]}`)}, Want: success, Output: `{"a":[1,"é"]}`},
		{Name: "input", Code: "console.log('kept'); output = input", Script: []Step{kept, Echo()}, Want: success, FirstLog: "kept",
			Input: json.RawMessage(`{"rows":[{"a":1.5},{"a":null}]}`), Output: `{"rows":[{"a":1.5},{"a":null}]}`},
		{Name: "large input", Code: "output = input.length", Script: []Step{Output("16777214")}, Want: success, Input: largeInput(),
			MemoryMB: 512, TimeoutSeconds: 30, Output: "16777214"},
		{Name: "levels", Code: "console.info('a'); console.warn('b'); console.error('c'); console.debug('d')", FirstLog: "a", Want: success,
			Script: []Step{Log(api.LevelInfo, "a"), Log(api.LevelWarn, "b"), Log(api.LevelError, "c"), Log(api.LevelDebug, "d")},
			Check: func(t *testing.T, r api.Result) {
				var levels []string
				for _, l := range r.Logs {
					levels = append(levels, string(l.Level))
				}
				if got := strings.Join(levels, " "); got != "info warn error debug" {
					t.Errorf("levels %s", got)
				}
			}},
		{Name: "TypeScript", Code: "const n: number = 3; output = n as number", Language: api.TypeScript, Script: []Step{Output("3")},
			Want: success, Output: "3"},
		{Name: "timers", Code: "await new Promise(done => setTimeout(done, 20)); output = 'late'", Script: []Step{Sleep(20 * time.Millisecond), Output(`"late"`)},
			Want: success, Output: `"late"`},

		{Name: "too many logs", Code: "for (let i = 0; i < 20000; i++) console.log('kept')", Want: success, FirstLog: "kept",
			Script: []Step{Logs(10_000, api.LevelLog, "kept"), truncatedLogs()}, Check: func(t *testing.T, r api.Result) {
				if len(r.Logs) != api.MaxLogEntries || !r.Truncated.Logs {
					t.Errorf("%d logs, truncated %v", len(r.Logs), r.Truncated.Logs)
				}
			}},
		{Name: "too long logs", Code: "for (let i = 0; i < 2000; i++) console.log('x'.repeat(1000))", Want: success,
			Script: []Step{Logs(1100, api.LevelLog, strings.Repeat("x", 1000))}, Check: func(t *testing.T, r api.Result) {
				total := 0
				for _, l := range r.Logs {
					total += len(l.Message)
				}
				if total > api.MaxLogBytes || total < api.MaxLogBytes-1000 || !r.Truncated.Logs {
					t.Errorf("%d bytes of logs, truncated %v", total, r.Truncated.Logs)
				}
			}},
		{Name: "output within its limit", Code: "output = 'x'.repeat(16 * 1024 * 1024 - 2)", Want: success, MemoryMB: 512, TimeoutSeconds: 30,
			Script: []Step{Output(`"` + strings.Repeat("x", api.MaxOutputBytes-2) + `"`)}},
		{Name: "output beyond its limit", Code: "console.log('kept'); output = 'x'.repeat(16 * 1024 * 1024 - 1)", FirstLog: "kept", MemoryMB: 512,
			TimeoutSeconds: 30, Want: []api.ResultCode{api.OutputLimit}, Script: []Step{kept, Fail(api.OutputLimit, "OutputLimit", "too long")},
			Check: func(t *testing.T, r api.Result) {
				if !r.Truncated.Output {
					t.Error("truncated.output is false")
				}
			}},

		{Name: "syntax", Code: "\nlet = = 1", Script: []Step{Fail(api.SyntaxError, "SyntaxError", "unexpected")},
			Want: []api.ResultCode{api.SyntaxError}},
		{Name: "throw", Code: "console.log('kept')\nthrow new TypeError('mine')", FirstLog: "kept", Want: runtimeError,
			Script: []Step{kept, Fail(api.RuntimeError, "TypeError", "mine")}, Check: func(t *testing.T, r api.Result) {
				if r.Error == nil || r.Error.Name != "TypeError" || r.Error.Message != "mine" || r.Error.Line == 0 {
					t.Errorf("error %+v", r.Error)
				}
			}},
		{Name: "a message that lies", Code: "const e = new Error('TIMEOUT: out of memory'); e.name = 'SecurityError'; throw e", Want: runtimeError,
			Script: []Step{Fail(api.RuntimeError, "SecurityError", "TIMEOUT: out of memory")}},
		{Name: "a rejection", Code: "console.log('kept'); Promise.reject(new Error('lost'))", FirstLog: "kept", Want: runtimeError,
			Script: []Step{kept, Fail(api.RuntimeError, "Error", "lost")}},
		{Name: "a cycle", Code: "const a = {}; a.b = {c: a}; output = a", Want: runtimeError, Script: []Step{Fail(api.RuntimeError, "Error", "output.b.c")}},
		{Name: "a promise that nothing settles", Code: "console.log('kept'); await new Promise(() => {})", FirstLog: "kept", Want: runtimeError,
			InTime: true, Script: []Step{kept, Fail(api.RuntimeError, "Error", "nothing is left that could settle it")}},
		{Name: "a promise that never settles", Code: "console.log('kept'); setInterval(() => {}, 50); await new Promise(() => {})", TimeoutSeconds: 0.5,
			FirstLog: "kept", Want: timeout, InTime: true, Script: []Step{kept, Forever()}},
		{Name: "no network", Code: "console.log('kept'); await fetch('http://127.0.0.1/')", FirstLog: "kept", Want: forgery,
			Script: []Step{kept, Fail(api.SecurityError, "SecurityError", "no network")}},
		{Name: "no files", Code: "console.log('kept'); require('fs')", FirstLog: "kept", Want: forgery,
			Script: []Step{kept, Fail(api.SecurityError, "SecurityError", "no files")}},
		{Name: "no eval", Code: "console.log('kept'); eval('1')", FirstLog: "kept", Want: forgery,
			Script: []Step{kept, Fail(api.SecurityError, "SecurityError", "no eval")}},
		{Name: "an endless loop", Code: "console.log('kept'); while (true) {}", FirstLog: "kept", TimeoutSeconds: 0.5, Want: timeout, InTime: true,
			Script: []Step{kept, Forever()}},
		{Name: "an endless native", Code: "console.log('kept'); [].includes.call({length: 2 ** 53 - 1}, 1)", FirstLog: "kept", TimeoutSeconds: 0.5,
			Want: timeout, InTime: true, Script: []Step{kept, Hang()}},
		{Name: "deep recursion", Code: "console.log('kept'); (function f() { f() })()", FirstLog: "kept", Want: runtimeError, InTime: true,
			Script: []Step{kept, Fail(api.RuntimeError, "RangeError", "too deep")}},
		{Name: "growth", Code: "console.log('kept'); const a = []; while (true) a.push(new Array(1000).fill('x' + a.length))", FirstLog: "kept",
			MemoryMB: 32, Want: []api.ResultCode{api.MemoryLimit}, InTime: true, Script: []Step{kept, OOM()}},
		{Name: "one huge allocation", Code: "console.log('kept'); output = 'x'.repeat(2 ** 30).length", FirstLog: "kept", MemoryMB: 32,
			Want: []api.ResultCode{api.MemoryLimit, api.RuntimeError}, InTime: true, Script: []Step{kept, OOM()}},
	}
}

// truncatedLogs ends the script as a runner does that dropped logs itself.
func truncatedLogs() Step {
	return Step{func(p *player) bool {
		return p.end(protocol.Result{Code: api.Success, Output: json.RawMessage("null"), LogsTruncated: true})
	}}
}
