package controller

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"glovebox/internal/queue"
)

const (
	labelTenant = "tenant"
	noTenant    = "" // which is as good as no label
	// otherTenants stands for all those beyond maxTenantLabels. It is no tenant's id.
	otherTenants = "(others)"
)

// maxTenantLabels is how many tenants have series of their own, some fifty each.
const maxTenantLabels = 1000

// tenantLabels are the tenants that metrics name: the first that came. A tenant in a context is one that is known, so that no client
// makes one up. It is safe for concurrent use, and the zero value is ready.
type tenantLabels struct {
	mu    sync.Mutex
	known map[string]struct{}
}

func (l *tenantLabels) of(ctx context.Context) string { return l.label(tenantOf(ctx)) }

func (l *tenantLabels) label(id string) string {
	if id == noTenant {
		return noTenant
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.known[id]; ok {
		return id
	}
	if len(l.known) >= maxTenantLabels {
		return otherTenants
	}
	if l.known == nil {
		l.known = map[string]struct{}{}
	}
	l.known[id] = struct{}{}
	return id
}

// loadCollector shows how many boxes there are, and how many requests wait of each tenant that has any.
type loadCollector struct {
	load    func() (boxes, waiting int)
	parties func() []queue.PartyLoad // may be nil
	tenants *tenantLabels
}

var _ prometheus.Collector = loadCollector{}

var (
	boxesDesc   = prometheus.NewDesc("glovebox_boxes", "Boxes that run a script now, or are being destroyed after one.", nil, nil)
	waitingDesc = prometheus.NewDesc("glovebox_queue_length", "Requests that wait for a place now, by tenant.", []string{labelTenant}, nil)
)

// Describe implements [prometheus.Collector].
func (loadCollector) Describe(out chan<- *prometheus.Desc) {
	out <- boxesDesc
	out <- waitingDesc
}

// Collect implements [prometheus.Collector].
func (c loadCollector) Collect(out chan<- prometheus.Metric) {
	boxes, all := c.load()
	waiting := map[string]int{noTenant: all}
	if c.parties != nil {
		waiting[noTenant] = 0
		for _, party := range c.parties() {
			waiting[c.tenants.label(party.ID)] += party.Waiting
		}
	}
	out <- prometheus.MustNewConstMetric(boxesDesc, prometheus.GaugeValue, float64(boxes))
	for whose, n := range waiting {
		out <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(n), whose)
	}
}
