package sandbox_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

func TestHooksFollowAnExecution(t *testing.T) {
	fake := drivertest.NewFake().Teach("code", drivertest.Log(api.LevelLog, "ran"), drivertest.Output("1"))
	executor := newExecutor(t, fake, 1, 1)
	var order []string
	ctx := sandbox.WithHooks(t.Context(), sandbox.Hooks{ID: "mine", Begin: func() error {
		if fake.Living() != 1 {
			t.Errorf("%d boxes live when it begins", fake.Living())
		}
		order = append(order, "begin")
		return nil
	}})
	result, err := executor.Execute(ctx, request("code"), func(api.Log) { order = append(order, "log") })
	if err != nil || result.ID != "mine" || len(order) != 2 || order[0] != "begin" {
		t.Errorf("%+v, %v, in the order %v", result, err, order)
	}
	if err := executor.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAHookThatFailsKeepsTheJobFromTheBox(t *testing.T) {
	fake := drivertest.NewFake().Teach("code", drivertest.Log(api.LevelLog, "ran"), drivertest.Output("1"))
	executor := newExecutor(t, fake, 1, 1)
	no := errors.New("no")
	ctx := sandbox.WithHooks(t.Context(), sandbox.Hooks{Begin: func() error { return no }})
	_, err := executor.Execute(ctx, request("code"), func(api.Log) { t.Error("it ran") })
	if !errors.Is(err, no) {
		t.Errorf("%v, want the hook's error", err)
	}
	if err := executor.Close(t.Context()); err != nil || fake.Living() != 0 || fake.Created() != 1 {
		t.Errorf("%v, %d boxes made and %d left", err, fake.Created(), fake.Living())
	}
	if running, waiting := executor.Load(); running != 0 || waiting != 0 {
		t.Errorf("%d places are still taken, %d requests wait", running, waiting)
	}
}

// What an execution waited before the executor got it, and while its beginning was recorded, was in no time that its caller was told.
func TestAnExecutionWaitsFromItsAcceptanceToItsHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().SlowStart(500*time.Millisecond).Teach("code", drivertest.Output("1"))
		executor := newExecutor(t, fake, 1, 1)
		for name, c := range map[string]struct {
			before func() time.Time
			want   float64
		}{
			"nobody's":          {func() time.Time { return time.Time{} }, 700},
			"accepted before":   {func() time.Time { return time.Now().Add(-time.Hour) }, 3_600_700},
			"another process's": {func() time.Time { return time.Now().Add(-time.Hour).Round(0) }, 3_600_700},
			"a clock put back":  {func() time.Time { return time.Now().Add(time.Hour).Round(0) }, 0},
		} {
			ctx := sandbox.WithHooks(t.Context(), sandbox.Hooks{Since: c.before(), Begin: func() error {
				time.Sleep(200 * time.Millisecond) // for the ledger's disk
				return nil
			}})
			if result, err := executor.Execute(ctx, request("code"), nil); err != nil || result.QueueTimeMs != c.want {
				t.Errorf("%s: %v ms, %v; want %v", name, result.QueueTimeMs, err, c.want)
			}
		}
		gone, cancel := context.WithCancel(sandbox.WithHooks(t.Context(), sandbox.Hooks{Since: time.Now().Add(-time.Minute)}))
		cancel()
		if result, err := executor.Execute(gone, request("code"), nil); err != nil || result.QueueTimeMs != 60_000 {
			t.Errorf("cancelled: %v ms, %v", result.QueueTimeMs, err)
		}
		if err := executor.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
