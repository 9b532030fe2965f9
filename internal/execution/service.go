package execution

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/logcontext"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/tenant"
	"glovebox/internal/trace"
)

// An Executor runs requests; see controller.Executor. Of the context it takes [sandbox.Hooks].
type Executor interface {
	Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)
}

// Config is what a Service needs; Executor and Store must be set.
type Config struct {
	Executor Executor
	Store    Store
	// Tenant returns a tenant by its id, for what an earlier server has accepted; ok is false where there is none. Nil means that
	// nobody keeps tenants.
	Tenant kept.Lookup
	// Watch ends what goes on for tenants that may have nothing run any more; nil ends nothing.
	Watch *kept.Watch
	// Accepted is how many executions may be accepted and not ended, and AcceptedBytes what their code and data may hold in memory; 0
	// means 1,000 and 256 MiB.
	Accepted      int
	AcceptedBytes int64
	// Policy says what is kept; the zero value is [kept.DefaultPolicy].
	Policy Policy
	// Ended is called when an execution of a tenant's has ended and the store has that; it must not wait. Nil means that nobody wants to
	// know.
	Ended func(tenantID string)
	// Log is told what goes wrong behind an answer; nil means nowhere.
	Log *slog.Logger
}

const (
	defaultAccepted      = 1000
	defaultAcceptedBytes = 256 << 20
)

type keeper = kept.Keeper[Record, Filter, Event]

// A Service accepts executions, runs each once, and tells of them. It is safe for concurrent use. It is opened by [Open], and must be
// closed.
type Service struct {
	*keeper // which tells of them
	gate    kept.Gate
	config  Config
	// base is the context of all that runs; its end cancels.
	base   context.Context
	cancel context.CancelCauseFunc
	runs   sync.WaitGroup

	// board has what is accepted, and has not ended.
	board *kept.Board[Event]

	mu    sync.Mutex
	notes []Record      // to be kept
	noted chan struct{} // has a token while there are notes
}

// Open returns a service, and takes up what an earlier one has left in the store: what had not begun is run, and so is what is safe to
// repeat; of the rest it says that it failed, and may be tried again.
func Open(ctx context.Context, config Config) (*Service, error) {
	if config.Executor == nil || config.Store == nil {
		return nil, errors.New("execution: an Executor and a Store are needed")
	}
	if config.Accepted == 0 {
		config.Accepted = defaultAccepted
	}
	if config.AcceptedBytes == 0 {
		config.AcceptedBytes = defaultAcceptedBytes
	}
	if config.Ended == nil {
		config.Ended = func(string) {}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{config: config, noted: make(chan struct{}, 1)}
	s.board = kept.NewBoard[Event](config.Accepted, config.AcceptedBytes, sandbox.ErrClosed)
	s.keeper = kept.NewKeeper(kept.Store[Record, Filter](config.Store), s.board, func(r Record) api.ExecutionState { return r.State }, config.Policy, config.Log)
	s.base, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := s.recover(ctx); err != nil {
		s.cancel(nil)
		return nil, err
	}
	s.runs.Go(func() { s.ExpireUntil(s.base) })
	s.runs.Go(s.keepNotes)
	return s, nil
}

// recover takes up what was accepted and has not ended.
func (s *Service) recover(ctx context.Context) error {
	left, err := s.config.Store.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("execution: %w", err)
	}
	for _, r := range left {
		whose, known, err := s.tenantOf(ctx, r)
		if err != nil {
			return fmt.Errorf("execution: the tenant of %s: %w", r.ID, err)
		}
		if !known {
			s.config.Log.Warn("an execution's tenant is not there any more, and it is not run", "execution", r.ID, "tenant", r.Tenant)
			if _, err := s.end(ctx, r, Failed(r.ID, "its tenant is not there any more"), kept.Now()); err != nil {
				return fmt.Errorf("execution: %w", err)
			}
			continue
		}
		if r.State == api.ExecutionQueued || r.SafeToRepeat && r.Repeats < maxRepeats {
			s.config.Log.Info("an execution that was accepted before is run", "execution", r.ID, "hadBegun", r.State == api.ExecutionRunning)
			s.start(r, whose)
			continue
		}
		s.config.Log.Warn("an execution had begun when the server ended, and is not safe to repeat, or was repeated too often", "execution", r.ID, "repeats", r.Repeats)
		result := lost(r.ID)
		if r.SafeToRepeat {
			result.Error.Message = "the server ended while the script ran, each time of the ten that it was run"
		}
		if _, err := s.end(ctx, r, result, kept.Now()); err != nil {
			return fmt.Errorf("execution: %w", err)
		}
	}
	return nil
}

// Waiting is how many executions were accepted, and have not begun.
func (s *Service) Waiting() int { return s.board.Waiting() }

// end has the store keep how an execution ended; false says that it had ended already.
func (s *Service) end(ctx context.Context, r Record, result api.Result, at time.Time) (bool, error) {
	ended, err := s.config.Store.End(ctx, r.ID, result, at)
	if ended && err == nil {
		s.config.Ended(r.Tenant)
	}
	return ended, err
}

