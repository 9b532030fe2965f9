package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// An Attestation says that what was in force on a box was read back and compared with what it was to be. A box with one
// difference never gets a script.
type Attestation struct {
	// Verified is true where every check held, and there was one.
	Verified bool `json:"verified"`
	// Checks counts them.
	Checks int `json:"checks"`
	// Digest is sha256: and the hash of the statement as canonical JSON (RFC 8785).
	Digest string `json:"digest"`
	// Statement is the whole, where it was asked for.
	Statement *Statement `json:"statement,omitempty"`

	whole *Statement
}

// A Statement is every check of one box, and what could not be checked.
type Statement struct {
	Checks []Check  `json:"checks"`
	Untold []Untold `json:"untold"`
}

// A Vantage is from where a box was looked at.
type Vantage string

// The vantages.
const (
	// Inside is the runner's own word, from before it had a script.
	Inside Vantage = "inside"
	// Outside is the host's kernel's, and what the runtime has kept of its orders.
	Outside Vantage = "outside"
	// Engine is the container engine's word.
	Engine Vantage = "engine"
)

// A Check is one thing that was wanted of a box, and what was seen of it. Members are in the order of their names, so that
// the JSON is canonical (RFC 8785).
type Check struct {
	Claim  string  `json:"claim"`
	Seen   string  `json:"seen"`
	Wanted string  `json:"wanted"`
	Where  Vantage `json:"where"`
}

// String tells a check that did not hold.
func (c Check) String() string {
	return fmt.Sprintf("%s (%s) is %s, not %s", c.Claim, c.Where, c.Seen, c.Wanted)
}

// Untold is something that cannot be checked from a vantage, with the reason.
type Untold struct {
	Claim string  `json:"claim"`
	Where Vantage `json:"where"`
	Why   string  `json:"why"`
}

// The values of the query's attestation: in short, which is the default, and in full.
const (
	AttestationShort = "short"
	AttestationFull  = "full"
)

// ParseAttestation reads the values that a query gives to attestation, and reports whether results are to come with the
// whole statement. The error is an *[Error].
func ParseAttestation(values []string) (full bool, err error) {
	switch {
	case len(values) == 0:
		return false, nil
	case len(values) > 1:
		return false, invalid("attestation", "is given %d times; once is allowed", len(values))
	case values[0] == AttestationFull:
		return true, nil
	case values[0] == AttestationShort:
		return false, nil
	}
	return false, invalid("attestation", "is %.40q; %s and %s are allowed", values[0], AttestationShort, AttestationFull)
}

// Attest makes the attestation of a box of whose statement every check held. The statement is not changed any more.
func Attest(s Statement) *Attestation {
	if s.Checks == nil {
		s.Checks = []Check{}
	}
	if s.Untold == nil {
		s.Untold = []Untold{}
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // strings always marshal
	}
	sum := sha256.Sum256(bytes.TrimRight(body.Bytes(), "\n"))
	return &Attestation{
		Verified: len(s.Checks) > 0, Checks: len(s.Checks), Digest: "sha256:" + hex.EncodeToString(sum[:]), whole: &s,
	}
}

// InFull returns the attestation with its statement, as far as that is known.
func (a *Attestation) InFull() *Attestation {
	if a == nil || a.whole == nil {
		return a
	}
	full := *a
	full.Statement = a.whole
	return &full
}

// InShort returns the attestation without its statement, which [Attestation.InFull] brings back.
func (a *Attestation) InShort() *Attestation {
	if a == nil || a.Statement == nil {
		return a
	}
	short := *a
	short.Statement, short.whole = nil, a.Statement
	return &short
}
