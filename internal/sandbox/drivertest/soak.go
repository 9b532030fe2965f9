package drivertest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// EnvSoak names the variable that says how many runs a soak is; `make soak` sets it.
const EnvSoak = "GLOVEBOX_SOAK"

// defaultSoak is how many runs there are unless told otherwise.
const defaultSoak = 50

// soakScripts are honest scripts that between them use what the engine and the Go runtime have: threads,
// timers, the collector, the clock, random numbers, the libraries. Each must end as it should, every time:
// a seccomp profile that lacks a call which is made once in a thousand runs shows as a death here.
var soakScripts = []struct {
	code string
	want string
}{
	{`return 1`, `1`},
	{`await new Promise((done) => setTimeout(done, 5)); return "timer"`, `"timer"`},
	{`let n = 0; for (let i = 0; i < 2e5; i++) n += [i].length; return n`, `200000`},
	{`return require('lodash').sum(Object.values(require('lodash').groupBy([1, 2, 3], (n) => n % 2)).map((g) => g.length))`, `3`},
	{`return require('date-fns').format(new Date(0), 'yyyy-MM-dd')`, `"1970-01-01"`},
	{`return crypto.randomUUID().length + crypto.getRandomValues(new Uint8Array(16)).length`, `52`},
	{`console.log('a line'); const all = []; for (let i = 0; i < 5e4; i++) all.push({i}); return all.length`, `50000`},
	{`return new Intl.DateTimeFormat('en-US', {timeZone: 'America/New_York', dateStyle: 'short'}).format(new Date(0))`, `"12/31/69"`},
}

// testSoak runs many honest scripts, and takes every end but the right one for a fault.
func (h Harness) testSoak(t *testing.T) {
	if h.Fake {
		return
	}
	runs := defaultSoak
	if value := os.Getenv(EnvSoak); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			t.Fatalf("%s=%q is not a number of runs", EnvSoak, value)
		}
		runs = n
	}
	const width = 4
	f := h.open(t, h.Runner(t))
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: f.driver, Spec: f.spec, Concurrency: width, Queue: runs, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	next := make(chan int)
	var workers sync.WaitGroup
	for range width {
		workers.Go(func() {
			for i := range next {
				if err := soakOne(t.Context(), executor, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range runs {
		next <- i
	}
	close(next)
	workers.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := executor.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	t.Logf("%d runs in %v", runs, time.Since(started).Round(time.Millisecond))
}

func soakOne(ctx context.Context, executor *sandbox.Executor, i int) error {
	script := soakScripts[i%len(soakScripts)]
	request := api.Request{Code: script.code, TimeoutSeconds: new(60.0)}.WithDefaults()
	result, err := executor.Execute(ctx, request, nil)
	switch {
	case err != nil:
		return fmt.Errorf("run %d: %w", i, err)
	case result.ResultCode != api.Success:
		return fmt.Errorf("run %d, %s: %s %+v", i, script.code, result.ResultCode, result.Error)
	case string(result.Output) != script.want:
		return fmt.Errorf("run %d, %s: output %s, want %s", i, script.code, result.Output, script.want)
	}
	return nil
}
