package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/store"
)

// The runs of agents of a store.
type agentRuns struct{ keptTable }

var _ agentrun.Store = agentRuns{}

// AgentRuns returns the runs of agents that the store keeps. They end with it.
func (s *Store) AgentRuns() agentrun.Store {
	return agentRuns{s.agentRuns()}
}

const tableRuns = "agent_runs"

func (s *Store) agentRuns() keptTable {
	return keptTable{store: s, name: tableRuns, what: "run", letGo: []string{"salt", "idempotency_salt", "task", "result", "output", "steps"}}
}

// runHead are what a list tells; runBody are a tenant's own.
const (
	runHead    = "id, tenant, agent, state, created_at, began_at, ended_at, read_at, keep_data, idempotency_key, idempotency_body, task_digest, result_code"
	runBody    = "salt, idempotency_salt, task, result, output, steps"
	runColumns = runHead + ", " + runBody
)

const insertRun = "INSERT INTO agent_runs (" + runColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

// A runRow is what is read for a run, in the order of runColumns.
type runRow struct {
	record                agentrun.Record
	times                 keptTimes
	key                   keptKey
	result, output, steps []byte
}

func (r *runRow) head() []any {
	a := &r.record
	return []any{&a.ID, &a.Tenant, &a.Agent, &a.State, &r.times.createdAt, &r.times.beganAt, &r.times.endedAt, &r.times.readAt, &a.KeepData,
		&r.key.key, &r.key.body, &a.TaskDigest, &a.ResultCode}
}

func (r *runRow) body() []any {
	return []any{&r.record.Salt, &r.key.salt, &r.record.Task, &r.result, &r.output, &r.steps}
}

// readHead makes a record of what head was given.
func (r *runRow) readHead() (agentrun.Record, error) {
	a := r.record
	r.times.into(&a.CreatedAt, &a.BeganAt, &a.EndedAt, &a.ReadAt)
	var whole bool
	a.Idempotency, whole = r.key.read()
	return a, checkHead("run "+a.ID, a.State, whole)
}

func scanRun(row func(into ...any) error) (agentrun.Record, error) {
	var r runRow
	if err := row(append(r.head(), r.body()...)...); err != nil {
		return agentrun.Record{}, err
	}
	a, err := r.readHead()
	if err != nil || r.result == nil {
		return a, err
	}
	var outcome agent.Outcome
	if err := json.Unmarshal(r.result, &outcome); err != nil {
		return a, fmt.Errorf("%w: the outcome of run %s: %w", store.ErrCorrupt, a.ID, err)
	}
	outcome.Payload.Results = r.output
	a.Outcome = &outcome
	if a.Steps, err = agentrun.DecodeSteps(r.steps); err != nil {
		return a, fmt.Errorf("%w: the steps of run %s: %w", store.ErrCorrupt, a.ID, err)
	}
	return a, nil
}

func scanListedRun(row func(into ...any) error) (agentrun.Record, error) {
	var r runRow
	if err := row(r.head()...); err != nil {
		return agentrun.Record{}, err
	}
	return r.readHead()
}

// scanEndedRun reads, of one that has ended, what is told of that.
func scanEndedRun(row func(into ...any) error) (api.WebhookEvent, error) {
	r, err := scanListedRun(row)
	return r.Event(), err
}

// writeOutcome writes an outcome beside its results: those are bytes, which JSON would write otherwise.
func writeOutcome(id string, o agent.Outcome) (result, output []byte, err error) {
	output, o.Payload.Results = o.Payload.Results, nil
	if result, err = json.Marshal(o); err != nil {
		return nil, nil, fmt.Errorf("store: the outcome of run %s: %w", id, err)
	}
	return result, output, nil
}

// runValues is a record that has not ended as the row that it is kept in.
func runValues(r agentrun.Record) []any {
	key, keySalt, keyBody := keyOf(r.Idempotency)
	return []any{r.ID, r.Tenant, r.Agent, string(r.State), r.CreatedAt.UnixMicro(), nullMicros(r.BeganAt), nullMicros(r.EndedAt), nullMicros(r.ReadAt),
		r.KeepData, key, keyBody, r.TaskDigest, string(r.ResultCode), r.Salt, keySalt, r.Task, nil, nil, nil}
}

// AddAll implements [kept.Store].
func (a agentRuns) AddAll(ctx context.Context, records []agentrun.Record, judge kept.Judge) (existing []string, err error) {
	rows := make([]keptRow, len(records))
	for i, r := range records {
		rows[i] = keptRow{runValues(r), r.Idempotency.Key, queuedLine(r.ID, r.Tenant, r.Agent, r.TaskDigest, r.Idempotency)}
	}
	return a.addAll(ctx, insertRun, rows, judge)
}

// Begin implements [kept.Store].
func (a agentRuns) Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	return a.begin(ctx, id, at, entries)
}

// End implements [agentrun.Store].
func (a agentRuns) End(ctx context.Context, id string, outcome agent.Outcome, steps []agentrun.Step, at time.Time) (bool, error) {
	result, output, err := writeOutcome(id, outcome)
	if err != nil {
		return false, err
	}
	return a.end(ctx, id, at, scanEndedRun, runHead, `result_code = ?, result = ?, output = ?, steps = ?,
		salt = iif(keep_data, salt, NULL), task = iif(keep_data, task, NULL)`,
		string(outcome.Code), result, output, agentrun.EncodeSteps(steps))
}

// Get implements [agentrun.Store].
func (a agentRuns) Get(ctx context.Context, tenant, id string) (agentrun.Record, error) {
	return getKept(ctx, a.keptTable, scanRun, runColumns, tenant, id)
}

// List implements [agentrun.Store].
func (a agentRuns) List(ctx context.Context, tenant string, f agentrun.Filter) (kept.Page[agentrun.Record], error) {
	also := ""
	if f.Agent != "" {
		also = "agent = ?"
	}
	return listKept(ctx, a.keptTable, scanListedRun, runHead, tenant, f.Filter, also, f.Agent, func(r agentrun.Record) string { return r.ID })
}

// Unfinished implements [agentrun.Store].
func (a agentRuns) Unfinished(ctx context.Context) ([]agentrun.Record, error) {
	return unfinishedKept(ctx, a.keptTable, scanRun, runColumns)
}
