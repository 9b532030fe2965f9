package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/quota"
)

// A session is one run of the agent.
type session struct {
	agent  *Agent
	task   Task
	limits Limits
	fence  fence
	system string
	tools  []Tool
	began  time.Time

	messages   []Message
	executions []*execution // that ended, in the order in which the model asked for them
	iteration  int
	runs       int // that the model asked for
	failures   int // in a row
	retries    int // in a row
	chats      int // in a row
	refusals   int // of final answers, in all
	said       string
	spent      Spent

	mu      sync.Mutex // guards what stands below, and orders events
	seq     int
	onEvent func(Event)
	ran     int // executions
}

// Run works on a task until it is complete, or a limit or ctx ends it. Whatever ends it is an Outcome. onEvent, which
// may be nil, gets every event, one at a time and in order, on goroutines of Run's; it must not block for
// long, and Run returns only after its last call. The error is an *[api.Error] that names what is wrong with the
// task; nothing has run then, and there was no event.
func (a *Agent) Run(ctx context.Context, task Task, onEvent func(Event)) (Outcome, error) {
	if err := task.Check(); err != nil {
		return Outcome{}, err
	}
	if onEvent == nil {
		onEvent = func(Event) {}
	}
	r := &session{agent: a, task: task, limits: a.config.Limits, fence: a.newFence(), began: time.Now(), onEvent: onEvent}
	if r.task.Seed == nil {
		r.task.Seed = new(rand.Int64N(1 << 32))
	}
	if r.task.Now == nil {
		r.task.Now = new(r.began.UTC().Truncate(time.Second))
	}
	native := a.config.Model.NativeTools()
	var err error
	if r.system, err = a.config.Prompt.render(native, r.fence, r.limits); err != nil {
		return Outcome{}, err
	}
	if native {
		r.tools = tools(a.config.ExecuteCode)
	}
	r.emit(Event{Type: EventStarted, Started: &Started{
		Model: a.config.Model.Name(), NativeTools: native, InputBytes: len(task.InputData),
		Seed: *r.task.Seed, Now: *r.task.Now, Limits: r.limits,
	}})
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.Time, errTime)
	defer cancel()
	outcome := r.outcome(r.loop(ctx))
	r.emit(Event{Type: EventComplete, Complete: &outcome})
	return outcome, nil
}

// errTime is the cause of a context whose time the agent's own limit ended.
var errTime = errors.New("the time of the run is up")

// emit tells an event.
func (r *session) emit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	e.Seq, e.AtMs = r.seq, milliseconds(time.Since(r.began))
	r.onEvent(e)
}

func (r *session) countRun() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran++
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// An ending is why a session ends.
type ending struct {
	code   OutcomeCode
	detail string
	// chosen is the run whose code the model stands by; nil for the last that there is.
	chosen   *execution
	warnings []string
}

// loop asks, runs and mends until something ends it.
func (r *session) loop(ctx context.Context) ending {
	r.tell(Message{Role: RoleUser, Text: r.opening()})
	for {
		if end := r.exhausted(ctx); end != nil {
			return *end
		}
		answer, err := r.ask(ctx)
		if err != nil {
			return r.failed(ctx, err)
		}
		s := r.understand(answer)
		if s.message != "" {
			r.said = cut(s.message, MaxShownOutput)
		}
		if end := r.take(ctx, s, answer.Calls); end != nil {
			return *end
		}
	}
}

// take does what a step asks for. It returns nil where the work goes on.
func (r *session) take(ctx context.Context, s step, calls []Call) *ending {
	switch s.kind {
	case stepActions:
		return r.act(ctx, s, calls)
	case stepComplete:
		return r.complete(ctx, s, calls)
	case stepChat:
		if r.chats++; r.chats > 1 {
			return &ending{code: NoSolution}
		}
		return r.retry("there is nobody to answer", calls,
			"Nobody can answer you. Decide for yourself and go on; if the task cannot be done, say why once more in the same way, and the work ends with that.")
	}
	return r.retry("the answer was of no use", calls, s.problem)
}

// exhausted reports which budget is spent, if any.
func (r *session) exhausted(ctx context.Context) *ending {
	used := r.spent.Usage.InputTokens + r.spent.Usage.OutputTokens
	switch {
	case ctx.Err() != nil:
		return new(r.failed(ctx, ctx.Err()))
	case r.limits.Tokens > 0 && used >= r.limits.Tokens:
		return &ending{code: TokenBudget, detail: fmt.Sprintf("%s of %s tokens were used.", grouped(int(used)), grouped(int(r.limits.Tokens)))}
	case r.limits.CostUSD > 0 && r.spent.CostUSD >= r.limits.CostUSD:
		return &ending{code: CostBudget, detail: fmt.Sprintf("%.4f of %.4f US dollars were spent.", r.spent.CostUSD, r.limits.CostUSD)}
	}
	return nil
}

