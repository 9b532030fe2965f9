package action_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
)

// A notebook keeps what it is told to record, and fails where a test says so.
type notebook struct {
	steps []string
	task  ledger.Task
	work  ledger.Work
	fail  map[string]error
}

func (n *notebook) TaskBegan(ctx context.Context, task ledger.Task) error {
	n.steps, n.task = append(n.steps, "began"), task
	if begin, keeps := ledger.BeginningFrom(ctx); keeps && n.fail["began"] == nil {
		return begin(ledger.TaskBegan(ledger.Actor{}, task))
	}
	return n.fail["began"]
}

func (n *notebook) TaskEnded(_ context.Context, work ledger.Work) error {
	n.steps, n.work = append(n.steps, "ended"), work
	return n.fail["ended"]
}

func TestTasksAreRecorded(t *testing.T) {
	task := []byte(`{"task":"t"}`)
	worked := func(n *notebook, do func(onEvent func(agent.Event)) error) error {
		return do(func(e agent.Event) {
			if e.Started != nil || e.Complete != nil {
				n.steps = append(n.steps, string(e.Type))
			}
		})
	}
	ref := ledger.TaskRef{ID: "r1", Salt: ledger.NewSalt()}
	for _, c := range []struct {
		name  string
		fail  map[string]error
		steps []string
	}{
		{"", nil, []string{"began", "started", "ended", "complete"}},
		{"its beginning cannot be", map[string]error{"began": errors.New("full")}, []string{"began"}},
		{"its end cannot be", map[string]error{"ended": errors.New("full")}, []string{"began", "started", "ended"}}, // nobody hears of it
	} {
		n := &notebook{fail: c.fail}
		smith := newRecordedCodesmith(t, model{answer: runs}, agent.Limits{Iterations: 1}, n)
		for road, do := range map[string]func(func(agent.Event)) error{
			"an agent": func(onEvent func(agent.Event)) error {
				_, err := smith.Work(t.Context(), task, onEvent)
				return err
			},
			"an action": func(onEvent func(agent.Event)) error {
				_, err := smith.Run(t.Context(), task, onEvent)
				return err
			},
			"accepted": func(onEvent func(agent.Event)) error {
				_, err := smith.WorkAccepted(ledger.WithTask(t.Context(), ref), task, func(entries ...ledger.Draft) error {
					if len(entries) != 1 {
						t.Fatalf("it begins with %d entries", len(entries))
					}
					if kind, subject := entries[0].Names(); kind != ledger.KindTaskBegan || subject != ref.ID {
						t.Errorf("it begins with %s of %s", kind, subject)
					}
					return nil
				}, onEvent)
				return err
			},
		} {
			n.steps = nil
			err := worked(n, do)
			if !slices.Equal(n.steps, c.steps) || (err == nil) != (c.fail == nil) {
				t.Errorf("%s, %s: %v, %v", road, c.name, n.steps, err)
			}
			if c.fail != nil {
				continue
			}
			if n.task.ID == "" || n.task.ID != n.work.ID || n.task.Agent != "codesmith" || n.task.Model != "one answer" || n.work.ResultCode != "ITERATION_LIMIT" || n.work.Answers != 2 || n.work.Runs != 1 {
				t.Errorf("%s: %+v, %+v", road, n.task, n.work)
			}
			if road == "accepted" && (n.task.ID != ref.ID || n.task.Task != ref.Salt.Task(task)) {
				t.Errorf("it is not the run's own: %+v", n.task)
			}
		}
	}
}

