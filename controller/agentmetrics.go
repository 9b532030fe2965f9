package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"glovebox/api"
)

// AgentMetrics are what is told of agents' tasks. It is safe for concurrent use.
type AgentMetrics struct{ tasks, tokens *prometheus.CounterVec }

const labelAgent = "agent"

// The kinds of tokens.
const (
	inputTokens  = "input"
	outputTokens = "output"
)

// NewAgentMetrics returns metrics that have counted nothing yet, of agents by their names in paths.
func NewAgentMetrics(agents ...string) *AgentMetrics {
	m := &AgentMetrics{
		tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_agent_tasks_total", Help: "Tasks that agents have worked on to an end, by agent and outcome.",
		}, []string{labelAgent, "code"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_agent_tokens_total", Help: "Tokens that agents' tasks took of their models by their end, by agent and kind.",
		}, []string{labelAgent, "kind"}),
	}
	for _, agent := range agents { // each series is shown from the start
		for _, row := range api.AgentOutcomes() {
			m.tasks.WithLabelValues(agent, string(row.Code))
		}
		m.tokens.WithLabelValues(agent, inputTokens)
		m.tokens.WithLabelValues(agent, outputTokens)
	}
	return m
}

// Observe counts a task that has ended. Its tokens are what a model's server says: less than none count as none.
func (m *AgentMetrics) Observe(agent string, o api.AgentOutcome) {
	m.tasks.WithLabelValues(agent, string(o.Code)).Inc()
	m.tokens.WithLabelValues(agent, inputTokens).Add(float64(max(o.Spent.Usage.InputTokens, 0)))
	m.tokens.WithLabelValues(agent, outputTokens).Add(float64(max(o.Spent.Usage.OutputTokens, 0)))
}

// Collectors returns what stands at /metrics.
func (m *AgentMetrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.tasks, m.tokens}
}
