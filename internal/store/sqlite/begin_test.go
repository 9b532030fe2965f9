package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	engine "modernc.org/sqlite"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/agentrun/agentruntest"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/ledger"
	"glovebox/internal/queue"
	"glovebox/internal/recorder"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// midway is called in the middle of a transaction; see interrupted.
var midway atomic.Pointer[func()]

func init() {
	engine.MustRegisterScalarFunction("midway", 0, func(*engine.FunctionContext, []driver.Value) (driver.Value, error) {
		if f := midway.Load(); f != nil {
			(*f)()
		}
		return int64(0), nil
	})
}

// alter changes the database behind everybody's back.
func alter(t *testing.T, s *Store, query string) {
	t.Helper()
	if _, err := s.writer.ExecContext(context.Background(), query); err != nil {
		t.Fatal(err)
	}
}

// fillLedger has the ledger refuse entries, as on a disk that is full, until clear.
func fillLedger(t *testing.T, s *Store) (clear func()) {
	t.Helper()
	alter(t, s, "CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT raise(ABORT, 'full'); END")
	return func() { alter(t, s, "DROP TRIGGER full") }
}

// A life is a server's, of executions and runs, on a store.
type life struct {
	store      *Store
	fake       *drivertest.Fake
	executor   *sandbox.Executor
	recorder   *recorder.Recorder
	executions *execution.Service
	runs       *agentrun.Service
	ran        atomic.Int32 // how many scripts, and tasks, have begun to run
	// at is told where a beginning, or an end, is.
	at func(point string)
}

// recordingLog tells of what is appended by itself.
type recordingLog struct {
	ledger.Log
	life *life
}

func (l recordingLog) Append(ctx context.Context, drafts ...ledger.Draft) (ledger.Head, error) {
	kind, _ := drafts[0].Names()
	l.life.at("before the entry " + string(kind))
	head, err := l.Log.Append(ctx, drafts...)
	if err == nil {
		l.life.at("behind the entry " + string(kind))
	}
	return head, err
}

// telling tells before something is done, and once it is.
func (l *life) telling(what string, do func() (bool, error)) (bool, error) {
	l.at("before " + what)
	done, err := do()
	if done {
		l.at("once " + what)
	}
	return done, err
}

// toldExecutions and toldRuns tell of what is kept.
type toldExecutions struct {
	execution.Store
	life *life
}

func (k toldExecutions) Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	return k.life.telling("it is kept as begun", func() (bool, error) { return k.Store.Begin(ctx, id, at, entries...) })
}

func (k toldExecutions) End(ctx context.Context, id string, r api.Result, at time.Time) (bool, error) {
	return k.life.telling("its end is kept", func() (bool, error) { return k.Store.End(ctx, id, r, at) })
}

type toldRuns struct {
	agentrun.Store
	life *life
}

func (k toldRuns) Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	return k.life.telling("it is kept as begun", func() (bool, error) { return k.Store.Begin(ctx, id, at, entries...) })
}

func (k toldRuns) End(ctx context.Context, id string, o agent.Outcome, steps []agentrun.Step, at time.Time) (bool, error) {
	return k.life.telling("its end is kept", func() (bool, error) { return k.Store.End(ctx, id, o, steps, at) })
}

// Execute implements [execution.Executor].
func (l *life) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	return l.recorder.ExecuteAs(ctx, queue.Share{}, request, func(entry api.Log) {
		l.ran.Add(1)
		l.at("while it runs")
		onLog(entry)
	})
}

// Admit implements [agentrun.Worker].
func (*life) Admit(context.Context, []byte) error { return nil }

// WorkAccepted has a task recorded as [action.Codesmith] does.
func (l *life) WorkAccepted(ctx context.Context, task []byte, begin func(...ledger.Draft) error, _ func(agent.Event)) (agent.Outcome, error) {
	ref, _ := ledger.TaskFrom(ctx)
	err := l.recorder.TaskBegan(ledger.WithBeginning(ctx, func(entry ledger.Draft) error { return begin(entry) }),
		ledger.Task{ID: ref.ID, Agent: "smith", Model: "m", Task: ref.Salt.Task(task)})
	if err != nil {
		return agent.Outcome{}, err
	}
	l.ran.Add(1)
	l.at("while it runs")
	if err := l.recorder.TaskEnded(ctx, ledger.Work{ID: ref.ID, ResultCode: string(agent.Complete)}); err != nil {
		return agent.Outcome{}, err
	}
	return agent.Unworked(agent.Task{}, agent.Complete, ""), nil
}

