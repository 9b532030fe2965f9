package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/metadata"
)

// An executor answers every request with one result, and keeps what it was asked.
type executor struct {
	result api.Result
	err    error
	asked  api.Request
}

func (e *executor) Execute(_ context.Context, request api.Request, _ func(api.Log)) (api.Result, error) {
	e.asked = request
	return e.result, e.err
}

func newAction(t *testing.T, e *executor) *action.ExecuteCode {
	t.Helper()
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	a, err := action.NewExecuteCode(catalogue, e, 2)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRun(t *testing.T) {
	e := &executor{result: api.Result{
		ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", Success: true, ResultCode: api.Success, Output: json.RawMessage("60"), ExecutionTimeMs: 2.4,
		Warnings: []string{"output.a: a Map"},
	}}
	got, err := newAction(t, e).Run(t.Context(), []byte(`{"Code":"x","inputData":"[1]","TIMEOUT":2}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Success || got.Action != "Execute Code" || string(got.Output) != "60" || got.Logs == nil || got.ID == "" || len(got.Warnings) != 1 ||
		got.Message != "The script ran to its end. It ran for 2 ms." {
		t.Errorf("got %+v", got)
	}
	if string(e.asked.InputData) != "[1]" || *e.asked.TimeoutSeconds != 2 || *e.asked.MemoryLimitMB != api.DefaultMemoryLimitMB {
		t.Errorf("asked %+v", e.asked)
	}
}

func TestRunThatFails(t *testing.T) {
	e := &executor{result: api.Result{
		ResultCode: api.Timeout, Logs: []api.Log{{Level: api.LevelLog, Message: "hello"}}, ExecutionTimeMs: 1000,
		Error: &api.ScriptError{Name: "TimeoutError", Message: "too long", Line: 3, Column: 7},
	}}
	got, err := newAction(t, e).Run(t.Context(), []byte(`{"code":"x"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Success || got.ExecutionTimeMs != 1000 || len(got.Logs) != 1 || got.Error.Line != 3 ||
		!strings.Contains(got.Message, "more time with timeout.") || !strings.HasSuffix(got.Message, "\nTimeoutError: too long (line 3, column 7)") {
		t.Errorf("got %+v", got)
	}
}

func TestRefusals(t *testing.T) {
	for body, want := range map[string]struct {
		code  api.ResultCode // of the result
		field string         // of the error
	}{
		`{}`:                               {code: api.MissingCode},
		`{"code":" \n"}`:                   {code: api.MissingCode},
		`{"code":"x","inputData":"{a:1}"}`: {code: api.InvalidInputData},
		`{"code":"x","timeout":301}`:       {field: "timeout"},
		`{"code":"x","memoryLimit":8}`:     {field: "memoryLimit"},
		`{"code":"x","cpus":1}`:            {field: "cpus"},
		`{"code":"x","language":"python"}`: {field: "language"},
	} {
		e := &executor{err: errors.New("must not be asked")}
		got, err := newAction(t, e).Run(t.Context(), []byte(body), nil)
		var refused *api.Error
		switch {
		case want.code != "":
			if err != nil || got.ResultCode != want.code || got.Success || got.Message == "" || got.Logs == nil {
				t.Errorf("%s: %+v, %v", body, got, err)
			}
		case !errors.As(err, &refused) || refused.Field != want.field:
			t.Errorf("%s: %v", body, err)
		}
	}
	e := &executor{err: errors.New("no box")}
	if _, err := newAction(t, e).Run(t.Context(), []byte(`{"code":"x"}`), nil); !errors.Is(err, e.err) {
		t.Errorf("the executor's error became %v", err)
	}
}

// inputSchema compiles the schema of an action's parameters.
func inputSchema(t *testing.T, about api.Action) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(about.InputSchema)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// The schema takes what the action takes, and the defaults that the catalogue tells are the contract's.
func TestAbout(t *testing.T) {
	a := newAction(t, &executor{})
	about := a.About()
	schema := inputSchema(t, about)
	for body, valid := range map[string]bool{
		`{"code":"x","language":"typescript","inputData":null,"timeout":0.1,"memoryLimit":16}`: true,
		`{"code":"x","inputData":"[1]"}`: true,
		`{"code":""}`:                    false,
		`{}`:                             false,
		`{"code":"x","timeout":0}`:       false,
		`{"code":"x","memoryLimit":1.5}`: false,
		`{"code":"x","language":"perl"}`: false,
		`{"code":"x","cpus":1}`:          false,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != valid {
			t.Errorf("the schema of %s: %v", body, err)
		}
		if _, err := a.Request(t.Context(), []byte(body)); (err == nil) != valid {
			t.Errorf("the action of %s: %v", body, err)
		}
	}
	defaults := map[string]string{}
	for _, p := range about.Parameters {
		if p.Default != nil {
			defaults[p.Name] = string(p.Default)
		}
	}
	r := api.Request{}.WithDefaults()
	encode := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	if len(defaults) != 3 || defaults["language"] != encode(r.Language) || defaults["timeout"] != encode(r.TimeoutSeconds) || defaults["memoryLimit"] != encode(r.MemoryLimitMB) {
		t.Errorf("defaults %v", defaults)
	}
	if len(about.ResultCodes) != len(api.Codes()) || len(about.Outputs) != 3 || about.Name != "execute-code" {
		t.Errorf("got %+v", about)
	}
}

// A catalogue whose parameters are not the contract's is refused, by name.
func TestOtherParameters(t *testing.T) {
	for name, change := range map[string]func(*metadata.Action){
		`"speed"`:      func(a *metadata.Action) { a.Params[0].Name = "speed" },
		"4 parameters": func(a *metadata.Action) { a.Params = slices.Delete(a.Params, 0, 1) },
		"__Execute":    func(a *metadata.Action) { a.DriverClass = "Other" },
	} {
		catalogue, err := metadata.Load(metadata.Files())
		if err != nil {
			t.Fatal(err)
		}
		change(&catalogue.Actions[0])
		if _, err := action.NewExecuteCode(catalogue, &executor{}, 2); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
