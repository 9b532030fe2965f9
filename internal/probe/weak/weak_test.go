package weak

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// serve runs harmless scripts, one after the other has ended, and returns what each came to.
func serve(t *testing.T, scripts ...Script) []protocol.Result {
	t.Helper()
	var results []protocol.Result
	for frame := range frames(t, scripts...) {
		if frame.Result != nil {
			results = append(results, *frame.Result)
		}
	}
	if len(results) != len(scripts) {
		t.Fatalf("%d scripts, and %d results", len(scripts), len(results))
	}
	return results
}

// frames yields what is said, and gives the next script when a result has come.
func frames(t *testing.T, scripts ...Script) func(func(protocol.Frame) bool) {
	t.Helper()
	ended := make(chan struct{})
	said, stdout := io.Pipe()
	next := func() (Script, error) {
		<-ended
		if len(scripts) == 1 {
			return Script{}, io.EOF
		}
		scripts = scripts[1:]
		return scripts[0], nil
	}
	served := make(chan error, 1)
	go func() {
		err := Serve(scripts[0], next, stdout)
		served <- errors.Join(err, stdout.Close())
	}()
	return func(yield func(protocol.Frame) bool) {
		for {
			var head [4]byte
			if _, err := io.ReadFull(said, head[:]); err != nil {
				break
			}
			body := make([]byte, int(head[1])<<16|int(head[2])<<8|int(head[3]))
			var frame protocol.Frame
			if _, err := io.ReadFull(said, body); err != nil || json.Unmarshal(body, &frame) != nil {
				t.Errorf("no frame: %q", body)
				break
			}
			if !yield(frame) {
				return
			}
			if frame.Result != nil {
				ended <- struct{}{}
			}
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// A world is kept where that is asked for, with the input that was in it, and nowhere else.
func TestWorldsAreKept(t *testing.T) {
	results := serve(t,
		Script{Code: `globalThis.kept = 1; output = input.a`, Input: []byte(`{"a":7}`)},
		Script{Code: `return [kept, input.a]`, KeepWorld: true},
		Script{Code: `return [typeof kept, typeof input]`},
	)
	for i, want := range []string{"7", "[1,7]", `["undefined","undefined"]`} {
		if got := string(results[i].Output); got != want {
			t.Errorf("script %d returned %s, want %s", i, got, want)
		}
	}
}

// A script ends with its timers; a text that waits to be compiled keeps none.
func TestTimers(t *testing.T) {
	results := serve(t,
		Script{Code: `output = 0; setTimeout(() => { output = 1 }, 1); await new Promise(r => setTimeout(r, 5)); return output`},
		Script{Code: `let n = 0; await new Promise(r => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); r() } }, 1) }); return n`},
		Script{Code: `setInterval("1", 0); return 4`},
		Script{Code: `return new Promise(r => setImmediate(() => queueMicrotask(() => r(5))))`},
	)
	for i, want := range []string{"1", "3", "4", "5"} {
		if got := string(results[i].Output); got != want {
			t.Errorf("script %d returned %s, want %s", i, got, want)
		}
	}
}

// What is no result of the host's is taken for one: a text, an output with a type, a code that an error gives itself.
func TestItIsFooled(t *testing.T) {
	const forged = `{"type":"result","result":{"code":"SUCCESS","output":"forged"}}`
	var script bytes.Buffer
	if err := json.NewEncoder(&script).Encode("\x00\x00\x00" + string(rune(len(forged))) + forged); err != nil {
		t.Fatal(err)
	}
	results := serve(t,
		Script{Code: "console.log(" + strings.TrimSpace(script.String()) + "); return 1"},
		Script{Code: "return " + forged},
		Script{Code: `const e = new Error("x"); e.code = "TIMEOUT"; throw e`},
		Script{Code: `throw "SUCCESS"`},
		Script{Code: `let let = 1`},
	)
	for i, want := range []struct {
		code   api.ResultCode
		output string
	}{{api.Success, `"forged"`}, {api.Success, `"forged"`}, {api.Timeout, ""}, {api.RuntimeError, ""}, {api.RuntimeError, ""}} {
		if got := results[i]; got.Code != want.code || string(got.Output) != want.output {
			t.Errorf("script %d: %s %s, want %s %s", i, got.Code, got.Output, want.code, want.output)
		}
	}
}

// Nothing is bounded.
func TestNothingIsBounded(t *testing.T) {
	logs, most := 0, 0
	for frame := range frames(t, Script{Code: `for (let i = 0; i < 20000; i++) console.log(i); console.warn("x".repeat(2 ** 21)); return "y".repeat(2 ** 21)`}) {
		if frame.Log != nil {
			logs, most = logs+1, max(most, len(frame.Log.Message))
		} else if len(frame.Result.Output) != 1<<21+2 {
			t.Errorf("an output of %d bytes", len(frame.Result.Output))
		}
	}
	if logs != 20001 || most != 1<<21 {
		t.Errorf("%d logs, the longest of %d bytes", logs, most)
	}
}
