package controller

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/metadata"
)

// withActions gives a server the catalogue of this build.
func withActions(config *Config, _ *bounds) {
	hostCPUs := config.HostCPUs
	config.Actions = func(executor Executor) ([]Action, error) {
		catalogue, err := metadata.Load(metadata.Files())
		if err != nil {
			return nil, err
		}
		code, err := action.NewExecuteCode(catalogue, executor, hostCPUs)
		if err != nil {
			return nil, err
		}
		return []Action{{About: code.About(), Run: func(ctx context.Context, params []byte) (any, string, error) {
			result, err := code.Run(ctx, params, nil)
			return result, string(result.ResultCode), err
		}}}, nil
	}
}

func TestActions(t *testing.T) {
	s := testServer(t, succeeds, withActions)
	var list api.ActionList
	if a := ask(t, s, request("GET", "/v1/actions", nil)); a.status != 200 || json.Unmarshal(a.body, &list) != nil || len(list.Actions) != 1 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for path, want := range map[string]int{
		"/v1/actions/execute-code": 200, "/v1/actions/EXECUTE-CODE": 200, "/v1/actions/Execute%20Code": 200, "/v1/actions/other": 404, "/v1/actions/..": 404,
	} {
		if a := ask(t, s, request("GET", path, nil)); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	var one api.Action
	a := ask(t, s, request("GET", "/v1/actions/execute-code", nil))
	if err := json.Unmarshal(a.body, &one); err != nil || one.Title != "Execute Code" || len(one.ResultCodes) != len(api.Codes()) || !json.Valid(one.InputSchema) {
		t.Errorf("%v %s", err, a.body)
	}
	if a := ask(t, testServer(t, succeeds), request("GET", "/v1/actions", nil)); strings.TrimSpace(string(a.body)) != `{"actions":[]}` {
		t.Errorf("without actions: %s", a.body)
	}
}

func TestRunAction(t *testing.T) {
	s := testServer(t, succeeds, withActions)
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"CODE":"x","inputdata":"{\"a\":1}"}`:   {200, `"resultCode":"SUCCESS","message":"The script ran to its end. It ran for 2 ms.","output":{"a":1}`},
		`{"code":"x"}`:                           {200, `"output":null`},
		`{}`:                                     {200, `"resultCode":"MISSING_CODE"`},
		`{"code":"x","inputData":"nope"}`:        {200, `"resultCode":"INVALID_INPUT_DATA"`},
		`{"code":"x","inputData":{"a":1,"a":2}}`: {200, `"resultCode":"INVALID_INPUT_DATA"`},
		`{"code":"x","timeout":-1}`:              {400, `"field":"timeout"`},
		`{"code":"x","timeoutSeconds":1}`:        {400, `"field":"timeoutSeconds"`},
		`{"code":`:                               {400, "not valid JSON"},
	} {
		a := ask(t, s, postTo("/v1/actions/execute-code/runs", body))
		if a.status != want.status || !strings.Contains(string(a.body), want.says) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	// A run under a key would be another run each time: whoever sends a key means that it is not.
	if a := ask(t, s, with(postTo("/v1/actions/execute-code/runs", `{"code":"x"}`), "Idempotency-Key", "k")); a.status != 400 || a.problem(t).Field != "Idempotency-Key" {
		t.Errorf("under a key: %d %s", a.status, a.body)
	}
	if a := ask(t, s, postTo("/v1/actions/none/runs", `{}`)); a.status != 404 {
		t.Errorf("of no action: %d %s", a.status, a.body)
	}
	if metrics := ask(t, s, request("GET", "/metrics", nil)); !strings.Contains(string(metrics.body), `glovebox_executions_total{code="SUCCESS",runtime="",tenant=""} 2`) {
		t.Error("the executions of actions are not counted")
	}
}

func TestRunActionThatCannot(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"busy":   {busyError(time.Second), 503},
		"failed": {errors.New("no box"), 500},
	} {
		s := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return api.Result{}, c.err }), withActions)
		a := ask(t, s, postTo("/v1/actions/execute-code/runs", `{"code":"x"}`))
		if a.status != c.status || strings.Contains(string(a.body), "no box") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}
