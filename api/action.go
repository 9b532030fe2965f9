package api

import "encoding/json"

// An Action is one that can be run by name, as the catalogue tells it.
type Action struct {
	// Name is the name in paths, such as execute-code; Title the one for people.
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Kind        ActionKind `json:"kind"`
	Description string     `json:"description"`
	// Parameters go in and Outputs come out.
	Parameters []ActionParameter `json:"parameters"`
	Outputs    []ActionParameter `json:"outputs"`
	// ResultCodes is every way for it to end.
	ResultCodes []ActionResultCode `json:"resultCodes"`
	// InputSchema is the JSON Schema of its parameters, as one object.
	InputSchema json.RawMessage `json:"inputSchema"`
}

// An ActionKind tells what runs behind an action.
type ActionKind string

// The kinds of action.
const (
	KindAction ActionKind = "action" // a piece of work of ours
	KindAgent  ActionKind = "agent"  // an agent, which asks a model
)

// An ActionParameter is one value that goes in or comes out.
type ActionParameter struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	// Default is what holds where none is given; absent where absence has a meaning.
	Default json.RawMessage `json:"default,omitempty"`
	IsArray bool            `json:"isArray"`
}

// An ActionResultCode is one way for an action to end.
type ActionResultCode struct {
	Code        string `json:"code"`
	Success     bool   `json:"success"`
	Description string `json:"description"`
}

// An ActionList is every action that a server has.
type ActionList struct {
	Actions []Action `json:"actions"`
}

// An ActionResult tells how a run of Execute Code ended: its outputs, its code, and a message that says it in a
// sentence or two, for a model as for people.
type ActionResult struct {
	// ID is the execution's; "" where nothing was run.
	ID         string     `json:"id,omitempty"`
	Action     string     `json:"action"`
	Success    bool       `json:"success"`
	ResultCode ResultCode `json:"resultCode"`
	Message    string     `json:"message"`
	// Output is what the script gave, as JSON: present on SUCCESS alone, null where it gave nothing.
	Output json.RawMessage `json:"output,omitempty"`
	// Logs is what the script printed, oldest first, also when it failed.
	Logs []Log `json:"logs"`
	// ExecutionTimeMs is how long the script ran, in milliseconds, also when it failed.
	ExecutionTimeMs float64      `json:"executionTimeMs"`
	Error           *ScriptError `json:"error,omitempty"`
	Truncated       Truncation   `json:"truncated"`
	Warnings        []string     `json:"warnings"`
}
