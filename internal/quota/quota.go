// Package quota holds what a tenant asks for against what it may have: what one request may ask, how many may come in a minute, how
// much processor time they may use in a day, and how many run and wait. It stands before whoever runs requests, so that none goes
// by, whatever brought it.
package quota

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"glovebox/api"
	"glovebox/internal/queue"
	"glovebox/internal/tenant"
)

// An Executor runs requests in their turn, as sandbox.Executor does. It is safe for concurrent use.
type Executor interface {
	ExecuteAs(ctx context.Context, share queue.Share, request api.Request, onLog func(api.Log)) (api.Result, error)
}

// Config is what a Guard needs. Executor, CPU and Log must be set.
type Config struct {
	Executor Executor
	// Isolation is that of every box: tenant.IsolationStandard or tenant.IsolationGVisor.
	Isolation string
	CPU       CPUMeter
	// Now returns a tenant as it is by now, which whatever waits is held against; nil means that it stays as it was.
	Now func(tenant.Tenant) tenant.Tenant
	// AtBegin returns a context with which the Executor calls check once a box is there, and runs nothing where that is an error; nil means that it
	// cannot, and that what waits in its queue is held against what was used before.
	AtBegin func(ctx context.Context, check func() error) context.Context
	// Log is told of results that could not be charged.
	Log *slog.Logger
}

// A Guard runs requests for tenants, within their quotas. It is safe for concurrent use.
type Guard struct {
	config   Config
	requests rates // that have something run
	reads    rates // and those that do not
}

// NewGuard returns a Guard.
func NewGuard(c Config) *Guard {
	if c.Now == nil {
		c.Now = func(t tenant.Tenant) tenant.Tenant { return t }
	}
	return &Guard{config: c, requests: newRequests(), reads: newReads()}
}

// ShareOf is a tenant's share of the queue.
func ShareOf(t tenant.Tenant) queue.Share {
	return queue.Share{ID: t.ID, Weight: t.Quota.EffectiveWeight(), Running: t.Quota.Concurrency, Waiting: t.Quota.Queue}
}

// Execute runs a request of the tenant in ctx. Where there is none no quota holds, and all such requests are one party in the
// queue. The error is an *[Error], or the executor's. Whoever read the request gave it its defaults by [WithDefaults].
func (g *Guard) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	t, ok := tenant.FromContext(ctx)
	if !ok {
		return g.config.Executor.ExecuteAs(ctx, queue.Share{Beyond: isFew(ctx)}, request, onLog)
	}
	mayBegin := func() error { return g.checkCPU(ctx, t) }
	if isAdmitted(ctx) {
		mayBegin = func() error { return later(g.checkCPU(ctx, t)) }
		if err := mayBegin(); err != nil {
			return api.Result{}, err
		}
	} else if err := g.Admit(ctx, request); err != nil {
		return api.Result{}, err
	}
	now := g.config.Now(t)
	request.Libraries = now.Quota.Libraries
	share := ShareOf(now)
	share.Beyond = isFew(ctx)
	within := ctx
	if g.config.AtBegin != nil {
		within = g.config.AtBegin(ctx, mayBegin)
	}
	result, err := g.config.Executor.ExecuteAs(within, share, request, onLog)
	if err != nil {
		if isAdmitted(ctx) {
			return api.Result{}, err
		}
		return api.Result{}, asQuota(err, now.Quota)
	}
	g.charge(ctx, t, result)
	return result, nil
}

// Admit holds requests, with their defaults, against the quotas of the tenant in ctx: all of them, or none. Those that it lets by
// are counted, and run by a context of [Admitted]; the error is as that of [Guard.Execute]. It is for those who accept now and
// run later; for others Execute does it.
func (g *Guard) Admit(ctx context.Context, requests ...api.Request) error {
	t, ok := tenant.FromContext(ctx)
	if !ok {
		return nil
	}
	for _, request := range requests {
		if err := check(t.Quota, request); err != nil {
			return err
		}
	}
	return g.admit(ctx, t, len(requests))
}

// AdmitTask is Admit for a task, which is one request of the tenant's; so is everything that is executed for it.
func (g *Guard) AdmitTask(ctx context.Context) error {
	t, ok := tenant.FromContext(ctx)
	if !ok {
		return nil
	}
	return g.admit(ctx, t, 1)
}

// admit counts n requests.
func (g *Guard) admit(ctx context.Context, t tenant.Tenant, n int) error {
	t = g.config.Now(t)
	if t.Quota.Isolation == tenant.IsolationGVisor && g.config.Isolation != tenant.IsolationGVisor {
		return &Error{Quota: "isolation", Forbidden: true, Allowed: []string{tenant.IsolationGVisor}, detail: "the boxes of this server have " + g.config.Isolation}
	}
	if err := g.checkCPU(ctx, t); err != nil {
		return err
	}
	return g.requests.take(t, n, time.Now())
}

type admittedKey struct{}

// Admitted returns a context for a tenant's request that has been admitted already, by [Guard.Admit]: Execute runs it in its turn, by what the
// tenant may have then, and does not count it again. Where there is no place it returns the executor's own error, and one with the same method RetryAfter where the day's
// processor time is used up: it is for the caller to wait.
func Admitted(ctx context.Context, t tenant.Tenant) context.Context {
	return context.WithValue(tenant.NewContext(ctx, t), admittedKey{}, true)
}

func isAdmitted(ctx context.Context) bool { return ctx.Value(admittedKey{}) != nil }

type fewKey struct{}

// Few returns a context for requests of which there are few at once, by a bound of whoever makes them: Execute has each wait for its turn
// though the queue has no room. The tenant's own quotas hold.
func Few(ctx context.Context) context.Context { return context.WithValue(ctx, fewKey{}, true) }

func isFew(ctx context.Context) bool { return ctx.Value(fewKey{}) != nil }

// Read counts a request of a tenant's that has nothing run, or refuses it: the error is an *[Error].
func (g *Guard) Read(t tenant.Tenant) error { return g.reads.take(t, 1, time.Now()) }

// MayAsk refuses a request that would have something run where its tenant has used up what it may ask for in vain: the error is an *[Error]. Where
// nothing is run for it in the end it counts by Refused.
func (g *Guard) MayAsk(t tenant.Tenant) error { return g.reads.take(t, 0, time.Now()) }

// Refused counts a request of a tenant's that was to have something run, and was refused.
func (g *Guard) Refused(t tenant.Tenant) { g.reads.owe(t, time.Now()) }

// Rates tells how many requests of each kind that has a quota a tenant may make now.
func (g *Guard) Rates(t tenant.Tenant) []Rate {
	var all []Rate
	t, now := g.config.Now(t), time.Now()
	for _, kind := range []*rates{&g.requests, &g.reads} {
		if r, ok := kind.read(t, now); ok {
			all = append(all, r)
		}
	}
	return all
}

// asQuota names the quota where one of the tenant's own kept the request from waiting.
func asQuota(err error, q tenant.Quota) error {
	var full *queue.FullError
	if !errors.As(err, &full) {
		return err
	}
	switch full.Bound {
	case queue.BoundWaiting:
		return &Error{Quota: "queue", Limit: new(float64(q.Queue)), Used: new(float64(full.Waiting)), After: full.RetryAfter(), detail: "as many requests wait already as may"}
	case queue.BoundRunning:
		return &Error{Quota: "concurrency", Limit: new(float64(q.Concurrency)), Used: new(float64(full.Running)), After: full.RetryAfter(),
			detail: "as many scripts run already as may, and there is no more room to wait"}
	}
	return err
}
