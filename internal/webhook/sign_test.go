package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"glovebox/internal/secret"
	"glovebox/internal/tenant"
)

// The specification's own example.
func TestSignatureIsTheSpecifications(t *testing.T) {
	header := http.Header{}
	d := Delivery{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Body: []byte(`{"test": 2432232314}`)}
	d.To.Secret = secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err := sign(header, d, time.Unix(1614265330, 0)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s", got)
	}
	if header.Get("webhook-id") != d.ID || header.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("%v", header)
	}
}

// A receiver of the specification's own library takes it, by each secret that signs, and by no other.
func TestAReceiverTakesEachSecretThatSigns(t *testing.T) {
	now := time.Now()
	d := Delivery{ID: "evt_1", Body: []byte(`{"a":1}`)}
	d.To.Secret, d.To.Previous, d.To.PreviousUntil = tenant.NewWebhookSecret(), tenant.NewWebhookSecret(), now.Add(time.Second)
	verify := func(s secret.Secret, header http.Header, body string) error {
		t.Helper()
		receiver, err := standardwebhooks.NewWebhook(s.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		return receiver.Verify([]byte(body), header)
	}
	both, one := http.Header{}, http.Header{}
	if err := sign(both, d, now); err != nil {
		t.Fatal(err)
	}
	if err := sign(one, d, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		by     secret.Secret
		header http.Header
		body   string
		ok     bool
	}{
		"the secret":                 {d.To.Secret, both, `{"a":1}`, true},
		"the previous":               {d.To.Previous, both, `{"a":1}`, true},
		"another body":               {d.To.Secret, both, `{"a":2}`, false},
		"another secret":             {tenant.NewWebhookSecret(), both, `{"a":1}`, false},
		"the secret, later":          {d.To.Secret, one, `{"a":1}`, true},
		"the previous, when it ends": {d.To.Previous, one, `{"a":1}`, false},
	} {
		if err := verify(c.by, c.header, c.body); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	moved := both.Clone()
	moved.Set("webhook-id", "evt_2")
	if verify(d.To.Secret, moved, `{"a":1}`) == nil {
		t.Error("it is taken by another id")
	}
	if strings.Count(both.Get("webhook-signature"), "v1,") != 2 || strings.Count(one.Get("webhook-signature"), "v1,") != 1 {
		t.Errorf("%v, %v", both, one)
	}
}
