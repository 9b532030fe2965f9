package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"glovebox/api"
	"glovebox/internal/webhook"
)

type deliveries struct{ store *Store }

var _ webhook.Store = deliveries{}

// idPrefix and the id of what has ended are the id of what is told of that: ids of executions and of runs are ULIDs, all different.
const idPrefix = "evt_"

// Deliveries returns what webhooks have not delivered yet.
func (s *Store) Deliveries() webhook.Store { return deliveries{s} }

// tell has the webhook of a row's tenant, if there is one, be told that it has ended, in the transaction that ends it.
func (k keptTable) tell(ctx context.Context, tx *transaction, id string, event api.WebhookEvent) error {
	body, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("store: the end of %s %s: %w", k.what, id, err)
	}
	_, err = k.store.change(ctx, tx, "tell a webhook of "+k.what+" "+id,
		"INSERT INTO deliveries (id, tenant, body, created_at, due_at, attempts) SELECT ?1, tenant, ?2, ?3, 0, 0 FROM webhooks "+
			"WHERE tenant = (SELECT tenant FROM "+k.name+" WHERE id = ?4)",
		idPrefix+id, body, event.Timestamp.UnixMicro(), id)
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
	d.CreatedAt = fromMicros(createdAt)
	if d.Attempts > 0 {
		d.DueAt = fromMicros(dueAt)
	}
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
