package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
)

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
