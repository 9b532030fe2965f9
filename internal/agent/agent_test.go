package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/kept"
	"glovebox/internal/queue"
	"glovebox/internal/quota"
	"glovebox/internal/tenant"
)

func config(t *testing.T, model agent.Model, executor agent.Executor) agent.Config {
	return agent.Config{Model: model, Executor: executor, Params: readParams, Prompt: prompt(t), ExecuteCode: executeTool, HostCPUs: 1}
}

func TestNewRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*agent.Config){
		"no model":                        func(c *agent.Config) { c.Model = nil },
		"no executor":                     func(c *agent.Config) { c.Executor = nil },
		"no params":                       func(c *agent.Config) { c.Params = nil },
		"no prompt":                       func(c *agent.Config) { c.Prompt = nil },
		"no processor":                    func(c *agent.Config) { c.HostCPUs = 0 },
		"no schema for tools":             func(c *agent.Config) { c.ExecuteCode.Schema = nil },
		"too many iterations":             func(c *agent.Config) { c.Limits.Iterations = agent.MaxIterations + 1 },
		"a negative time":                 func(c *agent.Config) { c.Limits.Time = -time.Second },
		"a budget of money, and no price": func(c *agent.Config) { c.Limits.CostUSD = 1 },
		"a price that is no number":       func(c *agent.Config) { c.Limits.Price.Input = math.NaN() },
	} {
		c := config(t, &scripted{t: t, native: true}, &fakeExecutor{t: t})
		if _, err := agent.New(c); err != nil {
			t.Fatal(err)
		}
		spoil(&c)
		if _, err := agent.New(c); err == nil {
			t.Errorf("%s: nothing was said", name)
		}
	}
}

func TestTasksThatAreRefused(t *testing.T) {
	a, err := agent.New(config(t, &scripted{t: t}, &fakeExecutor{t: t}))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field string
		task  agent.Task
		code  api.ResultCode
	}{
		{"task", agent.Task{Text: " \n"}, ""},
		{"task", agent.Task{Text: strings.Repeat("x", agent.MaxTaskBytes+1)}, ""},
		{"task", agent.Task{Text: "\xff"}, ""},
		{"requirements", agent.Task{Text: "t", Requirements: strings.Repeat("x", agent.MaxTaskBytes+1)}, ""},
		{"inputData", agent.Task{Text: "t", InputData: json.RawMessage(`{"a":1,"a":2}`)}, api.InvalidInputData},
		{"inputData", agent.Task{Text: "t", InputData: json.RawMessage(`"` + strings.Repeat("x", api.MaxInputBytes) + `"`)}, api.InvalidInputData},
	} {
		_, err := a.Run(t.Context(), test.task, func(e agent.Event) { t.Errorf("an event: %+v", e) })
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Field != test.field || refused.ResultCode != test.code {
			t.Errorf("%s: %v", test.field, err)
		}
	}
}

// Every run of a task has its seed, its time and the whole of its data, whatever the model says.
func TestRunsGetTheWholeOfTheData(t *testing.T) {
	executor := &fakeExecutor{t: t, ends: map[string]api.Result{"a": ok("1"), "b": ok("2")}}
	a, err := agent.New(config(t, &scripted{t: t, turns: []turn{
		{run: []string{"a"}, with: `"inputData":null`}, {run: []string{"b"}}, {done: true, code: new("a")},
	}}, executor))
	if err != nil {
		t.Fatal(err)
	}
	big := bigInput()
	outcome, err := a.Run(t.Context(), agent.Task{Text: "t", InputData: big}, nil)
	if err != nil || outcome.Code != agent.Complete || string(outcome.Payload.Results) != "1" {
		t.Fatalf("got %+v, %v", outcome, err)
	}
	if len(executor.asked) != 3 || outcome.Spent.Runs != 3 {
		t.Fatalf("%d runs, and %d are counted", len(executor.asked), outcome.Spent.Runs)
	}
	first := executor.asked[0]
	for i, r := range executor.asked {
		if string(r.InputData) != string(big) || r.Seed == nil || *r.Seed != *first.Seed || r.Now == nil || !r.Now.Equal(*first.Now) {
			t.Errorf("run %d has other data, another seed or another time", i+1)
		}
	}
	if executor.asked[2].Code != "a" {
		t.Errorf("%q was run again, and not what the model stands by", executor.asked[2].Code)
	}
}

// A failing executor answers with errors, and then as the fake does.
type failing struct {
	*fakeExecutor
	mu     sync.Mutex
	errors []error
	codes  []api.ResultCode
}

func (e *failing) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.errors) > 0 {
		err := e.errors[0]
		e.errors = e.errors[1:]
		return api.Result{}, err
	}
	if len(e.codes) > 0 {
		code := e.codes[0]
		e.codes = e.codes[1:]
		return api.Result{ResultCode: code}, nil
	}
	return e.fakeExecutor.Execute(ctx, request, onLog)
}

