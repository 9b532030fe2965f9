package storetest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glovebox/internal/ledger"
	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// records holds each change to its entry, and what was not changed to none.
func records(t *testing.T, s store.Store, place Place) {
	operator := ledger.Actor{Operator: "uid:7"}
	ctx := ledger.WithActor(t.Context(), operator)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	k := key(t, "full", late)
	must(s.CreateTenant(ctx, full("full")))
	must(s.CreateKey(ctx, k))
	_, err := s.ChangeTenant(ctx, "full", func(t *tenant.Tenant) error { t.Suspended = false; return nil })
	must(err)
	_, err = s.RevokeKey(ctx, k.ID, late)
	must(err)
	hook := webhook("full")
	must(s.SetWebhook(ctx, hook))
	to := tenant.NewWebhookSecret()
	_, err = s.RotateWebhook(ctx, "full", to, late)
	must(err)
	must(s.RemoveWebhook(ctx, "full"))
	must(s.DeleteTenant(ctx, "full"))

	refused := errors.New("no")
	for what, err := range map[string]error{
		"a key of nobody":       s.CreateKey(ctx, key(t, "nobody", late)),
		"nobody's end":          s.DeleteTenant(ctx, "nobody"),
		"a key that is not":     second(s.RevokeKey(ctx, "nothing", late)),
		"a change of nobody":    second(s.ChangeTenant(ctx, "nobody", func(*tenant.Tenant) error { return nil })),
		"a webhook of nobody":   s.SetWebhook(ctx, webhook("nobody")),
		"nobody's secret":       second(s.RotateWebhook(ctx, "nobody", to, late)),
		"nobody's webhook":      s.RemoveWebhook(ctx, "nobody"),
		"a change of one's own": second(s.ChangeTenant(ctx, "full", func(*tenant.Tenant) error { return refused })),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}

	type said struct {
		Kind    ledger.Kind
		Subject string
		Some    map[string]string
	}
	want := []said{
		{ledger.KindTenantCreated, "full", map[string]string{"suspended": "true", "quota.cpus": "0.5", "quota.isolation": "gvisor", "quota.libraries": "[]"}},
		{ledger.KindKeyCreated, k.ID, map[string]string{"tenant": "full", "scopes": `["execute","read"]`, "expiresAt": "2026-03-01T13:00:00.123456Z"}},
		{ledger.KindTenantChanged, "full", map[string]string{"suspended": "false", "quota.cpus": "0.5"}},
		{ledger.KindKeyRevoked, k.ID, map[string]string{"revokedAt": "2026-03-01T13:00:00.123456Z"}},
		{ledger.KindWebhookSet, "full", map[string]string{"url": "https://example.com", "createdAt": "2026-03-01T12:00:00.123456Z"}},
		{ledger.KindWebhookRotated, "full", map[string]string{"url": "https://example.com", "previousUntil": "2026-03-01T13:00:00.123456Z"}},
		{ledger.KindWebhookRemoved, "full", map[string]string{"url": "https://example.com"}},
		{ledger.KindTenantDeleted, "full", nil},
	}
	var got []said
	for row, err := range s.Ledger().Read(ctx, 2) {
		must(err)
		var e ledger.Entry
		must(json.Unmarshal(row.Entry, &e))
		if e.Actor != operator || e.Act == nil {
			t.Fatalf("not by the operator: %s", row.Entry)
		}
		if strings.Contains(strings.ToLower(string(row.Entry)), "digest") {
			t.Errorf("it has a digest: %s", row.Entry)
		}
		for what, hidden := range map[string]string{"a webhook's URL": "t0k3n", "its secret": hook.Secret.Reveal(), "its later secret": to.Reveal()} {
			if strings.Contains(string(row.Entry), hidden) {
				t.Errorf("it has %s: %s", what, row.Entry)
			}
		}
		one := said{Kind: e.Kind, Subject: e.Act.Subject}
		if n := len(got); n < len(want) {
			for name := range want[n].Some {
				if one.Some == nil {
					one.Some = map[string]string{}
				}
				one.Some[name] = e.Act.Details[name]
			}
		}
		got = append(got, one)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if head, err := ledger.Check(ctx, s.Ledger()); err != nil || head.Key != place.Signer(t, s).Public() {
		t.Errorf("%+v, %v", head, err)
	}
}

func second[T any](_ T, err error) error { return err }
