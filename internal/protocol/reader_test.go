package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"glovebox/api"
)

const (
	readyBody = `{"type":"ready","ready":{"version":4}}`
	logBody   = `{"type":"log","log":{"level":"log","message":"m","atMs":1}}`
	doneBody  = `{"type":"result","result":{"code":"SUCCESS","output":1,"executionMs":1}}`
)

// stream makes a runner's stdout of the bodies of frames.
func stream(bodies ...string) *bytes.Buffer {
	var out bytes.Buffer
	for _, body := range bodies {
		out.Write(message(body))
	}
	return &out
}

// readAll reads frames up to the first error, as a caller does who does not stop at the result.
func readAll(r *Reader) (frames []Frame, err error) {
	for {
		frame, err := r.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, frame)
	}
}

func TestReaderRoundTrip(t *testing.T) {
	want := []Frame{
		{Type: FrameReady, Ready: &Ready{Version: Version, UID: 1, GID: 2, Groups: 3, NoNewPrivs: true, Seccomp: 2, SeccompFilters: -1,
			CapEff: math.MaxUint64, CapPrm: 1, CapBnd: 2, CapInh: 3, CapAmb: 4, FDs: []string{"a"}, Env: []string{"PATH"}, Hostname: "h",
			Interfaces: []string{"lo"}, PID: 1, Given: Given{NoNewPrivs: true, Seccomp: 2, SeccompFilters: 1},
			Mounts: []Mount{{Point: "/", Type: "ext4", Root: `/a b\ `}, {Point: "/proc", Type: "proc", Root: "/", Options: []string{"rw", "nosuid"}}},
			Proc:   []string{"stat"}, Namespaces: map[string]uint64{"pid": 4026531836},
			UIDMap: []IDMapping{{0, math.MaxUint32, 2}}, GIDMap: []IDMapping{{0, 1, 2}}, Rlimits: []Rlimit{{"RLIMIT_CORE", 0, Unlimited}}}},
		{Type: FrameLog, Log: &Log{Level: api.LevelWarn, Message: "é\x00\u2028", AtMs: 1.5}},
		{Type: FrameLog, Log: &Log{Level: api.LevelDebug}},
		{Type: FrameResult, Result: &Result{Code: api.RuntimeError, Error: &api.ScriptError{Name: "n", Message: "m", Line: 1, Column: 2, Stack: "s"},
			Warnings: []string{"w"}, LogsTruncated: true, ExecutionMs: 2.5}},
	}
	var out bytes.Buffer
	for _, frame := range want {
		if err := WriteMessage(&out, frame); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&out)
	got, err := readAll(r)
	if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := r.Ended(); err != nil {
		t.Errorf("Ended at the end: %v", err)
	}
}

