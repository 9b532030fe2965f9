package drivertest

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/queue"
	"glovebox/internal/sandbox"
)

// Fairness has one party with ten thousand scripts in the queue for one box at a time, and another that comes with a single one: no
// more than the one script that ran then may end before the other's begins. code must print something when it begins. What is
// left in the queue is cancelled.
func Fairness(t *testing.T, driver sandbox.Driver, spec sandbox.Spec, code string) {
	const many = 10_000
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: driver, Spec: spec, Concurrency: 1, Queue: 2*many + 1, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer func() {
		cancel()
		all.Wait()
		if err := executor.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	request := Case{Code: code}.request()
	var ended atomic.Int64 // of the one that has many
	for range many {
		all.Go(func() {
			// Its weight is the greatest that there is against the least: no weight lets one wait for more.
			result, err := executor.ExecuteAs(ctx, queue.Share{ID: "many", Weight: 1000}, request, nil)
			switch {
			case err != nil:
				t.Error(err)
			case result.Success:
				ended.Add(1)
			case result.ResultCode != api.Cancelled:
				t.Errorf("%s: %+v", result.ResultCode, result.Error)
			}
		})
	}
	await(t, "some of the many to have ended", func() bool { return ended.Load() >= 2 })
	var before, at int64
	arrived := make(chan struct{})
	all.Go(func() {
		await(t, "the one to be here", func() bool {
			for _, party := range executor.Parties() {
				if party.ID == "one" {
					return true
				}
			}
			return false
		})
		before = ended.Load()
		close(arrived)
	})
	result, err := executor.ExecuteAs(ctx, queue.Share{ID: "one", Weight: 1}, request, func(api.Log) {
		<-arrived
		at = ended.Load()
	})
	if err != nil || !result.Success {
		t.Fatalf("%s, %v", result.ResultCode, err)
	}
	_, waiting := executor.Load()
	t.Logf("%d of the many ended, and %d wait; the one waited for %d of them, %.0f ms of queue for %.0f ms of script",
		ended.Load(), waiting, at-before, result.QueueTimeMs, result.ExecutionTimeMs)
	if at-before > 1 {
		t.Errorf("%d scripts ended between the arrival of the one and its beginning", at-before)
	}
	if waiting < many/2 {
		t.Errorf("only %d wait: there was no crowd", waiting)
	}
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	deadline := time.After(time.Minute)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-deadline:
			t.Errorf("waited for %s in vain", what)
			return
		}
	}
}
