package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// A lifted container is without a limit on swap: from the start, or as soon as it is given a job's limits.
type lifted struct {
	sandbox.Container
	atStart bool
}

func (l lifted) Observe(ctx context.Context) (sandbox.Outside, error) {
	outside, err := l.Container.Observe(ctx)
	if l.atStart {
		outside.Cgroup.SwapBytes = 1 << 30
	}
	return outside, err
}

func (l lifted) Limit(ctx context.Context, limits sandbox.Limits) (*sandbox.Cgroup, error) {
	cgroup, err := l.Container.Limit(ctx, limits)
	cgroup.SwapBytes = 1 << 30
	return cgroup, err
}

// A box that differs from its Spec, when it has started or when it gets its limits, never gets the job: that fails, and the
// difference is logged and counted, each time.
func TestABoxThatDiffersGetsNoJob(t *testing.T) {
	for name, c := range map[string]struct {
		atStart  bool
		waits    time.Duration
		memoryMB int
	}{
		"at its start": {atStart: true, memoryMB: 32}, "at the hand-over": {memoryMB: 32},
		"while it waits": {waits: 1500 * time.Millisecond, memoryMB: 16},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				atStart := c.atStart
				var ran bool
				fake := drivertest.NewFake().Teach("code", drivertest.Log("log", "it ran"), drivertest.Output("1")).
					Wrap(func(c sandbox.Container) sandbox.Container { return lifted{c, atStart} })
				var mu sync.Mutex
				var refused []string
				var log bytes.Buffer
				config := sandbox.ExecutorConfig{Driver: fake, Spec: testSpec, Concurrency: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}
				if !atStart { // else no box ever waits
					config.Pool = testPool
				}
				config.Pool.Observe.Refused = func(c api.Check) {
					mu.Lock()
					defer mu.Unlock()
					refused = append(refused, c.Claim)
				}
				executor, err := sandbox.NewExecutor(config)
				if err != nil {
					t.Fatal(err)
				}
				if !atStart {
					fill(t, executor)
				}
				r := request("code")
				r.MemoryLimitMB = new(c.memoryMB)
				time.Sleep(c.waits) // of the bubble's clock
				_, err = executor.Execute(t.Context(), r, func(api.Log) { ran = true })
				var difference *sandbox.AttestationError
				if atStart && !errors.As(err, &difference) {
					t.Errorf("the error is %v", err)
				}
				// A box from the pool that does not take its limits is one thing: the job is tried in another, which was
				// made with them.
				if !atStart && err != nil {
					t.Error(err)
				}
				if ran == atStart {
					t.Errorf("the job ran: %v", ran)
				}
				if err := executor.Close(context.Background()); err != nil {
					t.Error(err)
				}
				if len(refused) != 1 || refused[0] != "cgroup.swap" {
					t.Errorf("counted: %q", refused)
				}
				if !strings.Contains(log.String(), "cgroup.swap (outside) is 1073741824, not 0") {
					t.Errorf("the log tells of no difference: %s", log.String())
				}
				if fake.Living() > 0 {
					t.Errorf("%d boxes are left", fake.Living())
				}
			})
		})
	}
}
