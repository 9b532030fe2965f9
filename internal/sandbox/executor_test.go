package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/logcontext"
	"glovebox/internal/queue"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

func newExecutor(t *testing.T, driver sandbox.Driver, concurrency, queue int) *sandbox.Executor {
	t.Helper()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: driver, Spec: testSpec, Concurrency: concurrency, Queue: queue, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return executor
}

// timed is a request with a time limit.
func timed(code string, limit float64) api.Request {
	return api.Request{Code: code, TimeoutSeconds: new(limit)}.WithDefaults()
}

func TestExecute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().SlowStart(500*time.Millisecond).
			Teach("code", drivertest.Log(api.LevelLog, "hello"), drivertest.Sleep(time.Second), drivertest.Output("1"))
		executor := newExecutor(t, fake, 2, 2)
		var heard int
		result, err := executor.Execute(t.Context(), request("code"), func(api.Log) { heard++ })
		if err != nil || !result.Success || string(result.Output) != "1" || heard != 1 {
			t.Fatalf("%+v, %v, %d logs heard", result, err, heard)
		}
		// A script's clock starts when its box begins on it.
		if result.QueueTimeMs != 500 || result.ExecutionTimeMs != 1000 {
			t.Errorf("queue %v ms, execution %v ms; want 500 and 1000", result.QueueTimeMs, result.ExecutionTimeMs)
		}
		again, err := executor.Execute(t.Context(), request("code"), nil)
		if err != nil || again.ID == result.ID || len(result.ID) != 26 {
			t.Errorf("ids %q and %q, %v", result.ID, again.ID, err)
		}
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if fake.Created() != 2 || fake.Living() != 0 {
			t.Errorf("%d boxes for 2 scripts, %d live", fake.Created(), fake.Living())
		}
	})
}

func TestExecutorAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Sleep(time.Second), drivertest.Output("1"))
		executor := newExecutor(t, fake, 2, 3)
		var all sync.WaitGroup
		queued := make([]float64, 5)
		for i := range 5 {
			all.Go(func() {
				result, err := executor.Execute(t.Context(), request("code"), nil)
				if err != nil || !result.Success {
					t.Errorf("%d: %s, %v", i, result.ResultCode, err)
				}
				queued[i] = result.QueueTimeMs
			})
			synctest.Wait() // one after the other
		}
		if running, waiting := executor.Load(); running != 2 || waiting != 3 {
			t.Errorf("%d run and %d wait, want 2 and 3", running, waiting)
		}
		if fake.Living() != 2 {
			t.Errorf("%d boxes live, want 2", fake.Living())
		}
		_, err := executor.Execute(t.Context(), request("code"), nil)
		var busy *queue.FullError
		if !errors.As(err, &busy) || busy.RetryAfter() <= 0 {
			t.Errorf("one too many: %v", err)
		}
		all.Wait()
		for i, want := range []float64{0, 0, 1000, 1000, 2000} {
			if queued[i] != want {
				t.Errorf("request %d waited for %v ms, want %v: the queue is not in order", i, queued[i], want)
			}
		}
		synctest.Wait()
		if running, waiting := executor.Load(); running != 0 || waiting != 0 || fake.Living() != 0 {
			t.Errorf("%d run, %d wait, %d boxes live; want none", running, waiting, fake.Living())
		}
	})
}

func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Log(api.LevelLog, "x"), drivertest.Sleep(time.Second), drivertest.Output("1"))
		drivertest.Fairness(t, fake, testSpec, "code")
	})
}

