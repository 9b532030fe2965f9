package agent

import (
	"strings"
	"testing"
)

// TestReadStep holds the lenient reading, case by case.
func TestReadStep(t *testing.T) {
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	for _, test := range []struct {
		name, text string
		kind       stepKind
		message    string
		code       string // claimed
		actions    int
		problem    string // holds
	}{
		{name: "actions", text: `{"taskComplete":false,"nextStep":{"type":"Actions","actions":[{"name":"Execute Code","params":{"code":"1"}},{"name":"x"}]}}`,
			kind: stepActions, actions: 2},
		{name: "a missing taskComplete is false", text: `{"message":"m","nextStep":{"type":"Actions","actions":[{"name":"Execute Code","params":{}}]}}`,
			kind: stepActions, actions: 1, message: "m"},
		{name: "null is missing", text: `{"taskComplete":null,"nextStep":{"actions":[{"name":"Execute Code"}]}}`, kind: stepActions, actions: 1},
		{name: "complete", text: `{"taskComplete":true,"message":"done","payloadChangeRequest":{"newElements":{"code":"a"},"updateElements":{"code":"b"}}}`,
			kind: stepComplete, message: "done", code: "b"},
		{name: "complete comes before a next step", text: `{"taskComplete":true,"nextStep":{"type":"Actions","actions":[{"name":"Execute Code"}]}}`, kind: stepComplete},
		{name: "a type inferred from actions", text: `{"nextStep":{"actions":[{"name":"Execute Code"}]}}`, kind: stepActions, actions: 1},
		{name: "a type inferred from a sub-agent", text: `{"nextStep":{"subAgent":{"name":"Other"}}}`, problem: "There is no next step"},
		{name: "a type inferred from a message", text: `{"nextStep":{"message":"which one?"}}`, kind: stepChat, message: "which one?"},
		{name: "no next step but a message is Chat", text: `{"message":"which one?"}`, kind: stepChat, message: "which one?"},
		{name: "a payload change alone is complete", text: `{"payloadChangeRequest":{"newElements":{"code":"a"}}}`, kind: stepComplete, code: "a"},
		{name: "reasoning beside it changes nothing", text: `{"reasoning":"r","confidence":1,"payloadChangeRequest":{}}`, kind: stepComplete},
		{name: "Chat", text: `{"taskComplete":false,"message":"no","nextStep":{"type":"Chat"}}`, kind: stepChat, message: "no"},
		{name: "Retry", text: `{"nextStep":{"type":"Retry"}}`, problem: "another try"},
		{name: "a type of another case", text: `{"nextStep":{"type":"ACTIONS","actions":[{"name":"Execute Code"}]}}`, kind: stepActions, actions: 1},
		{name: "a type that there is not", text: `{"nextStep":{"type":"ForEach"}}`, problem: `no next step "ForEach"`},
		{name: "Actions without any", text: `{"nextStep":{"type":"Actions","actions":[]}}`, problem: "there are none"},
		{name: "nothing at all", text: `{"confidence":1}`, problem: "raw JSON ONLY"},
		{name: "empty", text: " \n", problem: "it is empty"},
		{name: "an empty object", text: `{}`, problem: "no JSON object of the response format"},
		{name: "prose around", text: "Here {you} are: {\"message\":\"m {x}\"} ok?", kind: stepChat, message: "m {x}"},
		{name: "a fence", text: "```json\n{\"message\":\"m\"}\n```", kind: stepChat, message: "m"},
		{name: "a fence within a string", text: "```json\n{\"message\":\"```js\\n{}\\n```\"}\n```", kind: stepChat, message: "```js\n{}\n```"},
		{name: "a byte-order mark", text: "\ufeff{\"message\":\"m\"}", kind: stepChat, message: "m"},
		{name: "another object before it", text: `The first row is {"amount":1}. {"message":"m"}`, kind: stepChat, message: "m"},
		{name: "broken code before it", text: "```js\nconst a = {\"x\": y};\n```\n{\"message\":\"m\"}", kind: stepChat, message: "m"},
		{name: "half an object", text: `{"message":"m","nextStep":{"type":"Act`, problem: "ends before it is complete"},
		{name: "half an object that holds a whole one", text: `{"reasoning":{"message":"m"},"nextStep":`, problem: "ends before it is complete"},
		{name: "two answers", text: `{"message":"a"} {"taskComplete":true}`, problem: "more than one JSON object"},
		{name: "not valid", text: `{"message":"a",}`, problem: "not valid"},
		{name: "a key twice", text: `{"taskComplete":false,"taskComplete":true}`, problem: "not valid"},
		{name: "a line break in a string", text: "{\"message\":\"a\nb\"}", problem: `every line break as \n`},
		{name: "a wrong type", text: `{"taskComplete":"yes"}`, problem: `"taskComplete" cannot be a JSON string`},
		{name: "prose", text: "I think it is 42.", problem: "raw JSON ONLY"},
		{name: "an array", text: `[1,2]`, problem: "raw JSON ONLY"},
		{name: "too deep", text: `{"reasoning":` + deep + `}`, problem: "nested more than"},
		{name: "too large", text: strings.Repeat(" x", maxAnswerBytes), problem: "larger than"},
		{name: "code that is no string", text: `{"taskComplete":true,"payloadChangeRequest":{"newElements":{"code":5}}}`, kind: stepComplete},
	} {
		s := readStep(test.text)
		code := ""
		if s.claim != nil {
			code = *s.claim
		}
		if s.kind != test.kind || s.message != test.message || code != test.code || len(s.actions) != test.actions ||
			!strings.Contains(s.problem, test.problem) || (s.problem != "") != (test.kind == stepRetry) {
			t.Errorf("%s: %+v", test.name, s)
		}
	}
}

