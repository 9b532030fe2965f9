package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/queue"
	"glovebox/internal/tenant"
	"glovebox/internal/trace"
	"glovebox/metadata"
)

// Codesmith is the agent as something that others run: by its name, or as an action. It is safe for concurrent
// use.
type Codesmith struct {
	about  api.Action
	names  []string
	limits agent.Limits
	// open makes an agent with other limits than the configured ones.
	open  func(agent.Limits) (*agent.Agent, error)
	quota func(ctx context.Context) error
	// record may be nil.
	record  TaskRecorder
	observe func(name string, outcome agent.Outcome)
	// places are those of runs that go on; what waits for one has been accepted elsewhere, within bounds.
	places *queue.Queue
}

// A TaskRecorder records tasks. It is safe for concurrent use. Who has a task done is in ctx.
type TaskRecorder interface {
	// TaskBegan is called before the model is asked. Where it returns an error, nothing is done. Of ctx it takes [ledger.WithBeginning].
	TaskBegan(ctx context.Context, task ledger.Task) error
	// TaskEnded is called before anybody is told. Where it returns an error, nobody is.
	TaskEnded(ctx context.Context, work ledger.Work) error
}

// CodesmithConfig is what a Codesmith is made of.
type CodesmithConfig struct {
	Catalogue *metadata.Catalogue
	// Name is the agent's in the catalogue.
	Name string
	// Limits are those of every run; a task may ask for fewer iterations.
	Limits agent.Limits
	// Concurrency is how many tasks are worked on at once.
	Concurrency int
	// Admit holds a task against the quotas of the tenant in ctx, and counts it; the error is a *quota.Error. Nil means that there are none.
	Admit func(ctx context.Context) error
	// Record has tasks entered in a ledger; nil means that they are in none.
	Record TaskRecorder
	// Observe is told how each task ended that was worked on, by the agent's name in paths; nil means that nobody is.
	Observe func(name string, outcome agent.Outcome)
	// Open makes an agent with these limits.
	Open func(agent.Limits) (*agent.Agent, error)
}

// paramMaxIterations is the parameter that the payload's paths in the metadata do not name.
const paramMaxIterations = "maxIterations"

// taskParams are what goes in, and payloadOutputs what comes out; the metadata's list of the payload's paths has all of
// them.
var (
	taskParams = []api.ActionParameter{
		{Name: "task", Required: true, Description: "What is to be done, in words."},
		{Name: "inputData", Description: "The data, any JSON value. The model sees a sample of it; the code gets all of it as `input`."},
		{Name: "requirements", Description: "How the result must be, in words."},
	}
	payloadOutputs = []api.ActionParameter{
		{Name: "code", Description: "The code that ran, byte for byte; the last that was tried where none succeeded."},
		{Name: "results", Description: "What the code gave when it ran, as JSON. Absent where it did not succeed."},
		{Name: "iterations", Description: "How many times the model had code run."},
		{Name: "errors", IsArray: true, Description: "The runs that failed, oldest first."},
		{Name: "logs", IsArray: true, Description: "What the code printed when it ran."},
	}
)

// NewCodesmith returns the agent as the catalogue tells it. The error says where the catalogue and the agent differ.
func NewCodesmith(c CodesmithConfig) (*Codesmith, error) {
	row, ok := c.Catalogue.Agent(c.Name)
	if !ok {
		return nil, fmt.Errorf("action: the metadata has no agent %q", c.Name)
	}
	if c.Concurrency < 1 {
		return nil, fmt.Errorf("action: %d tasks at once is not possible", c.Concurrency)
	}
	if c.Limits.Iterations == 0 {
		c.Limits.Iterations = row.MaxIterationsPerRun
	}
	if err := c.Limits.Check(); err != nil {
		return nil, err
	}
	if c.Admit == nil {
		c.Admit = func(context.Context) error { return nil }
	}
	if c.Observe == nil {
		c.Observe = func(string, agent.Outcome) {}
	}
	about, err := describeAgent(row, c.Limits)
	if err != nil {
		return nil, err
	}
	smith := &Codesmith{about: about, limits: c.Limits, open: c.Open, quota: c.Admit, record: c.Record, observe: c.Observe,
		places: queue.New(c.Concurrency, math.MaxInt)}
	for _, p := range about.Parameters {
		smith.names = append(smith.names, p.Name)
	}
	return smith, nil
}

