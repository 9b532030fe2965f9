package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"glovebox/internal/execution"
	"glovebox/internal/webhook"
)

type deliveries struct{ store *Store }

var _ webhook.Store = deliveries{}

// idPrefix and an execution's id are the id of what is told of its end.
const idPrefix = "evt_"

// Deliveries returns what webhooks have not delivered yet.
func (s *Store) Deliveries() webhook.Store { return deliveries{s} }

// tell has a tenant's webhook, if there is one, be told that an execution has ended, in the transaction that ends it.
func (e executions) tell(ctx context.Context, tx *transaction, ended execution.Record) error {
	if ended.Tenant == "" {
		return nil
	}
	event := ended.Event()
	body, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("store: the end of execution %s: %w", ended.ID, err)
	}
	_, err = e.store.change(ctx, tx, "tell a webhook of execution "+ended.ID,
		"INSERT INTO deliveries (id, tenant, body, created_at, due_at, attempts) SELECT ?1, tenant, ?2, ?3, ?3, 0 FROM webhooks WHERE tenant = ?4",
		idPrefix+ended.ID, body, event.Timestamp.UnixMicro(), ended.Tenant)
	return err
}

// Backlogs implements [webhook.Store].
func (d deliveries) Backlogs(ctx context.Context) ([]webhook.Backlog, error) {
	return all(ctx, d.store, d.store.reader, "count deliveries", func(row func(into ...any) error) (b webhook.Backlog, err error) {
		return b, row(&b.Tenant, &b.Deliveries)
	}, "SELECT tenant, count(*) FROM deliveries GROUP BY tenant")
}

func scanDelivery(row func(into ...any) error) (d webhook.Delivery, err error) {
	var to webhookRow
	var createdAt, dueAt int64
	if err = row(append(to.into(), &d.ID, &d.Body, &createdAt, &dueAt, &d.Attempts)...); err != nil {
		return d, err
	}
	d.CreatedAt, d.DueAt = fromMicros(createdAt), fromMicros(dueAt)
	d.To, err = to.read()
	return d, err
}

// Next implements [webhook.Store].
func (d deliveries) Next(ctx context.Context, tenantID string, most int) ([]webhook.Delivery, error) {
	return all(ctx, d.store, d.store.reader, "look for deliveries of tenant "+tenantID, scanDelivery, "SELECT "+webhookColumns+
		", deliveries.id, body, deliveries.created_at, due_at, attempts FROM deliveries JOIN webhooks ON webhooks.tenant = deliveries.tenant "+
		"WHERE deliveries.tenant = ? ORDER BY due_at, deliveries.id LIMIT ?", tenantID, most)
}

// Postpone implements [webhook.Store].
func (d deliveries) Postpone(ctx context.Context, id string, due time.Time) error {
	_, err := d.store.changeOne(ctx, "postpone delivery "+id, "UPDATE deliveries SET attempts = attempts + 1, due_at = ? WHERE id = ?",
		due.UnixMicro(), id)
	return err
}

// Remove implements [webhook.Store].
func (d deliveries) Remove(ctx context.Context, id string) error {
	_, err := d.store.changeOne(ctx, "remove delivery "+id, "DELETE FROM deliveries WHERE id = ?", id)
	return err
}
