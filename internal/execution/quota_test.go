package execution_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/tenant"
)

// A shop is a service under quotas, on an executor of four places, with tenants that others change.
type shop struct {
	*bench
	mu  sync.Mutex
	now tenant.Tenant
}

func (s *shop) set(f func(*tenant.Quota)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.now.Quota)
}

func openShop(t *testing.T, whose tenant.Tenant) *shop {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &shop{now: whose}
	lookUp := func(context.Context, string) (tenant.Tenant, bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now, true, nil
	}
	watch := kept.NewWatch(lookUp, log)
	fake := newFake().Teach("burn", drivertest.Burn(2*time.Second), drivertest.Output("1"))
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("image", "runc"), Concurrency: 4, Queue: 100, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	watch.Tell(func(now tenant.Tenant) { executor.Reshare(quota.ShareOf(now)) })
	guard := quota.NewGuard(quota.Config{Executor: executor, Isolation: tenant.IsolationStandard, CPU: &quota.Memory{}, Log: log, Now: watch.Now,
		AtBegin: func(ctx context.Context, check func() error) context.Context {
			hooks := sandbox.HooksOf(ctx)
			begin := hooks.Begin
			hooks.Begin = func() error {
				if err := check(); err != nil {
					return err
				}
				return begin()
			}
			return sandbox.WithHooks(ctx, hooks)
		}})
	store := execution.NewMemory()
	service, err := execution.Open(t.Context(), execution.Config{Executor: guard, Store: store, Tenant: lookUp, Watch: watch})
	if err != nil {
		t.Fatal(err)
	}
	s.bench = &bench{service, store, fake, executor}
	ctx, stop := context.WithCancel(t.Context())
	go watch.Until(ctx)
	t.Cleanup(stop)
	return s
}

// accept has so many accepted.
func (s *shop) accept(t *testing.T, code string, n int) (all []execution.Record) {
	t.Helper()
	for range n {
		r, err := s.Submit(tenant.NewContext(t.Context(), s.now), submission(code))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// states counts those of executions.
func (s *shop) states(t *testing.T, all []execution.Record) map[api.ExecutionState]int {
	t.Helper()
	synctest.Wait()
	n := map[api.ExecutionState]int{}
	for _, r := range all {
		now, err := s.Get(t.Context(), "acme", r.ID)
		if err != nil {
			t.Fatal(err)
		}
		n[now.State]++
	}
	return n
}

// A day's quota that was raised was not heeded by what waited for the next day, until the server was started anew.
func TestWhatWaitsForTheNextDayBeginsWhenItsQuotaIsRaised(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := openShop(t, tenant.Tenant{ID: "acme", Quota: tenant.Quota{CPUSecondsPerDay: 2, Concurrency: 1}})
		defer s.close(t, time.Minute)
		all := s.accept(t, "burn", 4)
		want := func(ended int) {
			t.Helper()
			if n := s.states(t, all); n[api.ExecutionEnded] != ended || n[api.ExecutionQueued] != len(all)-ended {
				t.Errorf("%v, want %d ended", n, ended)
			}
		}
		time.Sleep(time.Hour)
		want(1)
		s.set(func(q *tenant.Quota) { q.CPUSecondsPerDay = 6 })
		time.Sleep(7 * time.Second) // two of 2 s, begun soon
		want(3)
		time.Sleep(time.Hour)
		want(3)
		s.set(func(q *tenant.Quota) { q.CPUSecondsPerDay = 4 }) // and lowered, beyond what is used
		time.Sleep(time.Hour)
		want(3)
		s.set(func(q *tenant.Quota) { q.CPUSecondsPerDay = 0 })
		time.Sleep(5 * time.Second)
		want(4)
	})
}

// What had been accepted stood in the queue by the quota that its tenant had had then, until the next request came.
func TestWhatWaitsHeedsAQuotaOfConcurrency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := openShop(t, tenant.Tenant{ID: "acme", Quota: tenant.Quota{Concurrency: 1, Queue: 10}})
		defer s.close(t, time.Minute)
		all := s.accept(t, "slow", 9)
		if n := s.states(t, all); n[api.ExecutionRunning] != 1 {
			t.Errorf("%v", n)
		}
		s.set(func(q *tenant.Quota) { q.Concurrency = 3 })
		time.Sleep(time.Second)
		if n := s.states(t, all); n[api.ExecutionRunning] != 3 {
			t.Errorf("raised: %v", n)
		}
		s.set(func(q *tenant.Quota) { q.Concurrency = 1 })
		time.Sleep(20*time.Second + time.Second) // the three end, and one by one what follows
		if n := s.states(t, all); n[api.ExecutionRunning] != 1 {
			t.Errorf("lowered: %v", n)
		}
	})
}
