package controller

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// PoolMetrics are what is told of the boxes that wait for their scripts, and of how long boxes take to start and to be
// handed a script. It is safe for concurrent use.
type PoolMetrics struct {
	starts    prometheus.Histogram
	handovers *prometheus.HistogramVec
	refusals  *prometheus.CounterVec
}

// NewPoolMetrics returns the metrics of boxes of one driver and runtime.
func NewPoolMetrics(driver, runtime string) *PoolMetrics {
	labels := prometheus.Labels{"driver": driver, "runtime": runtime}
	return &PoolMetrics{
		starts: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "glovebox_box_start_seconds", Help: "How long boxes took from nothing to sealed and ready.", ConstLabels: labels,
			Buckets: []float64{.01, .025, .05, .075, .1, .15, .2, .3, .5, .75, 1, 1.5, 2.5, 5, 10, 30},
		}),
		handovers: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "glovebox_box_hand_over_seconds",
			Help: "How long it took to set a script's limits on its box and to hand it over; waited tells whether the box had waited for it.", ConstLabels: labels,
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}, []string{"waited"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_attestation_failures_total", Help: "Checks that did not hold on a box, which then got no script, by what was checked.", ConstLabels: labels,
		}, []string{"check"}),
	}
}

// Observer returns what tells the metrics, for [sandbox.PoolConfig].
func (m *PoolMetrics) Observer() sandbox.PoolObserver {
	return sandbox.PoolObserver{
		Started: func(d time.Duration) { m.starts.Observe(d.Seconds()) },
		HandedOver: func(d time.Duration, waited bool) {
			m.handovers.WithLabelValues(strconv.FormatBool(waited)).Observe(d.Seconds())
		},
		Refused: func(fault api.Check) { m.refusals.WithLabelValues(fault.Claim).Inc() },
	}
}

// Collectors returns what stands at /metrics; read tells of the pool when it is asked.
func (m *PoolMetrics) Collectors(read func() sandbox.PoolStats) []prometheus.Collector {
	return []prometheus.Collector{m.starts, m.handovers, m.refusals, poolCollector{read}}
}

// poolCollector shows a pool's own numbers, all of one moment.
type poolCollector struct{ read func() sandbox.PoolStats }

var _ prometheus.Collector = poolCollector{}

// poolMetric is one number of a pool.
type poolMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(sandbox.PoolStats) float64
}

func poolMetricOf(kind prometheus.ValueType, name, help string, of func(sandbox.PoolStats) float64) poolMetric {
	return poolMetric{prometheus.NewDesc("glovebox_"+name, help, nil, nil), kind, of}
}

var poolMetrics = []poolMetric{
	poolMetricOf(prometheus.GaugeValue, "pool_waiting_boxes", "Boxes that wait for a script, sealed and ready.",
		func(s sandbox.PoolStats) float64 { return float64(s.Waiting) }),
	poolMetricOf(prometheus.GaugeValue, "pool_warmed_boxes", "Waiting boxes that have libraries in place.",
		func(s sandbox.PoolStats) float64 { return float64(s.Warmed) }),
	poolMetricOf(prometheus.GaugeValue, "pool_starting_boxes", "Boxes that are being started, for the pool or for a script.",
		func(s sandbox.PoolStats) float64 { return float64(s.Starting) }),
	poolMetricOf(prometheus.GaugeValue, "pool_target_boxes", "How many boxes should wait, by what was asked for in the last minute.",
		func(s sandbox.PoolStats) float64 { return float64(s.Target) }),
	poolMetricOf(prometheus.GaugeValue, "pool_done", "1 while as many boxes wait as should, and are warmed as far as they will be.",
		func(s sandbox.PoolStats) float64 {
			if s.Done {
				return 1
			}
			return 0
		}),
	poolMetricOf(prometheus.CounterValue, "pool_taken_boxes_total", "Boxes that had waited for their scripts.",
		func(s sandbox.PoolStats) float64 { return float64(s.Taken) }),
	poolMetricOf(prometheus.CounterValue, "pool_cold_starts_total", "Scripts for which no box waited.",
		func(s sandbox.PoolStats) float64 { return float64(s.Cold) }),
	poolMetricOf(prometheus.CounterValue, "pool_lost_boxes_total", "Boxes that died, or spoke unasked, while they waited.",
		func(s sandbox.PoolStats) float64 { return float64(s.Lost) }),
	poolMetricOf(prometheus.CounterValue, "pool_retired_boxes_total", "Waiting boxes that were taken away: too old, or too many.",
		func(s sandbox.PoolStats) float64 { return float64(s.Retired) }),
	poolMetricOf(prometheus.CounterValue, "pool_failed_starts_total", "Boxes that could not be started.",
		func(s sandbox.PoolStats) float64 { return float64(s.Failed) }),
	poolMetricOf(prometheus.CounterValue, "pool_warming_cpu_seconds_total", "Processor time that waiting boxes took to load libraries.",
		func(s sandbox.PoolStats) float64 { return s.WarmingCPU.Seconds() }),
}

// Describe implements [prometheus.Collector].
func (poolCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range poolMetrics {
		out <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c poolCollector) Collect(out chan<- prometheus.Metric) {
	stats := c.read()
	for _, m := range poolMetrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.of(stats))
	}
}
