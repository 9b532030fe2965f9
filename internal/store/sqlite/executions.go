package sqlite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/store"
)

// The executions of a store.
type executions struct{ keptTable }

var _ execution.Store = executions{}

// Executions returns the executions that the store keeps. They end with it.
func (s *Store) Executions() execution.Store {
	return executions{s.executions()}
}

func (s *Store) executions() keptTable {
	return keptTable{store: s, name: "executions", what: "execution", letGo: []string{"salt", "idempotency_salt", "request", "result", "code", "input", "output"}}
}

// headColumns are what a list tells; bodyColumns are a tenant's own.
const (
	headColumns = "id, tenant, state, created_at, began_at, ended_at, read_at, safe_to_repeat, keep_data, idempotency_key, " +
		"idempotency_body, code_digest, input_digest, result_code"
	bodyColumns      = "salt, idempotency_salt, request, result, code, input, output, repeats"
	executionColumns = headColumns + ", " + bodyColumns
)

const insertExecution = "INSERT INTO executions (" + executionColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

// An executionRow is what is read for an execution, in the order of executionColumns.
type executionRow struct {
	record                               execution.Record
	times                                keptTimes
	key                                  keptKey
	request, result, code, input, output []byte
}

func (r *executionRow) head() []any {
	e := &r.record
	return []any{&e.ID, &e.Tenant, &e.State, &r.times.createdAt, &r.times.beganAt, &r.times.endedAt, &r.times.readAt, &e.SafeToRepeat, &e.KeepData, &r.key.key,
		&r.key.body, &e.CodeDigest, &e.InputDigest, &e.ResultCode}
}

func (r *executionRow) body() []any {
	return []any{&r.record.Salt, &r.key.salt, &r.request, &r.result, &r.code, &r.input, &r.output, &r.record.Repeats}
}

// readHead makes a record of what head was given.
func (r *executionRow) readHead() (execution.Record, error) {
	e := r.record
	r.times.into(&e.CreatedAt, &e.BeganAt, &e.EndedAt, &e.ReadAt)
	var whole bool
	e.Idempotency, whole = r.key.read()
	return e, checkHead("execution "+e.ID, e.State, whole)
}

// read makes a record of the whole row.
func (r *executionRow) read() (execution.Record, error) {
	e, err := r.readHead()
	if err != nil {
		return e, err
	}
	if r.request != nil || e.State != api.ExecutionEnded {
		if e.Request, e.Key, err = readRequest(r.request, r.code, r.input); err != nil {
			return e, fmt.Errorf("%w: the request of execution %s: %w", store.ErrCorrupt, e.ID, err)
		}
	}
	if r.result != nil {
		if e.Result, err = readResult(r.result, r.output); err != nil {
			return e, fmt.Errorf("%w: the result of execution %s: %w", store.ErrCorrupt, e.ID, err)
		}
	}
	return e, nil
}

func scanExecution(row func(into ...any) error) (execution.Record, error) {
	var r executionRow
	if err := row(append(r.head(), r.body()...)...); err != nil {
		return execution.Record{}, err
	}
	return r.read()
}

func scanListed(row func(into ...any) error) (execution.Record, error) {
	var r executionRow
	if err := row(r.head()...); err != nil {
		return execution.Record{}, err
	}
	return r.readHead()
}

// scanEnded reads, of one that has ended, what is told of that.
func scanEnded(row func(into ...any) error) (api.WebhookEvent, error) {
	r, err := scanListed(row)
	return r.Event(), err
}

// A requestForm is a request as it is kept, beside its code and its data: those are bytes, which JSON would write otherwise.
type requestForm struct {
	api.Request
	Libraries []string `json:"libraries"` // which the contract's own form leaves out
	// Key is the id of the key that it was accepted from.
	Key string `json:"key,omitempty"`
}

func writeRequest(r *api.Request, key string) (request, code, input []byte, err error) {
	if r == nil {
		return nil, nil, nil, nil
	}
	form := requestForm{*r, r.Libraries, key}
	form.Code, form.InputData = "", nil
	request, err = json.Marshal(form)
	return request, []byte(r.Code), r.InputData, err
}

// readRequest takes no field that it does not know: that could be a limit.
func readRequest(request, code, input []byte) (_ *api.Request, key string, err error) {
	var form requestForm
	decoder := json.NewDecoder(bytes.NewReader(request))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		return nil, "", err
	}
	r := form.Request
	r.Code, r.InputData, r.Libraries = string(code), input, form.Libraries
	return &r, form.Key, nil
}

func writeResult(r *api.Result) (result, output []byte, err error) {
	if r == nil {
		return nil, nil, nil
	}
	form := *r
	form.Output = nil
	form.Isolation.Attestation = r.Isolation.Attestation.InFull()
	result, err = json.Marshal(form)
	return result, r.Output, err
}

