package controller

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
	"glovebox/internal/quota"
)

// A smith is an agent that is done at once, or goes on until it is ended, by its task.
type smith struct{ admit func(context.Context) error }

func (s smith) Admit(ctx context.Context, body []byte) error {
	var task struct{ Task string }
	if err := json.Unmarshal(body, &task); err != nil || task.Task == "" {
		return &api.Error{Field: "task", Detail: "there is no task"}
	}
	if s.admit != nil {
		return s.admit(ctx)
	}
	return nil
}

func (s smith) WorkAccepted(ctx context.Context, body []byte, begin func(...ledger.Draft) error, onEvent func(agent.Event)) (agent.Outcome, error) {
	if err := begin(); err != nil {
		return agent.Outcome{}, err
	}
	onEvent(agent.Event{Seq: 1, Type: agent.EventThinking, Thinking: &agent.Thinking{Iteration: 1}})
	code := agent.Complete
	if strings.Contains(string(body), "hang") {
		<-ctx.Done()
		code = agent.Cancelled
	}
	outcome := agent.Unworked(agent.Task{Text: "t"}, code, "")
	onEvent(agent.Event{Seq: 2, Type: agent.EventComplete, Complete: &outcome})
	return outcome, nil
}

// withSmith gives a server an agent whose runs can be accepted.
func withSmith(t *testing.T, admit func(context.Context) error) option {
	return func(config *Config, b *bounds) {
		withAgent(func(context.Context, []byte, func(Step)) (any, string, error) {
			return nil, "", errors.New("nobody waits for it")
		})(config, b)
		config.AgentRuns = func(Executor) (*agentrun.Service, error) {
			return openRuns(t, map[string]agentrun.Worker{"codesmith": smith{admit}})
		}
	}
}

const runsPath = "/v1/agents/codesmith/runs"

func (a answer) run(t *testing.T, status int) api.AgentRun {
	t.Helper()
	var r api.AgentRun
	if err := json.Unmarshal(a.body, &r); err != nil || a.status != status {
		t.Fatalf("status %d, %v: %s", a.status, err, a.body)
	}
	return r
}

