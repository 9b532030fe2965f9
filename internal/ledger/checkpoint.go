package ledger

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Checkpoint says where a log ended at a time, signed by the key that signed there. Kept elsewhere, it shows that a later
// export has all that stood before it.
type Checkpoint struct {
	Version   int       `json:"v"`
	Log       LogID     `json:"log"`
	Size      uint64    `json:"size"`
	Head      Hash      `json:"head"`
	Time      Time      `json:"time"`
	Key       PublicKey `json:"key"`
	Signature Signature `json:"signature"`
}

// A trailer is the last line of an export, and all of a checkpoint that is kept elsewhere.
type trailer struct {
	Checkpoint *Checkpoint `json:"checkpoint"`
}

// Checkpoint signs where a log ends.
func (s *Signer) Checkpoint(head Head, now time.Time) Checkpoint {
	c := Checkpoint{Version: Version, Log: head.Log, Size: head.Size, Head: head.Hash, Time: Time{now}, Key: s.Public()}
	c.Signature = s.sign(c.signed())
	return c
}

// signed is what the signature is of: all of it but the signature.
func (c Checkpoint) signed() []byte {
	return signedBytes(domainCheckpoint, struct {
		Version int       `json:"v"`
		Log     LogID     `json:"log"`
		Size    uint64    `json:"size"`
		Head    Hash      `json:"head"`
		Time    Time      `json:"time"`
		Key     PublicKey `json:"key"`
	}{c.Version, c.Log, c.Size, c.Head, c.Time, c.Key})
}

// authentic reports whether the signature is the key's that it names.
func (c Checkpoint) authentic() bool { return c.Key.signed(c.signed(), c.Signature) }

func (c Checkpoint) validate() error {
	switch {
	case c.Version != Version:
		return &InvalidError{"checkpoint.v", "the version is not known"}
	case !c.Log.valid():
		return &InvalidError{"checkpoint.log", "not 32 digits of base 16"}
	case c.Size == 0 || c.Size > maxNumber:
		return &InvalidError{"checkpoint.size", "out of bounds"}
	case !c.Time.valid():
		return &InvalidError{"checkpoint.time", "out of bounds"}
	}
	return nil
}

// Line writes the checkpoint as a line, with its end, that [ParseCheckpoint] reads: it is that of an export's end.
func (c Checkpoint) Line() ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	line, err := encode(trailer{&c})
	return append(line, '\n'), err
}

// ParseCheckpoint reads a line that [Checkpoint.Line] wrote; its end may be missing. It does not check the signature: that it
// counts only [Verify] can tell, since keys change.
func ParseCheckpoint(line []byte) (Checkpoint, error) {
	var t trailer
	if err := decode(bytes.TrimSuffix(line, []byte("\n")), &t); err != nil {
		return Checkpoint{}, err
	}
	if t.Checkpoint == nil {
		return Checkpoint{}, errors.New("no checkpoint")
	}
	return *t.Checkpoint, t.Checkpoint.validate()
}

// ParseCheckpoints reads lines of [Checkpoint.Line], one or more, as they are gathered in a file; empty ones are passed over. It checks no signature either. The
// error names the line.
func ParseCheckpoints(r io.Reader) ([]Checkpoint, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxLineBytes)
	var all []Checkpoint
	line := 0
	for lines.Scan() {
		if line++; len(lines.Bytes()) == 0 {
			continue
		}
		c, err := ParseCheckpoint(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		all = append(all, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	if len(all) == 0 {
		return nil, errors.New("no checkpoint")
	}
	return all, nil
}

// rotationBytes is what both keys of a rotation sign.
func rotationBytes(e *Entry) []byte {
	return signedBytes(domainRotation, struct {
		Version int       `json:"v"`
		Log     LogID     `json:"log"`
		Seq     uint64    `json:"seq"`
		Prev    Hash      `json:"prev"`
		Old     PublicKey `json:"old"`
		New     PublicKey `json:"new"`
	}{e.Version, e.Log, e.Seq, e.Prev, e.Rotation.Old, e.Rotation.New})
}

func signedBytes(domain string, value any) []byte {
	canonical, err := encode(value)
	if err != nil {
		panic(err) // what it is called with are numbers, hashes and keys: they have a form each
	}
	return append([]byte(domain), canonical...)
}

func (k PublicKey) signed(message []byte, signature Signature) bool {
	return ed25519.Verify(k[:], message, signature[:])
}
