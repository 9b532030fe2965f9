package controller

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"glovebox/internal/webhook"
)

// WebhookMetrics are what is told of deliveries to tenants' webhooks. It is safe for concurrent use.
type WebhookMetrics struct{ deliveries *prometheus.CounterVec }

// NewWebhookMetrics returns metrics that have counted nothing yet.
func NewWebhookMetrics() *WebhookMetrics {
	m := &WebhookMetrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "glovebox_webhook_deliveries_total", Help: "Attempts at deliveries to tenants' webhooks, by how they came out.",
	}, []string{"outcome"})}
	for _, o := range webhook.Outcomes() { // each is shown from the start
		m.deliveries.WithLabelValues(string(o))
	}
	return m
}

// Observe counts an attempt.
func (m *WebhookMetrics) Observe(o webhook.Outcome) { m.deliveries.WithLabelValues(string(o)).Inc() }

// Collectors returns what stands at /metrics; pending is how many deliveries have been neither made nor given up.
func (m *WebhookMetrics) Collectors(pending func(context.Context) (int, error)) []prometheus.Collector {
	return []prometheus.Collector{m.deliveries, storeGauge(prometheus.GaugeOpts{
		Name: "glovebox_webhook_pending_deliveries", Help: "Deliveries to tenants' webhooks that have been neither made nor given up.",
	}, pending)}
}

// storeLimit bounds how long a scrape waits for the store.
const storeLimit = time.Second

// storeGauge shows a figure that the store has.
func storeGauge[N int | int64](opts prometheus.GaugeOpts, ask func(context.Context) (N, error)) prometheus.Collector {
	return prometheus.NewGaugeFunc(opts, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
		defer cancel()
		n, err := ask(ctx)
		if err != nil {
			return math.NaN() // which is shown as not known
		}
		return float64(n)
	})
}
