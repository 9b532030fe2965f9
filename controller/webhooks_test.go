package controller

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"glovebox/internal/webhook"
)

func TestWebhookMetrics(t *testing.T) {
	m := NewWebhookMetrics()
	var trouble error
	s := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.Collectors = m.Collectors(func(context.Context) (int, error) { return 3, trouble })
	})
	shows := func(lines ...string) {
		t.Helper()
		a := ask(t, s, request(http.MethodGet, "/metrics", nil))
		for _, line := range lines {
			if !strings.Contains(string(a.body), line+"\n") {
				t.Errorf("/metrics does not say %s", line)
			}
		}
	}
	shows(`glovebox_webhook_deliveries_total{outcome="delivered"} 0`, `glovebox_webhook_pending_deliveries 3`)
	m.Observe(webhook.Postponed)
	m.Observe(webhook.GivenUp)
	m.Observe(webhook.GivenUp)
	trouble = errors.New("the disk is gone")
	shows(`glovebox_webhook_deliveries_total{outcome="postponed"} 1`, `glovebox_webhook_deliveries_total{outcome="given_up"} 2`, `glovebox_webhook_pending_deliveries NaN`)
}
