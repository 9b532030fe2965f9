package ledger

import (
	"bytes"
	"fmt"
)

// A Problem is a sort of what can be wrong with a log or an export.
type Problem string

// The problems.
const (
	// ProblemForm is what is no canonical JSON, ends within a line, or has a line beyond the bound.
	ProblemForm Problem = "form"
	// ProblemUnknown is canonical JSON that this version of the format does not have.
	ProblemUnknown Problem = "unknown"
	// ProblemAltered is an entry that does not have its hash.
	ProblemAltered Problem = "altered"
	// ProblemChain is an entry that follows another than the one before it.
	ProblemChain Problem = "chain"
	// ProblemSequence is an entry that is missing, there twice, or in another's place.
	ProblemSequence Problem = "sequence"
	// ProblemLog is an entry or a checkpoint of another log.
	ProblemLog Problem = "log"
	// ProblemSignature is a signature that is not its key's, or of a key that does not sign there.
	ProblemSignature Problem = "signature"
	// ProblemKey is an export that is whole, but by a key that the given one does not vouch for.
	ProblemKey Problem = "key"
	// ProblemTruncated is an export without its end.
	ProblemTruncated Problem = "truncated"
	// ProblemTrailing is what follows an export's end.
	ProblemTrailing Problem = "trailing"
	// ProblemRolledBack is a log that lacks, or has altered, what an earlier checkpoint says it had.
	ProblemRolledBack Problem = "rolled-back"
	// ProblemUncomparable is an export that begins too late to be held against the earlier checkpoint.
	ProblemUncomparable Problem = "uncomparable"
)

// A FaultError is what is wrong, and where.
type FaultError struct {
	Problem Problem
	// Line is that of the export, from 1; 0 where the fault is in no line.
	Line int
	// Seq is the number that the entry has, or should have; 0 where the fault is in none.
	Seq    uint64
	Detail string
}

func (f *FaultError) Error() string {
	where := ""
	if f.Line > 0 {
		where = fmt.Sprintf("line %d: ", f.Line)
	}
	if f.Seq > 0 {
		where += fmt.Sprintf("entry %d: ", f.Seq)
	}
	return where + f.Detail + " (" + string(f.Problem) + ")"
}

// A chain follows entries one by one, and remembers nothing but where it is.
type chain struct{ head Head }

// add checks an entry's place and its signatures, and goes on to it. It has been decoded or made, and so is valid by itself.
func (c *chain) add(e *Entry, hash Hash) *FaultError {
	wrong := func(problem Problem, format string, args ...any) *FaultError {
		return &FaultError{Problem: problem, Seq: e.Seq, Detail: fmt.Sprintf(format, args...)}
	}
	if c.head.Log != "" && e.Log != c.head.Log {
		return wrong(ProblemLog, "it is of log %s, and not of %s", e.Log, c.head.Log)
	}
	switch want := c.head.Size + 1; {
	case e.Seq > want:
		return wrong(ProblemSequence, "it stands where entry %d should", want)
	case e.Seq < want:
		return wrong(ProblemSequence, "it stands where entry %d should, behind entry %d", want, c.head.Size)
	}
	if e.Prev != c.head.Hash {
		return wrong(ProblemChain, "it follows an entry with hash %s, and the one before it has %s: one of the two was altered", e.Prev, c.head.Hash)
	}
	if (e.Created != nil) != (e.Seq == 1) {
		return wrong(ProblemSequence, "the first entry, and no other, begins a log")
	}
	key := c.head.Key
	switch {
	case e.Created != nil:
		if key != (PublicKey{}) && key != e.Created.Key {
			return wrong(ProblemSignature, "it names another key than the header")
		}
		key = e.Created.Key
	case e.Rotation != nil:
		signed, r := rotationBytes(e), e.Rotation
		if r.Old != key || r.New == key {
			return wrong(ProblemSignature, "it takes away a key that does not sign here")
		}
		if !r.Old.signed(signed, r.OldSignature) || !r.New.signed(signed, r.NewSignature) {
			return wrong(ProblemSignature, "a rotation without the signatures of both keys")
		}
		key = r.New
	case e.Checkpoint != nil:
		if fault := c.checkpoint(*e.Checkpoint); fault != nil {
			fault.Seq = e.Seq
			return fault
		}
	}
	c.head = Head{Log: e.Log, Size: e.Seq, Hash: hash, Key: key}
	return nil
}

// checkpoint checks that a checkpoint is of right here.
func (c *chain) checkpoint(p Checkpoint) *FaultError {
	wrong := func(problem Problem, format string, args ...any) *FaultError {
		return &FaultError{Problem: problem, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case p.Log != c.head.Log:
		return wrong(ProblemLog, "the checkpoint is of log %s, and not of %s", p.Log, c.head.Log)
	case !p.authentic():
		return wrong(ProblemSignature, "the checkpoint's signature is not its key's")
	case p.Key != c.head.Key:
		return wrong(ProblemSignature, "the checkpoint is by another key than signs here")
	case p.Size > c.head.Size:
		return wrong(ProblemTruncated, "the checkpoint is of %d entries, and the last one here is %d", p.Size, c.head.Size)
	case p.Size < c.head.Size:
		return wrong(ProblemTrailing, "the checkpoint is of %d entries, and the last one here is %d", p.Size, c.head.Size)
	case p.Head != c.head.Hash:
		return wrong(ProblemAltered, "the checkpoint names another hash of entry %d", p.Size)
	}
	return nil
}

// addRow decodes a row and adds it.
func (c *chain) addRow(row Row) *FaultError {
	e, fault := decodeRow(row)
	if fault != nil {
		return fault
	}
	before := c.head.Key
	if fault := c.add(e, row.Hash); fault != nil {
		return fault
	}
	changed := c.head.Key != before || e.Seq == 1
	if (row.Key != nil) != changed || (changed && *row.Key != c.head.Key) {
		return &FaultError{Problem: ProblemAltered, Seq: row.Seq, Detail: "it is kept beside another key than it names"}
	}
	return nil
}

// decodeRow checks that a row is as [Seal] made it.
func decodeRow(row Row) (*Entry, *FaultError) {
	if hashEntry(row.Entry) != row.Hash {
		return nil, &FaultError{Problem: ProblemAltered, Seq: row.Seq, Detail: "it does not have its hash"}
	}
	e := new(Entry)
	if err := decode(row.Entry, e); err != nil {
		return nil, &FaultError{Problem: err.problem, Seq: row.Seq, Detail: err.why}
	}
	if err := e.validate(); err != nil {
		return nil, &FaultError{Problem: ProblemUnknown, Seq: row.Seq, Detail: err.Error()}
	}
	if e.Seq != row.Seq {
		return nil, &FaultError{Problem: ProblemSequence, Seq: row.Seq, Detail: fmt.Sprintf("it is kept in the place of entry %d", e.Seq)}
	}
	return e, nil
}

// splitRow finds an entry and its hash in a line that is canonical and holds these two.
func splitRow(line []byte) (entry []byte) {
	entry = bytes.TrimPrefix(line, []byte(rowStart))
	return entry[:len(entry)-len(rowMiddle)-len(Hash{}.String())-len(rowEnd)]
}

const (
	rowStart  = `{"entry":`
	rowMiddle = `,"hash":"`
	rowEnd    = `"}`
)
