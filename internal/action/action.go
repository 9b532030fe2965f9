// Package action is the boundary between those who run an action by its name and what runs behind it: it turns
// an action's parameters into a request of the service's, and what came of it into the action's outputs. What an
// action is called, and what is said of it, comes from the metadata; what its parameters may hold comes from the
// contract.
package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"glovebox/api"
	"glovebox/internal/quota"
	"glovebox/metadata"
)

// An Executor runs requests; see controller.Executor.
type Executor interface {
	Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)
}

// ExecuteCode is the action that runs a script. It is safe for concurrent use.
type ExecuteCode struct {
	about    api.Action
	names    []string
	executor Executor
	hostCPUs int
}

// NewExecuteCode returns the action as the catalogue tells it. The error says where the catalogue and the
// contract differ.
func NewExecuteCode(catalogue *metadata.Catalogue, executor Executor, hostCPUs int) (*ExecuteCode, error) {
	row, ok := catalogue.Action(metadata.ExecuteCodeClass)
	if !ok {
		return nil, fmt.Errorf("action: the metadata has no action of the class %s", metadata.ExecuteCodeClass)
	}
	about, err := describe(row)
	if err != nil {
		return nil, err
	}
	a := &ExecuteCode{about: about, executor: executor, hostCPUs: hostCPUs}
	for _, p := range about.Parameters {
		a.names = append(a.names, p.Name)
	}
	return a, nil
}

// About tells what the action is. The caller must not change it.
func (a *ExecuteCode) About() api.Action { return a.about }

// Request reads the action's parameters, from JSON, into a request that has passed its checks, with the defaults of the tenant in
// ctx. The error is an *[api.Error] that names the parameter.
func (a *ExecuteCode) Request(ctx context.Context, body []byte) (api.Request, error) {
	params, err := api.DecodeParams(body, a.names)
	if err != nil {
		return api.Request{}, err
	}
	request, err := params.Request()
	if err != nil {
		return api.Request{}, err
	}
	request = quota.WithDefaults(ctx, request)
	if err := request.Validate(a.hostCPUs); err != nil {
		return api.Request{}, asParams(err)
	}
	return request, nil
}

// Run runs the action. What the action has a result code for is a result, a missing code and broken data
// too; any other fault of the parameters is an *[api.Error], and any other error is the executor's. onLog may be
// nil.
func (a *ExecuteCode) Run(ctx context.Context, body []byte, onLog func(api.Log)) (api.ActionResult, error) {
	request, err := a.Request(ctx, body)
	var refused *api.Error
	if errors.As(err, &refused) && refused.ResultCode != "" {
		return a.refused(refused), nil
	}
	if err != nil {
		return api.ActionResult{}, err
	}
	result, err := a.executor.Execute(ctx, request, onLog)
	if err != nil {
		return api.ActionResult{}, err
	}
	return a.result(result), nil
}

// fieldParams is the parameter that each field of a request came from.
var fieldParams = map[string]string{"timeoutSeconds": api.ParamTimeout, "memoryLimitMB": api.ParamMemoryLimit}

// asParams names the parameter where an error names the request's field.
func asParams(err error) error {
	var e *api.Error
	if !errors.As(err, &e) || fieldParams[e.Field] == "" {
		return err
	}
	renamed := *e
	renamed.Field = fieldParams[e.Field]
	return &renamed
}

func (a *ExecuteCode) refused(e *api.Error) api.ActionResult {
	return api.ActionResult{
		Action: a.about.Title, ResultCode: e.ResultCode, Message: sentence(e.ResultCode, e.Error()),
		Logs: []api.Log{}, Warnings: []string{},
	}
}

func (a *ExecuteCode) result(r api.Result) api.ActionResult {
	out := api.ActionResult{
		ID: r.ID, Action: a.about.Title, Success: r.Success, ResultCode: r.ResultCode, Message: Message(r),
		Output: r.Output, Logs: r.Logs, ExecutionTimeMs: r.ExecutionTimeMs, Error: r.Error, Truncated: r.Truncated, Warnings: r.Warnings,
	}
	out.Logs = append([]api.Log{}, out.Logs...)
	out.Warnings = append([]string{}, out.Warnings...)
	return out
}

