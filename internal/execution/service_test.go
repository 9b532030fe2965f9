package execution_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/tenant"
)

// A bench is a service on a fake driver, in a bubble of time.
type bench struct {
	*execution.Service
	store    execution.Store
	fake     *drivertest.Fake
	executor *sandbox.Executor
}

// open makes a service; what it runs is on an executor with one place and a queue of two.
func open(t *testing.T, store execution.Store, fake *drivertest.Fake) *bench {
	t.Helper()
	return openWith(t, execution.Config{Store: store}, fake)
}

func openWith(t *testing.T, config execution.Config, fake *drivertest.Fake) *bench {
	t.Helper()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("image", "runc"), Concurrency: 1, Queue: 2,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	config.Executor, config.Accepted = executor, 5
	service, err := execution.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{service, config.Store, fake, executor}
}

// close closes both, and lets what runs go on for a while.
func (b *bench) close(t *testing.T, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := errors.Join(b.Close(ctx), b.executor.Close(context.Background())); err != nil {
		t.Error(err)
	}
	if b.fake.Living() != 0 {
		t.Errorf("%d boxes are left", b.fake.Living())
	}
}

func inBubble(t *testing.T, test func(*testing.T)) { synctest.Test(t, test) }

func newFake() *drivertest.Fake {
	return drivertest.NewFake().
		Teach("quick", drivertest.Log(api.LevelLog, "one"), drivertest.Log(api.LevelLog, "two"), drivertest.Output("1")).
		Teach("slow", drivertest.Log(api.LevelLog, "one"), drivertest.Sleep(10*time.Second), drivertest.Log(api.LevelLog, "two"), drivertest.Output("2"))
}

func submission(code string) execution.Submission {
	return execution.Submission{Tenant: "acme", Request: api.Request{Code: code, InputData: json.RawMessage("[1]")}.WithDefaults()}
}

func (b *bench) submit(t *testing.T, s execution.Submission) execution.Record {
	t.Helper()
	r, err := b.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *bench) wait(t *testing.T, id string) execution.Record {
	t.Helper()
	r, err := b.Wait(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What a tenant had waiting when it was suspended was run all the same.
func TestASuspendedTenantsExecutionsDoNotBegin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		suspended := false
		b := openWith(t, execution.Config{Store: execution.NewMemory(), Tenant: func(_ context.Context, id string) (tenant.Tenant, bool, error) {
			return tenant.Tenant{ID: id, Suspended: suspended}, true, nil
		}}, newFake())
		defer b.close(t, time.Minute)
		first := b.submit(t, submission("slow"))
		synctest.Wait()
		second := b.submit(t, submission("quick"))
		synctest.Wait() // for the first one's place
		suspended = true
		if r := b.wait(t, first.ID); r.ResultCode != api.Success {
			t.Errorf("what had begun: %+v", r)
		}
		if r := b.wait(t, second.ID); r.ResultCode != api.Cancelled || !r.BeganAt.IsZero() || !strings.Contains(r.Result.Error.Message, "suspended") {
			t.Errorf("what had not: %+v", r)
		}
	})
}