func describeAgent(row metadata.Agent, limits agent.Limits) (api.Action, error) {
	about := api.Action{
		Name: metadata.Slug(row.Name), Title: row.Name, Kind: api.KindAgent, Description: row.Description,
		Parameters: append(slices.Clone(taskParams), api.ActionParameter{
			Name: paramMaxIterations, Default: json.RawMessage(fmt.Sprint(limits.Iterations)),
			Description: "How many times the model may have code run.",
		}),
		Outputs: slices.Clone(payloadOutputs),
	}
	var paths []string
	if err := json.Unmarshal([]byte(row.PayloadSelfWritePaths), &paths); err != nil {
		return api.Action{}, fmt.Errorf("action: the payload's paths of %q: %w", row.Name, err)
	}
	for _, p := range append(slices.Clone(taskParams), payloadOutputs...) {
		if !slices.Contains(paths, p.Name) {
			return api.Action{}, fmt.Errorf("action: the metadata of %q does not let the agent write %q", row.Name, p.Name)
		}
	}
	for _, o := range agent.Outcomes() {
		about.ResultCodes = append(about.ResultCodes, api.ActionResultCode{Code: string(o.Code), Success: o.Success, Description: o.Meaning})
	}
	properties := map[string]map[string]any{
		"task":         {"type": "string", "minLength": 1, "maxLength": agent.MaxTaskBytes},
		"inputData":    {"type": bounds[api.ParamInputData]["type"]},
		"requirements": {"type": "string", "maxLength": agent.MaxTaskBytes},
		// A task may ask for fewer than the configured ones.
		paramMaxIterations: {"type": "integer", "minimum": 1, "maximum": limits.Iterations, "default": limits.Iterations},
	}
	for _, p := range about.Parameters {
		properties[p.Name]["description"] = p.Description
	}
	schema, err := json.Marshal(map[string]any{"type": "object", "properties": properties, "required": []string{"task"}, "additionalProperties": false})
	if err != nil {
		return api.Action{}, fmt.Errorf("action: %w", err)
	}
	about.InputSchema = schema
	return about, nil
}

// About tells what the agent is, as an action. The caller must not change it.
func (s *Codesmith) About() api.Action { return s.about }

// A BusyError is returned where as many tasks are worked on as may be.
type BusyError struct{}

func (BusyError) Error() string { return "as many tasks are worked on as may be at once" }

// RetryAfter is when to try again, at a guess.
func (BusyError) RetryAfter() time.Duration { return 10 * time.Second }

// Work works on a task, whose parameters are JSON, until it has an outcome. Data that is a string is a string. onEvent
// is as that of [agent.Agent.Run]. The error is an *[api.Error] that names the parameter, a [BusyError], a *quota.Error, or our own;
// nothing has run then, and there was no event.
func (s *Codesmith) Work(ctx context.Context, body []byte, onEvent func(agent.Event)) (agent.Outcome, error) {
	return s.work(ctx, body, false, onEvent)
}

func (s *Codesmith) work(ctx context.Context, body []byte, dataAsText bool, onEvent func(agent.Event)) (agent.Outcome, error) {
	task, limits, err := s.task(body, dataAsText)
	if err != nil {
		return agent.Outcome{}, err
	}
	t, _ := tenant.FromContext(ctx)
	place, err := s.places.TryEnter(s.shareOf(t))
	if err != nil {
		return agent.Outcome{}, BusyError{}
	}
	defer place.Leave()
	if err := s.quota(ctx); err != nil {
		return agent.Outcome{}, err
	}
	smith, err := s.open(limits)
	if err != nil {
		return agent.Outcome{}, err
	}
	return s.recorded(ctx, smith, body, task, nil, onEvent)
}

