// Package secret holds values that must never be shown: keys of models, and of tenants.
package secret

import (
	"encoding/json"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// Redacted is what is shown in a secret's place.
const Redacted = "[redacted]"

// A Secret is text that shows itself to nobody who does not ask for it by Reveal: formatting, logging
// and encoding it give [Redacted]. Its zero value is no secret at all, and is shown as nothing. It is
// immutable, and safe for concurrent use.
type Secret struct {
	// A pointer: fmt does not call the methods of a value within somebody's unexported field, and
	// would print a string that it finds there. Of a pointer it prints the address.
	text *string
}

// New makes a secret of text; of no text it makes the zero Secret.
func New(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// String redacts.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return Redacted
}

// GoString redacts.
func (s Secret) GoString() string { return "secret.Secret(" + s.String() + ")" }

// LogValue redacts.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON redacts.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Scrub returns text with the secret redacted wherever it stands in it: as it is, as JSON writes it
// within a string, or as a URL does, in letters large or small. It is for text of others, who may have been
// told the secret and may tell it back.
func (s Secret) Scrub(text string) string {
	if s.IsZero() {
		return text
	}
	plain := s.Reveal()
	forms := []string{plain, url.QueryEscape(plain), url.PathEscape(plain)}
	if quoted, err := json.Marshal(plain); err == nil {
		forms = append(forms, string(quoted[1:len(quoted)-1]))
	}
	for _, form := range forms {
		if pattern, err := regexp.Compile("(?i)" + regexp.QuoteMeta(form)); err == nil {
			text = pattern.ReplaceAllLiteralString(text, Redacted)
		} else { // it is not UTF-8, and has no letters to speak of
			text = strings.ReplaceAll(text, form, Redacted)
		}
	}
	return text
}