// A party's own bounds hold among free places, and are told apart from the whole's.
func TestExecutorBoundsParties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Sleep(time.Second), drivertest.Output("1"))
		executor := newExecutor(t, fake, 4, 100)
		share := queue.Share{ID: "a", Running: 2, Waiting: 3}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if result, err := executor.ExecuteAs(t.Context(), share, request("code"), nil); err != nil || !result.Success {
					t.Errorf("%s, %v", result.ResultCode, err)
				}
			})
		}
		synctest.Wait()
		if parties := executor.Parties(); len(parties) != 1 || parties[0] != (queue.PartyLoad{ID: "a", Running: 2, Waiting: 3}) {
			t.Errorf("%+v", parties)
		}
		var full *queue.FullError
		if _, err := executor.ExecuteAs(t.Context(), share, request("code"), nil); !errors.As(err, &full) || full.Bound != queue.BoundWaiting {
			t.Errorf("one too many: %v", err)
		}
		if result, err := executor.Execute(t.Context(), request("code"), nil); err != nil || result.QueueTimeMs != 0 {
			t.Errorf("another: %v, after %v ms", err, result.QueueTimeMs)
		}
		all.Wait()
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestExecutorWithoutQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Sleep(time.Second))
		executor := newExecutor(t, fake, 1, 0)
		var all sync.WaitGroup
		all.Go(func() { _, _ = executor.Execute(t.Context(), request("code"), nil) })
		synctest.Wait()
		var busy *queue.FullError
		if _, err := executor.Execute(t.Context(), request("code"), nil); !errors.As(err, &busy) {
			t.Errorf("a second: %v", err)
		}
		all.Wait()
	})
}

func TestExecuteCancelled(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		made  int // boxes
	}{
		{"in the queue", 500 * time.Millisecond, 1},
		{"while its box starts", 1300 * time.Millisecond, 1},
		{"while it runs", 2 * time.Second, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().SlowStart(500*time.Millisecond).Teach("first", drivertest.Sleep(500*time.Millisecond)).
					Teach("second", drivertest.Log(api.LevelLog, "x"), drivertest.Hang())
				executor := newExecutor(t, fake, 1, 1)
				var all sync.WaitGroup
				all.Go(func() { _, _ = executor.Execute(t.Context(), request("first"), nil) })
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), c.after)
				defer cancel()
				started := time.Now()
				result, err := executor.Execute(ctx, request("second"), nil)
				if err != nil || result.ResultCode != api.Cancelled || time.Since(started) != c.after {
					t.Errorf("%s, %v after %v", result.ResultCode, err, time.Since(started))
				}
				if result.ID == "" || result.Logs == nil || result.Warnings == nil || result.Error == nil || result.Isolation.Layers == nil {
					t.Errorf("%+v is not whole", result)
				}
				all.Wait()
				synctest.Wait()
				if running, waiting := executor.Load(); running != 0 || waiting != 0 || fake.Living() != 0 || fake.Created() != c.made {
					t.Errorf("%d run, %d wait, %d boxes live of %d", running, waiting, fake.Living(), fake.Created())
				}
			})
		})
	}
}

func TestExecuteWhenCreateFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().FailCreate(errBroken)
		executor := newExecutor(t, fake, 1, 0)
		for range 3 {
			if result, err := executor.Execute(t.Context(), request("code"), nil); !errors.Is(err, errBroken) || result.ResultCode != "" {
				t.Errorf("%s, %v", result.ResultCode, err)
			}
		}
		fake.FailCreate(nil)
		if result, err := executor.Execute(t.Context(), request("code"), nil); err != nil || !result.Success {
			t.Errorf("afterwards: %s, %v: the place was not given back", result.ResultCode, err)
		}
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A listener that panics takes down its request, and no box stays behind.
func TestExecuteWhenItsListenerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Log(api.LevelLog, "x"), drivertest.Hang())
		executor := newExecutor(t, fake, 1, 0)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = executor.Execute(t.Context(), request("code"), func(api.Log) { panic("as told by the test") })
		}()
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if fake.Living() != 0 {
			t.Error("the box lives on")
		}
	})
}

// No sweep of a living process touches its boxes: one that could not be destroyed is tried again.
func TestExecutorDestroysAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Wrap(func(c sandbox.Container) sandbox.Container {
			return &unremovable{Container: c, times: 2}
		})
		executor := newExecutor(t, fake, 1, 0)
		if _, err := executor.Execute(t.Context(), request("code"), nil); err != nil {
			t.Fatal(err)
		}
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if fake.Living() != 0 {
			t.Error("the box lives on")
		}
	})
}

