package agentrun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/logcontext"
	"glovebox/internal/tenant"
	"glovebox/internal/trace"
)

// A Worker is an agent that works on tasks. It is safe for concurrent use.
type Worker interface {
	// Admit reports what is wrong with a task, an *[api.Error], and holds it against the quotas of the tenant in ctx: the error is a
	// *quota.Error then.
	Admit(ctx context.Context, task []byte) error
	// WorkAccepted waits for a place, calls begin with the ledger's entry of the beginning, where there is a ledger, and works on a task of the
	// tenant in ctx until it has an outcome, as [agent.Agent.Run] does. Where begin returns an error, or ctx ends before, that is its error, and
	// nothing has run. The context has the run's [ledger.TaskRef].
	WorkAccepted(ctx context.Context, task []byte, begin func(entries ...ledger.Draft) error, onEvent func(agent.Event)) (agent.Outcome, error)
}

// Config is what a Service needs; Store must be set.
type Config struct {
	// Agents are those that there are, by their names.
	Agents map[string]Worker
	Store  Store
	// Tenant returns a tenant by its id, for what an earlier server has accepted; ok is false where there is none. Nil means that
	// nobody keeps tenants.
	Tenant kept.Lookup
	// Watch ends what goes on for tenants that may have nothing done any more; nil ends nothing.
	Watch *kept.Watch
	// Accepted is how many runs may be accepted and not ended, and AcceptedBytes what their tasks may hold in memory; 0
	// means 200 and 256 MiB.
	Accepted      int
	AcceptedBytes int64
	// Policy says what is kept; the zero value is [kept.DefaultPolicy].
	Policy kept.Policy
	// Ended is called when a run of a tenant's has ended and the store has that; it must not wait. Nil means that nobody wants to know.
	Ended func(tenantID string)
	// Log is told what goes wrong behind an answer; nil means nowhere.
	Log *slog.Logger
}

const (
	defaultAccepted      = 200
	defaultAcceptedBytes = 256 << 20
)

// ErrClosed is returned once the Service has been closed.
var ErrClosed = errors.New("agentrun: shutting down")

// ErrNoAgent is returned where there is no agent of a name.
var ErrNoAgent = errors.New("agentrun: there is no agent of this name")

type (
	live   = kept.Live[Step]
	keeper = kept.Keeper[Record, Filter, Step]
)

// A Service accepts runs, has its agents work on each once, and tells of them. It is safe for concurrent use. It is opened by [Open], and
// must be closed.
type Service struct {
	*keeper // which tells of them
	config  Config
	// base is the context of all that runs; its end cancels.
	base   context.Context
	cancel context.CancelCauseFunc
	runs   sync.WaitGroup
	// board has what is accepted, and has not ended.
	board *kept.Board[Step]
}

