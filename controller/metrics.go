package controller

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/quota"
)

// metrics is what the server counts, in a registry of its own.
type metrics struct {
	registry   *prometheus.Registry
	handler    http.Handler
	requests   *prometheus.CounterVec
	executions *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	unrecorded prometheus.Counter
	duration   prometheus.Histogram
	queued     *prometheus.HistogramVec
	cpu        *prometheus.CounterVec
	memory     prometheus.Histogram
	inFlight   prometheus.Gauge
	tenants    tenantLabels
}

func newMetrics(config Config) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_http_requests_total", Help: "HTTP requests that were answered, by route and status.",
		}, []string{"route", "status"}),
		executions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_executions_total", Help: "Executions that have ended, by result code and tenant.",
			ConstLabels: prometheus.Labels{"runtime": config.Runtime},
		}, []string{"code", labelTenant}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_quota_refusals_total", Help: "Requests, or batches of them, that a tenant's quota refused, by quota and tenant.",
		}, []string{"quota", labelTenant}),
		unrecorded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "glovebox_unrecorded_total", Help: "How often the record of an execution, or of an agent's task, could not be written, tries of what was accepted included.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "glovebox_execution_seconds", Help: "How long scripts ran, from the moment at which their box began on them.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}),
		queued: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "glovebox_queue_seconds", Help: "How long executions waited from their acceptance until a box had them, by tenant.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 600, 3600},
		}, []string{labelTenant}),
		cpu: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glovebox_execution_cpu_seconds_total", Help: "Processor time of executions' boxes, over the whole life of each, by tenant.",
		}, []string{labelTenant}),
		memory: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "glovebox_execution_peak_memory_bytes", Help: "The most memory that each execution's box held at once, where the host tells.",
			Buckets: prometheus.ExponentialBuckets(4*api.MiB, 2, 10), // to 2 GiB
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "glovebox_executions_in_flight", Help: "Requests that are with the executor now: running or queued.",
		}),
	}
	about := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "glovebox_build_info", Help: "Always 1; the labels say which Glovebox this is.",
		ConstLabels: prometheus.Labels{"version": config.Build.Version, "commit": config.Build.Commit},
	})
	about.Set(1)
	// Every code is shown from the start, so that a rate over its first event is right.
	for _, row := range api.Codes() {
		if refusedBeforeRun := row.HTTPStatus == http.StatusBadRequest; !refusedBeforeRun {
			m.executions.WithLabelValues(string(row.Code), noTenant)
		}
	}
	m.queued.WithLabelValues(noTenant)
	m.cpu.WithLabelValues(noTenant)
	own := []prometheus.Collector{m.requests, m.executions, m.refusals, m.unrecorded, m.duration, m.queued, m.cpu, m.memory, m.inFlight, about,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
	if config.Load != nil {
		own = append(own, loadCollector{config.Load, config.Parties, &m.tenants})
	}
	for _, c := range append(own, config.Collectors...) {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})
	return m, nil
}

func (m *metrics) request(route string, status int) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

// executed counts a result whose code is in the table, for the tenant in ctx, as it is told.
func (m *metrics) executed(ctx context.Context, r api.Result) {
	whose := m.tenants.of(ctx)
	if told := toldCode(ctx, r); told != "" {
		m.executions.WithLabelValues(string(told), whose).Inc()
	}
	m.duration.Observe(r.ExecutionTimeMs / 1000)
	m.queued.WithLabelValues(whose).Observe(r.QueueTimeMs / 1000)
	m.cpu.WithLabelValues(whose).Add(max(r.Usage.CPUMs, 0) / 1000) // a counter panics at less than nothing
	if r.Usage.PeakMemoryBytes > 0 {
		m.memory.Observe(float64(r.Usage.PeakMemoryBytes))
	}
}

func (m *metrics) failed(ctx context.Context) {
	m.executions.WithLabelValues(string(api.ExecutionFailed), m.tenants.of(ctx)).Inc()
}

// refused counts what a quota refused, if that is why, or what could not be recorded.
func (m *metrics) refused(ctx context.Context, err error) {
	if kept.NotBegun(err) || kept.Withheld(err) {
		m.unrecorded.Inc()
	}
	var over *quota.Error
	if errors.As(err, &over) {
		m.refusals.WithLabelValues(over.Quota, m.tenants.of(ctx)).Inc()
	}
}

func (s *Server) showMetrics(c echo.Context) error {
	s.metrics.handler.ServeHTTP(c.Response(), c.Request())
	return nil
}
