package sandbox_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

const startTime = 500 * time.Millisecond // of a box, in these tests

var testPool = sandbox.PoolConfig{Min: 2, Max: 8, Starts: 2, Limits: testLimits, MaxAge: time.Hour}

// pooled returns an executor with a pool on the fake, whose boxes take startTime to start. It is closed when the test ends,
// and no box may be left then.
func pooled(t *testing.T, fake *drivertest.Fake, pool sandbox.PoolConfig) *sandbox.Executor {
	t.Helper()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: fake.SlowStart(startTime), Spec: testSpec, Concurrency: 64, Queue: 64, Pool: pool, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := executor.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if fake.Living() != 0 {
			t.Errorf("%d boxes outlive the pool", fake.Living())
		}
	})
	return executor
}

// fill waits until the pool has what it wants.
func fill(t *testing.T, executor *sandbox.Executor) {
	t.Helper()
	time.Sleep(10 * time.Second)
	if stats := executor.Pool(); !stats.Done || stats.Waiting != stats.Target || stats.Starting != 0 {
		t.Fatalf("the pool is not full: %+v", stats)
	}
}

func execute(t *testing.T, executor *sandbox.Executor, r api.Request) api.Result {
	t.Helper()
	result, err := executor.Execute(t.Context(), r, nil)
	if err != nil || !result.Success {
		t.Errorf("%q: %s %+v, %v", r.Code, result.ResultCode, result.Error, err)
	}
	return result
}

func TestPoolHandsOutABoxThatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Sleep(time.Second), drivertest.Output("1"))
		executor := pooled(t, fake, testPool)
		fill(t, executor)
		result := execute(t, executor, request("code"))
		if result.QueueTimeMs != 0 || result.ExecutionTimeMs != 1000 {
			t.Errorf("queue %v ms, execution %v ms; want 0 and 1000", result.QueueTimeMs, result.ExecutionTimeMs)
		}
		fill(t, executor)
		if stats := executor.Pool(); stats.Taken != 1 || stats.Cold != 0 || fake.Created() != 3 {
			t.Errorf("%+v, %d boxes were made; want one taken and replaced", stats, fake.Created())
		}
	})
}

// Every box runs one job at most, whatever happens at once.
func TestPoolNeverHandsOutABoxTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Sleep(30*time.Millisecond), drivertest.Output("1"))
		executor := pooled(t, fake, testPool)
		const jobs = 300
		var all sync.WaitGroup
		for range jobs {
			time.Sleep(7 * time.Millisecond)
			all.Go(func() {
				r := request("code")
				r.CPUs = new(0.5)
				execute(t, executor, r)
			})
		}
		all.Wait()
		fill(t, executor)
		stats := executor.Pool()
		if int(stats.Taken+stats.Cold) != jobs || fake.Created() < jobs {
			t.Errorf("%+v, %d boxes for %d jobs", stats, fake.Created(), jobs)
		}
		if stats.Waiting != testPool.Max {
			t.Errorf("%d boxes wait after a rush, want %d", stats.Waiting, testPool.Max)
		}
	})
}

func TestPoolFollowsTheDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake()
		executor := pooled(t, fake, testPool)
		fill(t, executor)
		if waiting := executor.Pool().Waiting; waiting != 2 {
			t.Errorf("%d boxes wait at first, want the least, 2", waiting)
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { execute(t, executor, request("code")) })
		}
		all.Wait()
		fill(t, executor)
		if waiting := executor.Pool().Waiting; waiting != 5 {
			t.Errorf("%d boxes wait after five came at once", waiting)
		}
		// A second rush of that size finds a box for each.
		for range 5 {
			all.Go(func() { execute(t, executor, request("code")) })
		}
		all.Wait()
		if stats := executor.Pool(); stats.Taken != 7 || stats.Cold != 3 {
			t.Errorf("%+v: want the first two and the second five taken", stats)
		}
		time.Sleep(3 * time.Minute)
		if stats := executor.Pool(); stats.Waiting != 2 || stats.Retired != 3 {
			t.Errorf("%+v: want two again when nobody has come for a while", stats)
		}
	})
}

// Scripts that come one after the other have the processors for themselves as long as half of the boxes are left.
func TestRefillLetsScriptsBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake()
		config := testPool
		config.Min, config.Max = 4, 4
		executor := pooled(t, fake, config)
		fill(t, executor)
		starting := func(after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if stats := executor.Pool(); stats.Starting != want {
				t.Errorf("%d boxes start, want %d: %+v", stats.Starting, want, stats)
			}
		}
		execute(t, executor, request("code"))
		starting(90*time.Millisecond, 0)
		execute(t, executor, request("code"))
		starting(90*time.Millisecond, 0)
		starting(20*time.Millisecond, 2)
		fill(t, executor)
		// With fewer left there is a hurry.
		for range 3 {
			execute(t, executor, request("code"))
		}
		starting(20*time.Millisecond, 2)
	})
}

