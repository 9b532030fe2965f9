// Package recorder has every execution entered in the ledger: that it began, before a box gets its script, and how it ended,
// before anybody is told.
package recorder

import (
	"context"
	"fmt"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/queue"
	"glovebox/internal/sandbox"
	"glovebox/internal/store"
	"glovebox/internal/trace"
)

// An Executor runs requests in their turn, as a [sandbox.Executor] does; of ctx it takes [sandbox.Hooks].
type Executor interface {
	ExecuteAs(ctx context.Context, share queue.Share, request api.Request, onLog func(api.Log)) (api.Result, error)
}

// A Recorder is an [Executor] that has what another runs entered in a ledger. It is safe for concurrent use. It must be closed.
type Recorder struct {
	inner Executor
	group *group
}

var _ Executor = (*Recorder)(nil)

// New returns a Recorder. log outlives it.
func New(inner Executor, log ledger.Log) *Recorder { return &Recorder{inner, newGroup(log)} }

// An UnrecordedError is returned for an execution, or a task, whose entry could not be written. Where it is the entry of its beginning,
// nothing has run; where it is that of its end, it has, and nobody is told what came of it.
type UnrecordedError struct {
	// What is "execution" or "task".
	What, ID string
	Began    bool
	Err      error
}

const (
	whatExecution = "execution"
	whatTask      = "task"
)

func (e *UnrecordedError) Error() string {
	if e.Began {
		return fmt.Sprintf("%s %s: its end could not be recorded, so what came of it is withheld: %v", e.What, e.ID, e.Err)
	}
	return fmt.Sprintf("%s %s: its beginning could not be recorded, so nothing was done: %v", e.What, e.ID, e.Err)
}

func (e *UnrecordedError) Unwrap() error { return e.Err }

// Withheld reports that it has run, and could not be recorded now: see [kept.Withheld].
func (e *UnrecordedError) Withheld() bool { return e.Began && !ledger.Never(e.Err) }

// NotBegun reports that it has not run, so that it may be tried again: see [kept.NotBegun].
func (e *UnrecordedError) NotBegun() bool { return !e.Began && !ledger.Never(e.Err) }

// ExecuteAs runs a request as the inner executor does. What never gets as far as a box has no entry. The actor is that of the
// context, or the tenant and the key that it has ([store.ActorOf]); digests are keyed with the
// context's salt ([ledger.WithSalt]), or with one that nobody keeps. A beginning of the context's ([ledger.WithBeginning]) is called in the place
// of the hook Begin, the first time. What a stopping server cuts off ([kept.CutOff]) is entered as its caller is told of it. The error may be an *[UnrecordedError].
func (r *Recorder) ExecuteAs(ctx context.Context, share queue.Share, request api.Request, onLog func(api.Log)) (api.Result, error) {
	actor := store.ActorOf(ctx)
	hooks := sandbox.HooksOf(ctx)
	outer, began := hooks.Begin, false
	begin, keeps := ledger.BeginningFrom(ctx)
	hooks.Begin = func() (err error) {
		switch {
		case keeps && !began:
			err = spanned(ctx, func() error { return begin(ledger.Began(actor, executionOf(ctx, hooks.ID, request))) })
			began = err == nil
			return err
		case outer != nil:
			err = outer()
		}
		if err != nil || began { // in a box that was not fit
			return err
		}
		if err := r.append(ctx, ledger.Began(actor, executionOf(ctx, hooks.ID, request))); err != nil {
			return &UnrecordedError{What: whatExecution, ID: hooks.ID, Err: err}
		}
		began = true
		return nil
	}
	result, err := r.inner.ExecuteAs(sandbox.WithHooks(ctx, hooks), share, request, onLog)
	if !began {
		return result, err
	}
	outcome := outcomeOf(result)
	if result.ResultCode == api.Cancelled {
		var told api.ResultCode
		if told, outcome.ServerStopped = kept.CutOff(ctx, result.ResultCode); told != "" {
			outcome.ResultCode = string(told)
		}
	}
	if err != nil {
		outcome = ledger.Outcome{ResultCode: string(api.ExecutionFailed)}
	}
	outcome.ID = hooks.ID
	if unrecorded := r.appendPatiently(ctx, ledger.Ended(actor, outcome)); unrecorded != nil {
		return api.Result{}, &UnrecordedError{What: whatExecution, ID: hooks.ID, Began: true, Err: unrecorded}
	}
	return result, err
}

