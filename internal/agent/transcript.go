package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"glovebox/api"
)

// A transcript is JSON Lines: a header, which holds the task and its data, and then every event but for pieces of
// text. Its form has a version, so that a later one is not misread.
const transcriptVersion = 1

// The bounds of a transcript that is read.
const (
	maxTranscriptLine  = 64 * api.MiB
	maxTranscriptLines = 100_000
)

// transcriptHeader is the first line.
type transcriptHeader struct {
	Codesmith int  `json:"codesmith"` // the version
	Task      Task `json:"task"`
}

// A Recorder writes a transcript as its run goes on: what is written stays, should the process die. It is safe for
// concurrent use.
type Recorder struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewRecorder begins the transcript of a run of the task.
func NewRecorder(w io.Writer, task Task) (*Recorder, error) {
	r := &Recorder{w: w}
	return r, r.line(transcriptHeader{Codesmith: transcriptVersion, Task: task})
}

// Record writes an event. After an error nothing more is written, and every call returns that error.
func (r *Recorder) Record(e Event) error {
	if e.Type == EventText {
		return nil
	}
	return r.line(e)
}

func (r *Recorder) line(value any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	var line []byte
	if line, r.err = EncodeLine(value); r.err == nil {
		_, r.err = r.w.Write(line)
	}
	return r.err
}

// EncodeLine writes a value as one line of JSON, without escaping markup: an output keeps its bytes.
func EncodeLine(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return out.Bytes(), err
}

// A Transcript is a run that was recorded. One of a process that died ends early.
type Transcript struct {
	Task   Task
	Events []Event
}

// ReadTranscript reads what a [Recorder] wrote. It is strict, and bounds lines and their number; the error names
// the line.
func ReadTranscript(r io.Reader) (Transcript, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTranscriptLine)
	var t Transcript
	n := 0
	for lines.Scan() {
		n++
		if n > maxTranscriptLines {
			return Transcript{}, fmt.Errorf("agent: a transcript of more than %d lines", maxTranscriptLines)
		}
		if err := t.line(n, lines.Bytes()); err != nil {
			return Transcript{}, fmt.Errorf("agent: transcript, line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return Transcript{}, fmt.Errorf("agent: transcript, line %d: %w", n+1, err)
	}
	if len(t.Events) == 0 {
		return Transcript{}, errors.New("agent: the transcript holds no run")
	}
	return t, nil
}

func (t *Transcript) line(n int, line []byte) error {
	if n == 1 {
		var header transcriptHeader
		if err := decodeStrict(line, &header); err != nil {
			return fmt.Errorf("no header of a transcript: %w", err)
		}
		if header.Codesmith != transcriptVersion {
			return fmt.Errorf("a transcript of version %d; %d is known", header.Codesmith, transcriptVersion)
		}
		t.Task = header.Task
		return t.Task.Check()
	}
	e, err := DecodeEvent(line)
	if err != nil {
		return err
	}
	last := len(t.Events) - 1
	switch {
	case (e.Type == EventStarted) != (last < 0):
		return errors.New("a run begins with started, once")
	case last >= 0 && t.Events[last].Type == EventComplete:
		return errors.New("nothing follows complete")
	case last >= 0 && e.Seq <= t.Events[last].Seq:
		return errors.New("seq does not grow")
	}
	t.Events = append(t.Events, e)
	return nil
}

// Outcome is how the run ended; ok is false where the transcript ends before it.
func (t Transcript) Outcome() (outcome Outcome, ok bool) {
	if last := t.Events[len(t.Events)-1]; last.Type == EventComplete {
		return *last.Complete, true
	}
	return Outcome{}, false
}

// Replay returns what a run needs to be done again: the task with its seed and time as they were, its limits, and a
// model that gives the recorded answers. The code runs anew.
func (t Transcript) Replay() (Task, Limits, *Replay) {
	started := t.Events[0].Started
	task := t.Task
	task.Seed, task.Now = &started.Seed, &started.Now
	replay := &Replay{name: started.Model, native: started.NativeTools, end: "the transcript holds no further answer"}
	for _, e := range t.Events {
		switch e.Type {
		case EventAnswer:
			replay.answers = append(replay.answers, Answer{Text: e.Answer.Text, Calls: e.Answer.Calls, Cut: e.Answer.Cut, Usage: e.Answer.Usage})
		case EventComplete:
			if e.Complete.Code == ModelFailed {
				replay.end = "as recorded: " + e.Complete.Message
			}
		}
	}
	return task, started.Limits, replay
}

// Compare tells in what a run done again differs from the recorded one: how each run of code ended and what it
// gave, the code, and the outcome. Nothing is told where all is the same.
func (t Transcript) Compare(again []Event) (differences []string) {
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	before, now := index(t.Events), index(again)
	for run := 1; run <= max(before.runs, now.runs); run++ {
		a, b := before.ends[run], now.ends[run]
		switch {
		case a == nil && b == nil:
		case a == nil || b == nil:
			differ("run %d: ended only %s", run, map[bool]string{true: "this time", false: "when it was recorded"}[a == nil])
		case before.code[run] != now.code[run]:
			differ("run %d: the code is another", run)
		case a.ResultCode != b.ResultCode:
			differ("run %d: %s when it was recorded, %s now", run, a.ResultCode, b.ResultCode)
		case a.OutputSHA256 != b.OutputSHA256:
			differ("run %d: the output is another", run)
		}
	}
	a, b := before.outcome, now.outcome
	switch {
	case a == nil || b == nil:
		differ("the outcome: the transcript, or this run, has none")
	case a.Code != b.Code:
		differ("the outcome: %s when it was recorded, %s now", a.Code, b.Code)
	case a.Payload.Code != b.Payload.Code:
		differ("the outcome: the code is another")
	case !sameJSON(a.Payload.Results, b.Payload.Results):
		differ("the outcome: the results are others")
	}
	return differences
}

// indexed is what of a run's events is compared.
type indexed struct {
	runs    int
	code    map[int]string
	ends    map[int]*RunEnd
	outcome *Outcome
}

func index(events []Event) indexed {
	x := indexed{code: map[int]string{}, ends: map[int]*RunEnd{}}
	for _, e := range events {
		switch e.Type {
		case EventCode:
			x.code[e.Code.Run] = e.Code.Code
		case EventRun:
			x.ends[e.Run.Run] = e.Run
			x.runs = min(max(x.runs, e.Run.Run), len(events)) // a run's number is at most that of the events
		case EventComplete:
			x.outcome = e.Complete
		}
	}
	return x
}

// A Replay is a model that gives the answers of a transcript, whatever it is asked. It is safe for concurrent use, but
// serves one run.
type Replay struct {
	name    string
	native  bool
	end     string
	mu      sync.Mutex
	answers []Answer // that are left
}

var _ Model = (*Replay)(nil)

// Name implements [Model]: it is that of the model that was recorded.
func (r *Replay) Name() string { return r.name }

// NativeTools implements [Model].
func (r *Replay) NativeTools() bool { return r.native }

// Answer implements [Model]. Where no answer is left the error is a *[ModelError].
func (r *Replay) Answer(ctx context.Context, _ Turn) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answers) == 0 {
		return Answer{}, &ModelError{Message: r.end}
	}
	answer := r.answers[0]
	r.answers = r.answers[1:]
	return answer, nil
}
