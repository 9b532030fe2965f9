package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// What was accepted waits for its turn outside of the queue, and was in no metric: of 60 executions of a batch the queue had 15.
func TestWaitingMetrics(t *testing.T) {
	s := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.Collectors = WaitingCollectors(func() int { return 56 }, func() int { return 3 })
	})
	shown := string(ask(t, s, get("/metrics")).body)
	for _, line := range []string{`glovebox_accepted_waiting{of="executions"} 56`, `glovebox_accepted_waiting{of="agent_runs"} 3`} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestKeptMetrics(t *testing.T) {
	s := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.Collectors = KeptCollectors(
			func(context.Context) (int64, error) { return 7 << 30, nil },
			func(context.Context) (int64, error) { return 0, errors.New("locked") })
	})
	shown := string(ask(t, s, get("/metrics")).body)
	for _, line := range []string{`glovebox_kept_bytes{of="executions"} 7.516192768e+09`, `glovebox_kept_bytes{of="agent_runs"} NaN`} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
