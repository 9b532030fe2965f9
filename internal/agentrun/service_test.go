package agentrun_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/agentrun/agentruntest"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/ledger"
	"glovebox/internal/queue"
	"glovebox/internal/quota"
	"glovebox/internal/tenant"
)

func TestMemory(t *testing.T) {
	agentruntest.TestStore(t, func(*testing.T) agentrun.Store { return agentrun.NewMemory() })
}

// A worker works on one task at once, for as long as its text says.
type worker struct {
	places *queue.Queue
	worked atomic.Int32
	keys   atomic.Pointer[string] // the key that the last task came with
}

func newWorker() *worker { return &worker{places: queue.New(1, 1000)} }

func taskOf(body []byte) (string, error) {
	var task struct{ Task string }
	if err := json.Unmarshal(body, &task); err != nil || task.Task == "" {
		return "", &api.Error{Field: "task", Detail: "there is no task"}
	}
	return task.Task, nil
}

func (w *worker) Admit(_ context.Context, body []byte) error {
	_, err := taskOf(body)
	return err
}

func (w *worker) WorkAccepted(ctx context.Context, body []byte, begin func(...ledger.Draft) error, onEvent func(agent.Event)) (agent.Outcome, error) {
	task, err := taskOf(body)
	if err != nil {
		return agent.Outcome{}, err
	}
	place, err := w.places.Enter(ctx, queue.Share{})
	if err != nil {
		return agent.Outcome{}, err
	}
	defer place.Leave()
	if err := begin(); err != nil {
		return agent.Outcome{}, err
	}
	w.worked.Add(1)
	key, _ := tenant.KeyFromContext(ctx)
	w.keys.Store(&key.ID)
	seq := 0
	tell := func(e agent.Event) {
		seq++
		e.Seq = seq
		onEvent(e)
	}
	tell(agent.Event{Type: agent.EventThinking, Thinking: &agent.Thinking{Iteration: 1}})
	outcome := agent.Unworked(agent.Task{Text: task}, agent.Complete, "")
	outcome.Spent.Answers = 1
	switch task {
	case "slow":
		tell(agent.Event{Type: agent.EventText, Text: &agent.Text{Text: "hm"}})
		select {
		case <-time.After(10 * time.Second):
		case <-ctx.Done():
			outcome.Code, outcome.Success = agent.Cancelled, false
		}
	case "flood":
		for range 2 * agentrun.MaxSteps {
			tell(agent.Event{Type: agent.EventText, Text: &agent.Text{Text: "hm"}})
		}
	case "panic":
		panic("a secret")
	case "fail":
		return agent.Outcome{}, errors.New("the disk is full")
	}
	tell(agent.Event{Type: agent.EventAnswer, Answer: &agent.Answered{Text: "so"}})
	tell(agent.Event{Type: agent.EventComplete, Complete: &outcome})
	return outcome, nil
}

// A bench is a service with an agent, in a bubble of time.
type bench struct {
	*agentrun.Service
	worker *worker
	ctx    context.Context
}

func open(t *testing.T, store agentrun.Store) *bench {
	t.Helper()
	w := newWorker()
	service, err := agentrun.Open(t.Context(), agentrun.Config{Agents: map[string]agentrun.Worker{"smith": w}, Store: store, Accepted: 5})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{service, w, tenant.NewKeyContext(tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"}), tenant.Key{ID: "k1"})}
}

func (b *bench) close(t *testing.T, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

func submission(task string) agentrun.Submission {
	return agentrun.Submission{Agent: "smith", Task: fmt.Appendf(nil, `{"task":%q}`, task)}
}

func (b *bench) submit(t *testing.T, task string) agentrun.Record {
	t.Helper()
	r, err := b.Submit(b.ctx, submission(task))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *bench) wait(t *testing.T, id string) agentrun.Record {
	t.Helper()
	r, err := b.Wait(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// inBubble gives a test a service of its own, on a store in memory.
func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, agentrun.NewMemory())
		defer b.close(t, time.Hour)
		test(t, b)
	})
}

func TestAnAcceptedRunIsKeptAndWorkedOn(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := b.submit(t, "slow")
		if r.State != api.ExecutionQueued || r.TaskDigest == "" || r.Tenant != "acme" {
			t.Errorf("%+v", r)
		}
		synctest.Wait()
		if now, err := b.Get(t.Context(), "acme", r.ID); err != nil || now.State != api.ExecutionRunning || now.Task == nil {
			t.Errorf("%+v, %v", now, err)
		}
		ended := b.wait(t, r.ID)
		if ended.State != api.ExecutionEnded || ended.Outcome == nil || ended.ResultCode != agent.Complete || ended.Task != nil || ended.Document().Retryable {
			t.Errorf("%+v", ended)
		}
		if key := b.worker.keys.Load(); *key != "k1" {
			t.Errorf("it was worked on under the key %q", *key)
		}
		if _, err := b.Get(t.Context(), "other", r.ID); !errors.Is(err, kept.ErrNotFound) {
			t.Errorf("another tenant gets it: %v", err)
		}
	})
}

func TestWhatIsNotAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var refused *api.Error
		if _, err := b.Submit(b.ctx, submission("")); !errors.As(err, &refused) || refused.Field != "task" {
			t.Errorf("no task: %v", err)
		}
		if _, err := b.Submit(b.ctx, agentrun.Submission{Agent: "nobody", Task: []byte(`{"task":"t"}`)}); !errors.Is(err, agentrun.ErrNoAgent) {
			t.Errorf("no agent: %v", err)
		}
		// Five may be accepted; a tenant leaves as many places to others as it has.
		var all []agentrun.Record
		for range 3 {
			all = append(all, b.submit(t, "slow"))
		}
		synctest.Wait() // so that one of them has the worker's place, and no later one
		if _, err := b.Submit(b.ctx, submission("slow")); !errors.Is(err, kept.ErrFull) {
			t.Errorf("a fourth: %v", err)
		}
		bounded := tenant.NewContext(t.Context(), tenant.Tenant{ID: "bounded", Quota: tenant.Quota{Queue: 1}})
		if _, err := b.Submit(bounded, submission("slow")); err != nil {
			t.Error(err)
		}
		var over *quota.Error
		if _, err := b.Submit(bounded, submission("slow")); !errors.As(err, &over) || over.Quota != "queue" {
			t.Errorf("a second that waits, where one may: %v", err)
		}
		for _, r := range all {
			if ended := b.wait(t, r.ID); ended.ResultCode != agent.Complete {
				t.Errorf("%+v", ended)
			}
		}
	})
}

func TestTheSameKeyIsTheSameRun(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := submission("quick")
		s.Idempotency = kept.IdempotencyKey{Key: "k", Body: sha256.Sum256([]byte("a"))}
		first, err := b.Submit(b.ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		b.wait(t, first.ID)
		for range 5 { // which would be more than may be accepted
			if again, err := b.Submit(b.ctx, s); err != nil || again.ID != first.ID {
				t.Errorf("%+v, %v", again, err)
			}
		}
		s.Idempotency.Body = sha256.Sum256([]byte("b"))
		if _, err := b.Submit(b.ctx, s); !errors.Is(err, kept.ErrOtherBody) {
			t.Errorf("another body: %v", err)
		}
		if b.worker.worked.Load() != 1 {
			t.Errorf("%d were worked on", b.worker.worked.Load())
		}
	})
}

func TestCancel(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		running := b.submit(t, "slow")
		synctest.Wait()
		waiting := b.submit(t, "slow")
		synctest.Wait()
		for _, id := range []string{waiting.ID, running.ID, running.ID} {
			if r, err := b.Cancel(t.Context(), "acme", id); err != nil || r.ResultCode != agent.Cancelled || r.Outcome.Payload.Task != "slow" {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if b.worker.worked.Load() != 1 {
			t.Errorf("%d were worked on", b.worker.worked.Load())
		}
	})
}

// Our own failure is told as such, with nothing of its reason, and the service goes on.
func TestFailures(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for _, task := range []string{"panic", "fail"} {
			r := b.wait(t, b.submit(t, task).ID)
			if r.ResultCode != agent.SandboxFailed || !r.Document().Retryable || strings.Contains(fmt.Sprint(r.Outcome), "disk") || strings.Contains(fmt.Sprint(r.Outcome), "secret") {
				t.Errorf("%s: %+v", task, r.Outcome)
			}
		}
	})
}

func TestWhatAServerLeftIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := agentrun.NewMemory()
		left := map[string]agentrun.Record{}
		for _, name := range []string{"waited", "ran", "is another agent's"} {
			r := agentruntest.Queued("acme", time.Now().UTC())
			if r.Agent = "smith"; name == "is another agent's" {
				r.Agent = "gone"
			}
			r.Task = []byte(`{"task":"quick"}`)
			if err := kepttest.Add(t.Context(), store, r); err != nil {
				t.Fatal(err)
			}
			if name == "ran" {
				if _, err := store.Begin(t.Context(), r.ID, time.Now().UTC()); err != nil {
					t.Fatal(err)
				}
			}
			left[name] = r
		}
		b := open(t, store)
		defer b.close(t, time.Hour)
		if r := b.wait(t, left["waited"].ID); r.ResultCode != agent.Complete {
			t.Errorf("%+v", r)
		}
		lost := b.wait(t, left["ran"].ID)
		if lost.ResultCode != agent.SandboxFailed || !lost.Document().Retryable || !strings.Contains(lost.Outcome.Message, "not begun again unasked") || lost.Outcome.Payload.Task != "quick" {
			t.Errorf("%+v", lost)
		}
		// Whoever followed it hears of the end, wherever the follower was.
		var told []int
		if err := b.Events(t.Context(), "acme", lost.ID, 17, func(e agentrun.Event) error { told = append(told, e.N); return nil }); err != nil || !slices.Equal(told, []int{agentrun.EndEvent}) {
			t.Errorf("%v, %v", told, err)
		}
		other := left["is another agent's"]
		if r := b.wait(t, other.ID); r.State != api.ExecutionQueued {
			t.Errorf("%+v", r)
		}
		if r, err := b.Cancel(t.Context(), "acme", other.ID); err != nil || r.ResultCode != agent.Cancelled {
			t.Errorf("%+v, %v", r, err)
		}
		if b.worker.worked.Load() != 1 {
			t.Errorf("%d were worked on", b.worker.worked.Load())
		}
	})
}

func TestATenantThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := agentrun.NewMemory()
		r := agentruntest.Queued("gone", time.Now().UTC())
		if err := kepttest.Add(t.Context(), store, r); err != nil {
			t.Fatal(err)
		}
		config := agentrun.Config{Store: store, Tenant: func(context.Context, string) (tenant.Tenant, bool, error) { return tenant.Tenant{}, false, nil }}
		s, err := agentrun.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(t.Context()) }()
		if got, err := s.Get(t.Context(), "gone", r.ID); err != nil || got.ResultCode != agent.SandboxFailed {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestCloseLeavesWhatHasNotBegun(t *testing.T) {
	for name, c := range map[string]struct {
		grace time.Duration
		code  agent.OutcomeCode
	}{"in time": {time.Minute, agent.Complete}, "too late": {time.Second, agent.SandboxFailed}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := agentrun.NewMemory()
				b := open(t, store)
				running := b.submit(t, "slow")
				synctest.Wait()
				waiting := b.submit(t, "quick")
				synctest.Wait()
				b.close(t, c.grace)
				if _, err := b.Submit(b.ctx, submission("quick")); !errors.Is(err, agentrun.ErrClosed) {
					t.Errorf("a closed service accepts: %v", err)
				}
				ran, err := store.Get(t.Context(), "acme", running.ID)
				if err != nil || ran.ResultCode != c.code || ran.Outcome.Spent.Answers != 1 {
					t.Errorf("%+v, %v", ran, err)
				}
				next := open(t, store)
				defer next.close(t, time.Minute)
				if r := next.wait(t, waiting.ID); r.ResultCode != agent.Complete {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

func TestOutcomesAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := b.submit(t, "quick")
		b.wait(t, r.ID)
		if err := b.Told(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(kept.ReadGrace + 2*time.Minute) // of the bubble's clock
		if got := b.wait(t, r.ID); got.Outcome != nil || got.Steps != nil || got.ResultCode != agent.Complete || !got.Document().Forgotten {
			t.Errorf("%+v", got)
		}
	})
}
