package tenant

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB, expires time.Time, scopes ...Scope) (Key, string) {
	t.Helper()
	k, text, err := NewKey("acme", "for tests", scopes, noon, expires)
	if err != nil {
		t.Fatal(err)
	}
	return k, text.Reveal()
}

func TestAKeyHasAFormThatScannersKnow(t *testing.T) {
	k, text := newKey(t, time.Time{}, ScopeExecute, ScopeAdmin, ScopeExecute)
	if !regexp.MustCompile(`^gbx_[a-z2-7]{16}_[a-z2-7]{56}$`).MatchString(text) {
		t.Errorf("a key reads %s", text)
	}
	if diff := cmp.Diff([]Scope{ScopeAdmin, ScopeExecute}, k.Scopes); diff != "" {
		t.Error(diff)
	}
	other, otherText := newKey(t, time.Time{}, ScopeExecute)
	if other.ID == k.ID || otherText == text || other.Digest == k.Digest {
		t.Error("two keys have something in common")
	}
	_, secretPart, _ := strings.Cut(strings.TrimPrefix(text, KeyPrefix), "_")
	if shown := fmt.Sprintf("%+v %#v", k, k); strings.Contains(shown, secretPart) {
		t.Error("what is kept of a key holds it")
	}
}

func TestAKeyOpensWhatIsItsOwn(t *testing.T) {
	k, text := newKey(t, noon.Add(time.Hour), ScopeExecute)
	_, other := newKey(t, time.Time{}, ScopeExecute)
	revoked := k
	revoked.RevokedAt = noon
	acme := Tenant{ID: "acme"}
	for name, c := range map[string]struct {
		key    Key
		text   string
		tenant Tenant
		after  time.Duration
		want   error
	}{
		"a good key":                 {k, text, acme, time.Hour - 1, nil},
		"one that has just expired":  {k, text, acme, time.Hour, ErrKeyExpired},
		"one that is revoked":        {revoked, text, acme, 0, ErrKeyRevoked},
		"another's secret":           {k, other, acme, 0, ErrWrongKey},
		"another's of a revoked one": {revoked, other, acme, 0, ErrWrongKey},
		"a suspended tenant":         {k, text, Tenant{ID: "acme", Suspended: true}, 0, ErrSuspended},
		"another tenant":             {k, text, Tenant{ID: "other"}, 0, ErrWrongKey},
		"a key of which no more than the zero digest is kept": {Key{ID: k.ID, Tenant: "acme"}, text, acme, 0, ErrWrongKey},
	} {
		presented, err := ParseKey(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.key.Admit(presented, c.tenant, noon.Add(c.after)); !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if !k.Has(ScopeExecute) || k.Has(ScopeRead) || k.Has(ScopeAdmin) || k.Has("") {
		t.Error("it has other scopes than it was given")
	}
	if _, admin := newKey(t, time.Time{}, ScopeAdmin); admin == "" {
		t.Fatal()
	} else if k, _ := newKey(t, time.Time{}, ScopeAdmin); k.Has(ScopeExecute) || k.Has(ScopeRead) {
		t.Error("admin holds other scopes")
	}
}

// Every slip of a hand is told without asking the store.
func TestAMistypedKeyIsNoKey(t *testing.T) {
	_, text := newKey(t, time.Time{}, ScopeExecute)
	for i := range text {
		for _, r := range []string{"", "a", "q", "7", "_", "A", "1", " ", "\x00", "ä"} {
			for _, slip := range []string{text[:i] + r + text[i+1:], text[:i] + r + text[i:]} {
				if _, err := ParseKey(slip); slip != text && !errors.Is(err, ErrMalformedKey) {
					t.Errorf("%q is taken, and the key is %q", slip, text)
				}
			}
		}
		if i > 0 && text[i-1] != text[i] {
			swapped := text[:i-1] + text[i:i+1] + text[i-1:i] + text[i+1:]
			if _, err := ParseKey(swapped); err == nil {
				t.Errorf("%q is taken, and the key is %q", swapped, text)
			}
		}
	}
	for _, other := range []string{"", "gbx_", strings.ToUpper(text), text + "\n", " " + text, text[:len(text)-1], text + "a"} {
		if _, err := ParseKey(other); err == nil {
			t.Errorf("%q is taken", other)
		}
	}
}

func TestWhatNoKeyCanBe(t *testing.T) {
	some := []Scope{ScopeRead}
	for field, make := range map[string]func() error{
		"tenant":    func() error { _, _, err := NewKey("A", "", some, noon, time.Time{}); return err },
		"name":      func() error { _, _, err := NewKey("a", "two\nlines", some, noon, time.Time{}); return err },
		"scopes":    func() error { _, _, err := NewKey("a", "", nil, noon, time.Time{}); return err },
		"expiresAt": func() error { _, _, err := NewKey("a", "", some, noon, noon); return err },
		"id":        func() error { return Key{ID: "x", Tenant: "a", Scopes: some}.Validate() },
	} {
		var invalid *InvalidError
		if err := make(); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%v, want a complaint of %s", err, field)
		}
	}
	if _, _, err := NewKey("a", strings.Repeat("n", MaxKeyName+1), some, noon, time.Time{}); err == nil {
		t.Error("a name may be endless")
	}
	if _, _, err := NewKey("a", "", []Scope{"all"}, noon, time.Time{}); err == nil {
		t.Error("a scope may be anything")
	}
}

func FuzzParseKey(f *testing.F) {
	_, text := newKey(f, time.Time{}, ScopeExecute)
	for _, seed := range []string{text, "", KeyPrefix, text[:len(text)-1] + "a", strings.Repeat("_", len(text)), strings.ToUpper(text)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseKey(text)
		if err != nil {
			if !errors.Is(err, ErrMalformedKey) || got != (PresentedKey{}) {
				t.Fatalf("%q: %v with %v", text, err, got)
			}
			return
		}
		// A key has one spelling: what is taken is made again from its parts, to the letter.
		random, err := keyEncoding.DecodeString(text[len(text)-secretLength:])
		if err != nil {
			t.Fatal(err)
		}
		random = random[:secretBytes]
		if again := KeyPrefix + got.ID + "_" + keyEncoding.EncodeToString(append(random, keySum(got.ID, random)...)); again != text {
			t.Fatalf("%q is taken for %q", text, again)
		}
	})
}
