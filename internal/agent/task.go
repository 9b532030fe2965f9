package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"glovebox/api"
)

// MaxTaskBytes bounds a task's text, and its requirements, each: both are in every prompt.
const MaxTaskBytes = 64 << 10

// A Task is what the agent is to do.
type Task struct {
	Text string `json:"task"`
	// InputData is the script's `input`, whole; the model sees a sample of it. nil where there is none.
	InputData json.RawMessage `json:"inputData,omitempty"`
	// Requirements say more of how the result must be.
	Requirements string `json:"requirements,omitempty"`
	// Seed and Now are those of every run of the task, so that each can be repeated. Where they are nil the
	// agent chooses them, and tells in [Started].
	Seed *int64     `json:"seed,omitempty"`
	Now  *time.Time `json:"now,omitempty"`
}

// Check reports what is wrong with a task: an *[api.Error] that names the field.
func (t Task) Check() error {
	for field, text := range map[string]string{"task": t.Text, "requirements": t.Requirements} {
		switch {
		case len(text) > MaxTaskBytes:
			return &api.Error{Kind: api.KindTooLarge, Field: field, Detail: fmt.Sprintf("is %d bytes long; at most %d are allowed", len(text), MaxTaskBytes)}
		case !utf8.ValidString(text):
			return &api.Error{Kind: api.KindInvalid, Field: field, Detail: "is not valid UTF-8"}
		}
	}
	if strings.TrimSpace(t.Text) == "" {
		return &api.Error{Kind: api.KindInvalid, Field: "task", Detail: "there is no task"}
	}
	if t.InputData == nil {
		return nil
	}
	// The data's own rules are those of any request's.
	err := api.Request{Code: "0", InputData: t.InputData}.WithDefaults().Validate(1)
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused
	}
	return err
}
