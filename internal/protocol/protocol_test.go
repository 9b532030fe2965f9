package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"glovebox/api"
)

func TestJobRoundTrip(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 5, time.UTC)
	for name, job := range map[string]Job{
		"the least":  {Code: "1", Language: api.JavaScript, TimeoutMs: 100, MemoryBytes: api.MiB},
		"no library": {Code: "1", Libraries: []string{}}, // nil would be each
		"null input": {Code: "1", Language: api.TypeScript, Input: json.RawMessage("null")},
		"everything": {Code: "é\u2028<>&\x00", Language: api.TypeScript, Input: json.RawMessage(`{"a":[1.10,"é"]}`), Seed: new(int64(-5)), Now: &now, Libraries: []string{"lodash"},
			TimeoutMs: 300_000, MemoryBytes: 2048 * api.MiB},
		"the largest": {Code: strings.Repeat("\x01", api.MaxCodeBytes), Input: json.RawMessage(`"` + strings.Repeat("x", api.MaxInputBytes-2) + `"`)},
	} {
		t.Run(name, func(t *testing.T) {
			var pipe bytes.Buffer
			if err := WriteMessage(&pipe, Order{Job: &job}); err != nil {
				t.Fatal(err)
			}
			got, err := ReadJob(&pipe)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, job) {
				t.Errorf("it came back as another")
			}
		})
	}
}

func TestReadJobRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want error // nil: any
	}{
		"nothing":         {nil, io.EOF},
		"half a length":   {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"no body":         {[]byte{0, 0, 0, 9}, io.ErrUnexpectedEOF},
		"half a body":     {message(`{"job":{"code":"1"}}`)[:9], io.ErrUnexpectedEOF},
		"too long":        {binary.BigEndian.AppendUint32(nil, MaxJobBytes+1), errTooLong},
		"not JSON":        {message("job"), nil},
		"another type":    {message(`{"job":{"code":1}}`), nil},
		"an empty body":   {message(""), nil},
		"more in a frame": {message(`{"job":{"code":"1"}} {}`), nil},
		"no order":        {message(`{}`), nil},
		"to warm up":      {message(`{"warm":{}}`), nil},
		"two orders":      {message(`{"warm":{},"job":{"code":"1"}}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			job, err := ReadJob(bytes.NewReader(c.in))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%+v, %v; want %v", job, err, c.want)
			}
		})
	}
}

func TestOrderToWarmUpRoundTrip(t *testing.T) {
	want := Order{Warm: &Warm{Libraries: []string{"lodash", "lodash/fp"}, MemoryBytes: api.MiB}}
	var pipe bytes.Buffer
	if err := WriteMessage(&pipe, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadOrder(&pipe); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// One message is one Write: on a pipe, a small one is never torn.
func TestWriteMessageIsOneWrite(t *testing.T) {
	var w countingWriter
	if err := WriteMessage(&w, Job{Code: "1"}); err != nil || w.writes != 1 {
		t.Errorf("%d writes, %v", w.writes, err)
	}
	if err := WriteMessage(&w, make(chan int)); err == nil || w.writes != 1 {
		t.Errorf("what cannot be JSON: %v, %d writes", err, w.writes)
	}
	broken := errors.New("broken")
	if err := WriteMessage(&countingWriter{err: broken}, 1); !errors.Is(err, broken) {
		t.Errorf("a write that fails: %v", err)
	}
}

type countingWriter struct {
	writes int
	err    error
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), w.err
}

// Memory is reserved as bytes come: a length that is claimed costs nothing.
func TestReadBodyReservesByWhatComes(t *testing.T) {
	for _, c := range []struct {
		name    string
		length  uint32
		bytes   int
		wantErr error
	}{
		{"4 GiB claimed", 1<<32 - 1, 0, errTooLong},
		{"a job's bound claimed, nothing sent", MaxJobBytes, 0, io.ErrUnexpectedEOF},
		{"a job's bound claimed, little sent", MaxJobBytes, 100_000, io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := append(binary.BigEndian.AppendUint32(nil, c.length), make([]byte, c.bytes)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readBody(bytes.NewReader(in), MaxJobBytes)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.wantErr) {
				t.Errorf("%v, want %v", err, c.wantErr)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("it reserved %d bytes", got)
			}
		})
	}
}

func TestReadBodyGrows(t *testing.T) {
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 3<<20 + 7} {
		body := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
		in := append(binary.BigEndian.AppendUint32(nil, uint32(size)), body...)
		got, err := readBody(io.MultiReader(bytes.NewReader(in), neverRead{t}), 4<<20)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
	}
}

// neverRead fails the test where more is read than a message holds.
type neverRead struct{ t *testing.T }

func (n neverRead) Read([]byte) (int, error) {
	n.t.Error("it read beyond its message")
	return 0, io.EOF
}

func message(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// A document full of markup grew to six times its length on the way, and was refused by the other side.
func TestMarkupIsNotEscaped(t *testing.T) {
	markup := json.RawMessage(`"` + strings.Repeat("<&>", api.MaxInputBytes/4) + `"`)
	var sent bytes.Buffer
	if err := WriteMessage(&sent, Order{Job: &Job{Code: "<", Language: api.JavaScript, Input: markup}}); err != nil {
		t.Fatal(err)
	}
	if sent.Len() > len(markup)+1<<10 {
		t.Errorf("%d bytes of input became a message of %d", len(markup), sent.Len())
	}
	job, err := ReadJob(&sent)
	if err != nil {
		t.Fatal(err)
	}
	if job.Code != "<" || !bytes.Equal(job.Input, markup) {
		t.Error("the job did not come back as it was")
	}
}