func TestExecutorTellsWhatItCannotDestroy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		fake := drivertest.NewFake().Wrap(func(c sandbox.Container) sandbox.Container { return &unremovable{Container: c, times: 1 << 30} })
		executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: testSpec, Concurrency: 1,
			Log: slog.New(logcontext.NewHandler(slog.NewTextHandler(&log, nil)))})
		if err != nil {
			t.Fatal(err)
		}
		result, err := executor.Execute(t.Context(), request("code"), nil)
		if err != nil || !result.Success {
			t.Errorf("%s, %v: the result is out already", result.ResultCode, err)
		}
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), result.ID) || !strings.Contains(log.String(), errBroken.Error()) {
			t.Errorf("the log says %q", log.String())
		}
		if running, _ := executor.Load(); running != 0 {
			t.Error("its place is lost for ever")
		}
	})
}

// unremovable fails to be removed some times.
type unremovable struct {
	sandbox.Container
	mu    sync.Mutex
	times int
}

func (u *unremovable) Remove(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.times > 0 {
		u.times--
		_ = u.Kill(ctx)
		return errBroken
	}
	return u.Container.Remove(ctx)
}

// slowToGo takes its time to be removed.
type slowToGo struct{ sandbox.Container }

func (s slowToGo) Remove(ctx context.Context) error {
	timer := time.NewTimer(3 * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.Container.Remove(ctx)
}

func TestExecutorClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Sleep(time.Second), drivertest.Output("1")).
			Wrap(func(c sandbox.Container) sandbox.Container { return slowToGo{c} })
		executor := newExecutor(t, fake, 1, 1)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if result, err := executor.Execute(t.Context(), request("code"), nil); err != nil || !result.Success {
					t.Errorf("what was admitted before Close: %s, %v", result.ResultCode, err)
				}
			})
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := executor.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a Close whose time is up: %v", err)
		}
		if _, err := executor.Execute(t.Context(), request("code"), nil); !errors.Is(err, sandbox.ErrClosed) {
			t.Errorf("a request behind Close: %v", err)
		}
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if fake.Living() != 0 {
			t.Error("Close did not wait for the last box")
		}
		all.Wait()
	})
}

func TestNewExecutorRefuses(t *testing.T) {
	for name, c := range map[string]sandbox.ExecutorConfig{
		"no place":        {Concurrency: 0},
		"too many places": {Concurrency: api.MaxConcurrency + 1},
		"less than none":  {Concurrency: 1, Queue: -1},
	} {
		if _, err := sandbox.NewExecutor(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestLimitsOf(t *testing.T) {
	got := sandbox.LimitsOf(timed("code", 1.5))
	want := sandbox.Limits{MemoryBytes: 128 * api.MiB, CPUs: 1, Timeout: 1500 * time.Millisecond}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// slowLook is slow to tell what a box has cost, when it is asked for the first time.
type slowLook struct {
	sandbox.Container
	asked *atomic.Bool
	by    time.Duration
}

func (s slowLook) Usage(ctx context.Context) (sandbox.Usage, error) {
	if s.asked.CompareAndSwap(false, true) {
		time.Sleep(s.by)
	}
	return s.Container.Usage(ctx)
}

// What a box has cost before its job was read beside the job on a busy machine: so a script's time was taken for its box's, and was nobody's.
func TestWhatAScriptCostsIsNotItsBoxs(t *testing.T) {
	for name, c := range map[string]struct {
		by   time.Duration // how late the first look is
		want float64       // what the job waits, in milliseconds
	}{"a look at files": {time.Millisecond, 1}, "a daemon far away": {50 * time.Millisecond, 5}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().Teach("code", drivertest.Burn(20*time.Millisecond), drivertest.Output("1")).
					Wrap(func(box sandbox.Container) sandbox.Container { return slowLook{box, new(atomic.Bool), c.by} })
				executor := newExecutor(t, fake, 1, 0)
				result, err := executor.Execute(t.Context(), request("code"), nil)
				if err != nil || result.QueueTimeMs != c.want || result.Usage.CPUMs < 20 || result.Usage.CPUMs > 25 {
					t.Errorf("%v ms of queue, %+v, %v", result.QueueTimeMs, result.Usage, err)
				}
				if err := executor.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