// failed tells why the work cannot go on.
func (r *session) failed(ctx context.Context, err error) ending {
	var over *quota.Error
	var sandbox *sandboxError
	var model *ModelError
	switch {
	case errors.Is(context.Cause(ctx), errTime):
		return ending{code: TimeBudget, detail: fmt.Sprintf("It was limited to %v.", r.limits.Time)}
	case ctx.Err() != nil:
		return ending{code: Cancelled}
	case errors.As(err, &over):
		return ending{code: QuotaExceeded, detail: "The code is " + over.Error() + "."}
	case errors.As(err, &sandbox):
		r.agent.config.Log.ErrorContext(ctx, "an agent's code could not be run", "error", sandbox.err)
		return ending{code: SandboxFailed}
	case errors.As(err, &model):
		return ending{code: ModelFailed, detail: cut(strings.ToValidUTF8(model.Message, "\ufffd"), MaxShownError)}
	}
	r.agent.config.Log.ErrorContext(ctx, "an agent's model failed", "error", err)
	return ending{code: ModelFailed}
}

// tell adds a message to the conversation.
func (r *session) tell(m Message) { r.messages = append(r.messages, m) }

// ask asks the model, counts what it costs, and notes its answer.
func (r *session) ask(ctx context.Context) (Answer, error) {
	last := r.messages[len(r.messages)-1]
	r.emit(Event{Type: EventThinking, Thinking: &Thinking{Iteration: r.iteration + 1, Prompt: promptOf(last)}})
	bound := r.limits.AnswerTokens
	if r.limits.Tokens > 0 {
		bound = min(bound, r.limits.Tokens-r.spent.Usage.InputTokens-r.spent.Usage.OutputTokens)
	}
	began := time.Now()
	asked, span := startCall(ctx, r.agent.config.Model)
	answer, err := r.agent.config.Model.Answer(asked, Turn{
		System: r.system, Messages: r.messages, Tools: r.tools, MaxOutputTokens: bound,
		OnText: func(text string) { r.emit(Event{Type: EventText, Text: &Text{strings.ToValidUTF8(text, "\ufffd")}}) },
	})
	answer.clean()
	endCall(span, answer.Usage, err)
	// A model that failed may have cost something all the same.
	r.spent.Usage.InputTokens += answer.Usage.InputTokens
	r.spent.Usage.OutputTokens += answer.Usage.OutputTokens
	r.spent.CostUSD = r.limits.Price.cost(r.spent.Usage)
	if err != nil {
		return Answer{}, err
	}
	r.spent.Answers++
	r.emit(Event{Type: EventAnswer, Answer: &Answered{
		Text: answer.Text, Calls: answer.Calls, Cut: answer.Cut, Usage: answer.Usage, DurationMs: milliseconds(time.Since(began)),
	}})
	return answer, nil
}

// clean makes an answer one that can be written as JSON and read back the same.
func (a *Answer) clean() {
	a.Text = strings.ToValidUTF8(a.Text, "\ufffd")
	for i := range a.Calls {
		call := &a.Calls[i]
		call.ID, call.Name = strings.ToValidUTF8(call.ID, "\ufffd"), strings.ToValidUTF8(call.Name, "\ufffd")
		call.Arguments = strings.ToValidUTF8(call.Arguments, "\ufffd")
	}
	a.Usage.InputTokens, a.Usage.OutputTokens = max(a.Usage.InputTokens, 0), max(a.Usage.OutputTokens, 0)
}

// promptOf is a message as one text, for people who follow.
func promptOf(m Message) string {
	var parts []string
	for _, result := range m.Results {
		parts = append(parts, result.Text)
	}
	if m.Text != "" {
		parts = append(parts, m.Text)
	}
	return strings.Join(parts, "\n")
}

// maxKeptAnswer is how much of an answer that was of no use stays in the conversation.
const maxKeptAnswer = 4 << 10

// understand reads an answer, and adds it to the conversation.
func (r *session) understand(answer Answer) step {
	var s step
	if len(answer.Calls) > 0 && len(r.tools) > 0 {
		s = readCalls(answer)
	} else {
		answer.Calls = nil // of tools that were not offered
		s = readStep(answer.Text)
	}
	if answer.Cut && s.kind != stepComplete {
		s = step{problem: "Your answer was longer than may be, and was cut. Answer again, and more shortly: a smaller program, and fewer words."}
	}
	text := answer.Text
	if s.kind == stepRetry {
		text = cut(text, maxKeptAnswer)
	}
	if text == "" && len(answer.Calls) == 0 {
		text = "(nothing)" // no server takes an empty message
	}
	r.tell(Message{Role: RoleAssistant, Text: text, Calls: answer.Calls})
	return s
}

