package modeltest

import (
	"time"

	"glovebox/internal/agent"
)

// A Step is what the server does with one request.
type Step interface{ step() }

// A Usage is how many tokens the server says it took.
type Usage struct {
	Input      int64 // without what was cached
	CacheRead  int64
	CacheWrite int64 // which only one of the protocols tells apart: to the other it is input
	Output     int64
}

// A Reply is an answer: text, calls, or both.
type Reply struct {
	Text string
	// Calls are made in parallel. One with no ID gets its own.
	Calls []agent.Call
	// Cut ends the answer for its length. It is sent as it stands here.
	Cut bool
	// Withheld ends the answer for what it says.
	Withheld bool
	// Usage is told with the answer; nil tells one that fits the sizes of question and answer.
	Usage *Usage
	// NoUsage tells none, as some servers do.
	NoUsage bool
}

// Say answers with text.
func Say(text string) Reply { return Reply{Text: text} }

// Call calls tools, in parallel where there are several.
func Call(calls ...agent.Call) Reply { return Reply{Calls: calls} }

// Length answers with text that is cut for its length.
func Length(text string) Reply { return Reply{Text: text, Cut: true} }

// RateLimit refuses with 429 and says when to come again; 0 is at once.
type RateLimit struct{ RetryAfter time.Duration }

// Fail refuses with a status. Clients that try again are told to do so after RetryAfter; 0 is at once.
type Fail struct {
	Status     int
	Message    string
	RetryAfter time.Duration
}

// CutStream streams an answer and ends the connection in its midst.
type CutStream struct {
	Reply Reply
	// After is how many bytes of the stream are sent; 0 is half of them.
	After int
	// Politely ends the stream as a whole one ends, and not as one does whose server died.
	Politely bool
}

// FailStream streams half an answer, and then an error of the kind that the protocol has.
type FailStream struct {
	Reply   Reply
	Kind    string
	Message string
}

// Slow streams half an answer, and the rest once Until is closed; where it is nil, never.
type Slow struct {
	Reply Reply
	Until <-chan struct{}
}

// Endless streams text until the client goes.
type Endless struct{}

// Raw answers with just these bytes.
type Raw struct {
	Status int
	Header map[string]string
	Body   string
}

// A Func finds the step from the request.
type Func func(Request) Step

// Forever answers this request and all that follow by the same step.
type Forever struct{ Step Step }

func (Reply) step()      {}
func (RateLimit) step()  {}
func (Fail) step()       {}
func (CutStream) step()  {}
func (FailStream) step() {}
func (Slow) step()       {}
func (Endless) step()    {}
func (Raw) step()        {}
func (Func) step()       {}
func (Forever) step()    {}