type busy struct{}

func (busy) Error() string             { return "busy" }
func (busy) RetryAfter() time.Duration { return time.Microsecond }

// What is not the code's fault is tried again, and is not the code's failure where it stays.
func TestGloveboxFails(t *testing.T) {
	soon := &quota.Error{Quota: "requestsPerMinute", Limit: new(1.0), Used: new(1.0), After: time.Microsecond}
	secret := errors.New("no room on /var/lib/secret")
	unrecorded := &kept.NotBegunError{Err: secret}
	for _, test := range []struct {
		name   string
		errors []error
		codes  []api.ResultCode
		want   agent.OutcomeCode
	}{
		{"busy for a while", []error{busy{}, busy{}}, nil, agent.Complete},
		{"busy for long", slices.Repeat([]error{busy{}}, 100), nil, agent.Complete}, // tools/soak: five tries were not enough for 16 of 22
		{"a quota that lets it run soon", []error{soon, soon}, nil, agent.Complete},
		{"a quota that does not for long", []error{soon, soon, soon, soon, soon}, nil, agent.QuotaExceeded},
		{"a quota of another day", []error{&quota.Error{Quota: "cpuSecondsPerDay", Limit: new(1.0), Used: new(1.0), After: time.Hour}}, nil, agent.QuotaExceeded},
		{"a quota that forbids it", []error{&quota.Error{Quota: "isolation", Allowed: []string{"gvisor"}, Forbidden: true}}, nil, agent.QuotaExceeded},
		{"no room for its record, for long", slices.Repeat([]error{unrecorded}, 20), nil, agent.Complete},
		{"no box", []error{secret}, nil, agent.SandboxFailed},
		{"EXECUTION_FAILED once", nil, []api.ResultCode{api.ExecutionFailed}, agent.Complete},
		{"EXECUTION_FAILED twice", nil, []api.ResultCode{api.ExecutionFailed, api.ExecutionFailed}, agent.SandboxFailed},
	} {
		synctest.Test(t, func(t *testing.T) {
			executor := &failing{fakeExecutor: &fakeExecutor{t: t, ends: sums}, errors: test.errors, codes: test.codes}
			turns := []turn{{run: []string{sum}}, {done: true}}
			a, err := agent.New(config(t, &scripted{t: t, turns: turns}, executor))
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := a.Run(t.Context(), salesTask, nil)
			if err != nil || outcome.Code != test.want || strings.Contains(outcome.Message, "secret") {
				t.Errorf("%s: %s: %s (%v)", test.name, outcome.Code, outcome.Message, err)
			}
			if want := 2; outcome.Code == agent.Complete && test.codes == nil && outcome.Spent.Runs != want { // what is run, and once more to see that it can be
				t.Errorf("%s: %d executions are told of, where there were %d", test.name, outcome.Spent.Runs, want)
			}
		})
	}
}

// TestBusyForever: what finds no place waits for as long as the task may take.
func TestBusyForever(t *testing.T) {
	c := config(t, &scripted{t: t, turns: []turn{{run: []string{sum}}}}, always{busy{}})
	c.Limits.Time = 50 * time.Millisecond
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := a.Run(t.Context(), salesTask, nil)
	if err != nil || outcome.Code != agent.TimeBudget || outcome.Spent.Runs != 0 {
		t.Errorf("%+v (%v)", outcome, err)
	}
}

// TestCodeHasItsTurn: others may fill the queue, and an agent's code waits in it all the same; tools/soak had it wait for 30 s until the others went.
func TestCodeHasItsTurn(t *testing.T) {
	executor := &sharing{fakeExecutor: &fakeExecutor{t: t, ends: sums}}
	guard := quota.NewGuard(quota.Config{Executor: executor, CPU: &quota.Memory{}, Log: slog.New(slog.DiscardHandler)})
	a, err := agent.New(config(t, &scripted{t: t, turns: []turn{{run: []string{sum}}, {done: true}}}, guard))
	if err != nil {
		t.Fatal(err)
	}
	ctx := tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"})
	if outcome, err := a.Run(ctx, salesTask, nil); err != nil || outcome.Code != agent.Complete {
		t.Fatalf("%+v (%v)", outcome, err)
	}
	if !executor.share.Beyond || executor.share.ID != "acme" {
		t.Errorf("%+v", executor.share)
	}
}

// sharing notes on whose behalf it is asked.
type sharing struct {
	*fakeExecutor
	share queue.Share
}

func (s *sharing) ExecuteAs(ctx context.Context, share queue.Share, request api.Request, onLog func(api.Log)) (api.Result, error) {
	s.share = share
	return s.Execute(ctx, request, onLog)
}

