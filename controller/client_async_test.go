package controller

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"glovebox/api"
	"glovebox/api/client"
)

// The client's view of executions is the server's: each call against a real one.
func TestClientHasExecutionsAccepted(t *testing.T) {
	served := serve(t, onFake(t))
	c, err := client.New(client.Config{BaseURL: served.url("")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	ctx, executions := t.Context(), c.Executions()

	keyed := client.ExecutionOptions{SubmitOptions: client.SubmitOptions{IdempotencyKey: "k"}}
	first, err := executions.Submit(ctx, api.Request{Code: "quick"}, keyed)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := executions.Submit(ctx, api.Request{Code: "quick"}, keyed); err != nil || again.ID != first.ID {
		t.Errorf("the same key: %+v, %v", again, err)
	}
	var refused *client.ProblemError
	if _, err := executions.Submit(ctx, api.Request{Code: "hang"}, keyed); !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity {
		t.Errorf("the same key for another request: %v", err)
	}
	ended, err := executions.Wait(ctx, first.ID)
	if err != nil || ended.Result == nil || string(ended.Result.Output) != "1" {
		t.Fatalf("%+v, %v", ended, err)
	}
	for after, want := range map[int]string{0: "[1 one 1000000 SUCCESS]", 1: "[1000000 SUCCESS]", 1_000_000: "[]"} {
		told := []string{}
		for event, err := range executions.Events(ctx, first.ID, after) {
			switch {
			case err != nil:
				t.Error(err)
			case event.Log != nil:
				told = append(told, fmt.Sprint(event.ID, " ", event.Log.Message))
			default:
				told = append(told, fmt.Sprint(event.ID, " ", event.End.ResultCode))
			}
		}
		if fmt.Sprint(told) != want {
			t.Errorf("behind %d: %q, want %s", after, told, want)
		}
	}

	batch, err := executions.SubmitBatch(ctx, []api.Request{{Code: "quick"}, {Code: "hang"}}, client.ExecutionOptions{})
	if err != nil || len(batch) != 2 {
		t.Fatalf("%+v, %v", batch, err)
	}
	if cancelled, err := executions.Cancel(ctx, batch[1].ID); err != nil || cancelled.ResultCode != api.Cancelled {
		t.Errorf("%+v, %v", cancelled, err)
	}
	page, err := executions.List(ctx, client.ExecutionFilter{State: api.ExecutionEnded, Limit: 1})
	if err != nil || len(page.Executions) != 1 || page.Executions[0].ID != batch[1].ID || page.Next == "" {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err = executions.List(ctx, client.ExecutionFilter{Cursor: page.Next}); err != nil || len(page.Executions) != 2 || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	if forgotten, err := executions.Forget(ctx, first.ID); err != nil || !forgotten.Forgotten {
		t.Errorf("%+v, %v", forgotten, err)
	}
	if _, err := executions.Get(ctx, "01JZ8Q6V9T3YB5C2N7K4M1XH0D"); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("%v", err)
	}
}

// The same of runs of agents.
func TestClientHasRunsAccepted(t *testing.T) {
	served := serve(t, testServer(t, succeeds, withSmith(t, nil)))
	c, err := client.New(client.Config{BaseURL: served.url("")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	ctx, runs := t.Context(), c.Runs("codesmith")
	first, err := runs.Submit(ctx, api.AgentTask{Task: "t"}, client.SubmitOptions{IdempotencyKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	ended, err := runs.Wait(ctx, first.ID)
	if err != nil || ended.Outcome == nil || ended.Outcome.Code != api.AgentComplete {
		t.Fatalf("%+v, %v", ended, err)
	}
	told := []string{}
	for event, err := range runs.Events(ctx, first.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, fmt.Sprint(event.ID, event.Type, event.End != nil))
	}
	if fmt.Sprint(told) != "[1thinkingfalse 1000000true]" {
		t.Errorf("%v", told)
	}
	hangs, err := runs.Submit(ctx, api.AgentTask{Task: "hang"}, client.SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if cancelled, err := runs.Cancel(ctx, hangs.ID); err != nil || cancelled.ResultCode != api.AgentCancelled {
		t.Errorf("%+v, %v", cancelled, err)
	}
	page, err := runs.List(ctx, client.RunFilter{ResultCode: api.AgentComplete})
	if err != nil || len(page.Runs) != 1 || page.Runs[0].ID != first.ID {
		t.Errorf("%+v, %v", page, err)
	}
	if forgotten, err := runs.Forget(ctx, first.ID); err != nil || !forgotten.Forgotten {
		t.Errorf("%+v, %v", forgotten, err)
	}
}