// live opens a server on a directory. at may be nil.
func live(t *testing.T, dir string, at func(point string)) *life {
	t.Helper()
	if at == nil {
		at = func(string) {}
	}
	l := &life{store: open(t, dir, Server), at: at, fake: drivertest.NewFake().Teach("return input", drivertest.Log(api.LevelLog, "ran"), drivertest.Output("1")).
		Teach("for (;;);", drivertest.Log(api.LevelLog, "ran"), drivertest.Sleep(time.Hour))}
	var err error
	l.executor, err = sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: l.fake, Spec: sandbox.Sealed("sha256:0", "runc"), Concurrency: 1, Queue: 1,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l.recorder = recorder.New(l.executor, recordingLog{l.store.Ledger(), l})
	l.executions, err = execution.Open(t.Context(), execution.Config{Executor: l, Store: toldExecutions{l.store.Executions(), l}})
	if err != nil {
		t.Fatal(err)
	}
	l.runs, err = agentrun.Open(t.Context(), agentrun.Config{Agents: map[string]agentrun.Worker{"smith": l}, Store: toldRuns{l.store.AgentRuns(), l}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *life) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(l.executions.Close(ctx), l.runs.Close(ctx), l.executor.Close(ctx)); err != nil {
		t.Error(err)
	}
	l.recorder.Close()
	if err := l.store.Close(); err != nil {
		t.Error(err)
	}
}

// What a stopping server cuts off was recorded as cancelled, and told as failed. What is safe to repeat is told by the next server.
func TestWhatAStoppingServerCutsOffIsRecordedAsItIsTold(t *testing.T) {
	for safe, want := range map[bool]string{false: `"resultCode":"EXECUTION_FAILED"`, true: `"resultCode":"CANCELLED"`} {
		dir := newPlace(t).(place).dir
		runs := make(chan struct{})
		l := live(t, dir, func(point string) {
			if point == "while it runs" {
				close(runs)
			}
		})
		r, err := l.executions.Submit(t.Context(), execution.Submission{Request: api.Request{Code: "for (;;);"}.WithDefaults(), SafeToRepeat: safe})
		if err != nil {
			t.Fatal(err)
		}
		<-runs
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.executions.Close(gone); err != nil {
			t.Error(err)
		}
		var last string
		for row, err := range l.store.Ledger().Read(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			last = string(row.Entry)
		}
		if !strings.Contains(last, want) || !strings.Contains(last, `"serverStopped":true`) || !strings.Contains(last, r.ID) {
			t.Errorf("safe to repeat: %v: %s", safe, last)
		}
		got, err := l.store.Executions().Get(t.Context(), "", r.ID)
		if wantState := map[bool]api.ExecutionState{false: api.ExecutionEnded, true: api.ExecutionRunning}[safe]; err != nil || got.State != wantState {
			t.Errorf("safe to repeat: %v: %+v, %v", safe, got, err)
		}
		if !safe && got.ResultCode != api.ExecutionFailed {
			t.Errorf("%+v", got)
		}
		l.close(t)
	}
}

// interrupted has f called in the middle of each transaction that appends to the ledger, which has not been committed. The trigger is the
// connection's alone: what a schema says may call no function of ours.
func interrupted(t *testing.T, s *Store, f func()) {
	t.Helper()
	midway.Store(&f)
	t.Cleanup(func() { midway.Store(nil) })
	alter(t, s, "CREATE TEMP TRIGGER interrupt AFTER INSERT ON main.ledger BEGIN SELECT midway(); END")
}

// still calls f while nobody writes, or takes the log into the file: else what is copied then is of two moments.
func still(t *testing.T, s *Store, f func()) {
	t.Helper()
	writer, err := s.writer.Conn(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = writer.Close() }()
	f()
}

// A subject is what is accepted, begins and ends: an execution, or a run of an agent.
type subject struct {
	// submit has one accepted, wait waits for its end, and tells how it ended and what is said of that.
	submit func(*testing.T, *life) (id string)
	wait   func(*testing.T, *life, string) (code, said string)
	state  func(*testing.T, *Store, string) api.ExecutionState
	began  ledger.Kind
	good   string
}

var subjects = map[string]subject{
	"an execution": {
		submit: func(t *testing.T, l *life) string {
			t.Helper()
			asked := executiontest.Queued("", time.Now())
			r, err := l.executions.Submit(t.Context(), execution.Submission{Request: *asked.Request})
			if err != nil {
				t.Fatal(err)
			}
			return r.ID
		},
		wait: func(t *testing.T, l *life, id string) (string, string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := l.executions.Wait(ctx, "", id)
			if err != nil || r.Result == nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if r.Result.Error == nil {
				return string(r.ResultCode), ""
			}
			return string(r.ResultCode), r.Result.Error.Message
		},
		state: func(t *testing.T, s *Store, id string) api.ExecutionState {
			t.Helper()
			r, err := s.Executions().Get(t.Context(), "", id)
			if err != nil {
				t.Fatal(err)
			}
			return r.State
		},
		began: ledger.KindBegan, good: string(api.Success),
	},
	"a run": {
		submit: func(t *testing.T, l *life) string {
			t.Helper()
			r, err := l.runs.Submit(t.Context(), agentrun.Submission{Agent: "smith", Task: agentruntest.Queued("", time.Now()).Task})
			if err != nil {
				t.Fatal(err)
			}
			return r.ID
		},
		wait: func(t *testing.T, l *life, id string) (string, string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r, err := l.runs.Wait(ctx, "", id)
			if err != nil || r.Outcome == nil {
				t.Fatalf("%+v, %v", r, err)
			}
			return string(r.ResultCode), r.Outcome.Message
		},
		state: func(t *testing.T, s *Store, id string) api.ExecutionState {
			t.Helper()
			r, err := s.AgentRuns().Get(t.Context(), "", id)
			if err != nil {
				t.Fatal(err)
			}
			return r.State
		},
		began: ledger.KindTaskBegan, good: string(agent.Complete),
	},
}

// beginnings counts what the ledger has of them.
func (s subject) beginnings(t *testing.T, of *Store, id string) (n int) {
	t.Helper()
	_, err := ledger.Check(t.Context(), of.Ledger())
	if err != nil {
		t.Error(err)
	}
	for row, err := range of.Ledger().Read(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if text := string(row.Entry); strings.Contains(text, `"`+string(s.began)+`"`) && strings.Contains(text, id) {
			n++
		}
	}
	return n
}

// What the ledger would not have begin, and had been kept as begun, was said to have perhaps run by the next server: it had not.
func TestWhatTheLedgerRefusedIsTheNextServersToRun(t *testing.T) {
	for name, s := range subjects {
		t.Run(name, func(t *testing.T) {
			dir := newPlace(t).(place).dir
			tried := make(chan struct{})
			var once sync.Once
			first := live(t, dir, func(point string) {
				if point == "before it is kept as begun" {
					once.Do(func() { close(tried) })
				}
			})
			room := fillLedger(t, first.store)
			id := s.submit(t, first)
			<-tried
			if err := errors.Join(first.executions.Close(t.Context()), first.runs.Close(t.Context())); err != nil {
				t.Error(err)
			}
			if got := s.state(t, first.store, id); got != api.ExecutionQueued {
				t.Errorf("it is left as %s", got)
			}
			room()
			first.close(t)
			next := live(t, dir, nil)
			defer next.close(t)
			if code, said := s.wait(t, next, id); code != s.good {
				t.Errorf("%s: %s", code, said)
			}
			if ran := first.ran.Load() + next.ran.Load(); ran != 1 || s.beginnings(t, next.store, id) != 1 {
				t.Errorf("it ran %d times, and began %d times", ran, s.beginnings(t, next.store, id))
			}
		})
	}
}

// What does not begin has no entry that says so.
func TestWhatIsNotQueuedHasNoEntry(t *testing.T) {
	s, e := openExecutions(t, newPlace(t).(place).dir)
	before, err := s.Ledger().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entry := ledger.TaskBegan(ledger.Actor{}, ledger.Task{ID: "x", Agent: "smith", Model: "m"})
	for name, begin := range map[string]func() (bool, error){
		"an execution": func() (bool, error) { return e.Begin(t.Context(), "x", began, entry) },
		"a run":        func() (bool, error) { return s.AgentRuns().Begin(t.Context(), "x", began, entry) },
	} {
		if done, err := begin(); done || err != nil {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
	if after, err := s.Ledger().Head(t.Context()); err != nil || after != before {
		t.Errorf("%+v, %+v, %v", before, after, err)
	}
}

// Wherever a server is killed, what it had accepted has an end, and has not run twice: see package kept.
func TestKilledAtEachPoint(t *testing.T) {
	type moment struct {
		point, dir string
		ran        int32
	}
	for name, s := range subjects {
		t.Run(name, func(t *testing.T) {
			dir := newPlace(t).(place).dir
			var mu sync.Mutex
			var moments []moment
			var l *life
			at := func(point string) {
				mu.Lock()
				defer mu.Unlock()
				moments = append(moments, moment{point, crash(t, dir), l.ran.Load()})
			}
			ready := make(chan struct{})
			l = live(t, dir, func(point string) {
				<-ready
				still(t, l.store, func() { at(point) })
			})
			interrupted(t, l.store, func() { at("in the middle of an entry") })
			close(ready)
			id := s.submit(t, l)
			if code, said := s.wait(t, l, id); code != s.good {
				t.Fatalf("%s: %s", code, said)
			}
			l.close(t)
			midway.Store(nil)
			var points []string
			for _, m := range moments {
				points = append(points, m.point)
				next := live(t, m.dir, nil)
				// Whether it had begun is one thing to the store and to the ledger: they were changed in one step.
				code, said := s.wait(t, next, id)
				ran := m.ran + next.ran.Load()
				begun := s.beginnings(t, next.store, id)
				switch {
				case ran > 1, begun != 1:
					t.Errorf("%s: it ran %d times, and began %d times", m.point, ran, begun)
				case code == s.good && ran != 1:
					t.Errorf("%s: it is said to have run", m.point)
				case code != s.good && (next.ran.Load() > 0 || !strings.Contains(said, "again unasked")):
					t.Errorf("%s: %s: %s", m.point, code, said)
				case code != s.good && strings.HasPrefix(m.point, "before it is kept"):
					t.Errorf("%s: it had not begun: %s: %s", m.point, code, said)
				}
				next.close(t)
			}
			want := []string{"before it is kept as begun", "in the middle of an entry", "once it is kept as begun", "while it runs",
				"before the entry ", "in the middle of an entry", "behind the entry ", "before its end is kept", "once its end is kept"}
			if !slices.EqualFunc(points, want, strings.HasPrefix) {
				t.Errorf("it was killed at %q", points)
			}
		})
	}
}