func TestEmptyPoolStartsABox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Output("1"))
		executor := pooled(t, fake, sandbox.PoolConfig{Min: 1, Max: 2, Starts: 1, Limits: testLimits, MaxAge: time.Hour})
		fill(t, executor)
		var all sync.WaitGroup
		var slow atomic.Int32
		for range 6 { // three times the pool
			all.Go(func() {
				if result := execute(t, executor, request("code")); result.QueueTimeMs > 0 {
					slow.Add(1)
					if result.QueueTimeMs > 500 {
						t.Errorf("a job waited for %v ms: longer than a box of its own takes", result.QueueTimeMs)
					}
				}
			})
		}
		all.Wait()
		if slow.Load() != 5 {
			t.Errorf("%d jobs waited for a start, want all but the first", slow.Load())
		}
	})
}

// A box that starts for the pool goes to the job that came meanwhile: no second one is started for that.
func TestPoolGivesAJobTheBoxThatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake()
		executor := pooled(t, fake, sandbox.PoolConfig{Min: 1, Max: 1, Starts: 1, Limits: testLimits, MaxAge: time.Hour})
		time.Sleep(startTime * 3 / 5)
		result := execute(t, executor, request("code"))
		if result.QueueTimeMs != 200 {
			t.Errorf("it waited for %v ms, want the 200 that were left", result.QueueTimeMs)
		}
	})
}

func TestPoolTakesOutWhatIsLost(t *testing.T) {
	for name, steps := range map[string]drivertest.Start{"it dies": drivertest.DiesWaiting, "it speaks": drivertest.SpeaksWaiting} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().Teach("code", drivertest.Output("1")).StartAs(steps)
				executor := pooled(t, fake, testPool)
				time.Sleep(2 * startTime) // they wait now
				fake.StartAs(drivertest.Honest)
				fill(t, executor)
				execute(t, executor, request("code"))
				if stats := executor.Pool(); stats.Lost != 2 || fake.Created() != 4 || stats.Taken != 1 {
					t.Errorf("%+v, %d boxes were made: want both lost and replaced", stats, fake.Created())
				}
			})
		})
	}
}

func TestPoolRetiresTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake()
		config := testPool
		config.MaxAge = time.Minute
		executor := pooled(t, fake, config)
		fill(t, executor)
		time.Sleep(time.Minute + 2*startTime)
		if stats := executor.Pool(); stats.Retired != 2 || stats.Waiting != 2 || fake.Created() != 4 {
			t.Errorf("%+v, %d boxes were made; want each of the two replaced", stats, fake.Created())
		}
	})
}

// A driver that fails is tried ever less often, and the pool is full again when it works.
func TestPoolThatCannotBeFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().FailCreate(errBroken)
		executor := pooled(t, fake, testPool)
		time.Sleep(time.Minute)
		stats := executor.Pool()
		if stats.Failed < 5 || stats.Failed > 50 || stats.Waiting != 0 || !stats.Failing {
			t.Errorf("%+v after a minute of failure", stats)
		}
		if _, err := executor.Execute(t.Context(), request("code"), nil); !errors.Is(err, errBroken) {
			t.Errorf("a job: %v, want what is wrong", err)
		}
		fake.FailCreate(nil)
		execute(t, executor, request("code"))
		time.Sleep(time.Minute)
		fill(t, executor)
		if executor.Pool().Failing {
			t.Error("it is full, and said to fail")
		}
		fake.FailCreate(errBroken)
		execute(t, executor, request("code"))
		time.Sleep(time.Minute)
		if stats := executor.Pool(); stats.Failing || stats.Waiting == 0 {
			t.Errorf("%+v while a box waits", stats)
		}
	})
}

func TestJobThatGoesWhileItsBoxStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake()
		executor := pooled(t, fake, sandbox.PoolConfig{Max: 1, Starts: 1, Limits: testLimits, MaxAge: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), startTime/2)
		defer cancel()
		started := time.Now()
		result, err := executor.Execute(ctx, request("code"), nil)
		if err != nil || result.ResultCode != api.Cancelled || time.Since(started) != startTime/2 {
			t.Errorf("%s, %v after %v", result.ResultCode, err, time.Since(started))
		}
		time.Sleep(startTime)
		if stats := executor.Pool(); stats.Waiting != 1 || fake.Created() != 1 {
			t.Errorf("%+v: the box that was on its way waits for another", stats)
		}
	})
}

