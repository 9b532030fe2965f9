package controller

import (
	"fmt"
	"strings"
	"testing"

	"glovebox/api"
)

func TestAgentMetrics(t *testing.T) {
	m := NewAgentMetrics("smith")
	s := testServer(t, succeeds, func(c *Config, _ *bounds) { c.Collectors = m.Collectors() })
	wants := func(complete, input, output int) {
		t.Helper()
		shown := string(ask(t, s, get("/metrics")).body)
		for _, line := range []string{
			fmt.Sprintf(`glovebox_agent_tasks_total{agent="smith",code="COMPLETE"} %d`, complete),
			`glovebox_agent_tasks_total{agent="smith",code="TIME_BUDGET"} 0`,
			fmt.Sprintf(`glovebox_agent_tokens_total{agent="smith",kind="input"} %d`, input),
			fmt.Sprintf(`glovebox_agent_tokens_total{agent="smith",kind="output"} %d`, output),
		} {
			if !strings.Contains(shown, line+"\n") {
				t.Errorf("no line %s", line)
			}
		}
	}
	wants(0, 0, 0)
	ended := func(input, output int64) {
		m.Observe("smith", api.AgentOutcome{Code: api.AgentComplete, Spent: api.AgentSpent{Usage: api.AgentUsage{InputTokens: input, OutputTokens: output}}})
	}
	ended(70, 5)
	wants(1, 70, 5)
	ended(-1, -1) // a server's word
	wants(2, 70, 5)
}
