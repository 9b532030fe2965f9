package api_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"glovebox/api"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	// Examples are checked too.
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func schema(t *testing.T, doc *openapi3.T, name string) *openapi3.Schema {
	t.Helper()
	ref := doc.Components.Schemas[name]
	if ref == nil {
		t.Fatalf("the document has no schema %s", name)
	}
	return ref.Value
}

// TestOpenAPITypes proves that each wire type has a schema with the same fields, that what may be left
// out may be left out in both, and that the kinds of values agree.
func TestOpenAPITypes(t *testing.T) {
	doc := document(t)
	for name, value := range map[string]any{
		"Request": api.Request{}, "Result": api.Result{}, "Log": api.Log{}, "ScriptError": api.ScriptError{},
		"Usage": api.Usage{}, "Truncation": api.Truncation{}, "Isolation": api.Isolation{},
		"Action": api.Action{}, "ActionParameter": api.ActionParameter{}, "ActionResultCode": api.ActionResultCode{},
		"ExecutionEndedEvent": api.WebhookEvent{}, "AgentRunEndedEvent": api.WebhookEvent{},
		"ActionList": api.ActionList{}, "ActionResult": api.ActionResult{},
	} {
		t.Run(name, func(t *testing.T) { sameFields(t, schema(t, doc, name), reflect.TypeOf(value)) })
	}
}

func sameFields(t *testing.T, s *openapi3.Schema, goType reflect.Type) {
	t.Helper()
	seen := map[string]bool{}
	for field := range goType.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue // not on the wire
		}
		seen[name] = true
		property := s.Properties[name]
		if property == nil {
			t.Errorf("the schema has no property %q", name)
			continue
		}
		if required := !strings.Contains(options, "omitempty"); required != slices.Contains(s.Required, name) {
			t.Errorf("%s: required is %v in Go and the opposite in the schema", name, required)
		}
		if want := jsonKind(field.Type); want != "" && !property.Value.Type.Is(want) {
			t.Errorf("%s: is %v in the schema, and %s in Go", name, property.Value.Type, want)
		}
	}
	for name := range s.Properties {
		if !seen[name] {
			t.Errorf("the schema has a property %q, and Go has no such field", name)
		}
	}
}

// jsonKind is the JSON type of a Go type; "" for any.
func jsonKind(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return ""
	case t == reflect.TypeFor[time.Time]():
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	}
	return "object"
}

