package tenant

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"glovebox/internal/secret"
)

// A Scope is one thing that a key opens. None of them holds another: a key has what it was given.
type Scope string

// The scopes.
const (
	// ScopeExecute runs scripts, actions, tools and agents.
	ScopeExecute Scope = "execute"
	// ScopeRead looks at what the key's own tenant has run.
	ScopeRead Scope = "read"
	// ScopeAdmin looks at what concerns every tenant.
	ScopeAdmin Scope = "admin"
)

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{ScopeExecute, ScopeRead, ScopeAdmin} }

// A Key is what is kept of a key: everything but the key itself, of which there is a digest.
type Key struct {
	// ID names the key in logs and lists. It is no secret.
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	// Name says what the key is for, to people.
	Name      string    `json:"name,omitempty"`
	Scopes    []Scope   `json:"scopes"`
	CreatedAt time.Time `json:"createdAt"`
	// ExpiresAt and RevokedAt are when it opens nothing any more; zero is never.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	Digest    KeyDigest `json:"-"`
}

// A KeyDigest is the SHA-256 of a key's whole text. It needs no salt and no slow hash, which are for what people
// choose: nobody guesses 256 random bits, however fast a guess is.
type KeyDigest [sha256.Size]byte

// A key reads gbx_ID_SECRET. Both parts are in base32's lower case, so that a double click takes the whole of it; the
// secret is followed by a checksum of everything before it.
const (
	KeyPrefix = "gbx_"

	keyIDBytes, secretBytes, sumBytes = 10, 32, 3

	keyIDLength  = keyIDBytes * 8 / 5
	secretLength = (secretBytes + sumBytes) * 8 / 5
	keyLength    = len(KeyPrefix) + keyIDLength + len("_") + secretLength
)

// Both lengths are whole in base32, so that every key has one spelling.
var keyEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// MaxKeyName is the most bytes that a key's name may have.
const MaxKeyName = 100

// NewKey makes a key, and returns what is kept of it and its text, which is never to be had again. expires may be zero. The
// error is an *[InvalidError].
func NewKey(tenant, name string, scopes []Scope, now, expires time.Time) (Key, secret.Secret, error) {
	id, random := make([]byte, keyIDBytes), make([]byte, secretBytes, secretBytes+sumBytes)
	_, _ = rand.Read(id) // it never fails
	_, _ = rand.Read(random)
	key := Key{
		ID: keyEncoding.EncodeToString(id), Tenant: tenant, Name: name, Scopes: slices.Clone(scopes),
		CreatedAt: now.UTC().Truncate(time.Microsecond), ExpiresAt: expires.UTC().Truncate(time.Microsecond), // as they are kept
	}
	slices.Sort(key.Scopes)
	key.Scopes = slices.Compact(key.Scopes)
	text := KeyPrefix + key.ID + "_" + keyEncoding.EncodeToString(append(random, keySum(key.ID, random)...))
	key.Digest = sha256.Sum256([]byte(text))
	if err := key.Validate(); err != nil {
		return Key{}, secret.Secret{}, err
	}
	return key, secret.New(text), nil
}

// Validate checks the fields, and returns an *[InvalidError] for the first that is out of bounds.
func (k Key) Validate() error {
	if !isKeyPart(k.ID, keyIDLength) {
		return &InvalidError{"id", fmt.Sprintf("%d of a to z and 2 to 7", keyIDLength)}
	}
	if err := (Tenant{ID: k.Tenant}).Validate(); err != nil {
		return &InvalidError{"tenant", "no tenant can have this id"}
	}
	if len(k.Name) > MaxKeyName || strings.ContainsFunc(k.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return &InvalidError{"name", fmt.Sprintf("at most %d bytes that can be printed", MaxKeyName)}
	}
	if len(k.Scopes) == 0 {
		return &InvalidError{"scopes", "at least one is needed"}
	}
	for _, s := range k.Scopes {
		if !slices.Contains(Scopes(), s) {
			return &InvalidError{"scopes", fmt.Sprintf("%q is not known", s)}
		}
	}
	if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(k.CreatedAt) {
		return &InvalidError{"expiresAt", "a key cannot expire before it is made"}
	}
	return nil
}

// keySum is the checksum in a key. It tells a key that was cut or mistyped from one that is unknown, and does so
// without asking anybody; that the key is genuine it cannot tell.
func keySum(id string, random []byte) []byte {
	sum := sha256.Sum256(append([]byte(KeyPrefix+id+"_"), random...))
	return sum[:sumBytes]
}

// ErrMalformedKey is returned for a text that is no key of Glovebox's: by its form, or by its checksum.
var ErrMalformedKey = errors.New("this is no key: it begins with " + KeyPrefix + " and may have been cut or mistyped")

// A PresentedKey is a key that somebody has shown, and of which no more is known than that it has the form of one. It does
// not hold the key.
type PresentedKey struct {
	ID     string
	digest KeyDigest
}

// ParseKey reads a key, or returns [ErrMalformedKey], which holds nothing of the text.
func ParseKey(text string) (PresentedKey, error) {
	if len(text) != keyLength || text[:len(KeyPrefix)] != KeyPrefix {
		return PresentedKey{}, ErrMalformedKey
	}
	id, encoded, ok := strings.Cut(text[len(KeyPrefix):], "_")
	if !ok || !isKeyPart(id, keyIDLength) || !isKeyPart(encoded, secretLength) {
		return PresentedKey{}, ErrMalformedKey
	}
	random, err := keyEncoding.DecodeString(encoded)
	if err != nil || subtle.ConstantTimeCompare(random[secretBytes:], keySum(id, random[:secretBytes])) != 1 {
		return PresentedKey{}, ErrMalformedKey
	}
	return PresentedKey{ID: id, digest: sha256.Sum256([]byte(text))}, nil
}

func isKeyPart(s string, length int) bool {
	return len(s) == length && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

// Why a key opens nothing.
var (
	ErrWrongKey   = errors.New("the secret is not the key's")
	ErrKeyRevoked = errors.New("the key is revoked")
	ErrKeyExpired = errors.New("the key has expired")
	ErrSuspended  = errors.New("the tenant is suspended")
)

// Admit reports whether what somebody presented opens anything as this key of the tenant does, and returns one of the errors
// above where it does not. What it takes does not depend on how much of a secret is right.
func (k Key) Admit(presented PresentedKey, t Tenant, now time.Time) error {
	switch {
	case subtle.ConstantTimeCompare(k.Digest[:], presented.digest[:]) != 1, k.Tenant != t.ID:
		return ErrWrongKey
	case !k.RevokedAt.IsZero():
		return ErrKeyRevoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return ErrKeyExpired
	case t.Suspended:
		return ErrSuspended
	}
	return nil
}

// Has reports whether the key has a scope.
func (k Key) Has(s Scope) bool { return slices.Contains(k.Scopes, s) }
