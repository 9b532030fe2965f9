package sandbox_test

import (
	"errors"
	"testing"

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