// Open returns a service, and takes up what an earlier one has left in the store: what had not begun is worked on; of the rest it says
// that it failed, and may be tried again. What is for an agent that is not there stays as it is.
func Open(ctx context.Context, config Config) (*Service, error) {
	if config.Store == nil {
		return nil, errors.New("agentrun: a Store is needed")
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
	s := &Service{config: config, board: kept.NewBoard[Step](config.Accepted, config.AcceptedBytes, ErrClosed)}
	s.keeper = kept.NewKeeper(kept.Store[Record, Filter](config.Store), s.board, func(r Record) api.ExecutionState { return r.State }, config.Policy, config.Log)
	s.base, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := s.recover(ctx); err != nil {
		s.cancel(nil)
		return nil, fmt.Errorf("agentrun: %w", err)
	}
	s.runs.Go(func() { s.ExpireUntil(s.base) })
	return s, nil
}

// recover takes up what was accepted and has not ended.
func (s *Service) recover(ctx context.Context) error {
	left, err := s.config.Store.Unfinished(ctx)
	if err != nil {
		return err
	}
	type started struct {
		r     Record
		whose tenant.Tenant
	}
	var all []started
	for _, r := range left {
		whose, known := tenant.Tenant{ID: r.Tenant}, true
		if r.Tenant != "" && s.config.Tenant != nil {
			if whose, known, err = s.config.Tenant(ctx, r.Tenant); err != nil {
				return fmt.Errorf("the tenant of %s: %w", r.ID, err)
			}
		}
		var lost string
		switch {
		case !known:
			lost = "Its tenant is not there any more."
		case r.State == api.ExecutionRunning:
			lost = ServerEnded
		case s.config.Agents[r.Agent] == nil:
			s.config.Log.Warn("a run of an agent that is not here stays as it is", "run", r.ID, "agent", r.Agent)
			continue
		default:
			all = append(all, started{r, whose})
			continue
		}
		s.config.Log.Warn("a run of an agent is not gone on with", "run", r.ID, "tenant", r.Tenant, "reason", lost)
		if _, err := s.end(ctx, r, r.unworked(agent.SandboxFailed, lost), nil, kept.Now()); err != nil {
			return err
		}
	}
	for _, one := range all { // nothing runs unless all can be taken up
		s.config.Log.Info("a run of an agent that was accepted before begins", "run", one.r.ID)
		ctx := tenantContext(s.base, one.whose, nil)
		if one.r.Tenant != "" {
			ctx = logcontext.With(ctx, logcontext.Tenant, one.r.Tenant)
		}
		s.start(ctx, one.r, s.board.Hold(one.r.item()))
	}
	return nil
}

// Waiting is how many runs were accepted, and have not begun.
func (s *Service) Waiting() int { return s.board.Waiting() }

// end has the store keep how a run ended; false says that it had ended already.
func (s *Service) end(ctx context.Context, r Record, outcome agent.Outcome, steps []Step, at time.Time) (bool, error) {
	ended, err := s.config.Store.End(ctx, r.ID, outcome, steps, at)
	if ended && err == nil {
		s.config.Ended(r.Tenant)
	}
	return ended, err
}

// ServerEnded is what is said of a run of which nobody knows how far it came.
const ServerEnded = "The server ended while the agent worked; the task is not begun again unasked."

// item is what wants a place.
func (r Record) item() kept.Item {
	return kept.Item{ID: r.ID, Tenant: r.Tenant, Bytes: int64(len(r.Task))}
}

// A Submission is what a caller wants done.
type Submission struct {
	// Agent is the name of the agent.
	Agent string
	// Task is JSON as it was sent.
	Task        []byte
	Idempotency kept.IdempotencyKey
}

// Submit accepts a run of the tenant in ctx, which then goes on whatever becomes of its caller. When it returns, the store has it. The same
// idempotency key gives the same run. The errors are an *[api.Error] that says what is wrong with the task, [ErrNoAgent], [kept.ErrFull], a
// *quota.Error, [kept.ErrOtherBody], [kept.ErrSuspended], [ErrClosed], and, where the store cannot keep it, a *[kept.NotBegunError].
func (s *Service) Submit(ctx context.Context, sub Submission) (Record, error) {
	worker := s.config.Agents[sub.Agent]
	if worker == nil {
		return Record{}, ErrNoAgent
	}
	if err := worker.Admit(ctx, sub.Task); err != nil {
		return Record{}, err
	}
	whose, _ := tenant.FromContext(ctx)
	whose, err := s.config.Tenant.Now(ctx, whose) // the body may have taken its time
	if err != nil {
		return Record{}, err
	}
	salt := ledger.NewSalt()
	r := Record{
		ID: ulid.Make().String(), Tenant: whose.ID, Agent: sub.Agent, State: api.ExecutionQueued, CreatedAt: kept.Now(), KeepData: whose.KeepData,
		Idempotency: sub.Idempotency.Keep(), Task: sub.Task, Salt: salt[:], TaskDigest: salt.Task(sub.Task).String(),
	}
	lives, err := s.board.Reserve(whose, r.item())
	if err != nil {
		return Record{}, err
	}
	existing, err := s.config.Store.AddAll(ctx, []Record{r}, kept.Same(sub.Idempotency))
	if err != nil || existing[0] != "" {
		s.board.Release(lives[0])
	}
	switch {
	case errors.Is(err, kept.ErrOtherBody):
		return Record{}, err
	case err != nil:
		return Record{}, &kept.NotBegunError{Err: fmt.Errorf("agentrun: %w", err)}
	case existing[0] == "":
		var key *tenant.Key
		if k, ok := tenant.KeyFromContext(ctx); ok {
			key = &k
		}
		s.start(tenantContext(trace.Carry(s.base, ctx), whose, key), r, lives[0])
		return r, nil
	}
	if r, err = s.config.Store.Get(ctx, whose.ID, existing[0]); err != nil {
		return Record{}, fmt.Errorf("agentrun: %w", err)
	}
	return r, nil
}

// tenantContext is that of whoever has something done. key may be nil.
func tenantContext(ctx context.Context, whose tenant.Tenant, key *tenant.Key) context.Context {
	if whose.ID == "" {
		return ctx
	}
	ctx = tenant.NewContext(ctx, whose)
	if key != nil {
		ctx = tenant.NewKeyContext(ctx, *key)
	}
	return ctx
}

// start has a run go on in a context of its own.
func (s *Service) start(ctx context.Context, r Record, l *live) {
	s.runs.Go(func() { s.run(ctx, r, l) })
}

// run has an agent work on a task, and keeps its outcome.
func (s *Service) run(ctx context.Context, r Record, l *live) {
	defer s.board.Release(l)
	ctx, cancel := context.WithCancel(ledger.WithPatience(logcontext.With(ctx, logcontext.Run, r.ID), s.base))
	defer cancel()
	l.OnCancel(cancel)
	whose, _ := tenant.FromContext(ctx)
	defer s.config.Watch.Add(whose, l.Cancel)()
	ctx = kept.WithCutOff(ctx, func() agent.OutcomeCode { return agent.SandboxFailed })
	begun := false
	outcome, err := s.work(ctx, r, l, func(entries ...ledger.Draft) error {
		s.board.Begun(l)
		err := s.begin(ctx, r, entries)
		begun = err == nil
		return err
	})
	var refused *api.Error
	switch {
	case err == nil && outcome.Code == agent.Cancelled && kept.Stopped(ctx):
		spent := outcome.Spent
		outcome = r.unworked(agent.SandboxFailed, ServerEnded)
		outcome.Spent = spent
	case err == nil:
	case !begun && l.Cancelled():
		outcome = r.unworked(agent.Cancelled, "It had not begun.")
	case !begun && (errors.Is(err, errLeft) || ctx.Err() != nil):
		return // the next server takes it up
	case errors.Is(err, kept.ErrSuspended):
		outcome = r.unworked(agent.Cancelled, "Its tenant was suspended before it began.")
	case errors.As(err, &refused): // by limits that are not those of when it was accepted
		outcome = r.unworked(agent.SandboxFailed, "The task is refused: "+refused.Error()+".")
	default:
		s.config.Log.ErrorContext(ctx, "a run of an agent failed", "error", err)
		outcome = r.unworked(agent.SandboxFailed, "The server's log tells more under the run's id.")
	}
	steps, at := lasting(l.Events()), kept.Now()
	kept.End(ctx, s.base, s.config.Log, func(ctx context.Context) (bool, error) { return s.end(ctx, r, outcome, steps, at) })
}

// begin has a run kept as begun, with what the ledger is told of that. Where the store cannot, as on a disk that is full, it is tried again until ctx ends.
func (s *Service) begin(ctx context.Context, r Record, entries []ledger.Draft) error {
	ok, always := false, context.WithoutCancel(ctx)
	err := kept.Again(ctx, func() (err error) {
		if s.board.Closed() {
			return errLeft
		}
		if _, err = s.config.Tenant.Now(always, tenant.Tenant{ID: r.Tenant}); err == nil {
			ok, err = s.config.Store.Begin(always, r.ID, kept.Now(), entries...)
		}
		if err != nil && !stays(err) {
			s.config.Log.WarnContext(ctx, "a run cannot be kept as begun now, and waits", "error", err)
		}
		return err
	}, stays)
	if err == nil && !ok {
		return errors.New("it is not queued any more")
	}
	return err
}

// stays reports whether another try would end with the same error.
func stays(err error) bool {
	return errors.Is(err, errLeft) || errors.Is(err, kept.ErrSuspended) || errors.Is(err, kept.ErrNoLedger) || ledger.Never(err)
}

// errLeft says that the service was closed before a run had begun: it stays queued.
var errLeft = errors.New("agentrun: left for the next server")

// work makes an error of a panic: the other runs go on.
func (s *Service) work(ctx context.Context, r Record, l *live, begin func(...ledger.Draft) error) (outcome agent.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: a value of type %T\n%s", p, debug.Stack())
		}
	}()
	ref := ledger.TaskRef{ID: r.ID}
	if copy(ref.Salt[:], r.Salt) == len(ref.Salt) {
		ctx = ledger.WithTask(ctx, ref)
	}
	return s.config.Agents[r.Agent].WorkAccepted(ctx, r.Task, begin, func(e agent.Event) { keepStep(l, e) })
}

// Cancel ends a run that has not ended, and returns it once that is done, or ctx ends. One that has ended stays as it is.
func (s *Service) Cancel(ctx context.Context, tenant, id string) (Record, error) {
	r, err := s.keeper.Cancel(ctx, tenant, id)
	if err != nil || r.State != api.ExecutionQueued || s.board.LookUp(id) != nil || s.board.Closed() {
		return r, err
	}
	// It is for an agent that is not here.
	if _, err := s.end(ctx, r, r.unworked(agent.Cancelled, "It had not begun."), nil, kept.Now()); err != nil {
		return r, err
	}
	return s.Get(ctx, tenant, id)
}

// Close accepts nothing more, leaves what has not begun to the next server, and waits for what goes on, until ctx ends: then it is
// cancelled.
func (s *Service) Close(ctx context.Context) error {
	s.Drain(ctx)
	s.cancel(kept.ErrStops)
	s.runs.Wait()
	return nil
}
