package agentrun_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/agentrun/agentruntest"
	"glovebox/internal/kept"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/tenant"
)

// Whoever wants to know hears of each end once, when the store has it: also of those that a crash, and a cancellation, have made.
func TestEndsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := agentrun.NewMemory()
		for _, tenantID := range []string{"lost", "cancelled"} {
			r := agentruntest.Queued(tenantID, time.Now().UTC())
			r.Agent = "gone"
			if err := kepttest.Add(t.Context(), store, r); err != nil {
				t.Fatal(err)
			}
			if tenantID == "lost" {
				if begun, err := store.Begin(t.Context(), r.ID, time.Now().UTC()); err != nil || !begun {
					t.Fatal(begun, err)
				}
			}
		}
		var told []string // by one goroutine after another
		service, err := agentrun.Open(t.Context(), agentrun.Config{Agents: map[string]agentrun.Worker{"smith": newWorker()}, Store: store, Ended: func(tenantID string) {
			left, err := store.Unfinished(t.Context())
			if err != nil || slices.ContainsFunc(left, func(r agentrun.Record) bool { return r.Tenant == tenantID }) {
				t.Errorf("%s is told before the store has it: %+v, %v", tenantID, left, err)
			}
			told = append(told, tenantID)
		}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{Service: service, ctx: tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"})}
		defer b.close(t, time.Minute)
		b.wait(t, b.submit(t, "quick").ID)
		left, err := store.Unfinished(t.Context())
		if err != nil || len(left) != 1 {
			t.Fatalf("%+v, %v", left, err)
		}
		for range 2 {
			if r, err := b.Cancel(t.Context(), "cancelled", left[0].ID); err != nil || r.ResultCode != agent.Cancelled {
				t.Errorf("%+v, %v", r, err)
			}
		}
		synctest.Wait()
		if !slices.Equal(told, []string{"lost", "acme", "cancelled"}) {
			t.Errorf("%v", told)
		}
	})
}

func TestEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := b.submit(t, "slow")
		start := time.Now()
		follow := func(after int) (told []string) {
			t.Helper()
			err := b.Events(t.Context(), "acme", r.ID, after, func(e agentrun.Event) error {
				what := "end"
				if e.Step != nil {
					what = e.Step.Type
				}
				told = append(told, fmt.Sprintf("%d %s at %v", e.N, what, time.Since(start)))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			return told
		}
		if got := follow(0); !slices.Equal(got, []string{"1 thinking at 0s", "2 text at 0s", "3 answer at 10s", "1000000 end at 10s"}) {
			t.Errorf("live: %q", got)
		}
		for after, want := range map[int][]string{
			-1: {"1 thinking at 10s", "3 answer at 10s", "1000000 end at 10s"}, 0: {"1 thinking at 10s", "3 answer at 10s", "1000000 end at 10s"},
			1: {"3 answer at 10s", "1000000 end at 10s"}, 2: {"3 answer at 10s", "1000000 end at 10s"}, 3: {"1000000 end at 10s"},
			agentrun.EndEvent: nil, agentrun.EndEvent + 1: nil,
		} {
			if got := follow(after); !slices.Equal(got, want) {
				t.Errorf("after %d: %q, want %q", after, got, want)
			}
		}
		gone := errors.New("gone")
		if err := b.Events(t.Context(), "acme", r.ID, 0, func(agentrun.Event) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		if err := b.Events(t.Context(), "other", r.ID, 0, nil); !errors.Is(err, kept.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// A flood of pieces takes no room from the steps that stay.
func TestStepsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		r := b.wait(t, b.submit(t, "flood").ID)
		if len(r.Steps) != 2 || r.Steps[1].ID != 2*agentrun.MaxSteps+2 || r.Steps[1].Type != "answer" {
			t.Errorf("%d steps: %.200v", len(r.Steps), r.Steps)
		}
	})
}

func TestStepsAreReadAsTheyWereWritten(t *testing.T) {
	steps := []agentrun.Step{{ID: 1, Type: "text", Data: []byte(`{"seq":1,"type":"text","text":{"text":"<\u2028"}}`)}, {ID: 7, Type: "code", Data: []byte(`{"seq":7,"type":"code"}`)}}
	got, err := agentrun.DecodeSteps(agentrun.EncodeSteps(steps))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(steps) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := agentrun.DecodeSteps([]byte("{\n")); err == nil {
		t.Error("what is no step is read")
	}
}