// A box that is lost in the last moment costs its job time, and nothing else.
func TestJobWhoseBoxTakesNoLimitsGetsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Output("1")).Wrap(func(c sandbox.Container) sandbox.Container {
			return unlimited{c}
		})
		executor := pooled(t, fake, testPool)
		fill(t, executor)
		r := request("code")
		r.MemoryLimitMB = new(32)
		if result := execute(t, executor, r); result.QueueTimeMs != 500 {
			t.Errorf("it waited for %v ms, want the 500 of a start", result.QueueTimeMs)
		}
		if result := execute(t, executor, request("code")); result.QueueTimeMs != 0 {
			t.Errorf("a job with the limits of a waiting box waited for %v ms", result.QueueTimeMs)
		}
	})
}

// A box that starts for one job alone was counted as one on its way for whoever waits: the next job waited for seconds, until
// the pool looked at itself.
func TestSecondBoxOfOneJobIsNoneForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Wrap(func(c sandbox.Container) sandbox.Container { return unlimited{c} })
		executor := pooled(t, fake, sandbox.PoolConfig{Min: 1, Max: 1, Starts: 1, Limits: testLimits, MaxAge: time.Hour})
		fill(t, executor)
		other := request("code")
		other.MemoryLimitMB = new(32)
		var all sync.WaitGroup
		all.Go(func() { execute(t, executor, other) }) // the box that waits does not take its limits
		synctest.Wait()
		if result := execute(t, executor, request("code")); result.QueueTimeMs > 500 {
			t.Errorf("it waited for %v ms: longer than a box of its own takes", result.QueueTimeMs)
		}
		all.Wait()
	})
}

// An unlimited box takes no limits but those that the pool's boxes have.
type unlimited struct{ sandbox.Container }

func (u unlimited) Limit(ctx context.Context, limits sandbox.Limits) (*sandbox.Cgroup, error) {
	if limits.MemoryBytes != testLimits.MemoryBytes {
		return nil, errBroken
	}
	return u.Container.Limit(ctx, limits)
}

func TestLimitsAreSetAtTheHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// It allocates what only the job's own limit, larger than the waiting box's, allows, and then what no limit does.
		overhead := testSpec.Overhead.MemoryBytes
		fake := drivertest.NewFake().Teach("fits", drivertest.Alloc(64*api.MiB+overhead), drivertest.Output("1")).
			Teach("bursts", drivertest.Alloc(64*api.MiB+overhead+1))
		executor := pooled(t, fake, testPool)
		fill(t, executor)
		r := request("fits")
		r.MemoryLimitMB = new(64)
		execute(t, executor, r)
		r.Code = "bursts"
		if result, err := executor.Execute(t.Context(), r, nil); err != nil || result.ResultCode != api.MemoryLimit {
			t.Errorf("%s, %v; want MEMORY_LIMIT", result.ResultCode, err)
		}
		if stats := executor.Pool(); stats.Taken != 2 {
			t.Errorf("%+v: want both in boxes that waited", stats)
		}
	})
}

func TestPoolConfigRefuses(t *testing.T) {
	for name, change := range map[string]func(*sandbox.PoolConfig){
		"less than none":     func(c *sandbox.PoolConfig) { c.Min = -1 },
		"more than the most": func(c *sandbox.PoolConfig) { c.Min = c.Max + 1 },
		"no starts":          func(c *sandbox.PoolConfig) { c.Starts = 0 },
		"no age":             func(c *sandbox.PoolConfig) { c.MaxAge = 0 },
		"negative warming":   func(c *sandbox.PoolConfig) { c.Warm.CPUs = -1 },
	} {
		config := testPool
		change(&config)
		_, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
			Driver: drivertest.NewFake(), Spec: testSpec, Concurrency: 1, Pool: config, Log: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// A box that has done its work is not destroyed beside the next script, unless somebody waits for its place.
func TestBoxesLingerBehindTheirScripts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("long", drivertest.Sleep(time.Second), drivertest.Output("1"))
		config := testPool
		config.Min, config.Max = 8, 8
		executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
			Driver: fake, Spec: testSpec, Concurrency: 2, Queue: 4, Pool: config, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		working := func(want int) {
			t.Helper()
			synctest.Wait()
			if running, _ := executor.Load(); running != want {
				t.Errorf("%d places are taken, want %d", running, want)
			}
		}
		fill(t, executor)
		execute(t, executor, request("code"))
		time.Sleep(40 * time.Millisecond)
		working(1)
		time.Sleep(20 * time.Millisecond)
		working(0)

		execute(t, executor, request("code"))
		begun := time.Now()
		var all sync.WaitGroup
		for range 2 { // one finds a place, and one takes that of the box that lingers
			all.Go(func() { execute(t, executor, request("long")) })
		}
		all.Wait()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("two scripts of a second took %v: one waited for a box that lingered", took)
		}

		execute(t, executor, request("code"))
		begun = time.Now()
		if err := executor.Close(t.Context()); err != nil || time.Since(begun) != 0 || fake.Living() != 0 {
			t.Errorf("Close: %v after %v, %d boxes live", err, time.Since(begun), fake.Living())
		}
	})
}