// recorded works on a task that has its place, and has it recorded: by the id and the salt that the context gives it, or else by its own. begin, where it
// is not nil, is called before anything is done, with the entry of that, if it is recorded.
func (s *Codesmith) recorded(
	ctx context.Context, smith *agent.Agent, body []byte, task agent.Task, begin func(...ledger.Draft) error, onEvent func(agent.Event),
) (agent.Outcome, error) {
	if s.record == nil {
		if begin != nil {
			if err := begin(); err != nil {
				return agent.Outcome{}, err
			}
		}
		return s.run(ctx, smith, task, onEvent)
	}
	ref, known := ledger.TaskFrom(ctx)
	if !known {
		ref = ledger.TaskRef{ID: ulid.Make().String(), Salt: ledger.NewSalt()}
		ctx = ledger.WithTask(ctx, ref)
	}
	beginning := ctx
	if begin != nil {
		beginning = ledger.WithBeginning(ctx, func(entry ledger.Draft) error { return begin(entry) })
	}
	if err := s.record.TaskBegan(beginning, ledger.Task{ID: ref.ID, Agent: s.about.Name, Model: smith.Model(), Task: ref.Salt.Task(body)}); err != nil {
		return agent.Outcome{}, err
	}
	var unrecorded error
	ended := false
	end := func(o agent.Outcome) error {
		ended = true
		return s.record.TaskEnded(ctx, workOf(ctx, ref.ID, o))
	}
	defer func() {
		if !ended { // by a panic, which goes on
			_ = end(agent.Outcome{Code: agent.SandboxFailed})
		}
	}()
	outcome, err := s.run(ctx, smith, task, func(e agent.Event) {
		if e.Complete != nil { // of which nobody has heard yet
			unrecorded = end(*e.Complete)
		}
		if onEvent != nil && unrecorded == nil {
			onEvent(e)
		}
	})
	if err != nil { // then there was no event
		return agent.Outcome{}, errors.Join(err, end(outcome))
	}
	if unrecorded != nil {
		return agent.Outcome{}, unrecorded
	}
	return outcome, nil
}

// run has an agent work, which is a span of its own. Where an error or a panic ends that, the outcome is that we failed.
func (s *Codesmith) run(ctx context.Context, smith *agent.Agent, task agent.Task, onEvent func(agent.Event)) (outcome agent.Outcome, err error) {
	ctx, span := trace.Start(ctx, "invoke_agent "+s.about.Name)
	defer span.End()
	span.String(trace.Agent, s.about.Name)
	outcome.Code = agent.SandboxFailed
	defer func() {
		told := outcome
		told.Code, _ = toldCode(ctx, outcome)
		s.observe(s.about.Name, told)
		span.String(trace.ResultCode, string(told.Code))
	}()
	worked, err := smith.Run(ctx, task, onEvent)
	if err != nil {
		return outcome, err
	}
	return worked, nil
}

func workOf(ctx context.Context, id string, o agent.Outcome) ledger.Work {
	code, stopped := toldCode(ctx, o)
	return ledger.Work{ID: id, ResultCode: string(code), Answers: o.Spent.Answers, Runs: o.Spent.Runs, InputTokens: o.Spent.Usage.InputTokens,
		OutputTokens: o.Spent.Usage.OutputTokens, CostUSD: o.Spent.CostUSD, DurationMs: o.Spent.DurationMs, ServerStopped: stopped}
}

// toldCode is how a task is said to have ended: where its server stops, and has cut it off, that may be another than its outcome says.
func toldCode(ctx context.Context, o agent.Outcome) (code agent.OutcomeCode, stopped bool) {
	if o.Code != agent.Cancelled {
		return o.Code, false
	}
	return kept.CutOff(ctx, o.Code)
}

// Admit reports what is wrong with a task that is to be accepted, as Work does, and holds it against the quotas of the tenant in ctx.
func (s *Codesmith) Admit(ctx context.Context, body []byte) error {
	if _, _, err := s.task(body, false); err != nil {
		return err
	}
	return s.quota(ctx)
}

// WorkAccepted is Work for a task that has been admitted, and accepted: it waits for a place, in which the tenants of such tasks take turns, and calls begin
// before it begins, with the entry of that where tasks are recorded. Where begin returns an error, that is what it returns, and nothing has run; likewise the cause of ctx's end, where ctx ends
// before.
func (s *Codesmith) WorkAccepted(ctx context.Context, body []byte, begin func(entries ...ledger.Draft) error, onEvent func(agent.Event)) (agent.Outcome, error) {
	task, limits, err := s.task(body, false)
	if err != nil {
		return agent.Outcome{}, err
	}
	t, _ := tenant.FromContext(ctx)
	place, err := s.places.Enter(ctx, s.shareOf(t))
	if err != nil {
		return agent.Outcome{}, err
	}
	defer place.Leave()
	smith, err := s.open(limits)
	if err != nil {
		return agent.Outcome{}, err
	}
	return s.recorded(ctx, smith, body, task, begin, onEvent)
}

