// Package webhooktest holds what a store of deliveries has to do, as a suite of tests, and one that keeps them in memory.
package webhooktest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"glovebox/internal/tenant"
	"glovebox/internal/webhook"
)

// Memory keeps webhooks and their deliveries for as long as the process lives. Its zero value has none. It is safe for concurrent use.
type Memory struct {
	mu         sync.Mutex
	webhooks   map[string]tenant.Webhook
	deliveries map[string]webhook.Delivery
	of         map[string]map[string]bool // ids by tenant
}

var _ webhook.Store = (*Memory)(nil)

// Set gives a tenant a webhook; what another has not delivered is due at once, as if it had not been tried.
func (m *Memory) Set(w tenant.Webhook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.webhooks == nil {
		m.webhooks, m.deliveries, m.of = map[string]tenant.Webhook{}, map[string]webhook.Delivery{}, map[string]map[string]bool{}
	}
	m.webhooks[w.Tenant] = w
	for id := range m.of[w.Tenant] {
		d := m.deliveries[id]
		d.Attempts, d.DueAt = 0, time.Time{}
		m.deliveries[id] = d
	}
}

// Unset takes a tenant's webhook away, and what it has not delivered.
func (m *Memory) Unset(tenantID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.webhooks, tenantID)
	for id := range m.of[tenantID] {
		delete(m.deliveries, id)
	}
	delete(m.of, tenantID)
}

// Add has something happen that a tenant's webhook is to be told; where it has none, nothing is kept.
func (m *Memory) Add(tenantID, id string, body []byte, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w, ok := m.webhooks[tenantID]; ok {
		m.deliveries[id] = webhook.Delivery{ID: id, Body: body, CreatedAt: at, To: w}
		if m.of[tenantID] == nil {
			m.of[tenantID] = map[string]bool{}
		}
		m.of[tenantID][id] = true
	}
}

// Backlogs implements [webhook.Store].
func (m *Memory) Backlogs(context.Context) ([]webhook.Backlog, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []webhook.Backlog
	for id, its := range m.of {
		all = append(all, webhook.Backlog{Tenant: id, Deliveries: len(its)})
	}
	return all, nil
}

// Next implements [webhook.Store].
func (m *Memory) Next(_ context.Context, tenantID string, most int) ([]webhook.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var next []webhook.Delivery
	for id := range m.of[tenantID] {
		d := m.deliveries[id]
		d.To = m.webhooks[tenantID]
		next = append(next, d)
	}
	slices.SortFunc(next, func(a, b webhook.Delivery) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) })
	return next[:min(most, len(next))], nil
}

// Postpone implements [webhook.Store].
func (m *Memory) Postpone(_ context.Context, id string, due time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, ok := m.deliveries[id]; ok {
		d.Attempts, d.DueAt = d.Attempts+1, due
		m.deliveries[id] = d
	}
	return nil
}

// Remove implements [webhook.Store].
func (m *Memory) Remove(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if its := m.of[m.deliveries[id].To.Tenant]; its != nil {
		if delete(its, id); len(its) == 0 {
			delete(m.of, m.deliveries[id].To.Tenant)
		}
	}
	delete(m.deliveries, id)
	return nil
}
