package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/secret"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

const webhookColumns = "webhooks.tenant, webhooks.url, webhooks.created_at, webhooks.secret, webhooks.previous, webhooks.previous_until"

// A webhookRow is what is read for a webhook, in the order of webhookColumns.
type webhookRow struct {
	webhook       tenant.Webhook
	createdAt     int64
	secret        string
	previous      sql.NullString
	previousUntil sql.NullInt64
}

func (r *webhookRow) into() []any {
	return []any{&r.webhook.Tenant, &r.webhook.URL, &r.createdAt, &r.secret, &r.previous, &r.previousUntil}
}

func (r *webhookRow) read() (tenant.Webhook, error) {
	w := r.webhook
	w.CreatedAt, w.PreviousUntil = fromMicros(r.createdAt), fromNullMicros(r.previousUntil)
	w.Secret, w.Previous = secret.New(r.secret), secret.New(r.previous.String)
	if err := w.Validate(); err != nil {
		return tenant.Webhook{}, fmt.Errorf("%w: the webhook of tenant %s: %w", store.ErrCorrupt, w.Tenant, err)
	}
	return w, nil
}

func scanWebhook(row func(into ...any) error) (tenant.Webhook, error) {
	var r webhookRow
	if err := row(r.into()...); err != nil {
		return tenant.Webhook{}, err
	}
	return r.read()
}

// SetWebhook implements [store.Webhooks].
func (s *Store) SetWebhook(ctx context.Context, w tenant.Webhook) error {
	act, err := store.WebhookAct(w)
	if err != nil {
		return err
	}
	doing := "set the webhook of tenant " + w.Tenant
	return s.write(ctx, doing, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO webhooks (tenant, url, created_at, secret, previous, previous_until) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant) DO UPDATE SET url = excluded.url, created_at = excluded.created_at, secret = excluded.secret,
			previous = excluded.previous, previous_until = excluded.previous_until`,
			w.Tenant, w.URL, w.CreatedAt.UnixMicro(), w.Secret.Reveal(),
			sql.NullString{String: w.Previous.Reveal(), Valid: !w.Previous.IsZero()}, nullMicros(w.PreviousUntil))
		if err := s.notCreated("webhook", w.Tenant, w.Tenant, err); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE deliveries SET attempts = 0, due_at = 0 WHERE tenant = ?", w.Tenant); err != nil {
			return s.failed(doing, err)
		}
		return s.record(ctx, tx, ledger.KindWebhookSet, act)
	})
}

// Webhook implements [store.Webhooks].
func (s *Store) Webhook(ctx context.Context, tenantID string) (tenant.Webhook, error) {
	return one(ctx, s, s.reader, "webhook of tenant", tenantID, scanWebhook, "SELECT "+webhookColumns+" FROM webhooks WHERE tenant = ?", tenantID)
}

// RotateWebhook implements [store.Webhooks].
func (s *Store) RotateWebhook(ctx context.Context, tenantID string, to secret.Secret, until time.Time) (rotated tenant.Webhook, err error) {
	err = s.write(ctx, "rotate the webhook of tenant "+tenantID, func(tx *transaction) error {
		rotated, err = one(ctx, s, tx, "webhook of tenant", tenantID, scanWebhook,
			"UPDATE webhooks SET previous = secret, previous_until = ?, secret = ? WHERE tenant = ? RETURNING "+webhookColumns,
			until.UnixMicro(), to.Reveal(), tenantID)
		if err != nil {
			return err
		}
		act, err := store.WebhookAct(rotated)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindWebhookRotated, act)
	})
	if err != nil {
		return tenant.Webhook{}, err
	}
	return rotated, nil
}

// RemoveWebhook implements [store.Webhooks]. What is not delivered goes with it: the tables say so.
func (s *Store) RemoveWebhook(ctx context.Context, tenantID string) error {
	return s.write(ctx, "remove the webhook of tenant "+tenantID, func(tx *transaction) error {
		removed, err := one(ctx, s, tx, "webhook of tenant", tenantID, scanWebhook,
			"DELETE FROM webhooks WHERE tenant = ? RETURNING "+webhookColumns, tenantID)
		if err != nil {
			return err
		}
		act, err := store.WebhookAct(removed)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, ledger.KindWebhookRemoved, act)
	})
}
