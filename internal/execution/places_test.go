package execution_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/tenant"
)

// openFor makes a service whose executor is guarded by quotas, over a fake with places for two boxes.
func openFor(t *testing.T, store execution.Store, fake *drivertest.Fake, accepted int, tenants ...tenant.Tenant) *bench {
	t.Helper()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("image", "runc"), Concurrency: 2, Queue: 10,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	guard := quota.NewGuard(quota.Config{Executor: executor, Isolation: tenant.IsolationStandard, CPU: &quota.Memory{}, Log: slog.New(slog.DiscardHandler)})
	service, err := execution.Open(t.Context(), execution.Config{Executor: guard, Store: store, Accepted: accepted,
		Tenant: func(_ context.Context, id string) (tenant.Tenant, bool, error) {
			for _, one := range tenants {
				if one.ID == id {
					return one, true, nil
				}
			}
			return tenant.Tenant{}, false, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{service, store, fake, executor}
}

func submissionOf(id, code string) execution.Submission {
	s := submission(code)
	s.Tenant = id
	return s
}

// As many of a tenant's may wait as its quota says, and it may hold no more of all that is accepted than is left for others.
func TestPlacesOfTenants(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		one := tenant.Tenant{ID: "bounded", Quota: tenant.Quota{Concurrency: 1, Queue: 2}}
		b := openFor(t, execution.NewMemory(), newFake(), 10, one, tenant.Tenant{ID: "greedy"}, tenant.Tenant{ID: "late"})
		defer b.close(t, time.Hour)
		bounded := tenant.NewContext(t.Context(), one)
		three := []execution.Submission{submissionOf("bounded", "slow"), submissionOf("bounded", "slow"), submissionOf("bounded", "slow")}
		var over *quota.Error
		if _, err := b.SubmitAll(bounded, three); !errors.As(err, &over) || over.Quota != "queue" || !over.Forbidden {
			t.Errorf("more at once than may ever wait: %v", err)
		}
		for n, s := range three {
			if _, err := b.Submit(bounded, s); err != nil {
				t.Fatalf("%d: %v", n, err)
			}
			synctest.Wait()
		}
		if _, err := b.Submit(bounded, three[0]); !errors.As(err, &over) || over.Forbidden || over.After <= 0 || *over.Used != 2 {
			t.Errorf("one runs and two wait: %v", err)
		}
		greedy := tenant.NewContext(t.Context(), tenant.Tenant{ID: "greedy"})
		n := 0
		for ; n < 10; n++ {
			if _, err := b.Submit(greedy, submissionOf("greedy", "slow")); errors.Is(err, execution.ErrFull) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n != 4 {
			t.Errorf("one who has no quota holds %d of 10, beside 3", n)
		}
		r, err := b.Submit(tenant.NewContext(t.Context(), tenant.Tenant{ID: "late"}), submissionOf("late", "quick"))
		if err != nil {
			t.Fatal(err)
		}
		ended, err := b.Wait(t.Context(), "late", r.ID)
		if err != nil || ended.ResultCode != api.Success {
			t.Errorf("%+v, %v", ended, err)
		}
		if waited := ended.BeganAt.Sub(ended.CreatedAt); waited > 10*time.Second {
			t.Errorf("it waited %v, for more than the scripts that ran when it came", waited)
		}
	})
}

// What was accepted runs under its tenant's quotas, also by the next server, and is not counted again.
func TestAcceptedRunsForItsTenant(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		acme := tenant.Tenant{ID: "acme", Quota: tenant.Quota{RequestsPerMinute: 1, Libraries: []string{"lodash"}}}
		fake := newFake().Teach("libraries", drivertest.EchoLibraries())
		store := execution.NewMemory()
		gone := executiontest.Queued("gone", time.Now().UTC())
		left := executiontest.Queued("acme", time.Now().UTC())
		left.Request.Code, gone.Request.Code = "libraries", "libraries"
		for _, r := range []execution.Record{left, gone} {
			if err := kepttest.Add(t.Context(), store, r); err != nil {
				t.Fatal(err)
			}
		}
		b := openFor(t, store, fake, 10, acme)
		defer b.close(t, time.Minute)
		ids := []string{left.ID}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				r, err := b.Submit(tenant.NewContext(t.Context(), acme), submissionOf("acme", "libraries"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids = append(ids, r.ID)
			})
		}
		all.Wait()
		for _, id := range ids {
			if ended, err := b.Wait(t.Context(), "acme", id); err != nil || ended.Result == nil || string(ended.Result.Output) != `["lodash"]` {
				t.Errorf("%+v, %v", ended, err)
			}
		}
		if ended, err := b.Wait(t.Context(), "gone", gone.ID); err != nil || ended.ResultCode != api.ExecutionFailed {
			t.Errorf("of a tenant that is not there any more: %+v, %v", ended, err)
		}
		if fake.Created() != len(ids) {
			t.Errorf("%d boxes for %d executions", fake.Created(), len(ids))
		}
	})
}

// All that has not begun is told of, and not only what the executor's queue has.
func TestWaitingIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := openFor(t, execution.NewMemory(), newFake(), 20, tenant.Tenant{ID: "acme"})
		defer b.close(t, time.Hour)
		var last string
		for range 9 {
			last = b.submit(t, submission("slow")).ID
		}
		synctest.Wait()
		if n := b.Waiting(); n != 7 {
			t.Errorf("%d wait while two of nine run", n)
		}
		b.wait(t, last)
		time.Sleep(time.Hour)
		if n := b.Waiting(); n != 0 {
			t.Errorf("%d wait behind the end of all", n)
		}
	})
}