// retry tells the model why its answer was of no use. Calls that it held are answered too, as servers demand.
func (r *session) retry(reason string, calls []Call, problem string) *ending {
	r.retries++
	r.emit(Event{Type: EventRetry, Retry: &Retry{Count: r.retries, Reason: reason + ": " + cut(problem, MaxShownOutput)}})
	if r.retries >= r.limits.Retries {
		return &ending{code: TooManyRetries, detail: fmt.Sprintf("The last of %d: %s.", r.retries, reason)}
	}
	if len(calls) == 0 || len(r.tools) == 0 {
		r.tell(Message{Role: RoleUser, Text: problem})
		return nil
	}
	m := Message{Role: RoleUser}
	for _, call := range calls {
		m.Results = append(m.Results, CallResult{CallID: call.ID, Text: problem, Failed: true})
	}
	r.tell(m)
	return nil
}

// act runs the actions of a step, and tells the model how they ended.
func (r *session) act(ctx context.Context, s step, calls []Call) *ending {
	if r.iteration >= r.limits.Iterations {
		return &ending{code: IterationLimit, detail: fmt.Sprintf("There were %d.", r.limits.Iterations)}
	}
	r.iteration++
	r.retries, r.chats = 0, 0
	executions, err := r.execute(ctx, s.actions)
	if err != nil {
		return new(r.failed(ctx, err))
	}
	for _, e := range executions {
		if e.end.Success {
			r.failures = 0
			continue
		}
		if r.failures++; r.failures >= r.limits.Failures {
			return &ending{code: TooManyFailures, detail: fmt.Sprintf("%d did; the last one ended with: %s.", r.failures, e.message())}
		}
	}
	m := Message{Role: RoleUser}
	if len(calls) > 0 && len(r.tools) > 0 {
		for i, e := range executions {
			m.Results = append(m.Results, CallResult{CallID: calls[i].ID, Text: r.report(e), Failed: !e.end.Success})
		}
		m.Text = r.left()
	} else {
		var reports []string
		for _, e := range executions {
			reports = append(reports, r.report(e))
		}
		m.Text = strings.Join(append(reports, r.left()), "\n")
	}
	r.tell(m)
	return nil
}

// outcome makes the outcome of an ending.
func (r *session) outcome(end ending) Outcome {
	info, _ := end.code.Info()
	r.spent.Runs, r.spent.DurationMs = r.ran, milliseconds(time.Since(r.began))
	out := Outcome{
		Code: end.code, Success: info.Success, Message: strings.TrimSpace(info.Meaning + " " + end.detail),
		Said: r.said, Payload: r.payload(end), Spent: r.spent, Warnings: end.warnings,
	}
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	return out
}

// payload is what is handed over: the code that the model stands by, or else the last that succeeded, or else the
// last that was tried.
func (r *session) payload(end ending) Payload {
	p := Payload{
		Task: r.task.Text, Requirements: r.task.Requirements, Iterations: r.iteration,
		Failed: end.code != Complete, Errors: []RunError{}, Logs: []api.Log{},
	}
	for _, e := range r.executions {
		if e.end.Success {
			continue
		}
		failed := RunError{Run: e.end.Run, ResultCode: e.end.ResultCode, Message: e.message()}
		if e.result.Error != nil {
			failed.Line, failed.Column = e.result.Error.Line, e.result.Error.Column
		}
		p.Errors = append(p.Errors, failed)
	}
	e := end.chosen
	if e == nil {
		e = r.lastSuccess()
	}
	if e == nil && len(r.executions) > 0 {
		e = r.executions[len(r.executions)-1]
	}
	if e == nil {
		return p
	}
	p.Code, p.Language, p.Logs = e.code.Code, e.code.Language, e.end.Logs
	if e.end.Success {
		p.Results = e.result.Output
	}
	return p
}

// lastSuccess is the last run that can be the solution; nil where there is none.
func (r *session) lastSuccess() *execution {
	for i := len(r.executions) - 1; i >= 0; i-- {
		if e := r.executions[i]; e.end.Success && !e.code.OwnInput {
			return e
		}
	}
	return nil
}

// sameValue reports whether two JSON texts say the same, whatever their spelling.
func sameValue(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return string(one) == string(other)
}
