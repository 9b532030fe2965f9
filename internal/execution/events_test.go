package execution_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/sandbox"
)

func TestEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := open(t, execution.NewMemory(), newFake())
		defer b.close(t, time.Minute)
		r := b.submit(t, submission("slow"))
		start := time.Now()
		follow := func(after int) (told []string) {
			t.Helper()
			err := b.Events(t.Context(), "acme", r.ID, after, func(e execution.Event) error {
				text := fmt.Sprint(e.N)
				if e.Log != nil {
					text += " " + e.Log.Message
				} else {
					text += " " + string(e.End.ResultCode)
				}
				told = append(told, fmt.Sprintf("%s at %v", text, time.Since(start)))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			return told
		}
		if got := follow(0); !slices.Equal(got, []string{"1 one at 0s", "2 two at 10s", "1000000 SUCCESS at 10s"}) {
			t.Errorf("live: %q", got)
		}
		for after, want := range map[int][]string{
			0: {"1 one at 10s", "2 two at 10s", "1000000 SUCCESS at 10s"}, 1: {"2 two at 10s", "1000000 SUCCESS at 10s"}, 2: {"1000000 SUCCESS at 10s"},
			3: {"1000000 SUCCESS at 10s"}, execution.EndEvent: nil, execution.EndEvent + 1: nil,
			-1: {"1 one at 10s", "2 two at 10s", "1000000 SUCCESS at 10s"},
		} {
			if got := follow(after); !slices.Equal(got, want) {
				t.Errorf("after %d: %q, want %q", after, got, want)
			}
		}
		gone := errors.New("gone")
		if err := b.Events(t.Context(), "acme", r.ID, 0, func(execution.Event) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		if err := b.Events(t.Context(), "other", r.ID, 0, nil); !errors.Is(err, execution.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// Whoever had been told more than is left was told nothing more, as if that had been the end: of what a server had begun when it was killed, and of
// what was forgotten.
func TestTheEndIsToldBehindLogsThatAreLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := execution.NewMemory()
		lost := executiontest.Queued("acme", time.Now().UTC())
		lost.Request.Code, lost.SafeToRepeat = "quick", false
		if err := kepttest.Add(t.Context(), store, lost); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Begin(t.Context(), lost.ID, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
		b := open(t, store, newFake()) // which knows nothing of what was told before
		defer b.close(t, time.Minute)
		forgotten := b.submit(t, submission("quick"))
		b.wait(t, forgotten.ID)
		if err := b.Forget(t.Context(), "acme", forgotten.ID); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			id    string
			after int
			code  api.ResultCode
		}{"had begun": {lost.ID, 5, api.ExecutionFailed}, "forgotten": {forgotten.ID, 2, api.Success}} {
			var told []execution.Event
			err := b.Events(t.Context(), "acme", c.id, c.after, func(e execution.Event) error { told = append(told, e); return nil })
			if err != nil || len(told) != 1 || told[0].End == nil || told[0].N != execution.EndEvent || told[0].End.ResultCode != c.code {
				t.Errorf("%s: %+v, %v: want the end", name, told, err)
			}
			err = b.Events(t.Context(), "acme", c.id, execution.EndEvent, func(e execution.Event) error { return fmt.Errorf("%+v is told behind the end", e) })
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Whoever wants to know hears of each end once, when the store has it: also of those that a crash has made.
func TestEndsAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store, fake := execution.NewMemory(), newFake()
		lost := executiontest.Queued("lost", time.Now())
		lost.SafeToRepeat = false
		if err := kepttest.Add(t.Context(), store, lost); err != nil {
			t.Fatal(err)
		}
		if begun, err := store.Begin(t.Context(), lost.ID, time.Now()); err != nil || !begun {
			t.Fatal(begun, err)
		}
		executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("image", "runc"), Concurrency: 1, Queue: 2,
			Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var told []string // by one goroutine after another
		service, err := execution.Open(t.Context(), execution.Config{Executor: executor, Store: store, Ended: func(tenantID string) {
			left, err := store.Unfinished(t.Context())
			if err != nil || len(left) != 0 {
				t.Errorf("%s is told before the store has it: %+v, %v", tenantID, left, err)
			}
			told = append(told, tenantID)
		}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{service, store, fake, executor}
		defer b.close(t, time.Minute)
		b.wait(t, b.submit(t, submission("quick")).ID)
		b.Note(execution.Note{Submission: submission("quick"), ID: "noted"}) // its caller knows
		time.Sleep(time.Second)
		if !slices.Equal(told, []string{"lost", "acme"}) {
			t.Errorf("%v", told)
		}
	})
}
