package kept

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
)

// An IdempotencyKey says that requests that have it are one and the same; the zero value is none. It is a request's, and not kept as it is:
// see [IdempotencyKey.Keep].
type IdempotencyKey struct {
	Key string
	// Body is the SHA-256 of the request's body: the same key with another body is a mistake.
	Body [sha256.Size]byte
}

// An Idempotency is what is kept of an [IdempotencyKey].
type Idempotency struct {
	Key string
	// Salt goes with what is the tenant's own: then Body can be held against nothing, by nobody. The zero value is one that has gone.
	Salt [sha256.Size]byte
	// Body is an HMAC of the key's: see [SaltedBody].
	Body [sha256.Size]byte
}

// Keep is what is kept of a key, with a fresh salt.
func (k IdempotencyKey) Keep() Idempotency {
	if k.Key == "" {
		return Idempotency{}
	}
	i := Idempotency{Key: k.Key}
	rand.Read(i.Salt[:]) // never fails
	i.Body = SaltedBody(i.Salt, k.Body)
	return i
}

// SaltedBody is the HMAC-SHA-256, keyed with a salt, of the SHA-256 of a request's body: without the salt nobody can try out guesses at a short one.
func SaltedBody(salt, body [sha256.Size]byte) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, salt[:])
	h.Write([]byte("glovebox idempotency v1\n"))
	h.Write(body[:])
	return [sha256.Size]byte(h.Sum(nil))
}

// StandsFor reports whether a request of the same key is the same request. Where the salt has gone nobody can tell any more, and the key stands for
// what it stood for.
func (i Idempotency) StandsFor(k IdempotencyKey) bool {
	if i.Salt == ([sha256.Size]byte{}) {
		return true
	}
	body := SaltedBody(i.Salt, k.Body)
	return hmac.Equal(i.Body[:], body[:])
}

// Forget lets the salt go.
func (i *Idempotency) Forget() { i.Salt = [sha256.Size]byte{} }