func (r *Recorder) append(ctx context.Context, draft ledger.Draft) error {
	return spanned(ctx, func() error { return r.group.append(draft) })
}

// spanned is the span of an entry that is recorded.
func spanned(ctx context.Context, record func() error) error {
	_, span := trace.Start(ctx, "record")
	defer span.End()
	err := record()
	if err != nil {
		span.Fail("unrecorded")
	}
	return err
}

// appendPatiently tries again, where the context has patience: the disk may be full, and have a place later. A beginning is none for it: what
// was accepted and has not begun is kept, and whoever keeps it knows when to try again.
func (r *Recorder) appendPatiently(ctx context.Context, draft ledger.Draft) error {
	try := func() error { return r.append(ctx, draft) }
	until, patient := ledger.Patience(ctx)
	if !patient {
		return try()
	}
	return kept.Again(until, try, ledger.Never)
}

// TaskBegan records that an agent begins to work on a task, before its model is asked: where that is an error, nothing may be done. A beginning
// of the context's ([ledger.WithBeginning]) has it recorded, and its error is returned as it is; any other is an *[UnrecordedError].
func (r *Recorder) TaskBegan(ctx context.Context, task ledger.Task) error {
	entry := ledger.TaskBegan(store.ActorOf(ctx), task)
	if begin, keeps := ledger.BeginningFrom(ctx); keeps {
		return spanned(ctx, func() error { return begin(entry) })
	}
	if err := r.append(ctx, entry); err != nil {
		return &UnrecordedError{What: whatTask, ID: task.ID, Err: err}
	}
	return nil
}

// TaskEnded records what became of a task, before anybody is told: where that is an error, an *[UnrecordedError], nobody may be.
func (r *Recorder) TaskEnded(ctx context.Context, work ledger.Work) error {
	if err := r.appendPatiently(ctx, ledger.TaskEnded(store.ActorOf(ctx), work)); err != nil {
		return &UnrecordedError{What: whatTask, ID: work.ID, Began: true, Err: err}
	}
	return nil
}

// Close waits for the entries that are being written. Nothing may be executed after it.
func (r *Recorder) Close() { r.group.close() }

func executionOf(ctx context.Context, id string, request api.Request) ledger.Execution {
	salt, kept := ledger.SaltFrom(ctx)
	if !kept {
		salt = ledger.NewSalt()
	}
	request = request.WithDefaults()
	e := ledger.Execution{
		ID: id, Language: string(request.Language), Code: salt.Code(request.Code),
		Limits: ledger.Limits{TimeoutSeconds: *request.TimeoutSeconds, MemoryLimitMB: *request.MemoryLimitMB, CPUs: *request.CPUs},
	}
	if task, ok := ledger.TaskFrom(ctx); ok {
		e.Task = task.ID
	}
	if request.InputData != nil {
		e.Input = new(salt.Input(request.InputData))
	}
	return e
}

func outcomeOf(r api.Result) ledger.Outcome {
	o := ledger.Outcome{
		ResultCode: string(r.ResultCode), ExecutionTimeMs: max(r.ExecutionTimeMs, 0), QueueTimeMs: max(r.QueueTimeMs, 0),
		CPUMs: max(r.Usage.CPUMs, 0), PeakMemoryBytes: max(r.Usage.PeakMemoryBytes, 0),
		Driver: r.Isolation.Driver, Runtime: r.Isolation.Runtime, RuntimeVersion: r.Isolation.RuntimeVersion,
		Image: r.Isolation.Image, Seccomp: r.Isolation.Seccomp,
	}
	if a := r.Isolation.Attestation; a != nil {
		o.Attestation, o.Verified = a.Digest, a.Verified
	}
	return o
}
