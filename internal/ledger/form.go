package ledger

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gowebpki/jcs"
)

// What is hashed, signed or keyed begins with what it is, so that bytes of one sort never pass for another's.
const (
	domainEntry      = "glovebox ledger entry v1\n"
	domainCheckpoint = "glovebox ledger checkpoint v1\n"
	domainRotation   = "glovebox ledger rotation v1\n"
	domainCode       = "glovebox ledger code v1\n"
	domainInput      = "glovebox ledger input v1\n"
	domainTask       = "glovebox ledger task v1\n"
)

// encode returns the canonical form of a value of this package that has passed its checks.
func encode(value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(plain)
}

// A formError says how text is not the canonical form of anything known.
type formError struct {
	problem Problem
	why     string
}

func (e *formError) Error() string { return e.why }

// decode reads text into value, a pointer to a type of this package. Any text but the one that encode would make of what was read is
// refused: white space, another order, another way to write a number or a string, a member twice, unknown, or in other
// letters, and null for what is not there.
func decode(text []byte, value any) *formError {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	unknown := decoder.Decode(value)
	if unknown == nil {
		if again, err := encode(value); err == nil && bytes.Equal(again, text) {
			return nil
		}
		unknown = fmt.Errorf("not as version %d writes it", Version)
	}
	// It will not do. What is left is to say why.
	canonical, err := jcs.Transform(text)
	switch {
	case err != nil:
		return &formError{ProblemForm, "no canonical JSON: " + err.Error()}
	case !bytes.Equal(canonical, text):
		return &formError{ProblemForm, "JSON, but not canonical"}
	}
	return &formError{ProblemUnknown, fmt.Sprintf("not what is known of version %d: %.200s", Version, unknown)}
}

// A Hash is a SHA-256.
type Hash [sha256.Size]byte

const hashPrefix = "sha256:"

func hashEntry(canonical []byte) Hash {
	h := sha256.New()
	h.Write([]byte(domainEntry))
	h.Write(canonical)
	return Hash(h.Sum(nil))
}

// String writes it as sha256: and 64 digits of base 16.
func (h Hash) String() string { return hashPrefix + hex.EncodeToString(h[:]) }

// MarshalText is String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String writes.
func (h *Hash) UnmarshalText(text []byte) error { return unhex(h[:], hashPrefix, text) }

// A MAC is an HMAC-SHA-256.
type MAC [sha256.Size]byte

const macPrefix = "hmac-sha256:"

// String writes it as hmac-sha256: and 64 digits of base 16.
func (m MAC) String() string { return macPrefix + hex.EncodeToString(m[:]) }

// MarshalText is String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what String writes.
func (m *MAC) UnmarshalText(text []byte) error { return unhex(m[:], macPrefix, text) }

func unhex(into []byte, prefix string, text []byte) error {
	digits, found := bytes.CutPrefix(text, []byte(prefix))
	if !found || hex.DecodedLen(len(digits)) != len(into) {
		return fmt.Errorf("not %s and %d digits", prefix, hex.EncodedLen(len(into)))
	}
	_, err := hex.Decode(into, digits)
	return err
}

// A Salt is what an execution's digests are keyed with. Who has it and the code can show that the digest is that code's; who has
// the digest alone can not even try out guesses. It is deleted with the data.
type Salt [sha256.Size]byte

// NewSalt returns a fresh one.
func NewSalt() (s Salt) {
	rand.Read(s[:]) // never fails
	return s
}

// Code is the digest of an execution's code.
func (s Salt) Code(code string) MAC { return s.mac(domainCode, []byte(code)) }

// Input is the digest of an execution's input, as it was written.
func (s Salt) Input(input []byte) MAC { return s.mac(domainInput, input) }

// Task is the digest of an agent's task, as it was sent.
func (s Salt) Task(task []byte) MAC { return s.mac(domainTask, task) }

func (s Salt) mac(domain string, data []byte) MAC {
	h := hmac.New(sha256.New, s[:])
	h.Write([]byte(domain))
	h.Write(data)
	return MAC(h.Sum(nil))
}

// A LogID names a log, so that two are never taken for one: 32 digits of base 16, by chance.
type LogID string

var logIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

func newLogID() LogID {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return LogID(hex.EncodeToString(id[:]))
}

func (l LogID) valid() bool { return logIDPattern.MatchString(string(l)) }

// A Time is written in UTC, with nine digits of a second.
type Time struct{ time.Time }

const timeForm = "2006-01-02T15:04:05.000000000Z"

func (t Time) valid() bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

// MarshalJSON writes it.
func (t Time) MarshalJSON() ([]byte, error) { return []byte(`"` + t.UTC().Format(timeForm) + `"`), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Time) UnmarshalJSON(text []byte) error {
	read, err := time.Parse(`"`+timeForm+`"`, string(text))
	t.Time = read.UTC()
	return err
}

// unbase64 reads prefix and as many bytes as into has.
func unbase64(into []byte, prefix string, text []byte) error {
	encoded, found := strings.CutPrefix(string(text), prefix)
	if !found {
		return errors.New("does not begin with " + prefix)
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return err
	}
	if len(decoded) != len(into) {
		return fmt.Errorf("%d bytes in place of %d", len(decoded), len(into))
	}
	copy(into, decoded)
	return nil
}
