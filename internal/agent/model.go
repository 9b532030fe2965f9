package agent

import (
	"context"
	"encoding/json"
)

// A Model answers one turn of a conversation. It is safe for concurrent use.
type Model interface {
	// Name is the model's own name, for reports: never a key, nor an address.
	Name() string
	// NativeTools reports whether the model takes tools and answers with calls of them; a Turn for one
	// that does not holds none.
	NativeTools() bool
	// Answer asks the model for the next message. It retries what is worth it (a rate limit, a cut
	// connection) by itself, within ctx. The error is an [*ModelError], or ctx's own.
	Answer(ctx context.Context, turn Turn) (Answer, error)
}

// A Turn is what a model is asked: the whole conversation so far.
type Turn struct {
	System   string
	Messages []Message // the last one is the user's, or holds the results of tools
	Tools    []Tool
	// MaxOutputTokens bounds the answer; 0 leaves it to the model.
	MaxOutputTokens int64
	// OnText, where it is not nil, gets the text of the answer as it streams in. The model may be asked
	// again after a cut: what was streamed before is then void, and OnText is told by an empty string.
	OnText func(text string)
}

// A Role says who wrote a message.
type Role string

// The roles.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// A Message is one of the conversation. An assistant's may hold Calls; the user's message that follows
// one with Calls holds a Result for each, and may hold text after them.
type Message struct {
	Role    Role         `json:"role"`
	Text    string       `json:"text,omitempty"`
	Calls   []Call       `json:"calls,omitempty"`
	Results []CallResult `json:"results,omitempty"`
}

// A Tool is one that the model may call. Schema is the JSON Schema of its arguments, an object's.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage
}

// A Call is a model's wish to have a tool run. Arguments is the text that the model sent, which is not
// always JSON.
type Call struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// A CallResult is what came of a Call, as text for the model.
type CallResult struct {
	CallID string `json:"callId"`
	Text   string `json:"text"`
	Failed bool   `json:"failed,omitempty"`
}

// An Answer is a model's next message.
type Answer struct {
	Text  string
	Calls []Call
	// Cut is true where the answer was ended by a bound on its length, and is no whole one.
	Cut   bool
	Usage Usage
}

// A ModelError says that no answer could be had: the server refused, or could not be reached.
type ModelError struct {
	// Status is the HTTP status, 0 where there was none.
	Status int
	// Message is for people, and holds no key.
	Message string
	Err     error
}

func (e *ModelError) Error() string { return e.Message }

func (e *ModelError) Unwrap() error { return e.Err }