func TestWarmedFrames(t *testing.T) {
	warmed := `{"type":"warmed","warmed":{"libraries":["lodash"],"heapBytes":5}}`
	for name, c := range map[string]struct {
		asked  int
		bodies []string
		want   error
	}{
		"as many as were asked for": {2, []string{readyBody, warmed, warmed, logBody, doneBody}, io.EOF},
		"fewer":                     {2, []string{readyBody, warmed, doneBody}, io.EOF},
		"one that nobody asked for": {0, []string{readyBody, warmed}, &BrokenError{}},
		"one more":                  {1, []string{readyBody, warmed, warmed}, &BrokenError{}},
		"after a log":               {1, []string{readyBody, logBody, warmed}, &BrokenError{}},
		"after the result":          {1, []string{readyBody, doneBody, warmed}, &BrokenError{}},
		"before ready":              {1, []string{warmed}, &BrokenError{}},
		"ready again":               {1, []string{readyBody, warmed, readyBody}, &BrokenError{}},
		"a heap below zero":         {1, []string{readyBody, `{"type":"warmed","warmed":{"heapBytes":-5}}`}, &BrokenError{}},
		"too many libraries": {1, []string{readyBody, `{"type":"warmed","warmed":{"libraries":["` +
			strings.Repeat(`","`, maxLibraries) + `"]}}`}, &BrokenError{}},
		"too long a name": {1, []string{readyBody, `{"type":"warmed","warmed":{"libraries":["` +
			strings.Repeat("x", maxSpecifier+1) + `"]}}`}, &BrokenError{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(stream(c.bodies...))
			for range c.asked {
				r.ExpectWarmed()
			}
			_, err := readAll(r)
			var broken *BrokenError
			if errors.As(c.want, &broken) != errors.As(err, &broken) || broken == nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestReaderAcceptsTheLargest(t *testing.T) {
	output := json.RawMessage(`"` + strings.Repeat("x", api.MaxOutputBytes-2) + `"`)
	deep := json.RawMessage(strings.Repeat("[", api.MaxDepth) + strings.Repeat("]", api.MaxDepth))
	null := json.RawMessage("null")
	log := Frame{Type: FrameLog, Log: &Log{Level: api.LevelLog, Message: strings.Repeat("\x01", api.MaxLogBytes)}}
	for name, frame := range map[string]Frame{
		"output":   {Type: FrameResult, Result: &Result{Code: api.Success, Output: output, Warnings: make([]string, maxWarnings)}},
		"depth":    {Type: FrameResult, Result: &Result{Code: api.Success, Output: deep}},
		"null":     {Type: FrameResult, Result: &Result{Code: api.Success, Output: null}},
		"a log":    log,
		"a result": {Type: FrameResult, Result: &Result{Code: api.Timeout, Error: &api.ScriptError{Message: strings.Repeat("x", maxText)}, ExecutionMs: 300_000}},
	} {
		t.Run(name, func(t *testing.T) {
			out := stream(readyBody)
			if err := WriteMessage(out, frame); err != nil {
				t.Fatal(err)
			}
			r := NewReader(out)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			if got, err := r.Next(); err != nil || !reflect.DeepEqual(got, frame) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("as many logs as there may be", func(t *testing.T) {
		out := stream(readyBody)
		for range api.MaxLogEntries {
			out.Write(message(logBody))
		}
		out.Write(message(doneBody))
		if frames, err := readAll(NewReader(out)); !errors.Is(err, io.EOF) || len(frames) != api.MaxLogEntries+2 {
			t.Errorf("%d frames, %v", len(frames), err)
		}
	})
}

func TestReaderBroken(t *testing.T) {
	result := func(members string) string { return `{"type":"result","result":{` + members + `}}` }
	log := func(members string) string { return `{"type":"log","log":{` + members + `}}` }
	long := strings.Repeat("x", maxText+1)
	many := strings.Repeat(`"",`, maxWarnings) + `""`
	deep := strings.Repeat("[", api.MaxDepth+1) + strings.Repeat("]", api.MaxDepth+1)
	for _, c := range []struct {
		name   string
		bodies []string // behind the ready frame, the last of which breaks
	}{
		{"a second ready", []string{readyBody}},
		{"a ready behind a log", []string{logBody, readyBody}},
		{"a second result", []string{doneBody, doneBody}},
		{"a log behind the result", []string{doneBody, logBody}},
		{"a ready behind the result", []string{doneBody, readyBody}},
		{"an empty frame", []string{""}},
		{"garbage", []string{"garbage"}},
		{"two documents", []string{logBody + logBody}},
		{"an array", []string{"[]"}},
		{"null", []string{"null"}},
		{"no type", []string{`{}`}},
		{"an unknown type", []string{`{"type":"kill"}`}},
		{"a type that is a number", []string{`{"type":1}`}},
		{"a type without its content", []string{`{"type":"log"}`}},
		{"a type with another's content", []string{`{"type":"log","result":{"code":"SUCCESS","output":1,"executionMs":1}}`}},
		{"a type with more content", []string{`{"type":"log","log":{"level":"log","message":"m","atMs":1},"ready":{"version":4}}`}},
		{"an unknown field", []string{`{"type":"log","log":{"level":"log","message":"m","atMs":1},"x":1}`}},
		{"an unknown field within", []string{log(`"level":"log","message":"m","atMs":1,"x":1`)}},
		{"a key twice", []string{log(`"level":"log","message":"m","message":"n","atMs":1`)}},
		{"bad UTF-8", []string{log(`"level":"log","message":"` + "\xff" + `","atMs":1`)}},
		{"a message that is a number", []string{log(`"level":"log","message":1,"atMs":1`)}},
		{"an unknown level", []string{log(`"level":"fatal","message":"m","atMs":1`)}},
		{"no level", []string{log(`"message":"m","atMs":1`)}},
		{"a log before the start", []string{log(`"level":"log","message":"m","atMs":-1`)}},
		{"a log long after the end", []string{log(`"level":"log","message":"m","atMs":1e9`)}},
		{"a log at no number", []string{log(`"level":"log","message":"m","atMs":NaN`)}},
		{"a log at an infinite time", []string{log(`"level":"log","message":"m","atMs":1e999`)}},
		{"a log that is too long", []string{log(`"level":"log","atMs":1,"message":"` + strings.Repeat("x", api.MaxLogBytes+1) + `"`)}},
		{"no code", []string{result(`"output":1,"executionMs":1`)}},
		{"SUCCESS without output", []string{result(`"code":"SUCCESS","executionMs":1`)}},
		{"SUCCESS with an error", []string{result(`"code":"SUCCESS","output":1,"error":{"name":"n","message":"m"},"executionMs":1`)}},
		{"an error with output", []string{result(`"code":"RUNTIME_ERROR","output":1,"error":{"name":"n","message":"m"},"executionMs":1`)}},
		{"an error without one", []string{result(`"code":"RUNTIME_ERROR","executionMs":1`)}},
		{"EXECUTION_FAILED", []string{result(`"code":"EXECUTION_FAILED","error":{"name":"n","message":"m"},"executionMs":1`)}},
		{"CANCELLED", []string{result(`"code":"CANCELLED","error":{"name":"n","message":"m"},"executionMs":1`)}},
		{"MISSING_CODE", []string{result(`"code":"MISSING_CODE","error":{"name":"n","message":"m"},"executionMs":1`)}},
		{"a code of no table", []string{result(`"code":"OK","error":{"name":"n","message":"m"},"executionMs":1`)}},
		{"an output that is too deep", []string{result(`"code":"SUCCESS","executionMs":1,"output":` + deep)}},
		{"an output that is too long", []string{result(`"code":"SUCCESS","executionMs":1,"output":"` + strings.Repeat("x", api.MaxOutputBytes-1) + `"`)}},
		{"an output with a key twice", []string{result(`"code":"SUCCESS","executionMs":1,"output":{"a":1,"a":1}`)}},
		{"a name that is too long", []string{result(`"code":"RUNTIME_ERROR","error":{"name":"` + long + `","message":"m"},"executionMs":1`)}},
		{"a message that is too long", []string{result(`"code":"RUNTIME_ERROR","error":{"name":"n","message":"` + long + `"},"executionMs":1`)}},
		{"a stack that is too long", []string{result(`"code":"RUNTIME_ERROR","error":{"name":"n","message":"m","stack":"` + long + `"},"executionMs":1`)}},
		{"a negative line", []string{result(`"code":"RUNTIME_ERROR","error":{"name":"n","message":"m","line":-1},"executionMs":1`)}},
		{"a line of no number", []string{result(`"code":"RUNTIME_ERROR","error":{"name":"n","message":"m","line":1e30},"executionMs":1`)}},
		{"too many warnings", []string{result(`"code":"SUCCESS","output":1,"warnings":[` + many + `],"executionMs":1`)}},
		{"a warning that is too long", []string{result(`"code":"SUCCESS","output":1,"warnings":["` + long + `"],"executionMs":1`)}},
		{"a negative time", []string{result(`"code":"SUCCESS","output":1,"executionMs":-1`)}},
		{"an endless time", []string{result(`"code":"SUCCESS","output":1,"executionMs":1e300`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames, err := readAll(NewReader(stream(append([]string{readyBody}, c.bodies...)...)))
			wantBroken(t, err)
			if len(frames) != len(c.bodies) {
				t.Errorf("%d frames were accepted, want %d", len(frames), len(c.bodies))
			}
		})
	}
}

func wantBroken(t *testing.T, err error) {
	t.Helper()
	var broken *BrokenError
	if !errors.As(err, &broken) {
		t.Fatalf("%v (%T), want a *ProtocolError", err, err)
	}
	// It ends up in a result: short, and no place for the box to speak from.
	if len(broken.Reason) == 0 || len(broken.Reason) > 400 || strings.ContainsFunc(broken.Reason, func(r rune) bool { return r < ' ' }) {
		t.Errorf("the reason is %q", broken.Reason)
	}
}

// readyWith is a ready frame with these members.
func readyWith(members string) string {
	return `{"type":"ready","ready":{"version":4,` + members + `}}`
}

func TestReaderBrokenBeforeReady(t *testing.T) {
	strings65 := `"` + strings.Repeat(`","`, maxFDs) + `"`
	for name, body := range map[string]string{
		"a log":               logBody,
		"a result":            doneBody,
		"another version":     `{"type":"ready","ready":{"version":1000}}`,
		"no version":          `{"type":"ready","ready":{}}`,
		"too many fds":        `{"type":"ready","ready":{"version":4,"fds":[` + strings65 + `]}}`,
		"too many variables":  `{"type":"ready","ready":{"version":4,"env":[` + strings65 + `]}}`,
		"too many networks":   `{"type":"ready","ready":{"version":4,"interfaces":[` + strings65 + `]}}`,
		"a mask below zero":   `{"type":"ready","ready":{"version":4,"capEff":-1}}`,
		"too many mounts":     readyWith(`"mounts":["` + strings.Repeat(`/ / t rw","`, maxMounts) + `/ / t rw"]`),
		"too long a mount":    readyWith(`"mounts":["/ /` + strings.Repeat("x", maxMount) + ` t rw"]`),
		"a mount of no form":  readyWith(`"mounts":["/ / t"]`),
		"a mount of more":     readyWith(`"mounts":["/ / t rw x"]`),
		"a mount as object":   readyWith(`"mounts":[{"point":"/"}]`),
		"too many names":      readyWith(`"proc":["` + strings.Repeat(`","`, maxProcNames) + `"]`),
		"too long a name":     readyWith(`"proc":["` + strings.Repeat("x", maxName+1) + `"]`),
		"too long a host":     readyWith(`"hostname":"` + strings.Repeat("x", maxName+1) + `"`),
		"too many mappings":   readyWith(`"uidMap":[` + strings.Repeat(`{},`, maxMappings) + `{}]`),
		"an id below zero":    readyWith(`"gidMap":[{"outside":-1}]`),
		"an id beyond 32 bit": readyWith(`"gidMap":[{"outside":4294967296}]`),
		"too many limits":     readyWith(`"rlimits":[` + strings.Repeat(`{},`, maxRlimits) + `{}]`),
		"too long a limit":    readyWith(`"rlimits":[{"type":"` + strings.Repeat("x", maxName+1) + `"}]`),
		"a limit below zero":  readyWith(`"rlimits":[{"soft":-1}]`),
		"too many namespaces": readyWith(`"namespaces":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1}`),
		"too long a kind":     readyWith(`"namespaces":{"` + strings.Repeat("x", maxName+1) + `":1}`),
		"a kind twice":        readyWith(`"namespaces":{"pid":1,"pid":2}`),
		"half a number":       readyWith(`"namespaces":{"pid":0.5}`),
		"a null":              `{"type":"ready","ready":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(stream(body)).Next()
			wantBroken(t, err)
		})
	}
}

func TestReaderLengths(t *testing.T) {
	for _, c := range []struct {
		name   string
		state  []string
		length uint32
	}{
		{"before ready", nil, maxReadyBytes + 1},
		{"before ready, all ones", nil, math.MaxUint32},
		{"behind ready", []string{readyBody}, maxResultFrameBytes + 1},
		{"behind ready, all ones", []string{readyBody}, math.MaxUint32},
		{"behind a log", []string{readyBody, logBody}, 1 << 31},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := stream(c.state...)
			out.Write(binary.BigEndian.AppendUint32(nil, c.length))
			// Not a byte of what was claimed is waited for.
			_, err := readAll(NewReader(io.MultiReader(out, neverRead{t})))
			wantBroken(t, err)
		})
	}
}

func TestReaderTooManyLogs(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		frames, err := readAll(NewReader(io.MultiReader(stream(readyBody), repeat(message(logBody)))))
		wantBroken(t, err)
		if len(frames) != maxLogFrames+1 {
			t.Errorf("%d frames were accepted", len(frames))
		}
	})
	t.Run("bytes", func(t *testing.T) {
		big := fmt.Sprintf(`{"type":"log","log":{"level":"log","message":"%s","atMs":1}}`, strings.Repeat("x", api.MaxLogBytes))
		frames, err := readAll(NewReader(io.MultiReader(stream(readyBody), repeat(message(big)))))
		wantBroken(t, err)
		if len(frames) > 10 {
			t.Errorf("%d MiB of logs were accepted", len(frames))
		}
	})
}

// repeat gives the bytes again and again.
func repeat(b []byte) io.Reader { return &repeater{b: b} }

type repeater struct {
	b  []byte
	at int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.at:])
	r.at = (r.at + n) % len(r.b)
	return n, nil
}

// Wherever the stream ends, it is an end: io.EOF between frames, io.ErrUnexpectedEOF within one, and
// never a broken protocol, since an honest runner may be killed at any byte.
func TestReaderTruncated(t *testing.T) {
	whole := stream(readyBody, logBody, doneBody).Bytes()
	ends := map[int]bool{}
	at := 0
	for _, body := range []string{readyBody, logBody, doneBody} {
		ends[at] = true
		at += len(body) + 4
	}
	ends[at] = true
	for n := range len(whole) + 1 {
		_, err := readAll(NewReader(bytes.NewReader(whole[:n])))
		want := io.ErrUnexpectedEOF
		if ends[n] {
			want = io.EOF
		}
		if !errors.Is(err, want) {
			t.Fatalf("cut at byte %d: %v, want %v", n, err, want)
		}
	}
}

func TestEnded(t *testing.T) {
	const result = `{"type":"result","result":{"code":"SUCCESS","output":1}}`
	for name, c := range map[string]struct {
		rest   string
		broken bool
	}{
		"silence": {"", false},
		"a byte":  {"\x00", true},
		"a frame": {string(message(logBody)), true},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(strings.NewReader(string(message(readyBody)) + string(message(result)) + c.rest))
			for range 2 {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Ended(); c.broken {
				wantBroken(t, err)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAStreamThatFails(t *testing.T) {
	failed := errors.New("as told by the test")
	if _, err := NewReader(failingReader{failed}).Next(); !errors.Is(err, failed) {
		t.Errorf("a stream that fails: %v", err)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func FuzzReader(f *testing.F) {
	f.Add(stream(readyBody, logBody, doneBody).Bytes())
	f.Add(stream(readyBody, doneBody, doneBody).Bytes())
	f.Add(stream(logBody).Bytes())
	f.Add(stream(readyWith(`"given":{"noNewPrivs":true,"seccomp":2,"seccompFilters":1},"mounts":["/ /a\\\\040b ext4 rw,nosuid","/ / ext4 "],` +
		`"proc":["stat"],"namespaces":{"pid":4026531836},"uidMap":[{"inside":0,"outside":1,"size":2}],"gidMap":[{}],` +
		`"rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}]`)).Bytes())
	f.Add(stream(readyBody, `{"type":"result","result":{"code":"RUNTIME_ERROR","error":{"name":"n","message":"m","line":1},"executionMs":1}}`).Bytes())
	f.Add(stream(readyBody, `{"TYPE":"log","log":{"level":"log","message":"m","atMs":1}}`).Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		frames, err := readAll(NewReader(bytes.NewReader(in)))
		var broken *BrokenError
		if !errors.As(err, &broken) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%v", err)
		}
		var out bytes.Buffer
		for i, frame := range frames {
			if (i == 0) != (frame.Type == FrameReady) || frame.Type == FrameResult && i != len(frames)-1 {
				t.Fatalf("frame %d is %s", i, frame.Type)
			}
			if err := WriteMessage(&out, frame); err != nil {
				t.Fatal(err)
			}
		}
		// What was accepted is accepted again.
		if again, err := readAll(NewReader(&out)); !errors.Is(err, io.EOF) || len(again) != len(frames) {
			t.Fatalf("%d of %d frames came back, %v", len(again), len(frames), err)
		}
	})
}

func FuzzReadOrder(f *testing.F) {
	f.Add(message(`{"job":{"code":"1","language":"javascript","timeoutMs":1000,"memoryBytes":1}}`))
	f.Add(message(`{"job":{"code":"1","input":{"a":[1]},"seed":5,"now":"2026-01-31T12:00:00Z"}}`))
	f.Add(message(`{"warm":{"libraries":["lodash"]}}`))
	f.Add(message(`{"job":{"code":1}}`))
	f.Add([]byte{0, 0, 0, 5, '{'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		order, err := ReadOrder(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := WriteMessage(&out, order); err != nil {
			t.Fatal(err)
		}
		again, err := ReadOrder(&out)
		if err != nil || (again.Job == nil) != (order.Job == nil) || (again.Warm == nil) != (order.Warm == nil) {
			t.Fatalf("it came back as %+v, %v", again, err)
		}
		if job := order.Job; job != nil && (again.Job.Code != job.Code || again.Job.TimeoutMs != job.TimeoutMs) {
			t.Fatalf("the job came back as %+v", again.Job)
		}
	})
}

// BenchmarkReady reads the ready frame of a box in which as much is hidden as in a real one.
func BenchmarkReady(b *testing.B) {
	ready := Ready{Version: Version, Namespaces: map[string]uint64{"cgroup": 1, "ipc": 2, "mnt": 3, "net": 4, "pid": 5, "user": 6, "uts": 7}}
	for i := range 60 {
		name := fmt.Sprint("somename", i)
		ready.Proc = append(ready.Proc, name)
		ready.Mounts = append(ready.Mounts, Mount{Point: "/proc/" + name, Type: "tmpfs", Root: "/", Options: []string{"nosuid", "nodev", "noexec"}})
	}
	for range 16 {
		ready.Rlimits = append(ready.Rlimits, Rlimit{"RLIMIT_NOFILE", 32, 32})
	}
	var frame bytes.Buffer
	if err := WriteMessage(&frame, Frame{Type: FrameReady, Ready: &ready}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := NewReader(bytes.NewReader(frame.Bytes())).Next(); err != nil {
			b.Fatal(err)
		}
	}
}
