package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"glovebox/api"
)

// The bounds of what is read in a model's answer.
const (
	maxAnswerBytes = 8 * api.MiB
	answerDepth    = 100 // of the answer around the parameters of an action
	maxCandidates  = 100 // objects in one answer's prose
)

// A stepKind says what a model wants next.
type stepKind int

const (
	stepRetry    stepKind = iota // nothing that can be done; problem says why
	stepActions                  // run the actions
	stepComplete                 // the task is done
	stepChat                     // a message for people: a question, or why there is no solution
)

// A step is an answer in the loop format, as it was understood.
type step struct {
	kind    stepKind
	message string
	// problem is what to tell the model of a stepRetry.
	problem string
	actions []action
	// claim is the payload's code, where the answer gave it; results likewise.
	claim   *string
	results json.RawMessage
}

// An action is one that the model wants to have run.
type action struct {
	callID string // of a native call
	name   string
	params []byte // a JSON object, by the one who reads it
	// unreadable says why params are none.
	unreadable string
}

// wireStep is the loop format: an answer in it is one object with some of these members.
type wireStep struct {
	TaskComplete  *bool           `json:"taskComplete"`
	Message       *string         `json:"message"`
	Reasoning     json.RawMessage `json:"reasoning"`
	Confidence    json.RawMessage `json:"confidence"`
	PayloadChange *wirePayload    `json:"payloadChangeRequest"`
	NextStep      *wireNext       `json:"nextStep"`
}

type wirePayload struct {
	NewElements    map[string]json.RawMessage `json:"newElements"`
	UpdateElements map[string]json.RawMessage `json:"updateElements"`
	RemoveElements json.RawMessage            `json:"removeElements"`
}

type wireNext struct {
	Type     string          `json:"type"`
	Actions  []wireAction    `json:"actions"`
	SubAgent json.RawMessage `json:"subAgent"`
	Message  string          `json:"message"`
}

type wireAction struct {
	Name   string          `json:"name"`
	Params json.RawMessage `json:"params"`
}

// onlyJSON is the strong instruction that follows an answer that could not be read.
const onlyJSON = "Your answer could not be read: %s.\n" +
	"Answer again with raw JSON ONLY: one JSON object of the response format, complete and valid. " +
	"The first character must be { and the last one }. No prose before or after it, no code fence, " +
	"and in strings every line break as \\n and every quotation mark as \\\"."

// readStep reads an answer in the loop format, leniently: a missing taskComplete is false, a missing type is
// inferred from what is there, a message without a next step is Chat, and a payload change alone is complete. The
// object may stand in prose or in a code fence. What cannot be read, or could mean two things, is a Retry.
func readStep(text string) step {
	object, err := findStep(text)
	if err != nil {
		return step{problem: fmt.Sprintf(onlyJSON, err)}
	}
	var wire wireStep
	if err := json.Unmarshal(object, &wire); err != nil {
		return step{problem: fmt.Sprintf(onlyJSON, typeFault(err))}
	}
	return wire.step()
}

// typeFault tells a fault of type without Go's words for it.
func typeFault(err error) string {
	var fault *json.UnmarshalTypeError
	if errors.As(err, &fault) {
		return fmt.Sprintf("%q cannot be a JSON %s", cut(fault.Field, MaxShownLine), fault.Value)
	}
	return "it is not the response format"
}

func (w wireStep) step() step {
	s := step{}
	if w.Message != nil {
		s.message = *w.Message
	}
	if p := w.PayloadChange; p != nil {
		s.takePayload(p.NewElements)
		s.takePayload(p.UpdateElements)
	}
	next := w.NextStep
	if next != nil && s.message == "" {
		s.message = next.Message
	}
	switch {
	case w.TaskComplete != nil && *w.TaskComplete:
		s.kind = stepComplete
	case next != nil:
		s.take(*next)
	case s.message != "":
		s.kind = stepChat
	case w.PayloadChange != nil:
		s.kind = stepComplete
	default:
		s.problem = fmt.Sprintf(onlyJSON, "it has neither taskComplete, nextStep, message nor payloadChangeRequest")
	}
	return s
}

