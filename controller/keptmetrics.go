package controller

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// KeptCollectors returns what stands at /metrics of what is kept: how many bytes executions, and runs of agents, hold now, as retention counts
// them. The functions are called when it is asked for.
func KeptCollectors(executions, runs func(context.Context) (int64, error)) (all []prometheus.Collector) {
	for of, bytes := range map[string]func(context.Context) (int64, error){"executions": executions, "agent_runs": runs} {
		all = append(all, storeGauge(prometheus.GaugeOpts{
			Name: "glovebox_kept_bytes", Help: "What is kept of executions, or of runs of agents: what --data-limit bounds for each.",
			ConstLabels: prometheus.Labels{"of": of},
		}, bytes))
	}
	return all
}
