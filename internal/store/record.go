package store

import (
	"context"
	"encoding/json"
	"fmt"

	"glovebox/internal/ledger"
	"glovebox/internal/tenant"
)

// ActorOf is on whose behalf something is done: whom the context names, or else the tenant and the key that it has.
func ActorOf(ctx context.Context) ledger.Actor {
	if actor, ok := ledger.ActorFrom(ctx); ok {
		return actor
	}
	var actor ledger.Actor
	if t, ok := tenant.FromContext(ctx); ok {
		actor.Tenant = t.ID
	}
	if k, ok := tenant.KeyFromContext(ctx); ok {
		actor.Key = k.ID
	}
	return actor
}

// TenantAct is what the ledger says of a tenant: all that is true of it.
func TenantAct(t tenant.Tenant) (ledger.Act, error) { return actOf(t.ID, t) }

// KeyAct is what the ledger says of a key: all but its digest.
func KeyAct(k tenant.Key) (ledger.Act, error) { return actOf(k.ID, k) }

// WebhookAct is what the ledger says of a webhook: neither its secrets nor the rest of its URL, which may be one too.
func WebhookAct(w tenant.Webhook) (ledger.Act, error) {
	w.URL = w.Origin()
	return actOf(w.Tenant, w)
}

// actOf names each field as its JSON does, and says what it has there.
func actOf(subject string, value any) (ledger.Act, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return ledger.Act{}, fmt.Errorf("store: %w", err)
	}
	act := ledger.Act{Subject: subject, Details: map[string]string{}}
	return act, flatten(act.Details, "", text)
}

func flatten(into map[string]string, prefix string, object json.RawMessage) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for name, value := range fields {
		var text string
		switch {
		case value[0] == '{':
			if err := flatten(into, prefix+name+".", value); err != nil {
				return err
			}
			continue
		case json.Unmarshal(value, &text) != nil:
			text = string(value)
		}
		into[prefix+name] = text
	}
	return nil
}
