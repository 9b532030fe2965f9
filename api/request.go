package api

import (
	"encoding/json"
	"time"
)

// A Request is what a client asks: one script, its data and its limits. A nil pointer means that the
// field was not given, and that the default holds.
type Request struct {
	Code     string   `json:"code"`
	Language Language `json:"language,omitempty"`
	// InputData is the script's `input`, as it was written; nil where none was given, "null" where
	// null was.
	InputData      json.RawMessage `json:"inputData,omitempty"`
	TimeoutSeconds *float64        `json:"timeoutSeconds,omitempty"`
	MemoryLimitMB  *int            `json:"memoryLimitMB,omitempty"`
	CPUs           *float64        `json:"cpus,omitempty"`
	// Seed and Now make a run repeatable: randomness from the seed, and a clock that stands still.
	Seed *int64     `json:"seed,omitempty"`
	Now  *time.Time `json:"now,omitempty"`
	// Libraries names those that the script may require; nil is each, and an empty list is none. No client says it: whoever
	// lets the request in does.
	Libraries []string `json:"-"`
}

// WithDefaults returns the request with every field that was not given set to its default (but for
// InputData, Seed and Now, where absence has a meaning). The receiver is not changed.
func (r Request) WithDefaults() Request {
	if r.Language == "" {
		r.Language = JavaScript
	}
	if r.TimeoutSeconds == nil {
		r.TimeoutSeconds = new(float64(DefaultTimeoutSeconds))
	}
	if r.MemoryLimitMB == nil {
		r.MemoryLimitMB = new(int(DefaultMemoryLimitMB))
	}
	if r.CPUs == nil {
		r.CPUs = new(float64(DefaultCPUs))
	}
	return r
}
