package action_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/ledger"
	"glovebox/internal/tenant"
	"glovebox/metadata"
)

// A model gives one answer whatever it is asked, once it may.
type model struct {
	answer string
	asked  chan struct{} // gets a value for each question; nil for none
	may    chan struct{} // closed when it may answer; nil for at once
}

func (m model) Name() string      { return "one answer" }
func (m model) NativeTools() bool { return false }

func (m model) Answer(ctx context.Context, _ agent.Turn) (agent.Answer, error) {
	if m.asked != nil {
		m.asked <- struct{}{}
	}
	if m.may != nil {
		select {
		case <-m.may:
		case <-ctx.Done():
			return agent.Answer{}, ctx.Err()
		}
	}
	return agent.Answer{Text: m.answer}, nil
}

func newCodesmith(t *testing.T, m agent.Model, limits agent.Limits) *action.Codesmith {
	t.Helper()
	return newRecordedCodesmith(t, m, limits, nil)
}

func newRecordedCodesmith(t *testing.T, m agent.Model, limits agent.Limits, record action.TaskRecorder) *action.Codesmith {
	t.Helper()
	result := api.Result{Success: true, ResultCode: api.Success, Output: json.RawMessage("3"), ExecutionTimeMs: 1}
	return smithOf(t, m, limits, &executor{result: result}, record)
}