// Message says in a sentence or two how a run ended, and what to do about it. It may hold text of the script's.
func Message(r api.Result) string {
	if r.Error == nil {
		return sentence(r.ResultCode, fmt.Sprintf("It ran for %.0f ms.", r.ExecutionTimeMs))
	}
	said := r.Error.Name
	if r.Error.Message != "" {
		said += ": " + r.Error.Message
	}
	if r.Error.Line > 0 {
		said += fmt.Sprintf(" (line %d, column %d)", r.Error.Line, r.Error.Column)
	}
	return sentence(r.ResultCode, said)
}

// sentence joins what the table says of a code with what is known of this run.
func sentence(code api.ResultCode, said string) string {
	row, ok := code.Info()
	if !ok {
		return said
	}
	if code == api.Success {
		return row.Meaning + " " + said
	}
	return fmt.Sprintf("%s %s\n%s", row.Meaning, metadata.Fix(row), said)
}

// bounds are what the contract lets each parameter of Execute Code hold, as JSON Schema.
var bounds = map[string]map[string]any{
	api.ParamCode:     {"type": "string", "minLength": 1, "maxLength": api.MaxCodeBytes},
	api.ParamLanguage: {"type": "string", "enum": []api.Language{api.JavaScript, api.TypeScript}},
	// Any value. The types are listed since some models refuse a schema that says nothing.
	api.ParamInputData:   {"type": []string{"object", "array", "string", "number", "boolean", "null"}},
	api.ParamTimeout:     {"type": "number", "minimum": api.MinTimeoutSeconds, "maximum": api.MaxTimeoutSeconds},
	api.ParamMemoryLimit: {"type": "integer", "minimum": api.MinMemoryLimitMB, "maximum": api.MaxMemoryLimitMB},
}

// describe makes an action of its row in the catalogue and of the contract.
func describe(row metadata.Action) (api.Action, error) {
	about := api.Action{Name: metadata.Slug(row.Name), Title: row.Name, Kind: api.KindAction, Description: row.Description}
	properties := map[string]map[string]any{}
	required := []string{}
	for _, p := range row.Params {
		parameter := api.ActionParameter{Name: p.Name, Description: p.Description, Required: p.IsRequired, IsArray: p.IsArray}
		if p.Type == metadata.Output {
			about.Outputs = append(about.Outputs, parameter)
			continue
		}
		bound, known := bounds[p.Name]
		if !known {
			return api.Action{}, fmt.Errorf("action: the metadata of %q has a parameter %q, which the contract does not know", row.Name, p.Name)
		}
		property := map[string]any{"description": p.Description}
		for key, value := range bound {
			property[key] = value
		}
		if p.DefaultValue != nil {
			parameter.Default = defaultOf(*p.DefaultValue, bound["type"] == "string")
			property["default"] = parameter.Default
		}
		if p.IsRequired {
			required = append(required, p.Name)
		}
		properties[p.Name] = property
		about.Parameters = append(about.Parameters, parameter)
	}
	if len(properties) != len(bounds) {
		return api.Action{}, fmt.Errorf("action: the metadata of %q has %d parameters, and the contract %d", row.Name, len(properties), len(bounds))
	}
	for _, code := range row.ResultCodes {
		about.ResultCodes = append(about.ResultCodes, api.ActionResultCode{Code: code.ResultCode, Success: code.IsSuccess, Description: code.Description})
	}
	schema, err := json.Marshal(map[string]any{
		"type": "object", "properties": properties, "required": slices.Sorted(slices.Values(required)), "additionalProperties": false,
	})
	if err != nil {
		return api.Action{}, fmt.Errorf("action: %w", err)
	}
	about.InputSchema = schema
	return about, nil
}

// defaultOf makes JSON of a default, which the metadata holds as text.
func defaultOf(text string, isString bool) json.RawMessage {
	if !isString && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text) // of a string: cannot fail
	return quoted
}