// lost is the result of an execution of which nobody knows how far it came.
func lost(id string) api.Result {
	return Failed(id, "the server ended while the script ran; it may have run, and is not run again unasked")
}

// Failed is the result of an execution that we have failed, and not its script.
func Failed(id, message string) api.Result {
	return api.Result{
		ID: id, ResultCode: api.ExecutionFailed, Logs: []api.Log{}, Warnings: []string{},
		Error: &api.ScriptError{Name: "ExecutionFailed", Message: message}, Isolation: api.Isolation{Layers: []string{}},
	}
}

// A Submission is what a caller wants run. Request has passed its checks, with its defaults.
type Submission struct {
	Tenant       string
	Request      api.Request
	Idempotency  IdempotencyKey
	SafeToRepeat bool
	KeepData     bool
	// Salt is what its digests are keyed with; the zero value has it get a fresh one.
	Salt ledger.Salt
}

// Submit accepts an execution, which then runs whatever becomes of its caller. When it returns, the store has it. The same idempotency
// key gives the same execution. The errors are [ErrFull], a *[quota.Error], [ErrOtherBody], [kept.ErrSuspended], sandbox.ErrClosed, and the store's.
func (s *Service) Submit(ctx context.Context, sub Submission) (Record, error) {
	all, err := s.SubmitAll(ctx, []Submission{sub})
	if err != nil {
		return Record{}, err
	}
	return all[0], nil
}

// SubmitAll accepts executions of the tenant in ctx, in their order: all, or none, be it that there is no place for all, of the tenant's own or of
// everybody's, that the key of one stands for another request, or that the store fails: the error is a *[kept.NotBegunError] then. Their requests have been
// admitted: see [quota.Guard.Admit].
func (s *Service) SubmitAll(ctx context.Context, subs []Submission) ([]Record, error) {
	since := time.Now()
	all, items, keys := make([]Record, len(subs)), make([]kept.Item, len(subs)), make([]IdempotencyKey, len(subs))
	for i, sub := range subs {
		all[i], keys[i] = sub.record(), sub.Idempotency
		items[i] = all[i].item()
	}
	whose, _ := tenant.FromContext(ctx)
	if key, ok := tenant.KeyFromContext(ctx); ok {
		for i := range all {
			all[i].Key = key.ID
		}
	}
	whose, err := s.config.Tenant.Now(ctx, whose) // the body may have taken its time
	if err != nil {
		return nil, err
	}
	lives, err := s.board.Reserve(whose, items...)
	if err != nil {
		return nil, err
	}
	existing, err := s.config.Store.AddAll(ctx, all, kept.Same(keys...))
	if err != nil {
		for _, l := range lives {
			s.board.Release(l)
		}
		if errors.Is(err, ErrOtherBody) {
			return nil, err
		}
		return nil, &kept.NotBegunError{Err: fmt.Errorf("execution: %w", err)}
	}
	for i, r := range all {
		if existing[i] == "" {
			s.runs.Go(func() { s.run(trace.Carry(s.base, ctx), r, whose, lives[i], since) })
		} else {
			s.board.Release(lives[i])
		}
	}
	for i, id := range existing {
		if id == "" {
			continue
		}
		if all[i], err = s.config.Store.Get(ctx, subs[i].Tenant, id); err != nil {
			return nil, fmt.Errorf("execution: %w", err)
		}
	}
	return all, nil
}

// record is what is kept of a submission.
func (sub Submission) record() Record {
	r := Record{
		ID: ulid.Make().String(), Tenant: sub.Tenant, State: api.ExecutionQueued, CreatedAt: kept.Now(), SafeToRepeat: sub.SafeToRepeat,
		KeepData: sub.KeepData, Idempotency: sub.Idempotency.Keep(), Request: &sub.Request,
	}
	if sub.Salt == (ledger.Salt{}) {
		sub.Salt = ledger.NewSalt()
	}
	r.digest(sub.Salt)
	return r
}

// run has an execution run that was accepted at a time, and keeps its result. ctx ends when s.base does, and has the span of whoever submitted it.
func (s *Service) run(ctx context.Context, r Record, whose tenant.Tenant, l *live, since time.Time) {
	defer s.board.Release(l)
	ctx, cancel := context.WithCancel(logcontext.With(ctx, logcontext.Execution, r.ID))
	defer cancel()
	l.OnCancel(cancel)
	defer s.config.Watch.Add(whose, l.Cancel)()
	asked := ledger.WithActor(ledger.WithPatience(ctx, s.base), ledger.Actor{Tenant: r.Tenant, Key: r.Key})
	if whose.ID != "" {
		asked = quota.Admitted(asked, whose)
	}
	asked, end := trace.Patient(asked)
	result, err := s.execute(asked, r, l, since)
	end(string(result.ResultCode))
	switch {
	case errors.Is(err, sandbox.ErrClosed), errors.Is(err, errLeft):
		return // the next server takes it up
	case errors.Is(err, kept.ErrSuspended):
		result = sandbox.CancelledInQueue(r.ID, time.Since(since))
		result.Error.Message = "its tenant was suspended before it began"
	case err != nil:
		s.config.Log.ErrorContext(ctx, "an execution failed", "error", err)
		result = Failed(r.ID, "Glovebox failed before the script had a result; the server's log tells more under the execution's id")
	}
	result.ID = r.ID
	at := kept.Now()
	if kept.End(ctx, s.base, s.config.Log, func(ctx context.Context) (bool, error) { return s.end(ctx, r, result, at) }) {
		s.config.Log.InfoContext(ctx, "an accepted execution has ended", "code", result.ResultCode)
	}
}

