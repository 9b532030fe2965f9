package recorder_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
	"glovebox/internal/queue"
	"glovebox/internal/recorder"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A keeper keeps a log, and fails, or waits, as a test says.
type keeper struct {
	ledgertest.Memory
	mu      sync.Mutex
	appends int
	fail    error
	failAt  int           // the append that fails and those after it; 0 is none
	mendAt  int           // the append that works again, and those after it; 0 is none
	gate    chan struct{} // each append takes one, where it is not nil
}

func (k *keeper) Append(ctx context.Context, drafts ...ledger.Draft) (ledger.Head, error) {
	if k.gate != nil {
		<-k.gate
	}
	k.mu.Lock()
	k.appends++
	fails := k.failAt > 0 && k.appends >= k.failAt && (k.mendAt == 0 || k.appends < k.mendAt)
	k.mu.Unlock()
	if fails {
		return ledger.Head{}, k.fail
	}
	return k.Memory.Append(ctx, drafts...)
}

// entries returns those behind the first.
func (k *keeper) entries(t *testing.T) (entries []ledger.Entry) {
	t.Helper()
	for row, err := range k.Read(context.Background(), 2) {
		var e ledger.Entry
		if err := errors.Join(err, json.Unmarshal(row.Entry, &e)); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if _, err := ledger.Check(context.Background(), k); err != nil {
		t.Error(err)
	}
	return entries
}

func kinds(entries []ledger.Entry) (kinds []ledger.Kind) {
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// An inner executor is what is recorded.
type inner func(ctx context.Context, begin func() error, onLog func(api.Log)) (api.Result, error)

func (f inner) ExecuteAs(ctx context.Context, _ queue.Share, _ api.Request, onLog func(api.Log)) (api.Result, error) {
	return f(ctx, sandbox.HooksOf(ctx).Begin, onLog)
}

// runs is one that runs a script with a result.
func runs(result api.Result) inner {
	return func(ctx context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
		if err := begin(); err != nil {
			return api.Result{}, err
		}
		result.ID = sandbox.HooksOf(ctx).ID
		return result, nil
	}
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	k := new(keeper)
	ledgertest.Begun(t, &k.Memory)
	k.fail = errors.New("the disk is full")
	return k
}

func newRecorder(t *testing.T, i recorder.Executor, k *keeper) *recorder.Recorder {
	t.Helper()
	r := recorder.New(i, k)
	t.Cleanup(r.Close)
	return r
}

var success = api.Result{Success: true, ResultCode: api.Success, ExecutionTimeMs: 1.5, QueueTimeMs: 0.5, Usage: api.Usage{CPUMs: 1, PeakMemoryBytes: 2},
	Isolation: api.Isolation{Driver: "oci", Runtime: "runc", RuntimeVersion: "1.4.0", Image: "sha256:a", Seccomp: "sha256:b",
		Attestation: &api.Attestation{Verified: true, Digest: "sha256:c"}}}

func TestWhatIsRecorded(t *testing.T) {
	k := newKeeper(t)
	r := newRecorder(t, runs(success), k)
	salt := ledger.NewSalt()
	ctx := tenant.NewKeyContext(tenant.NewContext(ledger.WithSalt(t.Context(), salt), tenant.Tenant{ID: "acme"}), tenant.Key{ID: "k1"})
	result, err := r.ExecuteAs(ctx, queue.Share{}, api.Request{Code: "return 1", InputData: json.RawMessage("{}"), TimeoutSeconds: new(0.5)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries := k.entries(t)
	if len(entries) != 2 {
		t.Fatalf("%+v", entries)
	}
	who := ledger.Actor{Tenant: "acme", Key: "k1"}
	began, ended := entries[0], entries[1]
	if began.Actor != who || ended.Actor != who || began.Execution.ID != result.ID || ended.Outcome.ID != result.ID || len(result.ID) != 26 {
		t.Errorf("%+v, %+v of %s", began, ended, result.ID)
	}
	x := began.Execution
	if x.Code != salt.Code("return 1") || *x.Input != salt.Input([]byte("{}")) || x.Language != "javascript" ||
		x.Limits != (ledger.Limits{TimeoutSeconds: 0.5, MemoryLimitMB: api.DefaultMemoryLimitMB, CPUs: api.DefaultCPUs}) {
		t.Errorf("%+v", x)
	}
	if want := (ledger.Outcome{ID: result.ID, ResultCode: "SUCCESS", ExecutionTimeMs: 1.5, QueueTimeMs: 0.5, CPUMs: 1, PeakMemoryBytes: 2, Driver: "oci",
		Runtime: "runc", RuntimeVersion: "1.4.0", Image: "sha256:a", Seccomp: "sha256:b", Attestation: "sha256:c", Verified: true}); *ended.Outcome != want {
		t.Errorf("%+v, want %+v", *ended.Outcome, want)
	}
	// Without a salt that is kept nothing can be held against a digest, and nothing tells that two scripts are one.
	if _, err := r.ExecuteAs(ledger.WithActor(ctx, ledger.Actor{Tenant: "other"}), queue.Share{}, api.Request{Code: "return 1"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ExecuteAs(t.Context(), queue.Share{}, api.Request{Code: "return 1"}, nil); err != nil {
		t.Fatal(err)
	}
	entries = k.entries(t)
	if entries[2].Actor != (ledger.Actor{Tenant: "other"}) || entries[4].Actor != (ledger.Actor{}) || entries[4].Execution.Input != nil {
		t.Errorf("%+v, %+v", entries[2], entries[4])
	}
	if entries[2].Execution.Code != x.Code { // its context has the salt
		t.Error("the same code and salt have two digests")
	}
	if entries[4].Execution.Code == x.Code {
		t.Error("the same digest without the salt")
	}
}

// The entry of a beginning is there before the script is, and that of its end before its caller hears of it.
func TestTheOrder(t *testing.T) {
	k := newKeeper(t)
	fake := drivertest.NewFake().Teach("code", drivertest.Log(api.LevelLog, "ran"), drivertest.Output("1"))
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("sha256:0", "runc"), Concurrency: 1, Queue: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder(t, executor, k)
	var then []ledger.Kind
	result, err := r.ExecuteAs(t.Context(), queue.Share{}, api.Request{Code: "code"}.WithDefaults(), func(api.Log) { then = kinds(k.entries(t)) })
	if err != nil || !result.Success {
		t.Fatalf("%+v, %v", result, err)
	}
	if !slices.Equal(then, []ledger.Kind{ledger.KindBegan}) {
		t.Errorf("as the script ran there was %v", then)
	}
	if got := kinds(k.entries(t)); !slices.Equal(got, []ledger.Kind{ledger.KindBegan, ledger.KindEnded}) {
		t.Errorf("then %v", got)
	}

	k.failAt = 3
	_, err = r.ExecuteAs(t.Context(), queue.Share{}, api.Request{Code: "code"}.WithDefaults(), func(api.Log) { t.Error("it ran, and nothing tells that it began") })
	var unrecorded *recorder.UnrecordedError
	if !errors.As(err, &unrecorded) || unrecorded.Began || !errors.Is(err, k.fail) || !kept.NotBegun(err) || kept.Withheld(err) {
		t.Errorf("%v", err)
	}
	k.failAt = 5
	ran := false
	result, err = r.ExecuteAs(t.Context(), queue.Share{}, api.Request{Code: "code"}.WithDefaults(), func(api.Log) { ran = true })
	if !errors.As(err, &unrecorded) || !unrecorded.Began || result.Success || !ran || kept.NotBegun(err) || !kept.Withheld(err) {
		t.Errorf("%+v, %v, ran %v: want the result to be withheld", result, err, ran)
	}
	if err := executor.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if running, waiting := executor.Load(); running+waiting > 0 || fake.Living() > 0 {
		t.Errorf("%d run, %d wait, %d boxes live", running, waiting, fake.Living())
	}
}

// The end of what was accepted waits for a place on the disk: it had been lost with its result.
func TestAnEndIsRecordedPatiently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		k.failAt, k.mendAt = k.appends+2, k.appends+8
		gone, leave := context.WithCancel(sandbox.WithHooks(t.Context(), sandbox.Hooks{ID: "mine"}))
		leave() // whoever cancels it does not take its end along
		ctx := ledger.WithPatience(gone, t.Context())
		result, err := newRecorder(t, runs(success), k).ExecuteAs(ctx, queue.Share{}, api.Request{}, nil)
		if err != nil || result.ResultCode != api.Success || !slices.Equal(kinds(k.entries(t)), []ledger.Kind{ledger.KindBegan, ledger.KindEnded}) {
			t.Errorf("%+v, %v", result, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t)
		k.failAt = k.appends + 2
		until, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx := ledger.WithPatience(t.Context(), until)
		var unrecorded *recorder.UnrecordedError
		if _, err := newRecorder(t, runs(success), k).ExecuteAs(ctx, queue.Share{}, api.Request{}, nil); !errors.As(err, &unrecorded) || unrecorded.NotBegun() {
			t.Errorf("%v", err)
		}
		if until.Err() == nil || k.appends > 30 {
			t.Errorf("%d tries, %v", k.appends, until.Err())
		}
	})
	k := newKeeper(t)
	k.failAt = k.appends + 1
	var unrecorded *recorder.UnrecordedError
	if _, err := newRecorder(t, runs(success), k).ExecuteAs(ledger.WithPatience(t.Context(), t.Context()), queue.Share{}, api.Request{}, nil); !errors.As(err, &unrecorded) ||
		!unrecorded.NotBegun() || k.appends != k.failAt {
		t.Errorf("a beginning: %v, %d tries", err, k.appends)
	}
}

func TestWhatNeverBeganHasNoEntry(t *testing.T) {
	busy := errors.New("busy")
	for name, i := range map[string]inner{
		"no place": func(context.Context, func() error, func(api.Log)) (api.Result, error) { return api.Result{}, busy },
		"cancelled, waiting": func(context.Context, func() error, func(api.Log)) (api.Result, error) {
			return api.Result{ResultCode: api.Cancelled}, busy
		},
	} {
		k := newKeeper(t)
		if _, err := newRecorder(t, i, k).ExecuteAs(t.Context(), queue.Share{}, api.Request{}, nil); !errors.Is(err, busy) {
			t.Errorf("%s: %v", name, err)
		}
		if got := k.entries(t); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// One that whoever accepted it holds back.
	k := newKeeper(t)
	ctx := sandbox.WithHooks(t.Context(), sandbox.Hooks{ID: "mine", Begin: func() error { return busy }})
	if _, err := newRecorder(t, runs(success), k).ExecuteAs(ctx, queue.Share{}, api.Request{}, nil); !errors.Is(err, busy) || len(k.entries(t)) > 0 {
		t.Errorf("%v, %+v", err, k.entries(t))
	}
}

func TestEachEndIsRecorded(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		inner inner
		err   error
		code  api.ResultCode
	}{
		"our failure": {func(_ context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
			return api.Result{}, errors.Join(begin(), broken)
		}, broken, api.ExecutionFailed},
		"two boxes": {func(ctx context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
			return success, errors.Join(begin(), begin())
		}, nil, api.Success},
		"a caller that has gone": {func(ctx context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
			return api.Result{ResultCode: api.Cancelled}, begin()
		}, nil, api.Cancelled},
		"a clock that went back": {func(ctx context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
			return api.Result{ResultCode: api.Timeout, QueueTimeMs: -1}, begin()
		}, nil, api.Timeout},
	} {
		k := newKeeper(t)
		begun := 0
		ctx, cancel := context.WithCancel(sandbox.WithHooks(t.Context(), sandbox.Hooks{ID: "mine", Begin: func() error { begun++; return nil }}))
		cancel()
		if _, err := newRecorder(t, test.inner, k).ExecuteAs(ctx, queue.Share{}, api.Request{}, nil); !errors.Is(err, test.err) {
			t.Errorf("%s: %v", name, err)
		}
		entries := k.entries(t)
		if got := kinds(entries); begun == 0 || !slices.Equal(got, []ledger.Kind{ledger.KindBegan, ledger.KindEnded}) {
			t.Fatalf("%s: %v, begun %d times", name, got, begun)
		}
		if got := entries[1].Outcome; got.ResultCode != string(test.code) || got.ID != "mine" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What a stopping server cuts off was recorded as cancelled, which is not what its caller was told.
func TestWhatAStoppingServerCutsOffIsRecordedAsItIsTold(t *testing.T) {
	cut := inner(func(_ context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
		return api.Result{ResultCode: api.Cancelled}, begin()
	})
	told := func(code api.ResultCode) func(context.Context) context.Context {
		return func(ctx context.Context) context.Context {
			return kept.WithCutOff(ctx, func() api.ResultCode { return code })
		}
	}
	for name, c := range map[string]struct {
		cause   error
		told    func(context.Context) context.Context
		code    api.ResultCode
		stopped bool
	}{
		"accepted":               {kept.ErrStops, told(api.ExecutionFailed), api.ExecutionFailed, true},
		"left to the next":       {kept.ErrStops, told(""), api.Cancelled, true},
		"waited for":             {kept.ErrStops, nil, api.Cancelled, true},
		"cancelled by its owner": {context.Canceled, told(api.ExecutionFailed), api.Cancelled, false},
	} {
		k := newKeeper(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(c.cause)
		ctx, leave := context.WithCancel(ctx)
		if c.told != nil {
			ctx = c.told(ctx)
		}
		if _, err := newRecorder(t, cut, k).ExecuteAs(ctx, queue.Share{}, api.Request{}, nil); err != nil {
			t.Fatal(err)
		}
		leave()
		if got := k.entries(t)[1].Outcome; got.ResultCode != string(c.code) || got.ServerStopped != c.stopped {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What comes while the disk is busy is written together.
func TestEntriesAreWrittenTogether(t *testing.T) {
	const callers = 50
	k := newKeeper(t)
	begun := k.appends
	ended := all(t, k, callers, func(n int) string { return fmt.Sprintf("execution-%d", n) })
	for n, err := range ended {
		if err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	// The first comes alone, then the beginnings of the others, and then the ends: those that were there, and those that were not yet.
	if got := len(k.entries(t)); got != 2*callers || k.appends-begun > 4 {
		t.Errorf("%d entries in %d writes, want %d in 4 at most", got, k.appends-begun, 2*callers)
	}
}

// An entry that cannot be does not take those along that it would be written with.
func TestEachCallerIsToldOfItsOwn(t *testing.T) {
	const callers, bad = 20, 7
	k := newKeeper(t)
	ended := all(t, k, callers, func(n int) string {
		if n == bad {
			return strings.Repeat("x", 5000)
		}
		return fmt.Sprintf("execution-%d", n)
	})
	for n, err := range ended {
		var unrecorded *recorder.UnrecordedError
		if n == bad != errors.As(err, &unrecorded) || n != bad && err != nil || kept.NotBegun(err) { // to try again would not help
			t.Errorf("%d: %v", n, err)
		}
	}
	if got := len(k.entries(t)); got != 2*(callers-1) {
		t.Errorf("%d entries, want %d", got, 2*(callers-1))
	}
}

// all has callers execute at once. Each write waits until everybody has come as far as without it: so what is written together is
// no matter of who runs when.
func all(t *testing.T, k *keeper, callers int, id func(int) string) []error {
	t.Helper()
	errs := make([]error, callers)
	synctest.Test(t, func(t *testing.T) {
		k.gate = make(chan struct{})
		r := newRecorder(t, inner(func(_ context.Context, begin func() error, _ func(api.Log)) (api.Result, error) {
			return success, begin()
		}), k)
		for n := range callers {
			ctx := sandbox.WithHooks(t.Context(), sandbox.Hooks{ID: id(n)})
			go func() { _, errs[n] = r.ExecuteAs(ctx, queue.Share{}, api.Request{}, nil) }()
		}
		for written := true; written; {
			synctest.Wait()
			select {
			case k.gate <- struct{}{}:
			default:
				written = false // nothing waits to be written
			}
		}
	})
	k.gate = nil
	return errs
}

// A task is recorded as its executions are, and they name it.
func TestTasksAreRecorded(t *testing.T) {
	k := newKeeper(t)
	r := newRecorder(t, runs(success), k)
	salt := ledger.NewSalt()
	ctx := tenant.NewKeyContext(tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"}), tenant.Key{ID: "k1"})
	task, work := ledger.Task{ID: "t1", Agent: "codesmith", Model: "tiny", Task: salt.Task([]byte("{}"))}, ledger.Work{ID: "t1", ResultCode: "COMPLETE", Answers: 2, CostUSD: 0.5}
	if err := r.TaskBegan(ctx, task); err != nil {
		t.Fatal(err)
	}
	within := ledger.WithTask(ctx, ledger.TaskRef{ID: "t1", Salt: salt})
	if _, err := r.ExecuteAs(within, queue.Share{}, api.Request{Code: "return 1"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.TaskEnded(ctx, work); err != nil {
		t.Fatal(err)
	}
	entries := k.entries(t)
	if got := kinds(entries); !slices.Equal(got, []ledger.Kind{ledger.KindTaskBegan, ledger.KindBegan, ledger.KindEnded, ledger.KindTaskEnded}) {
		t.Fatalf("%v", got)
	}
	who := ledger.Actor{Tenant: "acme", Key: "k1"}
	if began, ended := entries[0], entries[3]; began.Actor != who || ended.Actor != who || *began.Task != task || *ended.Work != work || entries[1].Execution.Task != "t1" {
		t.Errorf("%+v, %+v, %+v", began, entries[1].Execution, ended)
	}
	k.mu.Lock()
	k.failAt = 1
	k.mu.Unlock()
	for name, err := range map[string]error{"nothing was done": r.TaskBegan(ctx, task), "withheld": r.TaskEnded(ctx, work)} {
		if began := name == "withheld"; !errors.Is(err, k.fail) || !strings.Contains(err.Error(), name) || kept.NotBegun(err) == began || kept.Withheld(err) != began {
			t.Errorf("%s: %v", name, err)
		}
	}
}
