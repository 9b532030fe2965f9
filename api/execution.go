package api

import "time"

// An ExecutionState says how far an execution is.
type ExecutionState string

// The states of an execution, in their order.
const (
	ExecutionQueued  ExecutionState = "queued"  // accepted; no box has it yet
	ExecutionRunning ExecutionState = "running" // a box was about to get it, or has it
	ExecutionEnded   ExecutionState = "ended"   // it has a result
)

// Known reports whether the state is one of the three.
func (s ExecutionState) Known() bool {
	return s == ExecutionQueued || s == ExecutionRunning || s == ExecutionEnded
}

// An Execution is one as a resource: what /v1/executions/{id} tells of it.
type Execution struct {
	ID    string         `json:"id"`
	State ExecutionState `json:"state"`
	// CreatedAt is when it was accepted, BeganAt when a box was about to get it, EndedAt when it had its result.
	CreatedAt time.Time  `json:"createdAt"`
	BeganAt   *time.Time `json:"beganAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// CodeDigest and InputDigest are HMAC-SHA-256 with a salt of this execution, which goes with its code and data.
	CodeDigest  string `json:"codeDigest,omitempty"`
	InputDigest string `json:"inputDigest,omitempty"`
	// ResultCode is there once it has ended; Result too, until that is forgotten.
	ResultCode ResultCode `json:"resultCode,omitempty"`
	Result     *Result    `json:"result,omitempty"`
	// Forgotten is true where it has ended, and its result is not kept any more.
	Forgotten bool `json:"forgotten,omitempty"`
	// Retryable is true where it has ended by no fault of the script's: the same request, sent again, may succeed.
	Retryable bool `json:"retryable,omitempty"`
}

// A Page is a part of a list of executions, newest first. Next is the cursor of the page behind it, "" at the end.
type Page struct {
	Executions []Execution `json:"executions"`
	Next       string      `json:"next,omitempty"`
}

// A Repeat tells whoever follows an execution that it is run again: what was told of its runs before is void.
type Repeat struct {
	// Run is which run this is, from 2 on.
	Run int `json:"run"`
}
