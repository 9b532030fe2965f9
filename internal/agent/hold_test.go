package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/agent"
)

// unsteady gives another result each time.
type unsteady struct {
	agent.Executor
	n int
}

func (e *unsteady) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	result, err := e.Executor.Execute(ctx, request, onLog)
	if e.n++; e.n > 1 {
		result.Output = json.RawMessage("27")
	}
	return result, err
}

func (c conversation) forms() []bool {
	switch c.form {
	case loopOnly:
		return []bool{false}
	case toolsOnly:
		return []bool{true}
	}
	return []bool{false, true}
}

func formName(native bool) string {
	if native {
		return "tools"
	}
	return "loop"
}

// TestConversations holds every conversation, in both forms, against its outcome. No server is asked, and no box runs.
func TestConversations(t *testing.T) {
	for _, c := range conversations() {
		for _, native := range c.forms() {
			t.Run(c.name+"/"+formName(native), func(t *testing.T) {
				var executor agent.Executor = &fakeExecutor{t: t, ends: c.ends}
				if c.outcome == agent.NotRepeatable {
					executor = &unsteady{Executor: executor}
				}
				c.hold(t, &scripted{t: t, native: native, turns: expand(c.turns)}, executor)
			})
		}
	}
}

// hold runs a conversation, and checks what comes of it.
func (c conversation) hold(t *testing.T, model agent.Model, executor agent.Executor) {
	t.Helper()
	a, err := agent.New(agent.Config{
		Model: model, Executor: executor, Params: readParams, Prompt: prompt(t), ExecuteCode: executeTool, HostCPUs: 1, Limits: c.limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var events []agent.Event
	outcome, err := a.Run(ctx, c.task, func(e agent.Event) {
		events = append(events, e)
		if c.cancel && e.Type == agent.EventThinking {
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c.checkOutcome(t, outcome)
	checkEvents(t, events, outcome)
	if c.cancel || outcome.Code == agent.TimeBudget {
		return // a replay has no reason to end so
	}
	replay(t, c, events, executor)
}

func (c conversation) checkOutcome(t *testing.T, outcome agent.Outcome) {
	t.Helper()
	p := outcome.Payload
	if outcome.Code != c.outcome || outcome.Success != (c.outcome == agent.Complete) {
		t.Fatalf("the outcome is %s (%v), not %s: %s; errors %+v", outcome.Code, outcome.Success, c.outcome, outcome.Message, p.Errors)
	}
	if info, _ := outcome.Code.Info(); !strings.HasPrefix(outcome.Message, info.Meaning) || !strings.Contains(outcome.Message, c.message) {
		t.Errorf("the message is %q; wanted: %q", outcome.Message, c.message)
	}
	if p.Code != c.code || string(p.Results) != c.results {
		t.Errorf("the code is\n%s\nand the results %s, not\n%s\nand %s", p.Code, p.Results, c.code, c.results)
	}
	if p.Failed == outcome.Success {
		t.Errorf("failed is %v, and success %v", p.Failed, outcome.Success)
	}
	var codes []api.ResultCode
	for _, e := range p.Errors {
		codes = append(codes, e.ResultCode)
	}
	if fmt.Sprint(codes) != fmt.Sprint(c.errors) {
		t.Errorf("the errors are %v, not %v", codes, c.errors)
	}
	if len(outcome.Warnings) != c.warnings {
		t.Errorf("the warnings are %q", outcome.Warnings)
	}
}

// checkEvents holds the events of a run against what is promised of them.
func checkEvents(t *testing.T, events []agent.Event, outcome agent.Outcome) {
	t.Helper()
	if events[0].Type != agent.EventStarted || events[len(events)-1].Type != agent.EventComplete {
		t.Errorf("the first event is %s, and the last one %s", events[0].Type, events[len(events)-1].Type)
	}
	for i, e := range events {
		if e.Seq != i+1 {
			t.Errorf("event %d has the number %d", i+1, e.Seq)
		}
		line, err := agent.EncodeLine(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := agent.DecodeEvent(line)
		if err != nil {
			t.Fatalf("%v:\n%s", err, line)
		}
		if again, _ := agent.EncodeLine(back); string(again) != string(line) {
			t.Errorf("an event came back as another:\n%s%s", line, again)
		}
		if e.Run != nil && e.Run.Success != (e.Run.ResultCode == api.Success) {
			t.Errorf("run %d ended with %s, and success is %v", e.Run.Run, e.Run.ResultCode, e.Run.Success)
		}
	}
	if last := events[len(events)-1].Complete; last == nil || last.Code != outcome.Code {
		t.Errorf("the last event is %+v", events[len(events)-1])
	}
}
