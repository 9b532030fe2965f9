package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/pflag"

	"glovebox/controller"
	"glovebox/internal/store/sqlite"
	"glovebox/internal/webhook"
)

// webhookFlags say where a server may deliver what webhooks are to be told.
type webhookFlags struct{ allowPrivate bool }

func (f *webhookFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.allowPrivate, "webhook-allow-private", false,
		"let tenants' webhooks be at private addresses, and be plain http; without it they are at public ones, over https")
}

func (f *webhookFlags) check(hasData bool) error {
	if f.allowPrivate && !hasData {
		return badSetting(errors.New("--webhook-allow-private without --data-dir: there is no webhook to allow anything"), "webhook-allow-private")
	}
	return nil
}

// webhooks deliver what tenants are to be told; where nothing is kept, there is none. They are closed before the store is, and after
// whatever ends executions.
type webhooks struct {
	deliverer *webhook.Deliverer
	metrics   *controller.WebhookMetrics
}

func (f *webhookFlags) open(ctx context.Context, kept *sqlite.Store, log *slog.Logger) (webhooks, error) {
	metrics := controller.NewWebhookMetrics()
	if kept == nil {
		return webhooks{metrics: metrics}, nil
	}
	if f.allowPrivate {
		log.Warn("webhooks may be at private addresses, and over plain http: whoever has a name in hand that one goes by chooses what in this network is posted to")
	}
	deliverer, err := webhook.Open(ctx, webhook.Config{
		Store: kept.Deliveries(), AllowPrivate: f.allowPrivate, Observe: metrics.Observe, Log: log,
	})
	return webhooks{deliverer, metrics}, err
}

// ended says that there may be something new to tell a tenant.
func (w webhooks) ended(tenantID string) {
	if w.deliverer != nil && tenantID != "" {
		w.deliverer.Wake(tenantID)
	}
}

func (w webhooks) pending(ctx context.Context) (int, error) {
	if w.deliverer == nil {
		return 0, nil
	}
	return w.deliverer.Pending(ctx)
}

func (w webhooks) close() {
	if w.deliverer != nil {
		w.deliverer.Close()
	}
}
