package controller

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/api/client"
)

func clientOf(t *testing.T, executor Executor) *client.Client {
	t.Helper()
	served := serve(t, testServer(t, executor))
	c, err := client.New(client.Config{BaseURL: served.url("")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// What an executor gives arrives at the client whole: also the largest result that there is, in its longest form.
func TestClientGetsWhatTheExecutorGave(t *testing.T) {
	logs := make([]api.Log, api.MaxLogEntries)
	for i := range logs {
		// Each byte of it is written as six.
		logs[i] = api.Log{Level: api.LevelDebug, Message: strings.Repeat("\x01", api.MaxLogBytes/api.MaxLogEntries), AtMs: 123456.789012345}
	}
	largest := api.Result{
		ID: "largest", Success: true, ResultCode: api.Success, Logs: logs, Warnings: []string{"w"},
		Output:    json.RawMessage(`"` + strings.Repeat("<", api.MaxOutputBytes-2) + `"`),
		Isolation: api.Isolation{Driver: "fake", Runtime: "runc", Layers: []string{"engine"}},
	}
	failed := api.Result{
		ID: "failed", ResultCode: api.RuntimeError, Logs: []api.Log{}, Warnings: []string{}, Isolation: api.Isolation{Layers: []string{}},
		Error: &api.ScriptError{Name: "TypeError", Message: "\u2028</script>", Line: 3, Column: 4, Stack: "at"},
	}
	for _, want := range []api.Result{largest, failed} {
		c := clientOf(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return want, nil }))
		got, err := c.Execute(t.Context(), api.Request{Code: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s came changed", want.ID)
		}
	}
}

// What a client asks arrives at the executor as it was asked.
func TestExecutorGetsWhatTheClientAsked(t *testing.T) {
	now, err := api.ParseNow("2026-01-31T12:00:00.5+02:00")
	if err != nil {
		t.Fatal(err)
	}
	want := api.Request{
		Code: "return '<\u2028>'", Language: api.TypeScript, InputData: json.RawMessage(`{"a":["<",1e400,"\ud800"]}`),
		TimeoutSeconds: new(0.5), MemoryLimitMB: new(64), CPUs: new(1.5), Seed: new(int64(-1 << 62)), Now: &now,
	}
	var got api.Request
	c := clientOf(t, executorFunc(func(_ context.Context, r api.Request) (api.Result, error) {
		got = r
		return api.Result{ID: "1", Success: true, ResultCode: api.Success, Output: json.RawMessage("null")}, nil
	}))
	if _, err := c.Execute(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got.Now == nil || !got.Now.Equal(now) {
		t.Errorf("now is %v, want %v", got.Now, now)
	}
	got.Now = want.Now // instants are equal in other zones too
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestClientGetsRefusals(t *testing.T) {
	c := clientOf(t, executorFunc(func(context.Context, api.Request) (api.Result, error) {
		return api.Result{}, errors.New("secret")
	}))
	for _, row := range []struct {
		request api.Request
		status  int
		field   string
		code    api.ResultCode
	}{
		{api.Request{Code: " "}, 400, "code", api.MissingCode},
		{api.Request{Code: "1", CPUs: new(5.0)}, 400, "cpus", ""},
		{api.Request{Code: strings.Repeat("x", api.MaxCodeBytes+1)}, 413, "code", ""},
		{api.Request{Code: "1"}, 500, "", api.ExecutionFailed},
	} {
		_, err := c.Execute(t.Context(), row.request)
		var refused *client.ProblemError
		if !errors.As(err, &refused) || refused.Status != row.status || refused.Field != row.field || refused.ResultCode != row.code {
			t.Errorf("%v, want %+v", err, row)
		}
	}
	if info, err := c.Info(t.Context()); err != nil || info.Build.Version != "test" || len(info.ResultCodes) != len(api.Codes()) {
		t.Errorf("%+v, %v", info, err)
	}
}

// A client whose context ends takes its execution with it.
func TestClientCancels(t *testing.T) {
	started, ended := make(chan struct{}, 1), make(chan struct{})
	c := clientOf(t, executorFunc(func(ctx context.Context, _ api.Request) (api.Result, error) {
		started <- struct{}{}
		<-ctx.Done()
		close(ended)
		return api.Result{ID: "x", ResultCode: api.Cancelled}, nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := c.Execute(ctx, api.Request{Code: "1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-ended
}