// TestOpenAPIWebhookEvents proves that an event's type, and that alone, tells what its data is: an execution and a run share a code.
func TestOpenAPIWebhookEvents(t *testing.T) {
	doc, at := document(t), time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	execution := api.Execution{ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", State: api.ExecutionEnded, CreatedAt: at, EndedAt: &at, ResultCode: api.Cancelled}
	run := api.AgentRun{ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", Agent: "codesmith", State: api.ExecutionEnded, CreatedAt: at, EndedAt: &at, ResultCode: api.AgentCancelled}
	complete := run
	complete.ResultCode = api.AgentComplete
	for _, c := range []struct {
		of   api.WebhookEventType
		data any
		is   bool
	}{
		{api.EventExecutionEnded, execution, true}, {api.EventAgentRunEnded, run, true}, {api.EventAgentRunEnded, complete, true},
		{api.EventAgentRunEnded, execution, false}, {api.EventExecutionEnded, complete, false}, {"other", run, false},
	} {
		body, err := json.Marshal(api.WebhookEvent{Type: c.of, Timestamp: at, Data: c.data})
		if err != nil {
			t.Fatal(err)
		}
		var event any
		if err := json.Unmarshal(body, &event); err != nil {
			t.Fatal(err)
		}
		if err := schema(t, doc, "WebhookEvent").VisitJSON(event, openapi3.EnableJSONSchema2020()); (err == nil) != c.is {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestOpenAPICodes proves that the document has the table of result codes, all of it.
func TestOpenAPICodes(t *testing.T) {
	s := schema(t, document(t), "ResultCode")
	var want []any
	for _, row := range api.Codes() {
		want = append(want, string(row.Code))
		line := fmt.Sprintf("| %s | %s | %d |", row.Code, row.Meaning, row.HTTPStatus)
		if !strings.Contains(s.Description, line+"\n") {
			t.Errorf("the description of ResultCode lacks the line\n%s", line)
		}
	}
	if !slices.Equal(s.Enum, want) {
		t.Errorf("the codes of the document are\n%v\nand those of the table\n%v", s.Enum, want)
	}
}

// TestOpenAPIEnums holds the other closed sets together.
func TestOpenAPIEnums(t *testing.T) {
	doc := document(t)
	for name, want := range map[string][]any{
		"Language": {string(api.JavaScript), string(api.TypeScript)},
		"LogLevel": {string(api.LevelLog), string(api.LevelInfo), string(api.LevelWarn), string(api.LevelError), string(api.LevelDebug)},
	} {
		if got := schema(t, doc, name).Enum; !slices.Equal(got, want) {
			t.Errorf("%s is one of %v in the document, %v in Go", name, got, want)
		}
	}
	retry := schema(t, doc, "ResultMeaning").Properties["retry"].Value.Enum
	for _, row := range api.Codes() {
		if !slices.Contains(retry, any(string(row.Retry))) {
			t.Errorf("the document has no retry %q", row.Retry)
		}
	}
}

// TestOpenAPILimits proves that the numbers of the document are those that are enforced.
func TestOpenAPILimits(t *testing.T) {
	doc := document(t)
	request, result := schema(t, doc, "Request").Properties, schema(t, doc, "Result").Properties
	number := func(p *float64) float64 {
		if p == nil {
			return -1
		}
		return *p
	}
	extension := func(s *openapi3.Schema, name string) float64 {
		n, _ := s.Extensions[name].(float64)
		return n
	}
	code, input := request["code"].Value, request["inputData"].Value
	timeout, memory, cpus := request["timeoutSeconds"].Value, request["memoryLimitMB"].Value, request["cpus"].Value
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"code, bytes", extension(code, "x-maxBytes"), api.MaxCodeBytes},
		{"code, characters", float64(*code.MaxLength), api.MaxCodeBytes},
		{"inputData, bytes", extension(input, "x-maxBytes"), api.MaxInputBytes},
		{"inputData, depth", extension(input, "x-maxDepth"), api.MaxDepth},
		{"least timeout", number(timeout.Min), api.MinTimeoutSeconds},
		{"most timeout", number(timeout.Max), api.MaxTimeoutSeconds},
		{"default timeout", timeout.Default.(float64), api.DefaultTimeoutSeconds},
		{"least memory", number(memory.Min), api.MinMemoryLimitMB},
		{"most memory", number(memory.Max), api.MaxMemoryLimitMB},
		{"default memory", memory.Default.(float64), api.DefaultMemoryLimitMB},
		{"least cpus", number(cpus.Min), api.MinCPUs},
		{"default cpus", cpus.Default.(float64), api.DefaultCPUs},
		{"output, bytes", extension(result["output"].Value, "x-maxBytes"), api.MaxOutputBytes},
		{"logs, bytes", extension(result["logs"].Value, "x-maxBytes"), api.MaxLogBytes},
		{"logs, entries", float64(*result["logs"].Value.MaxItems), api.MaxLogEntries},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v in the document, %v in Go", c.name, c.got, c.want)
		}
	}
	body := doc.Paths.Value("/v1/executions").Post.RequestBody.Value.Description
	if want := fmt.Sprintf("At most %s bytes.", grouped(api.MaxBodyBytes)); body != want {
		t.Errorf("the body's description is %q, not %q", body, want)
	}
	if cpus.Max != nil {
		t.Error("cpus has a maximum in the document; the host's is not known there")
	}
}

// grouped writes a number as the document does.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

func TestOpenAPIBytesAreTheCallersOwn(t *testing.T) {
	api.OpenAPI()[0] = '!'
	if api.OpenAPI()[0] == '!' {
		t.Error("writing to what OpenAPI returned changed the document")
	}
}