// takePayload takes what is the model's to say of the payload. The rest is ours: what ran, and what came of it.
func (s *step) takePayload(elements map[string]json.RawMessage) {
	if raw, ok := elements["code"]; ok {
		var code string
		if json.Unmarshal(raw, &code) == nil {
			s.claim = &code
		}
	}
	if raw, ok := elements["results"]; ok {
		s.results = raw
	}
}

func (s *step) take(next wireNext) {
	kind := strings.ToLower(next.Type)
	if kind == "" { // inferred from the body
		switch {
		case len(next.Actions) > 0:
			kind = "actions"
		case len(next.SubAgent) > 0:
			kind = "sub-agent"
		case s.message != "":
			kind = "chat"
		}
	}
	switch kind {
	case "actions", "action":
		if len(next.Actions) == 0 {
			s.problem = "Your next step is Actions, and there are none: give nextStep.actions, a list of {name, params}."
			return
		}
		s.kind = stepActions
		for _, a := range next.Actions {
			s.actions = append(s.actions, action{name: a.Name, params: a.Params})
		}
	case "chat":
		s.kind = stepChat
	case "retry":
		s.problem = "You asked for another try: here it is. Have code run, or complete the task."
	case "":
		s.problem = fmt.Sprintf(onlyJSON, "nextStep has no type, and nothing from which one could be inferred")
	default:
		s.problem = fmt.Sprintf("There is no next step %q here: use Actions with %q, or complete the task.", cut(next.Type, MaxShownLine), ActionExecute)
	}
}

// stepMembers are those by which an object is known as an answer.
var stepMembers = []string{"taskComplete", "nextStep", "message", "payloadChangeRequest", "reasoning", "confidence"}

// findStep returns the one JSON object in the text that is an answer.
func findStep(text string) ([]byte, error) {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case text == "":
		return nil, errors.New("it is empty")
	case len(text) > maxAnswerBytes:
		return nil, fmt.Errorf("it is larger than %d bytes", maxAnswerBytes)
	}
	var found []byte
	var fault error
	for at, n := 0, 0; ; n++ {
		start := nextObject(text, at)
		if start < 0 {
			break
		}
		end := objectEnd(text, start)
		if end < 0 {
			// Half of an object: what stands in it is no answer by itself.
			return nil, errors.New("the JSON in it ends before it is complete")
		}
		at = end
		object := []byte(text[start:end])
		if err := api.CheckJSON(object, answerDepth+api.MaxDepth); err != nil {
			fault = err
			continue
		}
		if !isStep(object) {
			continue
		}
		if found != nil || n >= maxCandidates {
			return nil, errors.New("it holds more than one JSON object")
		}
		found = object
	}
	switch {
	case found != nil:
		return found, nil
	case fault != nil:
		return nil, fmt.Errorf("the JSON in it is not valid: %w", fault)
	}
	return nil, errors.New("there is no JSON object of the response format in it")
}

// nextObject returns where, from at on, something begins that can be a JSON object; -1 where nothing does.
func nextObject(text string, at int) int {
	for {
		i := strings.IndexByte(text[at:], '{')
		if i < 0 {
			return -1
		}
		at += i
		if rest := strings.TrimLeft(text[at+1:], " \t\r\n"); rest == "" || rest[0] == '"' {
			return at
		}
		at++
	}
}

// objectEnd returns where the object that begins at start ends, by its brackets and strings alone; -1 where it
// does not.
func objectEnd(text string, start int) int {
	depth, quoted := 0, false
	for i := start; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func isStep(object []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return false
	}
	for _, name := range stepMembers {
		if _, ok := members[name]; ok {
			return true
		}
	}
	return false
}

// readArguments reads the arguments of a native call.
func readArguments(text string) (map[string]json.RawMessage, error) {
	if len(text) > maxAnswerBytes {
		return nil, fmt.Errorf("they are larger than %d bytes", maxAnswerBytes)
	}
	if err := api.CheckJSON([]byte(text), api.MaxDepth+1); err != nil {
		return nil, fmt.Errorf("they are not valid JSON: %w", err)
	}
	var arguments map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &arguments); err != nil || arguments == nil {
		return nil, errors.New("they are no JSON object")
	}
	return arguments, nil
}
