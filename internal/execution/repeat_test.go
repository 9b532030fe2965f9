package execution_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/sandbox/drivertest"
)

// told is an event as a line.
func told(e execution.Event) string {
	switch {
	case e.Log != nil:
		return fmt.Sprint(e.N, " ", e.Log.Message)
	case e.Repeat != nil:
		return fmt.Sprint(e.N, " run ", e.Repeat.Run)
	}
	return fmt.Sprint(e.N, " ", e.End.ResultCode)
}

// follow tells the events of an execution until there are none, or so many.
func (b *bench) follow(t *testing.T, id string, after, most int) (events []string) {
	t.Helper()
	enough := errors.New("enough")
	err := b.Events(t.Context(), "acme", id, after, func(e execution.Event) error {
		if events = append(events, told(e)); len(events) == most {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		t.Error(err)
	}
	return events
}

// leftRunning is an execution that had begun, and then so many repeats of it, when its server was killed.
func leftRunning(t *testing.T, store execution.Store, code string, repeats int) execution.Record {
	t.Helper()
	r := executiontest.Queued("acme", time.Now().UTC())
	r.Request.Code = code
	if err := kepttest.Add(t.Context(), store, r); err != nil {
		t.Fatal(err)
	}
	if begun, err := store.Begin(t.Context(), r.ID, time.Now().UTC()); err != nil || !begun {
		t.Fatal(begun, err)
	}
	for n := range repeats {
		if got, err := store.Repeat(t.Context(), r.ID, time.Now().UTC()); err != nil || got != n+1 {
			t.Fatal(got, err)
		}
	}
	return r
}

// Whoever followed an execution that was run again was told the rest of its logs from where the first run had come to: a mixture of both.
func TestAFollowerIsToldThatAnExecutionIsRunAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		r := leftRunning(t, store, "slow", 0)
		time.Sleep(time.Hour)
		b := open(t, store, newFake())
		synctest.Wait()
		if got, want := b.follow(t, r.ID, 1, 2), []string{"100000 run 2", "100001 one"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		// It is cut off, and run once more by the next server.
		ctx, stop := context.WithCancel(context.Background())
		stop()
		if err := errors.Join(b.Close(ctx), b.executor.Close(context.Background())); err != nil {
			t.Fatal(err)
		}
		b = open(t, store, newFake())
		defer b.close(t, time.Minute)
		synctest.Wait()
		want := []string{"200000 run 3", "200001 one", "200002 two", "1000000 SUCCESS"}
		for after, from := range map[int]int{0: 0, 2: 0, 100_001: 0, 200_000: 1, 200_001: 2, 200_002: 3, execution.EndEvent: 4} {
			for range 2 { // while it runs, and when it has ended
				if got := b.follow(t, r.ID, after, 0); !slices.Equal(got, want[from:]) {
					t.Errorf("after %d: %q, want %q", after, got, want[from:])
				}
			}
		}
		ended := b.wait(t, r.ID)
		if waited := ended.Result.QueueTimeMs; ended.Repeats != 2 || ended.BeganAt.Sub(ended.CreatedAt) != time.Hour || waited != 3_600_000 {
			t.Errorf("%+v waited for %v ms", ended, waited)
		}
	})
}

// A script in whose every run the server ends would end each server anew.
func TestAnExecutionIsNotRepeatedForEver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		last, over := leftRunning(t, store, "quick", 8), leftRunning(t, store, "quick", 9)
		b := open(t, store, newFake())
		defer b.close(t, time.Minute)
		if r := b.wait(t, last.ID); r.ResultCode != api.Success || r.Repeats != 9 {
			t.Errorf("%+v", r)
		}
		if r := b.wait(t, over.ID); r.ResultCode != api.ExecutionFailed || r.Repeats != 9 || b.fake.Created() != 1 {
			t.Errorf("%+v", r)
		}
		if got, want := b.follow(t, over.ID, 3, 0), []string{"900000 run 10", "1000000 EXECUTION_FAILED"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// What is to be run again and waits is the next server's, as what has not begun is: it is not begun while its own one stops.
func TestWhatIsToBeRunAgainIsLeftToTheNextServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		all := []execution.Record{leftRunning(t, store, "slow", 0), leftRunning(t, store, "slow", 0)}
		b := open(t, store, newFake())
		synctest.Wait()
		b.close(t, time.Minute)
		repeats := map[api.ExecutionState]int{}
		for _, r := range all {
			now, err := store.Get(t.Context(), "acme", r.ID)
			if err != nil {
				t.Fatal(err)
			}
			repeats[now.State] += now.Repeats + 10
		}
		if repeats[api.ExecutionEnded] != 11 || repeats[api.ExecutionRunning] != 10 {
			t.Errorf("%v", repeats)
		}
	})
}

// A box that logs more than it may makes no event twice, nor one that is not in the result's place.
func TestARepeatsEventsHaveTheNumbersOfItsLogs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		var steps []drivertest.Step
		for range api.MaxLogEntries {
			steps = append(steps, drivertest.Log(api.LevelLog, "x"))
		}
		r := leftRunning(t, store, "many", 0)
		b := open(t, store, newFake().Teach("many", append(steps, drivertest.Output("1"))...))
		defer b.close(t, time.Minute)
		live := b.follow(t, r.ID, 0, 0)
		if n := len(live); n != api.MaxLogEntries+2 || live[n-2] != fmt.Sprint(100_000+api.MaxLogEntries, " x") {
			t.Errorf("%d events, the last %q", n, live[n-2:])
		}
		if kept := b.follow(t, r.ID, 0, 0); !slices.Equal(kept, live) {
			t.Errorf("%d events are kept, and %d were told", len(kept), len(live))
		}
	})
}
