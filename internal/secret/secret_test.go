package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"glovebox/internal/secret"
)

const key = `sk-live/"0123+4567`

// Whatever a program does with a secret by habit, or with what holds one, must not show it.
func TestSecretIsNotShown(t *testing.T) {
	type holder struct {
		Public  secret.Secret
		private secret.Secret
		pointer *secret.Secret
		within  map[string]any
	}
	s := secret.New(key)
	held := holder{s, s, &s, map[string]any{"key": s}}
	shown := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown[verb] = fmt.Sprintf(verb, s)
		shown[verb+" of a holder"] = fmt.Sprintf(verb, held)
		shown[verb+" of a pointer"] = fmt.Sprintf(verb, &held)
	}
	for name, value := range map[string]any{"a secret": s, "a holder": held, "a map": map[string]secret.Secret{"key": s}} {
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		shown["JSON of "+name] = string(encoded)
		var logs bytes.Buffer
		slog.New(slog.NewTextHandler(&logs, nil)).Info("as text", "value", value)
		slog.New(slog.NewJSONHandler(&logs, nil)).Info("as JSON", "value", value)
		shown["logs of "+name] = logs.String()
	}
	for how, text := range shown {
		for _, part := range []string{"0123", "4567", fmt.Sprintf("%x", "0123")} {
			if strings.Contains(text, part) {
				t.Errorf("%s shows the secret: %s", how, text)
			}
		}
	}
	if s.Reveal() != key {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
}

func TestNoSecret(t *testing.T) {
	none := secret.New("")
	if !none.IsZero() || none != (secret.Secret{}) || none.String() != "" || none.Reveal() != "" {
		t.Errorf("no text makes %#v", none)
	}
	if got := none.Scrub("as it was"); got != "as it was" {
		t.Errorf("scrubbing nothing gives %q", got)
	}
	if secret.New("x").IsZero() {
		t.Error("a secret is zero")
	}
}

func TestScrub(t *testing.T) {
	s := secret.New(key)
	for _, text := range []string{
		"wrong key " + key + " and again " + key,
		`{"error": "wrong key sk-live/\"0123+4567"}`,
		"/models?key=sk-live%2F%220123%2B4567",
		"/sk-live%2F%220123+4567/models",
		"text/" + strings.ToUpper(key), // headers are read without regard to case
	} {
		if got := s.Scrub(text); strings.Contains(got, "0123") || !strings.Contains(got, secret.Redacted) {
			t.Errorf("%s\nbecomes %s", text, got)
		}
	}
	if got := secret.New("a.\xff(").Scrub("ab\xff( a.\xff("); got != "ab\xff( "+secret.Redacted {
		t.Errorf("what is no text, or looks like a pattern, becomes %q", got)
	}
	if got := s.Scrub("nothing of it"); got != "nothing of it" {
		t.Errorf("text without the secret becomes %q", got)
	}
}
