package kept

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"glovebox/api"
	"glovebox/internal/ledger"
)

// A Judge says whether what an idempotency key stands for may stand for the i-th of new records too: its error is what comes of them then. It must not
// use the store.
type Judge func(i int, first Idempotency) error

// Same is the judge of records that are asked for under keys, each in its place: what a key stands for must be the same request, or the error is
// [ErrOtherBody].
func Same(keys ...IdempotencyKey) Judge {
	return func(i int, first Idempotency) error {
		if !first.StandsFor(keys[i]) {
			return ErrOtherBody
		}
		return nil
	}
}

// A Store is what is common to those of what is accepted: R is a record, and F picks some. Its methods are safe for concurrent use, and what they
// were told is durable when they return, as far as the store is. Records that it returns are the caller's own.
type Store[R, F any] interface {
	// AddAll keeps new records, all or none. Where a record's tenant has one with the same idempotency key, nothing of it is kept, and the id of
	// that one stands in its place in what is returned, where it is "" elsewhere: the judge may refuse it, and then nothing is kept.
	AddAll(ctx context.Context, records []R, judge Judge) (existing []string, err error)
	// Begin marks a queued one as running, and appends entries to the ledger, in one step: both or, where there is an error, neither. False says
	// that it is not queued any more; there are no entries then. A store without a ledger takes none: the error is [ErrNoLedger].
	Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error)
	// Get returns a tenant's record, or [ErrNotFound].
	Get(ctx context.Context, tenant, id string) (R, error)
	// List returns records without what is their tenant's own.
	List(ctx context.Context, tenant string, f F) (Page[R], error)
	// Unfinished returns every record of what has not ended, of all tenants, oldest first.
	Unfinished(ctx context.Context) ([]R, error)
	// Read marks that the result was told.
	Read(ctx context.Context, id string, at time.Time) error
	// Forget removes what is the tenant's own of one that has ended, or returns [ErrNotFound].
	Forget(ctx context.Context, tenant, id string) error
	// Expire does to all what the policy says of them at a time, and returns how many were forgotten and how many went.
	Expire(ctx context.Context, p Policy, now time.Time) (forgotten, removed int, err error)
	// Bytes is what all records hold now, as [Policy] counts it.
	Bytes(ctx context.Context) (int64, error)
}

// A Keeper tells of what was accepted, ends it, and lets go of it. It is safe for concurrent use.
type Keeper[R, F, E any] struct {
	store  Store[R, F]
	board  *Board[E]
	state  func(R) api.ExecutionState
	policy Policy
	log    *slog.Logger
}

// NewKeeper returns a Keeper of what is on a board and in a store; state tells how far a record says that it is. The zero policy is
// [DefaultPolicy].
func NewKeeper[R, F, E any](store Store[R, F], board *Board[E], state func(R) api.ExecutionState, policy Policy, log *slog.Logger) *Keeper[R, F, E] {
	if policy == (Policy{}) {
		policy = DefaultPolicy
	}
	return &Keeper[R, F, E]{store, board, state, policy, log}
}

// Get returns what is a tenant's, as it is now, or [ErrNotFound].
func (k *Keeper[R, F, E]) Get(ctx context.Context, tenant, id string) (R, error) {
	return k.store.Get(ctx, tenant, id)
}

// Wait returns it once it has ended, or as it is when ctx ends: that is no error.
func (k *Keeper[R, F, E]) Wait(ctx context.Context, tenant, id string) (R, error) {
	always := context.WithoutCancel(ctx)
	if r, err := k.Get(always, tenant, id); err != nil || k.state(r) == api.ExecutionEnded || ctx.Err() != nil {
		return r, err
	}
	if l := k.board.LookUp(id); l != nil {
		select {
		case <-l.Done():
		case <-ctx.Done():
		}
	}
	return k.Get(always, tenant, id)
}

// Told marks that its result has been told to its tenant.
func (k *Keeper[R, F, E]) Told(ctx context.Context, id string) error {
	return k.store.Read(ctx, id, Now())
}

// List returns a page; see [Store].
func (k *Keeper[R, F, E]) List(ctx context.Context, tenant string, f F) (Page[R], error) {
	return k.store.List(ctx, tenant, f)
}

// Cancel ends what has not ended, and returns it once that is done, or ctx ends. What has ended stays as it is.
func (k *Keeper[R, F, E]) Cancel(ctx context.Context, tenant, id string) (R, error) {
	if r, err := k.Get(ctx, tenant, id); err != nil || k.state(r) == api.ExecutionEnded {
		return r, err
	}
	if l := k.board.LookUp(id); l != nil {
		l.Cancel()
	}
	return k.Wait(ctx, tenant, id)
}

// Forget takes away what is the tenant's own of what has ended, or returns [ErrNotFound].
func (k *Keeper[R, F, E]) Forget(ctx context.Context, tenant, id string) error {
	return k.store.Forget(ctx, tenant, id)
}

// Bytes is what all that is kept holds now, as [Policy] counts it.
func (k *Keeper[R, F, E]) Bytes(ctx context.Context) (int64, error) { return k.store.Bytes(ctx) }

// expireEvery is how often retention is looked after, and weighEvery how often it is seen whether more is kept than may be: in a minute that can
// become very much.
const (
	expireEvery = time.Minute
	weighEvery  = time.Second
)

// ExpireUntil looks after retention, now and then, until ctx ends.
func (k *Keeper[R, F, E]) ExpireUntil(ctx context.Context) {
	ticker := time.NewTicker(weighEvery)
	defer ticker.Stop()
	futile := int64(-1) // how much was kept when it was more than may be, and nothing could be let go of
	for next := time.Now(); ; {
		now, held := time.Now(), k.overweight(ctx)
		due := !now.Before(next)
		if due || held > 0 && held != futile {
			forgotten, removed, err := k.store.Expire(ctx, k.policy, Now())
			if err != nil && ctx.Err() == nil {
				k.log.Error("what is old could not be forgotten", "error", err)
			}
			if futile = -1; forgotten+removed == 0 {
				futile = held
			}
			if due {
				next = now.Add(expireEvery)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// overweight returns how much is kept where that is more than may be, or else 0. Where nobody knows, that is told when retention is looked after.
func (k *Keeper[R, F, E]) overweight(ctx context.Context) int64 {
	held, err := k.store.Bytes(ctx)
	if err != nil || k.policy.Over(held) == 0 {
		return 0
	}
	return held
}

// ErrStops is the cause of what ends because its server does.
var ErrStops = errors.New("the server stops")

// Drain closes the board, and waits for what is on it, until ctx ends.
func (k *Keeper[R, F, E]) Drain(ctx context.Context) {
	for _, l := range k.board.Close() {
		select {
		case <-l.Done():
		case <-ctx.Done():
		}
	}
}

// End has it kept how something ended, and reports whether that is done. Where the store cannot, as on a disk that is full, the end waits for
// it here and is tried again, until stop ends: then the next server says that nobody knows. end's context outlives ctx; it reports
// whether there was anything to end.
func End(ctx, stop context.Context, log *slog.Logger, end func(context.Context) (bool, error)) (ended bool) {
	err := Again(stop, func() (err error) {
		if ended, err = end(context.WithoutCancel(ctx)); err != nil {
			log.ErrorContext(ctx, "how something ended cannot be kept now, and waits", "error", err)
		}
		return err
	}, nil)
	if err == nil && !ended {
		log.WarnContext(ctx, "what ended is not there any more: it has gone with its tenant, or had ended before")
	}
	return ended && err == nil
}
