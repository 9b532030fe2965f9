package storetest

import (
	"testing"
	"time"

	"glovebox/internal/secret"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

func webhook(of string) tenant.Webhook {
	return tenant.Webhook{Tenant: of, URL: "https://example.com/hook?token=t0k3n", CreatedAt: early, Secret: tenant.NewWebhookSecret()}
}

// sameWebhook compares secrets too, which show themselves to nobody.
func sameWebhook(t *testing.T, what string, s store.Webhooks, want tenant.Webhook) {
	t.Helper()
	got, err := s.Webhook(t.Context(), want.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	revealed := func(w tenant.Webhook) any {
		secrets := []string{w.Secret.Reveal(), w.Previous.Reveal()}
		w.Secret, w.Previous = secret.Secret{}, secret.Secret{}
		return []any{w.Tenant, w.URL, w.CreatedAt, w.PreviousUntil, secrets}
	}
	same(t, what, revealed(got), revealed(want))
}

func webhookComesBack(t *testing.T, s store.Store, place Place) {
	ctx := t.Context()
	create(t, s, plain("acme"), plain("other"))
	_, err := s.Webhook(ctx, "acme")
	fails(t, "one that is not there", err, store.ErrNotFound)
	fails(t, "one of nobody", s.SetWebhook(ctx, webhook("nobody")), store.ErrNotFound)
	first, second := webhook("acme"), webhook("acme")
	second.URL, second.CreatedAt = "http://example.org", late
	for _, w := range []tenant.Webhook{first, second} { // the later one takes the earlier one's place
		if err := s.SetWebhook(ctx, w); err != nil {
			t.Fatal(err)
		}
		sameWebhook(t, "the webhook", s, w)
		sameWebhook(t, "to another process", open(t, place), w)
	}
	_, err = s.Webhook(ctx, "other")
	fails(t, "the other's", err, store.ErrNotFound)
}

func webhookRotates(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	create(t, s, plain("acme"))
	_, err := s.RotateWebhook(ctx, "acme", tenant.NewWebhookSecret(), late)
	fails(t, "one that is not there", err, store.ErrNotFound)
	want := webhook("acme")
	if err := s.SetWebhook(ctx, want); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		want.Previous, want.PreviousUntil, want.Secret = want.Secret, late.Add(time.Duration(i)*time.Hour), tenant.NewWebhookSecret()
		got, err := s.RotateWebhook(ctx, "acme", want.Secret, want.PreviousUntil)
		if err != nil || got.Secret.Reveal() != want.Secret.Reveal() {
			t.Errorf("%+v, %v", got, err)
		}
		sameWebhook(t, "the webhook", s, want)
	}
	want = webhook("acme")
	if err := s.SetWebhook(ctx, want); err != nil {
		t.Fatal(err)
	}
	sameWebhook(t, "set anew", s, want)
}

func webhookGoes(t *testing.T, s store.Store, _ Place) {
	ctx := t.Context()
	create(t, s, plain("acme"))
	fails(t, "removing what is not there", s.RemoveWebhook(ctx, "acme"), store.ErrNotFound)
	set := func() {
		t.Helper()
		if err := s.SetWebhook(ctx, webhook("acme")); err != nil {
			t.Fatal(err)
		}
	}
	set()
	if err := s.RemoveWebhook(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Webhook(ctx, "acme")
	fails(t, "the webhook", err, store.ErrNotFound)
	set()
	if err := s.DeleteTenant(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	create(t, s, plain("acme")) // a later one by that name inherits nothing
	_, err = s.Webhook(ctx, "acme")
	fails(t, "the webhook", err, store.ErrNotFound)
}
