package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
)

// A PublicKey is one of Ed25519.
type PublicKey [ed25519.PublicKeySize]byte

// A Signature is one of Ed25519.
type Signature [ed25519.SignatureSize]byte

const keyPrefix = "ed25519:"

// String writes it as ed25519: and its bytes in base 64.
func (k PublicKey) String() string { return keyPrefix + base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText is String.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what String writes.
func (k *PublicKey) UnmarshalText(text []byte) error { return unbase64(k[:], keyPrefix, text) }

// MarshalText writes it as ed25519: and its bytes in base 64.
func (s Signature) MarshalText() ([]byte, error) {
	return []byte(keyPrefix + base64.StdEncoding.EncodeToString(s[:])), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Signature) UnmarshalText(text []byte) error { return unbase64(s[:], keyPrefix, text) }

const (
	publicBlock  = "PUBLIC KEY"
	privateBlock = "PRIVATE KEY"
)

// PEM writes it as SubjectPublicKeyInfo (RFC 8410).
func (k PublicKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(k[:]))
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}), nil
}

// ParsePublicKey reads what PEM writes, and nothing beside it.
func ParsePublicKey(text []byte) (PublicKey, error) {
	der, err := onlyBlock(text, publicBlock)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, err
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, errors.New("a public key, but not of Ed25519")
	}
	return PublicKey(public), nil
}

// A Signer holds a private key, and shows it to nobody. It is safe for concurrent use.
type Signer struct{ private *ed25519.PrivateKey }

// NewSigner makes a key.
func NewSigner() *Signer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // the source never fails
	}
	return &Signer{&private}
}

// ParseSigner reads a private key: PKCS #8 as PEM, and nothing beside it.
func ParseSigner(text []byte) (*Signer, error) {
	der, err := onlyBlock(text, privateBlock)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("no PKCS #8") // its error may quote the key
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("a private key, but not of Ed25519")
	}
	return &Signer{&private}, nil
}

// onlyBlock returns what a PEM block of the type holds, where text is that block and nothing else.
func onlyBlock(text []byte, of string) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != of || !bytes.Equal(bytes.TrimSpace(pem.EncodeToMemory(block)), bytes.TrimSpace(text)) {
		return nil, errors.New("not one PEM block of type " + of)
	}
	return block.Bytes, nil
}

// Public is the public half.
func (s *Signer) Public() PublicKey { return PublicKey(s.private.Public().(ed25519.PublicKey)) }

func (s *Signer) sign(message []byte) Signature { return Signature(ed25519.Sign(*s.private, message)) }

// pem writes the private key.
func (s *Signer) pem() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(*s.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}), nil
}

// String tells the public half: a Signer is never shown.
func (s *Signer) String() string { return "signer of " + s.Public().String() }

// GoString is String.
func (s *Signer) GoString() string { return s.String() }

// LogValue is String.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String.
func (s *Signer) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