func TestAnAsyncRun(t *testing.T) {
	s := testServer(t, succeeds, withSmith(t, nil))
	a := ask(t, s, with(postTo("/v1/agents/CodeSmith/runs", `{"task":"t"}`), "Prefer", async, "Accept", eventsType))
	r := a.run(t, http.StatusAccepted)
	path := runsPath + "/" + r.ID
	if a.header.Get("Location") != path || a.header.Get("Preference-Applied") != async || r.Agent != "codesmith" || r.TaskDigest == "" {
		t.Errorf("%+v, %v", r, a.header)
	}
	ended := ask(t, s, get(path+"?wait=20s")).run(t, http.StatusOK)
	if ended.State != api.ExecutionEnded || ended.Outcome == nil || ended.ResultCode != api.AgentComplete || ended.BeganAt == nil || ended.EndedAt == nil {
		t.Errorf("%+v", ended)
	}
	a = ask(t, s, get(runsPath+"?state=ended&resultCode=COMPLETE"))
	var page api.AgentRunPage
	if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 || len(page.Runs) != 1 || page.Runs[0].ID != r.ID || page.Runs[0].Outcome != nil || page.Runs[0].Forgotten {
		t.Errorf("%s, %v", a.body, err)
	}
	for _, r := range []*http.Request{by("other", get(path)), by("other", get(path+"/events")), by("other", request(http.MethodDelete, path, nil)),
		get("/v1/agents/other/runs/" + r.ID), get(runsPath + "/01JZ8Q6V9T3YB5C2N7K4M1XH0D")} {
		if a := ask(t, s, r); a.status != http.StatusNotFound || !strings.Contains(a.problem(t).Detail, "no run of this id") {
			t.Errorf("%s %s: %d %s", r.Method, r.URL, a.status, a.body)
		}
	}
	for _, query := range []string{"wait=x", "y=1"} {
		if a := ask(t, s, get(path+"?"+query)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	for _, query := range []string{"resultCode=SUCCESS", "limit=0", "x=1"} {
		if a := ask(t, s, get(runsPath+"?"+query)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	forgotten := ask(t, s, request(http.MethodDelete, path+"?forget=true", nil)).run(t, http.StatusOK)
	if forgotten.Outcome != nil || !forgotten.Forgotten || forgotten.ResultCode != api.AgentComplete {
		t.Errorf("%+v", forgotten)
	}
}

func TestARunThatIsNotAccepted(t *testing.T) {
	over := &quota.Error{Quota: "requestsPerMinute", Limit: new(1.0), Used: new(1.0), After: time.Second}
	s := testServer(t, succeeds, withSmith(t, func(ctx context.Context) error {
		if tenantOf(ctx) == "spent" {
			return over
		}
		return nil
	}))
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		field   string
	}{
		"no task":   {postTo(runsPath, `{}`), 400, "task"},
		"a quota":   {by("spent", postTo(runsPath, `{"task":"t"}`)), 429, ""},
		"no agent":  {postTo("/v1/agents/other/runs", `{"task":"t"}`), 404, ""},
		"a bad key": {with(postTo(runsPath, `{"task":"t"}`), "Idempotency-Key", "a b"), 400, "Idempotency-Key"},
	} {
		if a := ask(t, s, with(c.request, "Prefer", async)); a.status != c.status || a.problem(t).Field != c.field {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for range 200 {
		ask(t, s, with(postTo(runsPath, `{"task":"hang"}`), "Prefer", async)).run(t, http.StatusAccepted)
	}
	if a := ask(t, s, with(postTo(runsPath, `{"task":"hang"}`), "Prefer", async)); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("one more: %d %s", a.status, a.body)
	}
}

// A key stands for one run, whether its caller waits or not.
func TestIdempotencyOfRuns(t *testing.T) {
	s := testServer(t, succeeds, withSmith(t, nil))
	send := func(body string, header ...string) answer {
		return ask(t, s, with(postTo(runsPath, body), append([]string{"Idempotency-Key", "k"}, header...)...))
	}
	a := send(`{"task":"t"}`)
	location := a.header.Get("Location")
	if a.status != 200 || !strings.Contains(string(a.body), `"code":"COMPLETE"`) || location == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if r := send(`{"task":"t"}`, "Prefer", async).run(t, http.StatusOK); runsPath+"/"+r.ID != location {
		t.Errorf("%+v, want %s", r, location)
	}
	if a := send(`{"task":"t"}`, "Accept", eventsType); a.status != 200 || !strings.Contains(string(a.body), "event: thinking\n") || !strings.Contains(string(a.body), "event: end\n") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := send(`{"task":"u"}`); a.status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", a.status, a.body)
	}
	if r := ask(t, s, by("other", with(postTo(runsPath, `{"task":"t"}`), "Idempotency-Key", "k", "Prefer", async+",wait=20"))).run(t, http.StatusOK); runsPath+"/"+r.ID == location {
		t.Error("another tenant's key is the same")
	}
	ask(t, s, request(http.MethodDelete, location+"?forget=true", nil))
	if a := send(`{"task":"t"}`); a.status != http.StatusGone {
		t.Errorf("once it is forgotten: %d %s", a.status, a.body)
	}
}

func TestEventsOfARun(t *testing.T) {
	s := testServer(t, succeeds, withSmith(t, nil))
	served := serve(t, s)
	r := ask(t, s, with(postTo(runsPath, `{"task":"hang"}`), "Prefer", async)).run(t, http.StatusAccepted)
	path := runsPath + "/" + r.ID
	open := func(last string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, served.url(path+"/events"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		response, err := served.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	lines := bufio.NewScanner(open("").Body)
	next := func() (event string) {
		t.Helper()
		for lines.Scan() && (lines.Text() != "" || event == "") {
			if text := lines.Text(); text != "" && text[0] != ':' {
				event += text + "\n"
			}
		}
		return event
	}
	if event := next(); event != "id: 1\nevent: thinking\ndata: {\"seq\":1,\"atMs\":0,\"type\":\"thinking\",\"thinking\":{\"iteration\":1,\"prompt\":\"\"}}\n" {
		t.Errorf("%q", event)
	}
	if r := ask(t, s, request(http.MethodDelete, path, nil)).run(t, http.StatusOK); r.ResultCode != api.AgentCancelled || r.Outcome == nil {
		t.Errorf("%+v", r)
	}
	if event := next(); !strings.HasPrefix(event, fmt.Sprintf("id: %d\nevent: end\n", agentrun.EndEvent)) || !strings.Contains(event, `"resultCode":"CANCELLED"`) {
		t.Errorf("%q", event)
	}
	if lines.Scan() {
		t.Errorf("behind the end: %q", lines.Text())
	}
	for last, status := range map[string]int{"1": 200, "2": 200, fmt.Sprint(agentrun.EndEvent): 204, "x": 400, "-1": 400} {
		if response := open(last); response.StatusCode != status {
			t.Errorf("after %s: %s", last, response.Status)
		}
	}
}

// A run that was accepted goes on without its client, and whoever waits for it does not keep a server from stopping.
func TestARunWithoutItsClient(t *testing.T) {
	s := testServer(t, succeeds, withSmith(t, nil))
	r := with(postTo(runsPath, `{"task":"hang"}`), "Idempotency-Key", "k")
	ctx, leave := context.WithCancel(r.Context())
	left := make(chan answer)
	go func() { left <- ask(t, s, r.WithContext(ctx)) }()
	var running api.AgentRunPage
	for len(running.Runs) == 0 {
		if err := json.Unmarshal(ask(t, s, get(runsPath+"?state=running")).body, &running); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	if a := <-left; a.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", a.status, a.body)
	}
	told := make(chan api.AgentRun, 1)
	go func() { told <- ask(t, s, get(runsPath+"/"+running.Runs[0].ID+"?wait=1m")).run(t, http.StatusOK) }()
	s.drainNow()
	if r := within(t, "the answer", told); r.State != api.ExecutionRunning {
		t.Errorf("%+v", r)
	}
}

// A server whose agent has gone still tells of its runs, and lets them be ended.
func TestRunsWithoutAnAgent(t *testing.T) {
	store := agentrun.NewMemory()
	if err := kepttest.Add(t.Context(), store, agentrun.Record{ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", Agent: "codesmith", State: api.ExecutionQueued, Task: []byte(`{"task":"t"}`)}); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.AgentRuns = func(Executor) (*agentrun.Service, error) {
			service, err := agentrun.Open(context.Background(), agentrun.Config{Store: store})
			if err == nil {
				t.Cleanup(func() { _ = service.Close(context.Background()) })
			}
			return service, err
		}
	})
	path := runsPath + "/01JZ8Q6V9T3YB5C2N7K4M1XH0D"
	if r := ask(t, s, get(path)).run(t, http.StatusOK); r.State != api.ExecutionQueued {
		t.Errorf("%+v", r)
	}
	if r := ask(t, s, request(http.MethodDelete, path, nil)).run(t, http.StatusOK); r.ResultCode != api.AgentCancelled {
		t.Errorf("%+v", r)
	}
	bare := testServer(t, succeeds, func(c *Config, _ *bounds) { c.AgentRuns = nil })
	if a := ask(t, bare, get(path)); a.status != http.StatusNotFound {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(t, bare, get(runsPath)); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}
