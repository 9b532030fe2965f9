package tenant_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"glovebox/internal/secret"
	"glovebox/internal/tenant"
)

func webhook() tenant.Webhook {
	return tenant.Webhook{Tenant: "acme", URL: "https://example.com/hook?token=t0k3n", Secret: tenant.NewWebhookSecret()}
}

func TestAWebhookIsJudgedByItsFields(t *testing.T) {
	if err := webhook().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*tenant.Webhook)
		field string
	}{
		"another scheme":   {func(w *tenant.Webhook) { w.URL = "ftp://example.com/t0k3n" }, "url"},
		"no scheme":        {func(w *tenant.Webhook) { w.URL = "//example.com/t0k3n" }, "url"},
		"opaque":           {func(w *tenant.Webhook) { w.URL = "https:example.com" }, "url"},
		"no host":          {func(w *tenant.Webhook) { w.URL = "https://:443/t0k3n" }, "url"},
		"no URL":           {func(w *tenant.Webhook) { w.URL = "https://[::1/t0k3n" }, "url"},
		"a password":       {func(w *tenant.Webhook) { w.URL = "https://me:t0k3n@example.com/" }, "url"},
		"a fragment":       {func(w *tenant.Webhook) { w.URL = "https://example.com/#t0k3n" }, "url"},
		"an empty one":     {func(w *tenant.Webhook) { w.URL = "https://example.com/t0k3n#" }, "url"},
		"a line":           {func(w *tenant.Webhook) { w.URL = "https://example.com/t0k3n\r\nHost: other" }, "url"},
		"too long":         {func(w *tenant.Webhook) { w.URL = "https://example.com/" + strings.Repeat("t0k3n", 410) }, "url"},
		"no tenant":        {func(w *tenant.Webhook) { w.Tenant = "" }, "tenant"},
		"no secret":        {func(w *tenant.Webhook) { w.Secret = secret.Secret{} }, "secret"},
		"no prefix":        {func(w *tenant.Webhook) { w.Secret = secret.New(w.Secret.Reveal()[1:]) }, "secret"},
		"a short secret":   {func(w *tenant.Webhook) { w.Secret = secret.New("whsec_dDBrM24=") }, "secret"},
		"half a rotation":  {func(w *tenant.Webhook) { w.Previous = tenant.NewWebhookSecret() }, "previousUntil"},
		"the other half":   {func(w *tenant.Webhook) { w.PreviousUntil = time.Now() }, "previousUntil"},
		"a false previous": {func(w *tenant.Webhook) { w.Previous, w.PreviousUntil = secret.New("t0k3n"), time.Now() }, "secret"},
	} {
		w := webhook()
		c.spoil(&w)
		var invalid *tenant.InvalidError
		if err := w.Validate(); !errors.As(err, &invalid) || invalid.Field != c.field || strings.Contains(err.Error(), "t0k3n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAWebhooksSecretIsNeverShown(t *testing.T) {
	w := webhook()
	w.Previous, w.PreviousUntil = tenant.NewWebhookSecret(), time.Now()
	document, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(document), fmt.Sprintf("%v %+v %#v", w, w, w)} {
		if strings.Contains(shown, tenant.WebhookSecretPrefix) {
			t.Errorf("%s", shown)
		}
	}
	if got := w.Origin(); got != "https://example.com" {
		t.Errorf("its origin is %s", got)
	}
	if a, b := tenant.NewWebhookSecret(), tenant.NewWebhookSecret(); a.Reveal() == b.Reveal() {
		t.Error("two secrets are one")
	}
}

func TestBothSecretsSignForAWhile(t *testing.T) {
	w := webhook()
	now := time.Now()
	if got := w.Secrets(now); len(got) != 1 || got[0] != w.Secret {
		t.Errorf("%d secrets", len(got))
	}
	w.Previous, w.PreviousUntil = tenant.NewWebhookSecret(), now
	if got := w.Secrets(now.Add(-time.Second)); len(got) != 2 || got[0] != w.Secret || got[1] != w.Previous {
		t.Errorf("%d secrets", len(got))
	}
	if got := w.Secrets(now); len(got) != 1 || got[0] != w.Secret {
		t.Errorf("%d secrets", len(got))
	}
}