// What went on for a tenant that was suspended, or deleted, went on to its end.
func TestWhatRunsForATenantEndsWithIt(t *testing.T) {
	for name, gone := range map[string]bool{"suspended": false, "deleted": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var over atomic.Bool
				acme := tenant.Tenant{ID: "acme"}
				lookUp := func(context.Context, string) (tenant.Tenant, bool, error) {
					now := acme
					now.Suspended = over.Load()
					return now, !gone || !over.Load(), nil
				}
				watch := kept.NewWatch(lookUp, slog.New(slog.DiscardHandler))
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go watch.Until(ctx)
				b := openWith(t, execution.Config{Store: execution.NewMemory(), Tenant: lookUp, Watch: watch}, newFake())
				defer b.close(t, time.Minute)
				ctx = tenant.NewContext(t.Context(), acme)
				submit := func() execution.Record {
					t.Helper()
					r, err := b.Submit(ctx, submission("slow"))
					if err != nil {
						t.Fatal(err)
					}
					return r
				}
				first, second := submit(), submit() // of which one waits for the other's place
				time.Sleep(2500 * time.Millisecond)
				over.Store(true)
				began := time.Now()
				for _, r := range []execution.Record{first, second} {
					if r = b.wait(t, r.ID); r.ResultCode != api.Cancelled {
						t.Errorf("%+v", r)
					}
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
				if _, err := b.Submit(ctx, submission("quick")); !errors.Is(err, kept.ErrSuspended) {
					t.Errorf("%v", err)
				}
				// What was told a caller who waited is noted where there is a tenant to note it for.
				b.Note(execution.Note{Submission: submission("quick"), ID: "01JDXAMPLE0000000000000000", Result: api.Result{ResultCode: api.Success}})
				time.Sleep(time.Second)
				synctest.Wait()
				if _, err := b.Get(ctx, "acme", "01JDXAMPLE0000000000000000"); (err == nil) == gone {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestAnAcceptedExecutionIsKeptAndRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		r := b.submit(t, submission("slow"))
		if r.State != api.ExecutionQueued || r.CodeDigest == "" || r.InputDigest == r.CodeDigest {
			t.Errorf("%+v", r)
		}
		synctest.Wait()
		if now, err := b.Get(t.Context(), "acme", r.ID); err != nil || now.State != api.ExecutionRunning {
			t.Errorf("%+v, %v", now, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if now, err := b.Wait(short, "acme", r.ID); err != nil || now.State != api.ExecutionRunning {
			t.Errorf("%+v, %v", now, err)
		}
		ended := b.wait(t, r.ID)
		if ended.State != api.ExecutionEnded || ended.Result == nil || string(ended.Result.Output) != "2" || ended.Result.ID != r.ID || ended.Request != nil {
			t.Errorf("%+v", ended)
		}
		if _, err := b.Get(t.Context(), "other", r.ID); !errors.Is(err, execution.ErrNotFound) {
			t.Errorf("another tenant gets it: %v", err)
		}
	})
}

func TestTheSameKeyIsTheSameExecution(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		s := submission("quick")
		s.Idempotency = execution.IdempotencyKey{Key: "k", Body: sha256.Sum256([]byte("a"))}
		r := b.submit(t, s)
		for range 3 {
			if again, err := b.Submit(t.Context(), s); err != nil || again.ID != r.ID {
				t.Errorf("%+v, %v", again, err)
			}
		}
		b.wait(t, r.ID)
		s.Idempotency.Body = sha256.Sum256([]byte("b"))
		if _, err := b.Submit(t.Context(), s); !errors.Is(err, execution.ErrOtherBody) {
			t.Errorf("another body: %v", err)
		}
		if b.fake.Created() != 1 {
			t.Errorf("%d boxes for one execution", b.fake.Created())
		}
	})
}

func TestCancel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		running := b.submit(t, submission("slow"))
		synctest.Wait()
		waiting := b.submit(t, submission("slow"))
		synctest.Wait()
		began := time.Now()
		for _, id := range []string{waiting.ID, running.ID} {
			r, err := b.Cancel(t.Context(), "acme", id)
			if err != nil || r.ResultCode != api.Cancelled {
				t.Errorf("%+v, %v", r, err)
			}
		}
		synctest.Wait()
		if took := time.Since(began); took > 0 || b.fake.Living() > 0 { // what it takes is the box's own: nothing here waits
			t.Errorf("%d boxes are left after %v of waiting", b.fake.Living(), took)
		}
		if r, err := b.Cancel(t.Context(), "acme", running.ID); err != nil || r.ResultCode != api.Cancelled {
			t.Errorf("cancelled again: %+v, %v", r, err)
		}
		if b.fake.Created() != 1 {
			t.Errorf("%d boxes were made, for one that ran", b.fake.Created())
		}
	})
}

// What was accepted waits for as long as the executor has no place.
func TestABusyExecutorLosesNothingThatWasAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		var all []execution.Record
		for range 5 { // one runs, two are in its queue, two wait before it
			all = append(all, b.submit(t, submission("slow")))
			synctest.Wait()
		}
		if _, err := b.Submit(t.Context(), submission("quick")); !errors.Is(err, execution.ErrFull) {
			t.Errorf("a sixth: %v", err)
		}
		for _, r := range all {
			if ended := b.wait(t, r.ID); ended.ResultCode != api.Success {
				t.Errorf("%+v", ended)
			}
		}
		b.submit(t, submission("quick"))
	})
}

func TestWhatAServerLeftIsTakenUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		left := map[string]execution.Record{}
		for name, begun := range map[string]bool{"waited": false, "ran": true, "ran, may be repeated": true} {
			r := executiontest.Queued("acme", time.Now().UTC())
			r.Request.Code, r.SafeToRepeat = "quick", name == "ran, may be repeated"
			if err := kepttest.Add(t.Context(), store, r); err != nil {
				t.Fatal(err)
			}
			if begun {
				if _, err := store.Begin(t.Context(), r.ID, time.Now().UTC()); err != nil {
					t.Fatal(err)
				}
			}
			left[name] = r
		}
		b := open(t, store, newFake())
		defer b.close(t, time.Minute)
		for name, want := range map[string]api.ResultCode{"waited": api.Success, "ran": api.ExecutionFailed, "ran, may be repeated": api.Success} {
			if r := b.wait(t, left[name].ID); r.ResultCode != want || r.Result.ID != r.ID {
				t.Errorf("%s: %+v, want %s", name, r, want)
			} else if r.Document().Retryable != (want == api.ExecutionFailed) {
				t.Errorf("%s: %+v", name, r.Document())
			}
		}
		if b.fake.Created() != 2 {
			t.Errorf("%d boxes were made", b.fake.Created())
		}
	})
}

func TestCloseLeavesWhatHasNotBegun(t *testing.T) {
	for _, c := range []struct {
		name  string
		grace time.Duration
		ran   api.ExecutionState
		code  api.ResultCode
	}{
		{"in time", time.Minute, api.ExecutionEnded, api.Success},
		{"too late", time.Second, api.ExecutionEnded, api.ExecutionFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				store := execution.NewMemory()
				b := open(t, store, newFake())
				running := b.submit(t, submission("slow"))
				synctest.Wait()
				waiting := b.submit(t, submission("quick"))
				synctest.Wait()
				b.close(t, c.grace)
				if _, err := b.Submit(t.Context(), submission("quick")); !errors.Is(err, sandbox.ErrClosed) {
					t.Errorf("a closed service accepts: %v", err)
				}
				ran, err := store.Get(t.Context(), "acme", running.ID)
				if err != nil || ran.State != c.ran || ran.ResultCode != c.code {
					t.Errorf("%+v, %v", ran, err)
				}
				left, err := store.Get(t.Context(), "acme", waiting.ID)
				if err != nil || left.State != api.ExecutionQueued || left.Request == nil {
					t.Errorf("%+v, %v; want it as it was", left, err)
				}
				next := open(t, store, newFake())
				defer next.close(t, time.Minute)
				if r := next.wait(t, waiting.ID); r.ResultCode != api.Success {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

func TestResultsAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		r := b.submit(t, submission("quick"))
		b.wait(t, r.ID)
		if err := b.Told(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(kept.ReadGrace + 2*time.Minute) // of the bubble's clock
		if got := b.wait(t, r.ID); got.Result != nil || got.ResultCode != api.Success || !got.Document().Forgotten {
			t.Errorf("%+v", got)
		}
	})
}

// What is too much does not wait until retention is looked after: in a minute that can become very much.
func TestWhatIsTooMuchIsLetGoOfSoon(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		policy := kept.DefaultPolicy
		policy.Data = 40_000
		fake := newFake().Teach("large", drivertest.Output(`"`+strings.Repeat("x", 30_000)+`"`))
		b := openWith(t, execution.Config{Store: execution.NewMemory(), Policy: policy}, fake)
		defer b.close(t, time.Minute)
		first := b.wait(t, b.submit(t, submission("large")).ID)
		time.Sleep(5 * time.Second)
		second := b.wait(t, b.submit(t, submission("large")).ID)
		time.Sleep(2 * time.Second)
		for r, has := range map[*execution.Record]bool{&first: false, &second: true} {
			if got := b.wait(t, r.ID); (got.Result != nil) != has || got.ResultCode != api.Success {
				t.Errorf("%+v, want a result: %v", got, has)
			}
		}
	})
}

func TestNotesAreKeptSoonAndAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		b := open(t, store, newFake())
		note := func(id string, keep bool) {
			n := execution.Note{Submission: submission("quick"), ID: id, CreatedAt: time.Now(), Began: time.Now(), Result: api.Result{ResultCode: api.Timeout, Output: []byte("1")}}
			n.KeepData = keep
			b.Note(n)
		}
		note("a", false)
		note("b", true)
		time.Sleep(time.Second)
		a, err := store.Get(t.Context(), "acme", "a")
		if err != nil || a.Result != nil || a.Request != nil || a.ResultCode != api.Timeout || a.CodeDigest == "" {
			t.Errorf("%+v, %v", a, err)
		}
		if kept, err := store.Get(t.Context(), "acme", "b"); err != nil || kept.Result == nil || kept.Request == nil {
			t.Errorf("%+v, %v", kept, err)
		}
		note("c", false)
		b.close(t, time.Minute)
		if _, err := store.Get(t.Context(), "acme", "c"); err != nil {
			t.Errorf("the last note is lost: %v", err)
		}
	})
}

// What an execution waited was told from its last try on, so that one which had found no place for a minute had waited for a second.
func TestTheQueueTimeIsFromTheAcceptance(t *testing.T) {
	waited := func(t *testing.T, r execution.Record) time.Duration {
		t.Helper()
		told := time.Duration(r.Result.QueueTimeMs * float64(time.Millisecond))
		if r.ResultCode == api.Success && (r.BeganAt.Sub(r.CreatedAt)-told).Abs() > time.Millisecond {
			t.Errorf("it waited for %v, from %v to %v", told, r.CreatedAt, r.BeganAt)
		}
		return told
	}
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		before := executiontest.Queued("acme", time.Now().UTC().Add(-time.Hour))
		before.Request.Code = "slow"
		if err := kepttest.Add(t.Context(), store, before); err != nil {
			t.Fatal(err)
		}
		b := open(t, store, newFake())
		defer b.close(t, time.Minute)
		var all []execution.Record
		for range 4 { // two are in the executor's queue, two wait before it
			synctest.Wait()
			all = append(all, b.submit(t, submission("slow")))
		}
		time.Sleep(5 * time.Second)
		if r, err := b.Cancel(t.Context(), "acme", all[3].ID); err != nil || waited(t, r) != 5*time.Second {
			t.Errorf("%+v, %v", r, err)
		}
		for i, r := range all[:3] {
			if took := waited(t, b.wait(t, r.ID)); took < time.Duration(10*(i+1))*time.Second || took > time.Duration(10*(i+1)+1)*time.Second {
				t.Errorf("number %d waited for %v", i+2, took)
			}
		}
		if took := waited(t, b.wait(t, before.ID)); took != time.Hour {
			t.Errorf("what an earlier server had accepted waited for %v", took)
		}
	})
}

// executorOf is an [execution.Executor] that is one function.
type executorOf func(ctx context.Context) (api.Result, error)

func (f executorOf) Execute(ctx context.Context, _ api.Request, _ func(api.Log)) (api.Result, error) {
	return f(ctx)
}

// The ledger named the tenant of what was accepted, and not the key: with several one did not know who had it run. The next server's ledger is to
// name it, too.
func TestWhoHadItAccepted(t *testing.T) {
	store := execution.NewMemory()
	actors := make(chan ledger.Actor, 2)
	serve := func(result api.Result, err error) *execution.Service {
		t.Helper()
		s, openErr := execution.Open(t.Context(), execution.Config{Store: store, Accepted: 5, Executor: executorOf(func(ctx context.Context) (api.Result, error) {
			actor, _ := ledger.ActorFrom(ctx)
			actors <- actor
			return result, err
		})})
		if openErr != nil {
			t.Fatal(openErr)
		}
		return s
	}
	first := serve(api.Result{}, sandbox.ErrClosed) // it is about to end
	asked := tenant.NewKeyContext(tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"}), tenant.Key{ID: "k1", Tenant: "acme"})
	r, err := first.Submit(asked, submission("quick"))
	if err != nil {
		t.Fatal(err)
	}
	by := []ledger.Actor{<-actors}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := serve(api.Result{Success: true, ResultCode: api.Success}, nil)
	ended, err := next.Wait(t.Context(), "acme", r.ID)
	if err := errors.Join(err, next.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	by = append(by, <-actors)
	who := ledger.Actor{Tenant: "acme", Key: "k1"}
	if want := []ledger.Actor{who, who}; !slices.Equal(by, want) || ended.Key != "" {
		t.Errorf("by %+v, not %+v; of what has ended the key is %q", by, want, ended.Key)
	}
}
