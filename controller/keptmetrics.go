package controller

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// WaitingCollectors returns what stands at /metrics of what was accepted and has not begun. The functions are called when it is asked for.
func WaitingCollectors(executions, runs func() int) (all []prometheus.Collector) {
	for of, waiting := range map[string]func() int{"executions": executions, "agent_runs": runs} {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "glovebox_accepted_waiting", Help: "Executions, or runs of agents, that were accepted and have not begun.",
			ConstLabels: prometheus.Labels{"of": of},
		}, func() float64 { return float64(waiting()) }))
	}
	return all
}

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
