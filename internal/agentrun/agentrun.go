// Package agentrun is a run of an agent as a resource: accepted, worked on once, told step by step, kept for a while, and forgotten. What has
// been accepted is never silently gone: it is kept before its caller hears of it, and whoever starts after a crash has the agent
// work on it, or says that it had begun. What had begun is not begun again unasked: it has spent a model's tokens.
package agentrun

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/kept"
)

// A Record is all that is kept of one run.
type Record struct {
	// ID is a ULID: ids sort by the time at which they were given.
	ID string
	// Tenant is who it belongs to; "" is whoever reaches a server that is open.
	Tenant string
	// Agent is the name of the agent, as it stands in paths.
	Agent string
	State api.ExecutionState
	// CreatedAt is when it was accepted, BeganAt when the agent was about to begin, EndedAt when it had its outcome.
	CreatedAt, BeganAt, EndedAt time.Time
	// KeepData says that its tenant wants task, steps and outcome kept until the record goes.
	KeepData bool
	// Idempotency is the caller's key, and what it stood for; the zero value is none. Its salt goes once the record is forgotten.
	Idempotency kept.Idempotency
	// Task is what was asked, JSON as it was sent; nil once it has ended, unless KeepData, and once it has been forgotten.
	Task []byte
	// Salt is that of the digest, and goes with the task: then it can be held against nothing.
	Salt       []byte
	TaskDigest string
	// Steps are those that are told once it has ended. They go with Outcome.
	Steps []Step
	// Outcome is nil until it has ended, and once it has been forgotten; ResultCode stays.
	Outcome    *agent.Outcome
	ResultCode agent.OutcomeCode
	// ReadAt is when its outcome was first told; zero is not yet.
	ReadAt time.Time
}

// A Step is one of an agent's.
type Step struct {
	ID   int // from 1
	Type string
	Data []byte // an [agent.Event]: one JSON document, without a line break
}

// stepOf writes an event.
func stepOf(e agent.Event) (Step, error) {
	line, err := agent.EncodeLine(e)
	return Step{ID: e.Seq, Type: string(e.Type), Data: bytes.TrimSuffix(line, []byte("\n"))}, err
}

// EncodeSteps writes steps as lines, and DecodeSteps reads them.
func EncodeSteps(steps []Step) []byte {
	var lines []byte
	for _, s := range steps {
		lines = append(append(lines, s.Data...), '\n')
	}
	return lines
}

// DecodeSteps reads what EncodeSteps wrote.
func DecodeSteps(lines []byte) (steps []Step, err error) {
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		var head struct {
			Seq  int    `json:"seq"`
			Type string `json:"type"`
		}
		if err := json.Unmarshal(line, &head); err != nil {
			return nil, fmt.Errorf("agentrun: a step: %w", err)
		}
		steps = append(steps, Step{ID: head.Seq, Type: head.Type, Data: line})
	}
	return steps, nil
}

// A Filter picks runs of one tenant, newest first.
type Filter struct {
	kept.Filter[agent.OutcomeCode]
	Agent string // "" is each
}

// A Store keeps records. Its methods are safe for concurrent use, and what they were told is durable when they return, as far as
// the store is. Records that it returns are the caller's own; a list's are without task, steps and outcome.
type Store interface {
	// End keeps the outcome and the steps of one that has not ended yet, and lets go of its task, unless KeepData; false says that it has
	// ended already, or is gone.
	End(ctx context.Context, id string, outcome agent.Outcome, steps []Step, at time.Time) (bool, error)
	kept.Store[Record, Filter]
}

// end takes over an outcome.
func (r *Record) end(outcome agent.Outcome, steps []Step, at time.Time) {
	r.State, r.EndedAt, r.Outcome, r.Steps, r.ResultCode = api.ExecutionEnded, at, &outcome, steps, outcome.Code
	if !r.KeepData {
		r.Task, r.Salt = nil, nil
	}
}

// forget takes away what is the tenant's own: the task, and what came of it.
func (r *Record) forget() {
	r.Task, r.Salt, r.Steps, r.Outcome = nil, nil, nil, nil
	r.Idempotency.Forget()
}

// Document is the record as its tenant sees it.
func (r Record) Document() api.AgentRun {
	d := api.AgentRun{ID: r.ID, Agent: r.Agent, State: r.State, CreatedAt: r.CreatedAt, TaskDigest: r.TaskDigest, ResultCode: r.ResultCode,
		Outcome: r.Outcome, Retryable: r.ResultCode == agent.SandboxFailed}
	if !r.BeganAt.IsZero() {
		d.BeganAt = &r.BeganAt
	}
	if !r.EndedAt.IsZero() {
		d.EndedAt = &r.EndedAt
		d.Forgotten = r.Outcome == nil
	}
	return d
}

// Event is what is told of a record that has ended: nothing of the task and what came of it, which whoever may have them can ask for.
func (r Record) Event() api.WebhookEvent {
	d := r.Document()
	d.TaskDigest, d.Outcome, d.Forgotten = "", nil, false
	return api.WebhookEvent{Type: api.EventAgentRunEnded, Timestamp: r.EndedAt, Data: d}
}

// unworked is the outcome of a run of which there is none.
func (r Record) unworked(code agent.OutcomeCode, detail string) agent.Outcome {
	var task agent.Task
	_ = json.Unmarshal(r.Task, &task) // it has been checked; where its outcome has no task in it, that is no harm
	return agent.Unworked(task, code, detail)
}