// shareOf is on whose behalf an agent works. A task may take long, so that a tenant has half of the places at most, and no more of its tasks go on
// than of its scripts may.
func (s *Codesmith) shareOf(t tenant.Tenant) queue.Share {
	share := queue.Share{ID: t.ID, Weight: t.Quota.EffectiveWeight()}
	if t.ID != "" {
		share.Running = max(1, s.places.Places()/2)
		if own := t.Quota.Concurrency; own > 0 {
			share.Running = min(share.Running, own)
		}
	}
	return share
}

// Reshare has a tenant's tasks that wait for a place wait by what it may have now.
func (s *Codesmith) Reshare(now tenant.Tenant) { s.places.Reshare(s.shareOf(now)) }

// task reads a task and its limits. dataAsText has data that is a string read as JSON text, as actions do.
func (s *Codesmith) task(body []byte, dataAsText bool) (agent.Task, agent.Limits, error) {
	limits := s.limits
	params, err := api.DecodeParams(body, s.names)
	if err != nil {
		return agent.Task{}, limits, err
	}
	var task agent.Task
	if task.Text, err = params.Text("task"); err != nil {
		return agent.Task{}, limits, err
	}
	if task.Requirements, err = params.Text("requirements"); err != nil {
		return agent.Task{}, limits, err
	}
	task.InputData = params[api.ParamInputData]
	if dataAsText {
		if task.InputData, err = params.JSONText(api.ParamInputData); err != nil {
			return agent.Task{}, limits, err
		}
	}
	iterations, err := params.Whole(paramMaxIterations)
	if err != nil {
		return agent.Task{}, limits, err
	}
	if iterations != nil {
		if *iterations < 1 || *iterations > s.limits.Iterations {
			return agent.Task{}, limits, &api.Error{Field: paramMaxIterations, Detail: fmt.Sprintf("is %d; from 1 to %d is allowed", *iterations, s.limits.Iterations)}
		}
		limits.Iterations = *iterations
	}
	return task, limits, task.Check()
}

// A CodesmithResult tells how a run of the agent as an action ended: its outputs beside the code and the message.
type CodesmithResult struct {
	Action     string            `json:"action"`
	Success    bool              `json:"success"`
	ResultCode agent.OutcomeCode `json:"resultCode"`
	Message    string            `json:"message"`
	// Said is the model's own last message: its words, which nobody has checked.
	Said       string           `json:"said,omitempty"`
	Code       string           `json:"code"`
	Language   api.Language     `json:"language,omitempty"`
	Results    json.RawMessage  `json:"results,omitempty"`
	Iterations int              `json:"iterations"`
	Errors     []agent.RunError `json:"errors"`
	Logs       []api.Log        `json:"logs"`
	Spent      agent.Spent      `json:"spent"`
	Warnings   []string         `json:"warnings"`
}

// Run runs the agent as an action: as Work, but that data which is a string is read as JSON text.
func (s *Codesmith) Run(ctx context.Context, body []byte, onEvent func(agent.Event)) (CodesmithResult, error) {
	outcome, err := s.work(ctx, body, true, onEvent)
	if err != nil {
		return CodesmithResult{}, err
	}
	p := outcome.Payload
	return CodesmithResult{
		Action: s.about.Title, Success: outcome.Success, ResultCode: outcome.Code, Message: outcome.Message, Said: outcome.Said,
		Code: p.Code, Language: p.Language, Results: p.Results, Iterations: p.Iterations,
		Errors: append([]agent.RunError{}, p.Errors...), Logs: append([]api.Log{}, p.Logs...), Spent: outcome.Spent,
		Warnings: append([]string{}, outcome.Warnings...),
	}, nil
}

// InWords says how the run ended, for whoever reads no structured results.
func (r CodesmithResult) InWords() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", r.ResultCode, r.Message)
	if r.Results != nil {
		fmt.Fprintf(&b, "\nresults: %s", r.Results)
	}
	if r.Code != "" {
		fmt.Fprintf(&b, "\ncode:\n%s", r.Code)
	}
	return b.String()
}
