package quota

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/queue"
	"glovebox/internal/tenant"
)

// What was accepted waited by the quotas that its tenant had had then, for as long as its server lived.
func TestWhatWaitsIsHeldAgainstTheQuotasOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &beginner{before: func() {}, result: api.Result{Usage: api.Usage{CPUMs: 1500}}}
		g := newGuard(inner)
		g.config.AtBegin = func(ctx context.Context, check func() error) context.Context {
			return context.WithValue(ctx, beginKey{}, check)
		}
		now := tenant.Tenant{ID: "acme", Quota: tenant.Quota{CPUSecondsPerDay: 1}}
		g.config.Now = func(tenant.Tenant) tenant.Tenant { return now }
		whose := now
		r := WithDefaults(tenant.NewContext(t.Context(), whose), plain)
		run := func() error {
			_, err := g.Execute(Admitted(t.Context(), whose), r, nil)
			return err
		}
		waits := func(why string) {
			t.Helper()
			runs := inner.runs
			var busy interface{ RetryAfter() time.Duration }
			if err := run(); !errors.As(err, &busy) || inner.runs != runs {
				t.Errorf("%s: %v", why, err)
			}
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		waits("the day's quota is used up")
		now.Quota.CPUSecondsPerDay = 2
		if err := run(); err != nil {
			t.Errorf("the quota was raised: %v", err)
		}
		now.Quota.CPUSecondsPerDay = 0
		if err := run(); err != nil {
			t.Errorf("the quota was taken away: %v", err)
		}
		now.Quota.CPUSecondsPerDay = 4
		waits("there is one again")
		now.Quota.CPUSecondsPerDay = 0
		inner.before = func() { now.Quota.CPUSecondsPerDay = 5 } // while its box is made
		if err := run(); err != nil {
			t.Errorf("the quota is not used up: %v", err)
		}
		now.Quota.CPUSecondsPerDay = 0
		waits("the quota came, or was lowered, while it stood in the queue")
	})
}

// What a tenant may have beside others, and what its scripts may require, is as it is when they have their turn.
func TestASharesQuotasAreThoseOfNow(t *testing.T) {
	inner := &asked{}
	g := newGuard(inner)
	now := tenant.Tenant{ID: "acme", Quota: tenant.Quota{Weight: 7, Concurrency: 2, Queue: 3, Libraries: []string{"lodash"}}}
	g.config.Now = func(tenant.Tenant) tenant.Tenant { return now }
	before := tenant.Tenant{ID: "acme", Quota: tenant.Quota{Concurrency: 1, RequestsPerMinute: 1}}
	ctx := tenant.NewContext(t.Context(), before)
	for _, ctx := range []context.Context{ctx, ctx, Admitted(t.Context(), before)} {
		if err := execute(ctx, g, plain); err != nil {
			t.Error(err)
		}
	}
	for i, share := range inner.shares {
		if want := (queue.Share{ID: "acme", Weight: 7, Running: 2, Waiting: 3}); share != want || len(inner.requests[i].Libraries) != 1 {
			t.Errorf("%+v, %q", share, inner.requests[i].Libraries)
		}
	}
	for _, rate := range g.Rates(before) {
		if rate.Quota == "requestsPerMinute" {
			t.Error("it has a rate that was taken away")
		}
	}
}
