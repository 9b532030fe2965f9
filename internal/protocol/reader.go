package protocol

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"glovebox/api"
)

// Bounds on what a runner may say. They leave room for what an honest runner may need, and no more.
const (
	maxReadyBytes = 64 << 10
	// A log message is escaped up to six times its length; both sides cut the logs at api.MaxLogBytes.
	maxLogFrameBytes    = 6*api.MaxLogBytes + 1<<10
	maxResultFrameBytes = api.MaxOutputBytes + 1<<20
	// maxLogFrames is one more than an honest runner sends.
	maxLogFrames = api.MaxLogEntries
	maxLogTotal  = 6*api.MaxLogBytes + api.MaxLogEntries*128
	maxWarnings  = 1000
	maxText      = 64 << 10 // name, message, stack and each warning
	maxFDs       = 64
	// Bounds on what a ready frame tells of a box: /proc has some seventy names, and each that is hidden is a mount.
	maxMounts    = 256
	maxProcNames = 256
	maxMappings  = 16
	maxRlimits   = 32
	maxName      = 256 // a name in /proc, of a limit or of a namespace
	maxMount     = 1024
	// maxLibraries and maxSpecifier bound what a box is warmed for.
	maxLibraries = 256
	maxSpecifier = 256
)

// A BrokenError says how the other side broke the protocol. Whoever holds one kills the box.
type BrokenError struct{ Reason string }

func (e *BrokenError) Error() string { return "protocol broken: " + e.Reason }

func broken(format string, args ...any) error {
	return &BrokenError{Reason: fmt.Sprintf(format, args...)}
}

// A Reader reads frames from a runner that is taken for hostile. It holds their order: one ready
// frame, one warmed frame for each that was asked for, any number of logs within bounds, one result, then silence. It
// is used by one goroutine, but for ExpectWarmed.
type Reader struct {
	r        *bufio.Reader
	warmings atomic.Int32 // warmed frames that may still come
	state    FrameType    // the last frame that was not a log; "" before ready
	logs     int
	logBytes int
}

// NewReader returns a Reader on a runner's stdout.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// ExpectWarmed lets one warmed frame more come. Call it before the order to warm up is sent; any goroutine may.
func (r *Reader) ExpectWarmed() { r.warmings.Add(1) }

// Next returns the next frame. A fault of the other side is a *[BrokenError]; an end of the stream,
// between frames or within one, is io.EOF or io.ErrUnexpectedEOF: whoever calls knows whether the
// process died. Any other error is the stream's own.
func (r *Reader) Next() (Frame, error) {
	body, err := readBody(r.r, r.most())
	if err != nil {
		if errors.Is(err, errTooLong) {
			return Frame{}, broken("%v", err)
		}
		return Frame{}, err
	}
	frame, err := decodeFrame(body)
	if err != nil {
		return Frame{}, err
	}
	if err := r.accept(frame, len(body)); err != nil {
		return Frame{}, err
	}
	return frame, nil
}

// most is the largest frame that may come now.
func (r *Reader) most() int {
	if r.state == "" {
		return maxReadyBytes
	}
	return maxResultFrameBytes
}

func (r *Reader) accept(f Frame, size int) error {
	switch {
	case r.state == "" && f.Type != FrameReady:
		return broken("a %s frame before the ready frame", f.Type)
	case r.state != "" && f.Type == FrameReady:
		return broken("a second ready frame")
	case r.state == FrameResult:
		return broken("a %s frame after the result", f.Type)
	case f.Type == FrameWarmed && (r.logs > 0 || r.warmings.Add(-1) < 0):
		return broken("a warmed frame that nobody asked for")
	}
	if f.Type != FrameLog {
		r.state = f.Type
		return nil
	}
	r.logs++
	r.logBytes += size
	if size > maxLogFrameBytes || r.logs > maxLogFrames || r.logBytes > maxLogTotal {
		return broken("more logs than a runner sends")
	}
	return nil
}

// Ended reports an error where more came in one piece with the last frame. It is for after the result. It waits for nothing.
func (r *Reader) Ended() error {
	if r.r.Buffered() > 0 {
		return broken("data after the result")
	}
	return nil
}