// always answers with an error.
type always struct{ err error }

func (a always) Execute(context.Context, api.Request, func(api.Log)) (api.Result, error) {
	return api.Result{}, a.err
}

// What the tenant may not ask for is told to the model like anything else that is wrong with its call, and what it did not ask for is
// lowered.
func TestTheTenantsCeilings(t *testing.T) {
	ctx := tenant.NewContext(t.Context(), tenant.Tenant{ID: "a", Quota: tenant.Quota{InputBytes: 8, TimeoutSeconds: 5}})
	model := &scripted{t: t, turns: []turn{{run: []string{sum}}, {want: []string{"quota inputBytes", "at most 8"}, done: true}, {done: true}}}
	a, err := agent.New(config(t, model, &fakeExecutor{t: t}))
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := a.Run(ctx, salesTask, func(e agent.Event) {
		if e.Code != nil {
			t.Errorf("it ran: %+v", e.Code)
		}
	})
	if err != nil || outcome.Success {
		t.Errorf("%+v, %v", outcome, err)
	}
	small := salesTask
	small.InputData = json.RawMessage("[1]")
	model = &scripted{t: t, turns: []turn{{run: []string{sum}}, {done: true}}}
	if a, err = agent.New(config(t, model, &fakeExecutor{t: t, ends: sums})); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Run(ctx, small, func(e agent.Event) {
		if e.Code != nil && e.Code.TimeoutSeconds != 5 {
			t.Errorf("%+v", e.Code)
		}
	}); err != nil {
		t.Error(err)
	}
}

// Of what a script returns and prints the model sees a stated part, and no transcript grows without bound.
func TestWhatAScriptSaysIsCut(t *testing.T) {
	loud := ok(`"` + strings.Repeat("o", 1<<20) + `"`)
	for range api.MaxLogEntries {
		loud.Logs = append(loud.Logs, api.Log{Level: api.LevelLog, Message: strings.Repeat("l", 100)})
	}
	for range 10_000 {
		loud.Warnings = append(loud.Warnings, strings.Repeat("w", 1000))
	}
	model := &scripted{t: t, turns: []turn{{run: []string{sum}}, {want: []string{"1,048,578 bytes", "10,000 entries", "left out"}, done: true}}}
	a, err := agent.New(config(t, model, &fakeExecutor{t: t, ends: map[string]api.Result{sum: loud}}))
	if err != nil {
		t.Fatal(err)
	}
	var end *agent.RunEnd
	outcome, err := a.Run(t.Context(), salesTask, func(e agent.Event) {
		if e.Type == agent.EventRun {
			end = e.Run
		}
	})
	if err != nil || outcome.Code != agent.Complete {
		t.Fatalf("%+v, %v", outcome, err)
	}
	const most = agent.MaxShownOutput + agent.MaxShownLogs + 2*agent.MaxShownOutput
	if n := len(told(model.asked[1])); n > most {
		t.Errorf("the model was told %d bytes", n)
	}
	if end.Output != nil || end.OutputBytes != 1<<20+2 || len(end.OutputSHA256) != 64 || !end.LogsCut || len(end.Logs) > agent.MaxEventOutput/100 {
		t.Errorf("the event holds %d bytes of output and %d logs", len(end.Output), len(end.Logs))
	}
	if len(outcome.Payload.Results) != 1<<20+2 {
		t.Errorf("%d bytes of results are handed over", len(outcome.Payload.Results))
	}
}

// At most so many calls of one answer run, and no more at once than may.
func TestCallsOfOneAnswerAreBounded(t *testing.T) {
	executor := &counting{}
	var run []string
	for range agent.MaxCallsPerStep + 2 {
		run = append(run, "return 1;")
	}
	c := config(t, &scripted{t: t, native: true, turns: []turn{
		{run: run}, {want: []string{"Run 8 ended with SUCCESS", "Run 9 was REFUSED and nothing ran: at most 8", "Run 10 was REFUSED"}, done: true},
	}}, executor)
	c.Limits.Parallel = 3
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if outcome, err := a.Run(t.Context(), salesTask, nil); err != nil || outcome.Code != agent.Complete {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if executor.ran != agent.MaxCallsPerStep+1 || executor.most > 3 {
		t.Errorf("%d ran, %d of them at once", executor.ran, executor.most)
	}
}

// A counting executor counts how many run at once.
type counting struct {
	mu             sync.Mutex
	ran, now, most int
}

func (e *counting) Execute(context.Context, api.Request, func(api.Log)) (api.Result, error) {
	e.mu.Lock()
	e.ran++
	e.now++
	e.most = max(e.most, e.now)
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.now--
	}()
	return ok("1"), nil
}