func TestReadCalls(t *testing.T) {
	execute := func(arguments string) Call { return Call{ID: "c", Name: ToolExecute, Arguments: arguments} }
	complete := func(arguments string) Call { return Call{ID: "d", Name: ToolComplete, Arguments: arguments} }
	for _, test := range []struct {
		name    string
		calls   []Call
		kind    stepKind
		actions int
		refused int
		message string
	}{
		{"one", []Call{execute(`{"code":"1"}`)}, stepActions, 1, 0, ""},
		{"two, one of them broken", []Call{execute(`{"code":"1"}`), execute(`{"code`)}, stepActions, 2, 1, ""},
		{"all broken", []Call{execute(`{"code`), execute(``)}, stepRetry, 0, 0, ""},
		{"no object", []Call{execute(`[]`)}, stepRetry, 0, 0, ""},
		{"null", []Call{execute(`null`)}, stepRetry, 0, 0, ""},
		{"too deep", []Call{execute(strings.Repeat("[", 5000))}, stepRetry, 0, 0, ""},
		{"complete", []Call{complete(`{"message":"m"}`)}, stepComplete, 0, 0, "m"},
		{"complete, broken", []Call{complete(`{"mess`)}, stepRetry, 0, 0, ""},
		{"not solved", []Call{complete(`{"message":"m","solved":false}`)}, stepChat, 0, 0, "m"},
		{"complete beside another", []Call{execute(`{"code":"1"}`), complete(`{"message":"m"}`)}, stepActions, 2, 1, ""},
		{"complete twice", []Call{complete(`{"message":"m"}`), complete(`{"message":"m"}`)}, stepRetry, 0, 0, ""},
	} {
		s := readCalls(Answer{Calls: test.calls})
		refused := 0
		for _, a := range s.actions {
			if a.unreadable != "" {
				refused++
			}
		}
		if s.kind != test.kind || len(s.actions) != test.actions || refused != test.refused || s.message != test.message {
			t.Errorf("%s: %+v", test.name, s)
		}
	}
}

// Whatever a model answers is read in bounds: it is one of the four steps, and a step of actions has some.
func FuzzReadStep(f *testing.F) {
	for _, seed := range []string{
		"", "{", `{"`, `{"taskComplete":true}`, `x {"message":"m"} y`, "```json\n{\"nextStep\":{\"actions\":[{\"name\":\"Execute Code\",\"params\":{\"code\":\"1\"}}]}}\n```",
		`{"payloadChangeRequest":{"newElements":{"code":"\ud800"}}}`, `{"message":"a"}{"message":"b"}`, `{"a":[}`, strings.Repeat(`{"a":`, 50),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := readStep(text)
		switch s.kind {
		case stepActions:
			if len(s.actions) == 0 {
				t.Fatal("a step of no actions")
			}
		case stepRetry:
			if s.problem == "" {
				t.Fatal("a retry without a reason")
			}
		case stepComplete, stepChat:
		default:
			t.Fatalf("no step: %v", s.kind)
		}
		calls := readCalls(Answer{Calls: []Call{{Name: ToolExecute, Arguments: text}}})
		if calls.kind == stepActions && len(calls.actions) != 1 {
			t.Fatalf("%d actions of one call", len(calls.actions))
		}
		if (calls.kind == stepRetry) != (calls.problem != "") {
			t.Fatalf("%+v", calls)
		}
	})
}
