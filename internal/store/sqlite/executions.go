package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/store"
)

// The executions of a store.
type executions struct{ store *Store }

var _ execution.Store = executions{}

// Executions returns the executions that the store keeps. They end with it.
func (s *Store) Executions() execution.Store { return executions{s} }

// headColumns are what a list tells; bodyColumns are a tenant's own.
const (
	headColumns = "id, tenant, state, created_at, began_at, ended_at, read_at, safe_to_repeat, keep_data, idempotency_key, " +
		"idempotency_body, code_digest, input_digest, result_code"
	bodyColumns      = "salt, request, result, code, input, output"
	executionColumns = headColumns + ", " + bodyColumns
)

const insertExecution = "INSERT INTO executions (" + executionColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

// letGo is what is done to a row of whose execution the digests and codes alone stay.
const letGo = "salt = NULL, request = NULL, result = NULL, code = NULL, input = NULL, output = NULL"

// An executionRow is what is read for an execution, in the order of executionColumns.
type executionRow struct {
	record                                        execution.Record
	createdAt                                     int64
	beganAt, endedAt, readAt                      sql.NullInt64
	key                                           sql.NullString
	keyBody, request, result, code, input, output []byte
}

func (r *executionRow) head() []any {
	e := &r.record
	return []any{&e.ID, &e.Tenant, &e.State, &r.createdAt, &r.beganAt, &r.endedAt, &r.readAt, &e.SafeToRepeat, &e.KeepData, &r.key,
		&r.keyBody, &e.CodeDigest, &e.InputDigest, &e.ResultCode}
}

func (r *executionRow) body() []any {
	return []any{&r.record.Salt, &r.request, &r.result, &r.code, &r.input, &r.output}
}

// readHead makes a record of what head was given.
func (r *executionRow) readHead() (execution.Record, error) {
	e := r.record
	e.CreatedAt = fromMicros(r.createdAt)
	e.BeganAt, e.EndedAt, e.ReadAt = fromNullMicros(r.beganAt), fromNullMicros(r.endedAt), fromNullMicros(r.readAt)
	if !e.State.Known() {
		return e, fmt.Errorf("%w: execution %s is %q", store.ErrCorrupt, e.ID, e.State)
	}
	if e.Idempotency.Key = r.key.String; r.key.Valid && copy(e.Idempotency.Body[:], r.keyBody) != sha256.Size {
		return e, fmt.Errorf("%w: execution %s has no whole digest of its body", store.ErrCorrupt, e.ID)
	}
	return e, nil
}