func readResult(result, output []byte) (*api.Result, error) {
	var r api.Result
	if err := json.Unmarshal(result, &r); err != nil {
		return nil, err
	}
	r.Output = output
	r.Isolation.Attestation = r.Isolation.Attestation.InShort()
	return &r, nil
}

// valuesOf is a record as the row that it is kept in.
func valuesOf(r execution.Record) ([]any, error) {
	request, code, input, err := writeRequest(r.Request, r.Key)
	if err != nil {
		return nil, fmt.Errorf("store: the request of execution %s: %w", r.ID, err)
	}
	result, output, err := writeResult(r.Result)
	if err != nil {
		return nil, fmt.Errorf("store: the result of execution %s: %w", r.ID, err)
	}
	key, keySalt, keyBody := keyOf(r.Idempotency)
	return []any{r.ID, r.Tenant, string(r.State), r.CreatedAt.UnixMicro(), nullMicros(r.BeganAt), nullMicros(r.EndedAt), nullMicros(r.ReadAt),
		r.SafeToRepeat, r.KeepData, key, keyBody, r.CodeDigest, r.InputDigest, string(r.ResultCode),
		r.Salt, keySalt, request, result, code, input, output, r.Repeats}, nil
}

// AddAll implements [kept.Store].
func (e executions) AddAll(ctx context.Context, records []execution.Record, judge kept.Judge) (existing []string, err error) {
	rows := make([]keptRow, len(records))
	for i, r := range records {
		values, err := valuesOf(r)
		if err != nil {
			return nil, err
		}
		rows[i] = keptRow{values, r.Idempotency.Key, queuedLine(r.ID, r.Tenant, r.CodeDigest, r.InputDigest, r.Idempotency)}
	}
	return e.addAll(ctx, insertExecution, rows, judge)
}

// Note implements [execution.Store].
func (e executions) Note(ctx context.Context, ended []execution.Record) error {
	if len(ended) == 0 {
		return nil
	}
	const doing = "note executions"
	return e.store.write(ctx, doing, func(tx *transaction) error {
		insert, err := tx.PrepareContext(ctx, insertExecution)
		if err != nil {
			return e.store.failed(doing, err)
		}
		defer func() { _ = insert.Close() }()
		for _, r := range ended {
			values, err := valuesOf(r)
			if err != nil {
				return err
			}
			if _, err := insert.ExecContext(ctx, values...); err != nil {
				return e.store.failed(doing, err)
			}
		}
		return nil
	})
}

// Begin implements [kept.Store].
func (e executions) Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	return e.begin(ctx, id, at, entries)
}

// Repeat implements [execution.Store].
func (e executions) Repeat(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (repeats int, err error) {
	doing := "repeat execution " + id
	read := func(row func(into ...any) error) (n int, err error) { return n, row(&n) }
	err = e.store.write(ctx, doing, func(tx *transaction) error {
		now, err := all(ctx, e.store, tx, doing, read,
			"UPDATE executions SET repeats = repeats + 1, began_at = ? WHERE id = ? AND state = 'running' RETURNING repeats", at.UnixMicro(), id)
		if err != nil || len(now) == 0 {
			return err
		}
		if repeats = now[0]; len(entries) > 0 {
			_, err = e.store.append(ctx, tx, entries...)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return repeats, nil
}

// End implements [execution.Store].
func (e executions) End(ctx context.Context, id string, r api.Result, at time.Time) (bool, error) {
	result, output, err := writeResult(&r)
	if err != nil {
		return false, fmt.Errorf("store: the result of execution %s: %w", id, err)
	}
	return e.end(ctx, id, at, scanEnded, headColumns, `result_code = ?, result = ?, output = ?, salt = iif(keep_data, salt, NULL),
		request = iif(keep_data, request, NULL), code = iif(keep_data, code, NULL), input = iif(keep_data, input, NULL)`,
		string(r.ResultCode), result, output)
}

// Get implements [execution.Store].
func (e executions) Get(ctx context.Context, tenant, id string) (execution.Record, error) {
	return getKept(ctx, e.keptTable, scanExecution, executionColumns, tenant, id)
}

// List implements [execution.Store].
func (e executions) List(ctx context.Context, tenant string, f execution.Filter) (kept.Page[execution.Record], error) {
	return listKept(ctx, e.keptTable, scanListed, headColumns, tenant, f, "", nil, func(r execution.Record) string { return r.ID })
}

// Unfinished implements [execution.Store].
func (e executions) Unfinished(ctx context.Context) ([]execution.Record, error) {
	return unfinishedKept(ctx, e.keptTable, scanExecution, executionColumns)
}