// decodeFrame decodes one frame strictly. Nothing in it is believed but its form.
func decodeFrame(body []byte) (Frame, error) {
	// The output's own depth is judged below; here is room for the frame around it.
	if err := api.CheckJSON(body, api.MaxDepth+2); err != nil {
		return Frame{}, broken("a frame is not JSON: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	var f Frame
	if err := dec.Decode(&f); err != nil {
		return Frame{}, broken("a frame does not decode") // the decoder's words may quote the frame
	}
	contents := 0
	for _, there := range []bool{f.Ready != nil, f.Warmed != nil, f.Log != nil, f.Result != nil} {
		if there {
			contents++
		}
	}
	switch {
	case contents != 1:
	case f.Type == FrameReady && f.Ready != nil:
		return f, checkReady(f.Ready)
	case f.Type == FrameWarmed && f.Warmed != nil:
		return f, checkWarmed(f.Warmed)
	case f.Type == FrameLog && f.Log != nil:
		return f, checkLog(f.Log)
	case f.Type == FrameResult && f.Result != nil:
		return f, checkResult(f.Result)
	}
	return Frame{}, broken("a frame of no known form")
}

func checkReady(r *Ready) error {
	if r.Version != Version {
		return broken("the runner speaks version %d, not %d", r.Version, Version)
	}
	if len(r.FDs) > maxFDs || len(r.Env) > maxFDs || len(r.Interfaces) > maxFDs ||
		len(r.Mounts) > maxMounts || len(r.Proc) > maxProcNames || len(r.Namespaces) > maxMappings ||
		len(r.UIDMap) > maxMappings || len(r.GIDMap) > maxMappings || len(r.Rlimits) > maxRlimits {
		return broken("the ready frame is longer than a runner's")
	}
	tooLong := func(name string) bool { return len(name) > maxName }
	for _, names := range [][]string{{r.Hostname}, r.FDs, r.Env, r.Interfaces, r.Proc} {
		if slices.ContainsFunc(names, tooLong) {
			return broken("a name in the ready frame is longer than any that a runner finds")
		}
	}
	for name := range r.Namespaces {
		if tooLong(name) {
			return broken("a name in the ready frame is longer than any that a runner finds")
		}
	}
	if slices.ContainsFunc(r.Rlimits, func(l Rlimit) bool { return tooLong(l.Type) }) {
		return broken("a name in the ready frame is longer than any that a runner finds")
	}
	return nil
}

func checkWarmed(w *Warmed) error {
	if len(w.Libraries) > maxLibraries || w.HeapBytes < 0 {
		return broken("a warmed frame out of bounds")
	}
	for _, name := range w.Libraries {
		if len(name) > maxSpecifier {
			return broken("a specifier longer than any library's")
		}
	}
	return nil
}

func checkLog(l *Log) error {
	if !l.Level.Known() {
		return broken("a log of no known level")
	}
	if len(l.Message) > api.MaxLogBytes {
		return broken("a log longer than a runner sends")
	}
	if !isTime(l.AtMs) {
		return broken("a log at no possible time")
	}
	return nil
}

// isTime reports whether a number of milliseconds can lie within an execution. NaN cannot stand in
// JSON; the bound keeps sums of times finite.
func isTime(ms float64) bool {
	const slack = 60_000
	return ms >= 0 && ms <= api.MaxTimeoutSeconds*1000+slack
}

func checkResult(r *Result) error {
	if !runnerCodes[r.Code] {
		return broken("a result with a code that is not the runner's to say")
	}
	if (r.Code == api.Success) != (r.Error == nil) || (r.Code == api.Success) != (r.Output != nil) {
		return broken("a result whose code and content disagree")
	}
	if len(r.Output) > api.MaxOutputBytes {
		return broken("an output longer than a runner sends")
	}
	if r.Output != nil {
		if err := api.CheckJSON(r.Output, api.MaxDepth); err != nil {
			return broken("an output that is not JSON: %v", err)
		}
	}
	if len(r.Warnings) > maxWarnings || !isTime(r.ExecutionMs) {
		return broken("a result out of bounds")
	}
	texts := r.Warnings
	if e := r.Error; e != nil {
		texts = append([]string{e.Name, e.Message, e.Stack}, texts...)
		if e.Line < 0 || e.Column < 0 {
			return broken("an error at a negative place")
		}
	}
	for _, text := range texts {
		if len(text) > maxText {
			return broken("a text longer than a runner sends")
		}
	}
	return nil
}