// Whoever observes hears of each task that was worked on once, on whatever road it came; not of one that was refused.
func TestTasksAreObserved(t *testing.T) {
	var told []string
	for name, record := range map[string]action.TaskRecorder{"with a ledger": &notebook{}, "without": nil} {
		smith := smithOf(t, model{answer: runs}, agent.Limits{Iterations: 1}, &executor{result: api.Result{Success: true, ResultCode: api.Success}}, record,
			func(c *action.CodesmithConfig) {
				c.Observe = func(name string, o agent.Outcome) {
					told = append(told, fmt.Sprintf("%s %s after %d", name, o.Code, o.Spent.Answers))
				}
			})
		for body, want := range map[string][]string{`{"task":"t"}`: {"codesmith ITERATION_LIMIT after 2"}, `{}`: nil} {
			task := []byte(body)
			for road, do := range map[string]func() error{
				"an agent":  func() error { _, err := smith.Work(t.Context(), task, nil); return err },
				"an action": func() error { _, err := smith.Run(t.Context(), task, nil); return err },
				"accepted": func() error {
					_, err := smith.WorkAccepted(t.Context(), task, func(...ledger.Draft) error { return nil }, nil)
					return err
				},
			} {
				told = nil
				if err := do(); (err == nil) != (want != nil) || !slices.Equal(told, want) {
					t.Errorf("%s, %s, %s: %v, %v", road, name, body, told, err)
				}
			}
		}
	}
}

// cutShort is a model in whose answer the context ends, with a cause.
type cutShort struct {
	model
	end   context.CancelCauseFunc
	cause error
}

func (m cutShort) Answer(ctx context.Context, _ agent.Turn) (agent.Answer, error) {
	m.end(m.cause)
	return agent.Answer{}, ctx.Err()
}

// What a stopping server cuts off was recorded, and counted, as cancelled, which is not what its caller was told.
func TestATaskThatAStoppingServerCutsOff(t *testing.T) {
	for name, c := range map[string]struct {
		cause   error
		told    agent.OutcomeCode // "" is nothing but what it is
		code    agent.OutcomeCode
		stopped bool
	}{
		"accepted":               {kept.ErrStops, agent.SandboxFailed, agent.SandboxFailed, true},
		"waited for":             {kept.ErrStops, "", agent.Cancelled, true},
		"cancelled by its owner": {context.Canceled, agent.SandboxFailed, agent.Cancelled, false},
	} {
		ctx, end := context.WithCancelCause(t.Context())
		if c.told != "" {
			ctx = kept.WithCutOff(ctx, func() agent.OutcomeCode { return c.told })
		}
		n := &notebook{}
		var observed []agent.OutcomeCode
		smith := smithOf(t, cutShort{end: end, cause: c.cause}, agent.Limits{Iterations: 1}, &executor{}, n, func(config *action.CodesmithConfig) {
			config.Observe = func(_ string, o agent.Outcome) { observed = append(observed, o.Code) }
		})
		if _, err := smith.Work(ctx, []byte(`{"task":"t"}`), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n.work.ResultCode != string(c.code) || n.work.ServerStopped != c.stopped || !slices.Equal(observed, []agent.OutcomeCode{c.code}) {
			t.Errorf("%s: %+v, %v", name, n.work, observed)
		}
	}
}

// panics is a model whose answer is a panic.
type panics struct{ model }

func (panics) Answer(context.Context, agent.Turn) (agent.Answer, error) { panic("at the model's") }

// A panic goes on to whoever has a task done, and the task is ended to the ledger and to whoever observes.
func TestATaskThatPanics(t *testing.T) {
	n := &notebook{}
	var told []agent.OutcomeCode
	smith := smithOf(t, panics{}, agent.Limits{Iterations: 1}, &executor{}, n, func(c *action.CodesmithConfig) {
		c.Observe = func(_ string, o agent.Outcome) { told = append(told, o.Code) }
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is nowhere")
			}
		}()
		_, _ = smith.Work(t.Context(), []byte(`{"task":"t"}`), nil)
	}()
	if !slices.Equal(n.steps, []string{"began", "ended"}) || n.work.ResultCode != "SANDBOX_FAILED" || !slices.Equal(told, []agent.OutcomeCode{agent.SandboxFailed}) {
		t.Errorf("%v, %+v, %v", n.steps, n.work, told)
	}
}
