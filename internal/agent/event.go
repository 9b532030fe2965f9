package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"glovebox/api"
)

// An EventType says what happened. The set is closed.
type EventType string

// The types of events, in the order in which a run shows them first.
const (
	EventStarted  EventType = "started"  // once, first
	EventThinking EventType = "thinking" // the model is asked
	EventText     EventType = "text"     // a piece of its answer; not in transcripts
	EventAnswer   EventType = "answer"   // its answer, whole
	EventCode     EventType = "code"     // code begins to run
	EventRun      EventType = "run"      // how that ended
	EventRetry    EventType = "retry"    // the answer was of no use, and the model is told why
	EventVerified EventType = "verified" // the code that the model stands by was run again
	EventComplete EventType = "complete" // once, last, whatever the outcome
)

// An Event is one step of a run, as its listeners, a transcript and Server-Sent Events get it. Its JSON is
//
//	{"seq": 4, "atMs": 1830.2, "type": "code", "code": {…}}
//
// where the one member beside seq, atMs and type is named as the type is, and there is always exactly that one.
// seq counts from 1 without a gap; atMs is milliseconds since the run began. Runs of code are numbered from 1 in the order
// in which the model asked for them; those of one answer run side by side, so that their `run` events may
// come in any order. Everything in text, answer, code, run and complete is the model's or a script's: who shows
// it on a terminal escapes it first.
type Event struct {
	Seq  int       `json:"seq"`
	AtMs float64   `json:"atMs"`
	Type EventType `json:"type"`

	Started  *Started  `json:"started,omitempty"`
	Thinking *Thinking `json:"thinking,omitempty"`
	Text     *Text     `json:"text,omitempty"`
	Answer   *Answered `json:"answer,omitempty"`
	Code     *Code     `json:"code,omitempty"`
	Run      *RunEnd   `json:"run,omitempty"`
	Retry    *Retry    `json:"retry,omitempty"`
	Verified *Verified `json:"verified,omitempty"`
	Complete *Outcome  `json:"complete,omitempty"`
}

// Started tells what the run works with.
type Started struct {
	Model       string    `json:"model"`
	NativeTools bool      `json:"nativeTools"`
	InputBytes  int       `json:"inputBytes"`
	Seed        int64     `json:"seed"`
	Now         time.Time `json:"now"`
	Limits      Limits    `json:"limits"`
}

// Thinking tells that the model is asked. Prompt is what it is told since its last answer.
type Thinking struct {
	Iteration int    `json:"iteration"` // the one that its answer may begin, from 1
	Prompt    string `json:"prompt"`
}

// Text is a piece of an answer as it streams in. An empty one voids those before: the model is asked again.
type Text struct {
	Text string `json:"text"`
}

// Answered is an answer of the model.
type Answered struct {
	Text       string  `json:"text"`
	Calls      []Call  `json:"calls,omitempty"`
	Cut        bool    `json:"cut,omitempty"` // ended by a bound on its length
	Usage      Usage   `json:"usage"`
	DurationMs float64 `json:"durationMs"`
}

// Code is code that begins to run.
type Code struct {
	Run            int          `json:"run"`
	Iteration      int          `json:"iteration"`
	Code           string       `json:"code"`
	Language       api.Language `json:"language"`
	TimeoutSeconds float64      `json:"timeoutSeconds"`
	MemoryLimitMB  int          `json:"memoryLimitMB"`
	// OwnInput is true where the model gave data of its own in place of the task's.
	OwnInput bool `json:"ownInput,omitempty"`
}

// MaxEventOutput is the size, in bytes, up to which a [RunEnd] holds the output itself, and its logs.
const MaxEventOutput = 64 << 10

// RunEnd is how a run of code ended.
type RunEnd struct {
	Run       int  `json:"run"`
	Iteration int  `json:"iteration"`
	Success   bool `json:"success"`
	// ResultCode is empty where the parameters were refused and nothing ran; Refused then says why.
	ResultCode api.ResultCode `json:"resultCode,omitempty"`
	Refused    string         `json:"refused,omitempty"`
	// Output is absent where there is none, and where it is larger than MaxEventOutput.
	Output          json.RawMessage  `json:"output,omitempty"`
	OutputBytes     int              `json:"outputBytes"`
	OutputSHA256    string           `json:"outputSHA256,omitempty"` // in hexadecimal
	Logs            []api.Log        `json:"logs"`
	LogsCut         bool             `json:"logsCut,omitempty"`
	Error           *api.ScriptError `json:"error,omitempty"`
	ExecutionTimeMs float64          `json:"executionTimeMs"`
	Warnings        []string         `json:"warnings"`
}

// Retry tells why an answer was of no use. Count is how many in a row were.
type Retry struct {
	Count  int    `json:"count"`
	Reason string `json:"reason"`
}

// Verified tells what came of running the code again. Same is true where the output was the same, byte for byte.
type Verified struct {
	Run        int            `json:"run"` // the one that was repeated
	Same       bool           `json:"same"`
	ResultCode api.ResultCode `json:"resultCode"`
}

// typed pairs each type with whether its member is set.
func (e *Event) typed() []struct {
	name EventType
	set  bool
} {
	return []struct {
		name EventType
		set  bool
	}{
		{EventStarted, e.Started != nil}, {EventThinking, e.Thinking != nil}, {EventText, e.Text != nil},
		{EventAnswer, e.Answer != nil}, {EventCode, e.Code != nil}, {EventRun, e.Run != nil},
		{EventRetry, e.Retry != nil}, {EventVerified, e.Verified != nil}, {EventComplete, e.Complete != nil},
	}
}

// check reports whether the event holds the member of its type, and that one alone.
func (e *Event) check() error {
	known := false
	for _, member := range e.typed() {
		known = known || member.name == e.Type
		if member.set != (member.name == e.Type) {
			return fmt.Errorf("an event of type %q must hold %q and nothing else", e.Type, e.Type)
		}
	}
	switch {
	case !known:
		return fmt.Errorf("there is no event of type %q", e.Type)
	case e.Complete != nil:
		if info, ok := e.Complete.Code.Info(); !ok || info.Success != e.Complete.Success {
			return fmt.Errorf("there is no outcome %q with success %v", e.Complete.Code, e.Complete.Success)
		}
	case e.Started != nil:
		return e.Started.Limits.Check()
	}
	return nil
}

// eventDepth leaves room for what stands around an output.
const eventDepth = api.MaxDepth + 8

// DecodeEvent reads one event. It is strict: one JSON object in valid UTF-8, no unknown or doubled field, and the
// one member that belongs to the type.
func DecodeEvent(line []byte) (Event, error) {
	var e Event
	if err := decodeStrict(line, &e); err != nil {
		return Event{}, err
	}
	return e, e.check()
}

func decodeStrict(line []byte, into any) error {
	if err := api.CheckJSON(line, eventDepth); err != nil {
		return err
	}
	if trimmed := bytes.TrimLeft(line, " \t\r\n"); trimmed[0] != '{' {
		return errors.New("is no JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("holds more than one JSON value")
	}
	return nil
}
