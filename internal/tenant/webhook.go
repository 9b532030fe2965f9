package tenant

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"glovebox/internal/secret"
)

// A Webhook is where a tenant is told that its executions have ended, and what that is signed with.
type Webhook struct {
	Tenant string `json:"tenant"`
	// URL is http or https. Its path and query may be known to the receiver alone: logs and the ledger have its [Webhook.Origin].
	URL string `json:"url"`
	// CreatedAt is when it was set.
	CreatedAt time.Time `json:"createdAt"`
	// Secret signs; Previous, which it has taken the place of, signs beside it until PreviousUntil.
	Secret        secret.Secret `json:"-"`
	Previous      secret.Secret `json:"-"`
	PreviousUntil time.Time     `json:"previousUntil,omitzero"`
}

const (
	// WebhookSecretPrefix begins the secret of a webhook, whose rest is base 64: the form of the Standard Webhooks specification.
	WebhookSecretPrefix = "whsec_"
	// MaxWebhookURL is the most bytes that a webhook's URL may have.
	MaxWebhookURL = 2048

	// What the specification allows, and what is made here.
	minWebhookSecret, maxWebhookSecret, newWebhookSecret = 24, 64, 32
)

// NewWebhookSecret makes a secret of 256 random bits.
func NewWebhookSecret() secret.Secret {
	random := make([]byte, newWebhookSecret)
	_, _ = rand.Read(random) // it never fails
	return secret.New(WebhookSecretPrefix + base64.StdEncoding.EncodeToString(random))
}

// WebhookKey is what a webhook's secret signs with. The error, an *[InvalidError], holds nothing of it.
func WebhookKey(s secret.Secret) ([]byte, error) {
	encoded, ok := strings.CutPrefix(s.Reveal(), WebhookSecretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(key) < minWebhookSecret || len(key) > maxWebhookSecret {
		return nil, &InvalidError{"secret", fmt.Sprintf("%s and %d to %d bytes in base 64", WebhookSecretPrefix, minWebhookSecret, maxWebhookSecret)}
	}
	return key, nil
}

// Validate checks the fields, and returns an *[InvalidError] for the first that is out of bounds. Whether deliveries may go to the address
// is judged when they do.
func (w Webhook) Validate() error {
	if err := (Tenant{ID: w.Tenant}).Validate(); err != nil {
		return &InvalidError{"tenant", "no tenant can have this id"}
	}
	if _, err := parseWebhookURL(w.URL); err != nil {
		return err
	}
	if _, err := WebhookKey(w.Secret); err != nil {
		return err
	}
	if w.Previous.IsZero() != w.PreviousUntil.IsZero() {
		return &InvalidError{"previousUntil", "there with the previous secret, and not without"}
	}
	if !w.Previous.IsZero() {
		_, err := WebhookKey(w.Previous)
		return err
	}
	return nil
}

// parseWebhookURL reads a webhook's URL; the error holds nothing of it.
func parseWebhookURL(text string) (*url.URL, error) {
	invalid := func(why string) error { return &InvalidError{"url", why} }
	if len(text) > MaxWebhookURL {
		return nil, invalid(fmt.Sprintf("at most %d bytes", MaxWebhookURL))
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.Opaque != "":
		return nil, invalid("it begins with https:// (or http://), and names a host")
	case u.User != nil:
		return nil, invalid("no user and no password: deliveries are signed")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return nil, invalid("no fragment: it would not be sent")
	}
	return u, nil
}

// Origin is scheme, host and port of the URL: that much may be told.
func (w Webhook) Origin() string {
	u, err := parseWebhookURL(w.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Secrets are those that sign at a time, the newest first.
func (w Webhook) Secrets(now time.Time) []secret.Secret {
	if w.Previous.IsZero() || !now.Before(w.PreviousUntil) {
		return []secret.Secret{w.Secret}
	}
	return []secret.Secret{w.Secret, w.Previous}
}