// errLeft says that the service was closed before an execution had begun: it stays queued.
var errLeft = errors.New("execution: left for the next server")

// execute waits, as it has since a time, for as long as there is no place: what was accepted is not refused any more.
func (s *Service) execute(ctx context.Context, r Record, l *live, since time.Time) (api.Result, error) {
	begun := false
	tell := &telling{to: l}
	begin := func(entries ...ledger.Draft) error {
		s.board.Begun(l)
		if begun {
			return nil
		}
		if s.board.Closed() {
			return errLeft
		}
		switch _, err := s.config.Tenant.Now(context.WithoutCancel(ctx), tenant.Tenant{ID: r.Tenant}); {
		case errors.Is(err, kept.ErrSuspended):
			return err
		case err != nil:
			return &kept.NotBegunError{Err: err}
		}
		ok, err := s.keepBegun(context.WithoutCancel(ctx), r, tell, entries)
		switch {
		case ledger.Never(err), errors.Is(err, kept.ErrNoLedger):
			return err
		case err != nil:
			return &kept.NotBegunError{Err: err}
		case !ok:
			return errors.New("it does not wait any more")
		}
		begun = true
		return nil
	}
	cutOff := func() api.ResultCode {
		if !begun || r.SafeToRepeat {
			return ""
		}
		return api.ExecutionFailed
	}
	ctx = kept.WithCutOff(ctx, cutOff)
	hooks := sandbox.Hooks{ID: r.ID, Since: since, Begin: func() error { return begin() }}
	ctx = ledger.WithBeginning(ctx, func(entry ledger.Draft) error { return begin(entry) })
	if salt := (ledger.Salt{}); copy(salt[:], r.Salt) == len(salt) {
		ctx = ledger.WithSalt(ctx, salt)
	}
	for {
		leave, err := s.gate.Enter(ctx)
		if err != nil {
			return s.left(r, l, since)
		}
		if !begun && s.board.Closed() {
			return s.left(r, l, since)
		}
		hooks.Begun = func() { leave(kept.Begun) }
		result, err := s.config.Executor.Execute(sandbox.WithHooks(ctx, hooks), *r.Request, tell.log)
		if kept.NotBegun(err) {
			leave(kept.Refused)
			if ctx.Err() != nil || s.board.Closed() {
				return s.left(r, l, since)
			}
			s.config.Log.WarnContext(ctx, "an execution cannot be kept as begun now, and waits", "error", err)
			continue
		}
		leave(kept.Unknown)
		var busy interface{ RetryAfter() time.Duration }
		if !errors.As(err, &busy) {
			if err == nil && result.ResultCode == api.Cancelled && kept.Stopped(ctx) {
				if cutOff() == "" {
					return result, errLeft
				}
				result = lost(r.ID)
			}
			return result, err
		}
		timer := time.NewTimer(min(max(busy.RetryAfter(), 10*time.Millisecond), time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return s.left(r, l, since)
		}
	}
}

// keepBegun has the store keep that an execution begins, or begins again, with the entries of that; false says that it is not there to begin any more.
func (s *Service) keepBegun(ctx context.Context, r Record, tell *telling, entries []ledger.Draft) (bool, error) {
	if r.State == api.ExecutionQueued {
		return s.config.Store.Begin(ctx, r.ID, kept.Now(), entries...)
	}
	repeats, err := s.config.Store.Repeat(ctx, r.ID, kept.Now(), entries...)
	if repeats > 0 {
		tell.repeated(repeats)
	}
	return repeats > 0, err
}

// left is what becomes of one that has waited since a time, has not begun, and is waited for no longer: it is cancelled, or the next server's.
func (s *Service) left(r Record, l *live, since time.Time) (api.Result, error) {
	if !l.Cancelled() {
		return api.Result{}, errLeft
	}
	return sandbox.CancelledInQueue(r.ID, time.Since(since)), nil
}

// Close accepts nothing more, leaves what has not begun to the next server, and waits for what runs, until ctx ends: then it is
// cancelled.
func (s *Service) Close(ctx context.Context) error {
	s.board.Close()
	s.gate.Close() // whoever waited there leaves
	s.Drain(ctx)
	s.cancel(kept.ErrStops)
	s.runs.Wait()
	return nil
}
