package controller

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
)

// withAgent gives a server an agent.
func withAgent(run func(ctx context.Context, task []byte, onStep func(Step)) (any, string, error)) option {
	return func(config *Config, b *bounds) {
		config.Agents = func(Executor) ([]Agent, error) { return []Agent{{Name: "codesmith", Run: run}}, nil }
		b.keepAlive = 5 * time.Millisecond
	}
}

// outcome is a document as an agent gives it.
var outcome = map[string]any{
	"code": "COMPLETE", "success": true, "message": "done", "warnings": []string{},
	"payload": map[string]any{"task": "t", "code": "x", "failed": false, "iterations": 1, "errors": []string{}, "logs": []string{}},
	"spent":   map[string]any{"answers": 1, "runs": 2, "usage": map[string]any{"inputTokens": 1, "outputTokens": 1}, "costUSD": 0, "durationMs": 1},
}

func TestRunAgent(t *testing.T) {
	s := testServer(t, succeeds, withAgent(func(_ context.Context, task []byte, onStep func(Step)) (any, string, error) {
		if onStep != nil {
			t.Error("steps are told to one who did not ask for them")
		}
		if !strings.Contains(string(task), "task") {
			return nil, "", &api.Error{Field: "task", Detail: "there is no task"}
		}
		return outcome, "COMPLETE", nil
	}))
	for _, accept := range []string{"", "*/*", "application/json", "text/event-stream;q=0, application/json"} {
		r := postTo("/v1/agents/CodeSmith/runs", `{"task":"t"}`)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		if a := ask(t, s, r); a.status != 200 || !strings.Contains(string(a.body), `"code":"COMPLETE"`) {
			t.Errorf("%q: %d %s", accept, a.status, a.body)
		}
	}
	if a := ask(t, s, postTo("/v1/agents/codesmith/runs", `{}`)); a.status != 400 || !strings.Contains(string(a.body), `"field":"task"`) {
		t.Errorf("without a task: %d %s", a.status, a.body)
	}
	if a := ask(t, s, postTo("/v1/agents/other/runs", `{}`)); a.status != 404 || !strings.Contains(string(a.body), "--agent-model") {
		t.Errorf("another agent: %d %s", a.status, a.body)
	}
	if a := ask(t, s, request("PUT", "/v1/agents/codesmith/runs", nil)); a.status != 405 {
		t.Errorf("PUT: %d", a.status)
	}
}

func TestRunAgentAsEvents(t *testing.T) {
	s := testServer(t, succeeds, withAgent(func(_ context.Context, task []byte, onStep func(Step)) (any, string, error) {
		if string(task) == "{}" {
			return nil, "", &api.Error{Field: "task", Detail: "there is no task"}
		}
		for i, name := range []string{"started", "thinking", "complete"} {
			onStep(Step{ID: i + 1, Type: name, Data: fmt.Appendf(nil, `{"seq":%d}`, i+1)})
		}
		return outcome, "COMPLETE", nil
	}))
	r := postTo("/v1/agents/codesmith/runs", `{"task":"t"}`)
	r.Header.Set("Accept", "text/event-stream, application/json;q=0.1")
	a := ask(t, s, r)
	want := "id: 1\nevent: started\ndata: {\"seq\":1}\n\nid: 2\nevent: thinking\ndata: {\"seq\":2}\n\nid: 3\nevent: complete\ndata: {\"seq\":3}\n\n"
	if got := strings.ReplaceAll(string(a.body), ": still at work\n\n", ""); a.status != 200 || got != want {
		t.Errorf("%d %q", a.status, got)
	}
	r = postTo("/v1/agents/codesmith/runs", `{}`)
	r.Header.Set("Accept", "text/event-stream")
	if a := ask(t, s, r); a.status != 400 || a.header.Get("Content-Type") != problemType {
		t.Errorf("what is refused before it began: %d %s", a.status, a.body)
	}
}

// A client that leaves ends the run; one that stays is told that the work goes on.
func TestAgentWithoutItsClient(t *testing.T) {
	ended := make(chan struct{})
	server := serve(t, testServer(t, succeeds, withAgent(func(ctx context.Context, _ []byte, onStep func(Step)) (any, string, error) {
		defer close(ended)
		onStep(Step{ID: 1, Type: "started", Data: []byte("{}")})
		<-ctx.Done()
		return outcome, "CANCELLED", nil
	})))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.url("/v1/agents/codesmith/runs"), strings.NewReader(`{"task":"t"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	response, err := server.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() && lines.Text() != ": still at work" {
	}
	if lines.Text() != ": still at work" {
		t.Errorf("nothing keeps the stream alive: %v", lines.Err())
	}
	leave()
	<-ended
}

// A stream whose end had been told said that it was still at work, where its ticker was quicker than whoever stopped it.
func TestNothingAtWorkIsToldBehindTheEnd(t *testing.T) {
	recorder := httptest.NewRecorder()
	stream := &eventStream{w: boundedWriter{echo.NewResponse(recorder, echo.New()), time.Minute, &budget{most: 1 << 20}, ""}}
	if err := stream.tell(Step{ID: 1, Type: endEvent, Data: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	returned := make(chan string, 1)
	go func() {
		stream.keepAlive(t.Context(), time.Nanosecond)
		returned <- recorder.Body.String()
	}()
	if told := within(t, "the end of keeping alive", returned); told != "id: 1\nevent: end\ndata: {}\n\n" {
		t.Errorf("%q", told)
	}
}
