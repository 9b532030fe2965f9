// Package execution is an execution as a resource: accepted, run once, told, kept for a while, and forgotten. What has been
// accepted is never silently gone: it is kept before its caller hears of it, and whoever starts after a crash runs it, or says
// that it had begun.
package execution

import (
	"context"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// A Record is all that is kept of one execution.
type Record struct {
	// ID is a ULID: ids sort by the time at which they were given.
	ID string
	// Tenant is who it belongs to; "" is whoever reaches a server that is open.
	Tenant string
	State  api.ExecutionState
	// CreatedAt is when it was accepted, BeganAt when a box was about to get it, EndedAt when it had its result.
	CreatedAt, BeganAt, EndedAt time.Time
	// SafeToRepeat says that it may be run again where nobody knows whether it ran, and Repeats how often it was; BeganAt is of the last time.
	SafeToRepeat bool
	Repeats      int
	// KeepData says that its tenant wants code, data and result kept until the record goes.
	KeepData bool
	// Idempotency is the caller's key, and what it stood for; the zero value is none. Its salt goes once the record is forgotten.
	Idempotency Idempotency
	// Key is the id of the tenant's key that it was accepted from, for the ledger; "" is none. It goes with the request.
	Key string
	// Request is what was asked, with its defaults; nil once it has ended, unless KeepData, and once it has been forgotten.
	Request *api.Request
	// Salt is that of the digests, and goes with the request: then they can be held against nothing.
	Salt                    []byte
	CodeDigest, InputDigest string
	// Result is nil until it has ended, and once it has been forgotten; ResultCode stays.
	Result     *api.Result
	ResultCode api.ResultCode
	// ReadAt is when its result was first told; zero is not yet.
	ReadAt time.Time
}

// What executions have in common with whatever else is accepted and kept.
type (
	// IdempotencyKey says that requests with it are one execution.
	IdempotencyKey = kept.IdempotencyKey
	// Idempotency is what is kept of an IdempotencyKey.
	Idempotency = kept.Idempotency
	// Filter picks executions of one tenant, newest first.
	Filter = kept.Filter[api.ResultCode]
	// Policy says what is kept, and for how long.
	Policy = kept.Policy
)

// Errors that callers tell apart.
var (
	// ErrNotFound: the tenant has no such execution.
	ErrNotFound = kept.ErrNotFound
	// ErrOtherBody: the idempotency key stands for another request.
	ErrOtherBody = kept.ErrOtherBody
	// ErrFull: no more can be accepted now.
	ErrFull = kept.ErrFull
)

// A Store keeps records. Its methods are safe for concurrent use, and what they were told is durable when they return, as far as
// the store is. Records that it returns are the caller's own.
type Store interface {
	// Note keeps records of executions that have ended, and whose callers have been told: without request, salt and result, unless
	// KeepData. It keeps all or none.
	Note(ctx context.Context, ended []Record) error
	// End keeps the result of one that has not ended yet, and lets go of code and data, unless KeepData; false says that it has
	// ended already, or is gone.
	End(ctx context.Context, id string, result api.Result, at time.Time) (bool, error)
	// Repeat says that a running one begins once more, as Begin does of a queued one, and returns how often it has been repeated by now; 0 is that
	// it does not run any more.
	Repeat(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (repeats int, err error)
	kept.Store[Record, Filter]
}

// digest makes a record's digests: HMACs, so that nobody can guess a short input from its digest once the salt is gone. The ledger has the
// same.
func (r *Record) digest(salt ledger.Salt) {
	r.Salt = salt[:]
	r.CodeDigest = salt.Code(r.Request.Code).String()
	if r.Request.InputData != nil {
		r.InputDigest = salt.Input(r.Request.InputData).String()
	}
}

// forget takes away what is the tenant's own: code, data, and what came of them.
func (r *Record) forget() {
	r.Request, r.Result, r.Salt, r.Key = nil, nil, nil, ""
	r.Idempotency.Forget()
}

// end takes over a result.
func (r *Record) end(result api.Result, at time.Time) {
	r.State, r.EndedAt, r.Result, r.ResultCode = api.ExecutionEnded, at, &result, result.ResultCode
	if !r.KeepData {
		r.Request, r.Salt, r.Key = nil, nil, ""
	}
}

// Document is the record as its tenant sees it.
func (r Record) Document() api.Execution {
	e := api.Execution{ID: r.ID, State: r.State, CreatedAt: r.CreatedAt, CodeDigest: r.CodeDigest, InputDigest: r.InputDigest,
		ResultCode: r.ResultCode, Result: r.Result}
	if !r.BeganAt.IsZero() {
		e.BeganAt = &r.BeganAt
	}
	if !r.EndedAt.IsZero() {
		e.EndedAt = &r.EndedAt
		e.Forgotten = r.Result == nil
	}
	if info, known := r.ResultCode.Info(); known {
		e.Retryable = info.Retry == api.RetryAsIs
	}
	return e
}

// Event is what is told of a record that has ended: nothing of code, data and result, which whoever may have them can ask for.
func (r Record) Event() api.WebhookEvent {
	e := r.Document()
	e.CodeDigest, e.InputDigest, e.Result, e.Forgotten = "", "", nil, false
	return api.WebhookEvent{Type: api.EventExecutionEnded, Timestamp: r.EndedAt, Data: e}
}