// smithOf is a Codesmith whose code an executor runs.
func smithOf(t *testing.T, m agent.Model, limits agent.Limits, e agent.Executor, record action.TaskRecorder, options ...func(*action.CodesmithConfig)) *action.Codesmith {
	t.Helper()
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	code, err := action.NewExecuteCode(catalogue, e, 2)
	if err != nil {
		t.Fatal(err)
	}
	prompt, err := agent.ParsePrompt("Write code.", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	config := action.CodesmithConfig{
		Catalogue: catalogue, Name: "codesmith", Limits: limits, Concurrency: 1, Admit: admit, Record: record,
		Open: func(l agent.Limits) (*agent.Agent, error) {
			return agent.New(agent.Config{Model: m, Executor: e, Params: code.Request, Prompt: prompt, HostCPUs: 2, Limits: l})
		},
	}
	for _, o := range options {
		o(&config)
	}
	smith, err := action.NewCodesmith(config)
	if err != nil {
		t.Fatal(err)
	}
	return smith
}

// errSpent is what a test's quota says to whoever asks in its name.
var errSpent = errors.New("spent")

func admit(ctx context.Context) error {
	if t, ok := tenant.FromContext(ctx); ok && t.ID == "spent" {
		return errSpent
	}
	return nil
}

// A task is held against quotas on whatever road it comes.
func TestCodesmithIsUnderQuotas(t *testing.T) {
	smith := newCodesmith(t, model{answer: runs}, agent.Limits{Iterations: 1})
	spent, task := tenant.NewContext(t.Context(), tenant.Tenant{ID: "spent"}), []byte(`{"task":"t"}`)
	_, worked := smith.Work(spent, task, nil)
	_, ran := smith.Run(spent, task, nil)
	for road, err := range map[string]error{"accepted": smith.Admit(spent, task), "an agent": worked, "an action": ran} {
		if !errors.Is(err, errSpent) {
			t.Errorf("%s: %v", road, err)
		}
	}
	if err := smith.Admit(t.Context(), task); err != nil {
		t.Error(err)
	}
	var refused *api.Error
	if err := smith.Admit(spent, []byte(`{}`)); !errors.As(err, &refused) || refused.Field != "task" {
		t.Errorf("%v", err)
	}
}

const runs = `{"taskComplete":false,"nextStep":{"type":"Actions","actions":[{"name":"Execute Code","params":{"code":"return 3"}}]}}`

func TestCodesmithAsAnAction(t *testing.T) {
	var events int
	got, err := newCodesmith(t, model{answer: runs}, agent.Limits{}).Run(t.Context(), []byte(`{"TASK":"three","inputData":"[1]","maxIterations":2}`),
		func(agent.Event) { events++ })
	if err != nil {
		t.Fatal(err)
	}
	if got.ResultCode != agent.IterationLimit || got.Success || got.Code != "return 3" || got.Iterations != 2 || got.Errors == nil || got.Logs == nil || events == 0 ||
		!strings.HasPrefix(got.InWords(), "ITERATION_LIMIT: ") {
		t.Errorf("got %+v after %d events", got, events)
	}
}

func TestCodesmithRefuses(t *testing.T) {
	smith := newCodesmith(t, model{}, agent.Limits{Iterations: 5})
	for body, field := range map[string]string{
		`{}`:                                     "task",
		`{"task":" "}`:                           "task",
		`{"task":1}`:                             "task",
		`{"task":"t","requirements":[]}`:         "requirements",
		`{"task":"t","maxIterations":6}`:         "maxIterations",
		`{"task":"t","maxIterations":0}`:         "maxIterations",
		`{"task":"t","maxIterations":1.5}`:       "maxIterations",
		`{"task":"t","code":"x"}`:                "code",
		`{"task":"t","inputData":"{"}`:           "inputData",
		`{"task":"t","inputData":{"a":1,"a":2}}`: "inputData",
	} {
		_, err := smith.Run(t.Context(), []byte(body), nil)
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Field != field {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// As an agent, data that is a string is a string.
func TestCodesmithTakesText(t *testing.T) {
	_, err := newCodesmith(t, model{answer: runs}, agent.Limits{Iterations: 1}).Work(t.Context(), []byte(`{"task":"t","inputData":"{"}`), nil)
	if err != nil {
		t.Error(err)
	}
}

func TestCodesmithAtOnce(t *testing.T) {
	m := model{answer: runs, asked: make(chan struct{}), may: make(chan struct{})}
	smith := newCodesmith(t, m, agent.Limits{Iterations: 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan agent.Outcome)
	go func() {
		outcome, _ := smith.Work(ctx, []byte(`{"task":"t"}`), nil)
		done <- outcome
	}()
	<-m.asked
	var busy action.BusyError
	if _, err := smith.Work(t.Context(), []byte(`{"task":"t"}`), nil); !errors.As(err, &busy) || busy.RetryAfter() <= 0 {
		t.Errorf("the second: %v", err)
	}
	cancel()
	if outcome := <-done; outcome.Code != agent.Cancelled {
		t.Errorf("the first: %+v", outcome)
	}
}

// One tenant had all places, for as long as its tasks took, and others were refused.
func TestATenantLeavesPlacesOfTheAgentToOthers(t *testing.T) {
	m := model{answer: runs, asked: make(chan struct{}), may: make(chan struct{})}
	smith := smithOf(t, m, agent.Limits{Iterations: 1}, &executor{}, nil, func(c *action.CodesmithConfig) { c.Concurrency, c.Admit = 4, nil })
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	as := func(id string, q tenant.Quota) context.Context {
		return tenant.NewContext(ctx, tenant.Tenant{ID: id, Quota: q})
	}
	works := func(ctx context.Context) {
		t.Helper()
		all.Go(func() { _, _ = smith.Work(ctx, []byte(`{"task":"t"}`), nil) })
		<-m.asked
	}
	refused := func(ctx context.Context) {
		t.Helper()
		var busy action.BusyError
		if _, err := smith.Work(ctx, []byte(`{"task":"t"}`), nil); !errors.As(err, &busy) {
			t.Errorf("%v", err)
		}
	}
	works(as("greedy", tenant.Quota{}))
	works(as("greedy", tenant.Quota{}))
	refused(as("greedy", tenant.Quota{}))
	works(as("modest", tenant.Quota{Concurrency: 1}))
	refused(as("modest", tenant.Quota{Concurrency: 1}))
	waits, leave := context.WithCancel(as("modest", tenant.Quota{Concurrency: 1}))
	leave()
	if _, err := smith.WorkAccepted(waits, []byte(`{"task":"t"}`), func(...ledger.Draft) error { t.Error("it begins"); return nil }, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	works(as("other", tenant.Quota{}))
}

// What a tenant had waiting for the agent waited by the quota that it had had when it came.
func TestCodesmithHeedsAQuotaThatIsRaised(t *testing.T) {
	m := model{answer: runs, asked: make(chan struct{}), may: make(chan struct{})}
	smith := smithOf(t, m, agent.Limits{Iterations: 1}, &executor{}, nil, func(c *action.CodesmithConfig) { c.Concurrency, c.Admit = 4, nil })
	acme := tenant.Tenant{ID: "acme", Quota: tenant.Quota{Concurrency: 1}}
	ctx, cancel := context.WithCancel(tenant.NewContext(t.Context(), acme))
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for range 2 {
		all.Go(func() {
			_, _ = smith.WorkAccepted(ctx, []byte(`{"task":"t"}`), func(...ledger.Draft) error { return nil }, nil)
		})
	}
	<-m.asked // by one; the other waits, or will
	acme.Quota.Concurrency = 2
	both := make(chan struct{})
	go func() {
		<-m.asked
		close(both)
	}()
	for told := false; !told; {
		smith.Reshare(acme)
		select {
		case <-both:
			told = true
		case <-time.After(time.Millisecond): // it had not come
		case <-t.Context().Done():
			t.Fatal("it waits on")
		}
	}
}

func TestCodesmithAbout(t *testing.T) {
	about := newCodesmith(t, model{}, agent.Limits{}).About()
	if about.Name != "codesmith" || about.Kind != api.KindAgent || len(about.ResultCodes) != len(agent.Outcomes()) || len(about.Outputs) != 5 {
		t.Errorf("got %+v", about)
	}
	schema := inputSchema(t, about)
	for body, valid := range map[string]bool{
		`{"task":"t","inputData":[1],"requirements":"r","maxIterations":10}`: true,
		`{"task":"t","maxIterations":11}`:                                    false,
		`{}`:                                                                 false,
	} {
		value, _ := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err := schema.Validate(value); (err == nil) != valid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What is accepted waits for its place, and begins only where its caller lets it.
func TestCodesmithWorksOnWhatIsAccepted(t *testing.T) {
	m := model{answer: runs, asked: make(chan struct{}), may: make(chan struct{})}
	smith := newCodesmith(t, m, agent.Limits{Iterations: 1})
	task := []byte(`{"task":"t"}`)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan agent.Outcome)
	go func() {
		outcome, _ := smith.Work(ctx, task, nil)
		first <- outcome
	}()
	<-m.asked
	// There is no place; ctx ends before there is.
	gone, leave := context.WithCancelCause(t.Context())
	leave(errors.New("left"))
	if _, err := smith.WorkAccepted(gone, task, func(...ledger.Draft) error { t.Error("it begins"); return nil }, nil); err == nil || err.Error() != "left" {
		t.Errorf("%v", err)
	}
	second := make(chan agent.Outcome)
	begun := make(chan struct{})
	go func() {
		outcome, err := smith.WorkAccepted(t.Context(), task, func(...ledger.Draft) error { close(begun); return nil }, nil)
		if err != nil {
			t.Error(err)
		}
		second <- outcome
	}()
	cancel()
	if outcome := <-first; outcome.Code != agent.Cancelled {
		t.Errorf("%+v", outcome)
	}
	<-begun
	<-m.asked
	close(m.may)
	go func() {
		for range m.asked {
		}
	}()
	if outcome := <-second; outcome.Code != agent.IterationLimit {
		t.Errorf("%+v", outcome)
	}
	close(m.asked)
	never := errors.New("not any more")
	if _, err := newCodesmith(t, model{answer: runs}, agent.Limits{}).WorkAccepted(t.Context(), task, func(...ledger.Draft) error { return never }, func(agent.Event) { t.Error("there is an event") }); !errors.Is(err, never) {
		t.Errorf("%v", err)
	}
}
