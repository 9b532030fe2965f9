package drivertest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"glovebox/api"
)

// testNative holds how each way to end is judged. The runner is honest in these, but native.
func (h Harness) testNative(t *testing.T) {
	f := h.hostile(t)
	f.playAll(t, nativeCases())
}

func nativeCases() []Case {
	return []Case{
		{Name: "no input", Code: "echo", Script: []Step{Log("log", "echo"), Echo()}, Want: success, Output: "null"},
		{Name: "large input and output", Code: "echo", Script: []Step{Log("log", "echo"), Echo()}, Want: success, Input: largeInput(),
			MemoryMB: 512, TimeoutSeconds: 30, FirstLog: "echo", Check: func(t *testing.T, r api.Result) {
				if !bytes.Equal(r.Output, largeInput()) {
					t.Errorf("16 MiB came back as %d bytes", len(r.Output))
				}
			}},
		{Name: "all the logs", Code: "logs 9999", Script: []Step{Log("log", "logs 9999"), Logs(9999, "log", "line")}, Want: success,
			FirstLog: "logs 9999", Check: func(t *testing.T, r api.Result) {
				if len(r.Logs) != api.MaxLogEntries || r.Truncated.Logs {
					t.Errorf("%d logs, truncated %v; want 10000 whole", len(r.Logs), r.Truncated.Logs)
				}
			}},
		{Name: "logs beyond their bytes", Code: "bytes 1048570", Script: []Step{Log("log", "bytes 1048570"), Log("log", string(bytes.Repeat([]byte("x"), 1048570)))},
			Want: success, FirstLog: "bytes 1048570", Check: func(t *testing.T, r api.Result) {
				total := 0
				for _, l := range r.Logs {
					total += len(l.Message)
				}
				if total != api.MaxLogBytes || !r.Truncated.Logs || !r.Success {
					t.Errorf("%d bytes of logs, truncated %v; want 1 MiB, cut, and SUCCESS", total, r.Truncated.Logs)
				}
			}},
		{Name: "a code of the runner's", Code: "fail OUTPUT_LIMIT", Script: []Step{Log("log", "fail OUTPUT_LIMIT"), Fail(api.OutputLimit, "Error", "as told")},
			Want: []api.ResultCode{api.OutputLimit}, FirstLog: "fail OUTPUT_LIMIT", Check: func(t *testing.T, r api.Result) {
				if !r.Truncated.Output {
					t.Error("truncated.output is false")
				}
			}},
		{Name: "soft timeout", Code: "sleep 1h", Script: []Step{Log("log", "sleep 1h"), Sleep(time.Hour)}, TimeoutSeconds: 0.5,
			Want: timeout, FirstLog: "sleep 1h", InTime: true},
		{Name: "hard timeout", Code: "hang", Script: []Step{Log("log", "hang"), Hang()}, TimeoutSeconds: 0.5,
			Want: timeout, FirstLog: "hang", InTime: true},
		{Name: "out of memory", Code: "alloc 400", Script: []Step{Log("log", "alloc 400"), Alloc(400 * api.MiB)}, MemoryMB: 16,
			Want: []api.ResultCode{api.MemoryLimit}, FirstLog: "alloc 400", InTime: true},
		{Name: "within its memory", Code: "alloc 8", Script: []Step{Log("log", "alloc 8"), Output("8")}, MemoryMB: 16,
			Want: success, FirstLog: "alloc 8", Output: "8"},
		{Name: "stack overflow", Code: "stack", Want: []api.ResultCode{api.RuntimeError}, FirstLog: "stack", InTime: true,
			Script: []Step{Log("log", "stack"), Stderr("runtime: goroutine stack exceeds 8388608-byte limit\nmore\n"), Exit(2)}},
		{Name: "exit without a result", Code: "exit 0", Script: []Step{Log("log", "exit 0"), Exit(0)},
			Want: []api.ResultCode{api.RuntimeError}, FirstLog: "exit 0", InTime: true},
		{Name: "exit with a status", Code: "exit 3", Script: []Step{Log("log", "exit 3"), Exit(3)},
			Want: []api.ResultCode{api.RuntimeError}, FirstLog: "exit 3", InTime: true},
		{Name: "a message that lies", Code: "panic", Want: []api.ResultCode{api.RuntimeError}, FirstLog: "panic", InTime: true,
			Script: []Step{Log("log", "panic"), Stderr("panic: fatal error: runtime: out of memory\n"), Exit(2)}},
		{Name: "SIGKILL by itself", Code: "kill", Script: []Step{Log("log", "kill"), Signal(9)},
			// The profile may kill for the very attempt.
			Want: []api.ResultCode{api.MemoryLimit, api.RuntimeError, api.SecurityError}, FirstLog: "kill", InTime: true},
	}
}

var (
	success = []api.ResultCode{api.Success}
	timeout = []api.ResultCode{api.Timeout}
	forgery = []api.ResultCode{api.SecurityError}
)

// Cases returns every case of the suite, for a fake to be taught.
func Cases() []Case {
	orders := []Case{
		{Code: "burn 2s", Script: []Step{Log("log", "burn 2s"), Burn(2 * time.Second)}},
		{Code: "beat", Script: []Step{Log("log", "beat"), Log("log", "beat"), Log("log", "beat"), beats()}},
	}
	return slices.Concat(nativeCases(), hostileCases(), limitCases(""), scriptCases(), bombCases(), orders)
}

// beats logs each 50 ms until the end.
func beats() Step {
	beat := Log("log", "beat")
	return Step{func(p *player) bool {
		for p.wait(50 * time.Millisecond) {
			beat.play(p)
		}
		return ends
	}}
}