// read makes a record of the whole row.
func (r *executionRow) read() (execution.Record, error) {
	e, err := r.readHead()
	if err != nil {
		return e, err
	}
	if r.request != nil || e.State != api.ExecutionEnded {
		if e.Request, err = readRequest(r.request, r.code, r.input); err != nil {
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

// A requestForm is a request as it is kept, beside its code and its data: those are bytes, which JSON would write otherwise.
type requestForm struct {
	api.Request
	Libraries []string `json:"libraries"` // which the contract's own form leaves out
}

func writeRequest(r *api.Request) (request, code, input []byte, err error) {
	if r == nil {
		return nil, nil, nil, nil
	}
	form := requestForm{*r, r.Libraries}
	form.Code, form.InputData = "", nil
	request, err = json.Marshal(form)
	return request, []byte(r.Code), r.InputData, err
}

// readRequest takes no field that it does not know: that could be a limit.
func readRequest(request, code, input []byte) (*api.Request, error) {
	var form requestForm
	decoder := json.NewDecoder(bytes.NewReader(request))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil {
		return nil, err
	}
	r := form.Request
	r.Code, r.InputData, r.Libraries = string(code), input, form.Libraries
	return &r, nil
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
	request, code, input, err := writeRequest(r.Request)
	if err != nil {
		return nil, fmt.Errorf("store: the request of execution %s: %w", r.ID, err)
	}
	result, output, err := writeResult(r.Result)
	if err != nil {
		return nil, fmt.Errorf("store: the result of execution %s: %w", r.ID, err)
	}
	var key sql.NullString
	var keyBody []byte
	if r.Idempotency.Key != "" {
		key, keyBody = sql.NullString{String: r.Idempotency.Key, Valid: true}, r.Idempotency.Body[:]
	}
	return []any{r.ID, r.Tenant, string(r.State), r.CreatedAt.UnixMicro(), nullMicros(r.BeganAt), nullMicros(r.EndedAt), nullMicros(r.ReadAt),
		r.SafeToRepeat, r.KeepData, key, keyBody, r.CodeDigest, r.InputDigest, string(r.ResultCode),
		r.Salt, request, result, code, input, output}, nil
}

// Add implements [execution.Store].
func (e executions) Add(ctx context.Context, r execution.Record) (existing *execution.Record, err error) {
	values, err := valuesOf(r)
	if err != nil {
		return nil, err
	}
	doing := "accept execution " + r.ID
	err = e.store.write(ctx, doing, func(tx *transaction) error {
		added, err := e.store.change(ctx, tx, doing,
			insertExecution+" ON CONFLICT (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING", values...)
		if err != nil {
			return err
		}
		if added > 0 {
			tx.said = stated{r.ID, r.State, r.Tenant, r.CodeDigest, r.InputDigest}.append(tx.said)
			return nil
		}
		first, err := one(ctx, e.store, tx, "execution of key", r.Idempotency.Key, scanExecution,
			"SELECT "+executionColumns+" FROM executions WHERE tenant = ? AND idempotency_key = ?", r.Tenant, r.Idempotency.Key)
		existing = &first
		return err
	})
	if err != nil {
		return nil, err
	}
	return existing, nil
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

// Begin implements [execution.Store].
func (e executions) Begin(ctx context.Context, id string, at time.Time) (done bool, err error) {
	doing := "begin execution " + id
	err = e.store.write(ctx, doing, func(tx *transaction) error {
		n, err := e.store.change(ctx, tx, doing, "UPDATE executions SET state = 'running', began_at = ? WHERE id = ? AND state = 'queued'",
			at.UnixMicro(), id)
		if done = n > 0; done {
			tx.said = stated{id: id, state: api.ExecutionRunning}.append(tx.said)
		}
		return err
	})
	return done && err == nil, err
}

// End implements [execution.Store].
func (e executions) End(ctx context.Context, id string, r api.Result, at time.Time) (done bool, err error) {
	result, output, err := writeResult(&r)
	if err != nil {
		return false, fmt.Errorf("store: the result of execution %s: %w", id, err)
	}
	err = e.store.write(ctx, "end execution "+id, func(tx *transaction) error {
		ended, err := all(ctx, e.store, tx, "end execution "+id, scanListed, `UPDATE executions SET state = 'ended', ended_at = ?, result_code = ?,
			result = ?, output = ?, salt = iif(keep_data, salt, NULL), request = iif(keep_data, request, NULL), code = iif(keep_data, code, NULL),
			input = iif(keep_data, input, NULL) WHERE id = ? AND ended_at IS NULL RETURNING `+headColumns,
			at.UnixMicro(), string(r.ResultCode), result, output, id)
		if done = len(ended) > 0; err != nil || !done {
			return err
		}
		tx.said = stated{id: id, state: api.ExecutionEnded}.append(tx.said)
		return e.tell(ctx, tx, ended[0])
	})
	return done && err == nil, err
}

// Get implements [execution.Store].
func (e executions) Get(ctx context.Context, tenant, id string) (execution.Record, error) {
	found, err := all(ctx, e.store, e.store.reader, "execution "+id, scanExecution,
		"SELECT "+executionColumns+" FROM executions WHERE id = ? AND tenant = ?", id, tenant)
	if err != nil {
		return execution.Record{}, err
	}
	if len(found) == 0 {
		return execution.Record{}, execution.ErrNotFound
	}
	return found[0], nil
}

// List implements [execution.Store].
func (e executions) List(ctx context.Context, tenant string, f execution.Filter) ([]execution.Record, error) {
	var where strings.Builder
	args := []any{tenant}
	and := func(asked bool, condition string, value any) {
		if asked {
			where.WriteString(" AND " + condition)
			args = append(args, value)
		}
	}
	and(f.State != "", "state = ?", string(f.State))
	and(f.ResultCode != "", "result_code = ?", string(f.ResultCode))
	and(!f.Since.IsZero(), "created_at >= ?", ceilMicros(f.Since))
	and(!f.Until.IsZero(), "created_at < ?", ceilMicros(f.Until))
	and(f.Before != "", "id < ?", f.Before)
	return all(ctx, e.store, e.store.reader, "list executions", scanListed,
		"SELECT "+headColumns+" FROM executions WHERE tenant = ?"+where.String()+" ORDER BY id DESC LIMIT ?", append(args, f.Limit)...)
}

// ceilMicros is the first microsecond that is not before a time.
func ceilMicros(t time.Time) int64 { return t.Add(time.Microsecond - time.Nanosecond).UnixMicro() }

// Unfinished implements [execution.Store].
func (e executions) Unfinished(ctx context.Context) ([]execution.Record, error) {
	return all(ctx, e.store, e.store.reader, "look for executions that have not ended", scanExecution,
		"SELECT "+executionColumns+" FROM executions WHERE ended_at IS NULL ORDER BY id")
}

// Read implements [execution.Store].
func (e executions) Read(ctx context.Context, id string, at time.Time) error {
	_, err := e.store.changeOne(ctx, "mark execution "+id+" as read", "UPDATE executions SET read_at = ? WHERE id = ? AND read_at IS NULL", at.UnixMicro(), id)
	return err
}

// Forget implements [execution.Store].
func (e executions) Forget(ctx context.Context, tenant, id string) error {
	done, err := e.store.changeOne(ctx, "forget execution "+id, "UPDATE executions SET "+letGo+" WHERE id = ? AND tenant = ? AND ended_at IS NOT NULL", id, tenant)
	if err == nil && !done {
		err = execution.ErrNotFound
	}
	return err
}

// expireMost is how many rows are changed in one transaction: others write in between.
const expireMost = 500

// Expire implements [execution.Store]. What was let go since it was last called, by whomever, is then in no file any more.
func (e executions) Expire(ctx context.Context, p execution.Policy, now time.Time) (forgotten, removed int, err error) {
	const remove = "DELETE FROM executions WHERE id IN (SELECT id FROM executions WHERE "
	removed, err = e.changeAll(ctx, remove+"ended_at <= ? LIMIT ?)", -1, now.Add(-p.Record).UnixMicro())
	if err != nil {
		return 0, removed, err
	}
	var count int
	if err := e.store.reader.QueryRowContext(ctx, "SELECT count(*) FROM executions").Scan(&count); err != nil {
		return 0, removed, e.store.failed("count executions", err)
	}
	oldest, err := e.changeAll(ctx, remove+"ended_at IS NOT NULL ORDER BY id LIMIT ?)", max(count-p.Records, 0))
	removed += oldest
	if err != nil {
		return 0, removed, err
	}
	forgotten, err = e.changeAll(ctx, "UPDATE executions SET "+letGo+" WHERE id IN (SELECT id FROM executions "+
		"WHERE result IS NOT NULL AND keep_data = 0 AND (read_at <= ? OR ended_at <= ?) LIMIT ?)",
		-1, now.Add(-kept.ReadGrace).UnixMicro(), now.Add(-p.Result).UnixMicro())
	if err != nil {
		return forgotten, removed, err
	}
	// The log has what was written since; where somebody reads there is a next time.
	if _, err := e.store.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return forgotten, removed, e.store.failed("tidy up", err)
	}
	return forgotten, removed, nil
}

// changeAll changes rows until there are none left to be changed, or most have been; -1 is no bound. The query's last argument is
// how many it may change.
func (e executions) changeAll(ctx context.Context, query string, most int, args ...any) (int, error) {
	const doing = "let go of old executions"
	changed := 0
	for most < 0 || changed < most {
		limit, n := expireMost, 0
		if most >= 0 {
			limit = min(limit, most-changed)
		}
		err := e.store.write(ctx, doing, func(tx *transaction) (err error) {
			n, err = e.store.change(ctx, tx, doing, query, append(args, limit)...)
			return err
		})
		if err != nil {
			return changed, err
		}
		if changed += n; n < limit {
			break
		}
	}
	return changed, nil
}
