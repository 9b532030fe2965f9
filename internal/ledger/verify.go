package ledger

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
)

// VerifyOptions say what else is known.
type VerifyOptions struct {
	// Checkpoints are earlier ones, kept elsewhere: the export must go on from what each was of. Those of less than what the export begins behind can be
	// held against nothing in it; where all are, that is a fault.
	Checkpoints []Checkpoint
}

// A Report says what an export that was found whole is of.
type Report struct {
	// From is the first entry's number, and Entries how many there are.
	From, Entries uint64
	// Checkpoint is the one at its end, which was found to be good.
	Checkpoint Checkpoint
	// Held is how many of the earlier checkpoints it agrees with: all but those of less than what it begins behind.
	Held int
}

// Verify reads an export to its end and checks all of it, with nothing but a public key: that which signed its checkpoint, or one
// that signed earlier and vouches for it by rotations within the export. What it needs of memory does not grow with the
// export. The error is a *[FaultError], or the reader's own.
func Verify(r io.Reader, key PublicKey, o VerifyOptions) (Report, error) {
	// A buffer of the bound: what does not fit is beyond it.
	v := verifier{lines: bufio.NewReaderSize(r, MaxLineBytes), key: key, earlier: inOrder(o.Checkpoints)}
	report, fault, err := v.run()
	if err != nil {
		return Report{}, err
	}
	if fault != nil {
		if fault.Line == 0 {
			fault.Line = v.line
		}
		return Report{}, fault
	}
	return report, nil
}

type verifier struct {
	lines   *bufio.Reader
	line    int
	chain   chain
	key     PublicKey
	vouched bool // key signs where the chain is, or has signed before
	// earlier are checkpoints in the order of what they are of: those that the chain has not come to yet.
	earlier []Checkpoint
	held    int
}

// inOrder sorts checkpoints by how many entries they are of.
func inOrder(checkpoints []Checkpoint) []Checkpoint {
	return slices.SortedStableFunc(slices.Values(checkpoints), func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}

func (v *verifier) run() (report Report, fault *FaultError, err error) {
	text, fault, err := v.next()
	if fault != nil || err != nil {
		return Report{}, fault, err
	}
	from, fault := v.begin(text)
	if fault != nil {
		return Report{}, fault, nil
	}
	for {
		text, fault, err := v.next()
		if fault != nil || err != nil {
			return Report{}, fault, err
		}
		end, fault := v.follow(text)
		if fault != nil {
			return Report{}, fault, nil
		}
		if end == nil {
			continue
		}
		if fault := v.end(*end); fault != nil {
			return Report{}, fault, nil
		}
		switch _, err := v.lines.ReadByte(); {
		case err == nil:
			return Report{}, &FaultError{Problem: ProblemTrailing, Line: v.line + 1, Detail: "something follows the checkpoint"}, nil
		case !errors.Is(err, io.EOF):
			return Report{}, nil, err
		}
		return Report{From: from, Entries: v.chain.head.Size + 1 - from, Checkpoint: *end, Held: v.held}, nil, nil
	}
}

// next returns the next line without its end. It is good until the next call.
func (v *verifier) next() ([]byte, *FaultError, error) {
	v.line++
	text, err := v.lines.ReadSlice('\n')
	switch {
	case err == nil:
		return text[:len(text)-1], nil, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &FaultError{Problem: ProblemForm, Detail: fmt.Sprintf("longer than %d bytes", MaxLineBytes)}, nil
	case !errors.Is(err, io.EOF):
		return nil, nil, err
	case len(text) > 0:
		return nil, &FaultError{Problem: ProblemTruncated, Detail: "the export ends within a line"}, nil
	}
	return nil, &FaultError{Problem: ProblemTruncated, Detail: "the export ends without a checkpoint"}, nil
}

// begin reads the header.
func (v *verifier) begin(text []byte) (from uint64, fault *FaultError) {
	var h header
	if err := decode(text, &h); err != nil {
		return 0, &FaultError{Problem: err.problem, Detail: err.why}
	}
	switch {
	case h.Format != exportFormat || h.Version != Version:
		return 0, &FaultError{Problem: ProblemUnknown, Detail: fmt.Sprintf("no export of version %d", Version)}
	case !h.Log.valid() || h.From < 1 || h.From > maxNumber:
		return 0, &FaultError{Problem: ProblemUnknown, Detail: "the header's log or number is none"}
	case h.From == 1 && h.Prev != Hash{}:
		return 0, &FaultError{Problem: ProblemChain, Detail: "the header has a hash of what stands before the first entry"}
	}
	if fault := v.compare(h); fault != nil {
		return 0, fault
	}
	v.chain.head = Head{Log: h.Log, Size: h.From - 1, Hash: h.Prev, Key: h.Key}
	return h.From, v.arrived()
}

// compare checks that the earlier checkpoints can be held against an export with this header, and leaves out those that are of what stands before it.
func (v *verifier) compare(h header) *FaultError {
	for _, c := range v.earlier {
		if !c.authentic() {
			return &FaultError{Problem: ProblemSignature, Detail: fmt.Sprintf("the signature of the earlier checkpoint of %d entries is not its key's", c.Size)}
		}
		if c.Log != h.Log {
			return &FaultError{Problem: ProblemLog, Detail: fmt.Sprintf("the export is of log %s, and the earlier checkpoint of %d entries of %s", h.Log, c.Size, c.Log)}
		}
	}
	given := len(v.earlier)
	for len(v.earlier) > 0 && v.earlier[0].Size < h.From-1 {
		if given--; given == 0 {
			return &FaultError{Problem: ProblemUncomparable, Detail: fmt.Sprintf("the export begins at entry %d: to be held against the earlier checkpoint it has to begin at %d or before",
				h.From, v.earlier[0].Size+1)}
		}
		v.earlier = v.earlier[1:]
	}
	return nil
}

// follow reads a line after the header: an entry, or the checkpoint, which it returns.
func (v *verifier) follow(text []byte) (*Checkpoint, *FaultError) {
	var l line
	if err := decode(text, &l); err != nil {
		return nil, &FaultError{Problem: err.problem, Detail: err.why}
	}
	switch {
	case l.Entry != nil && l.Hash != nil && l.Checkpoint == nil:
	case l.Checkpoint != nil && l.Entry == nil && l.Hash == nil:
		if err := l.Checkpoint.validate(); err != nil {
			return nil, &FaultError{Problem: ProblemUnknown, Detail: err.Error()}
		}
		return l.Checkpoint, nil
	default:
		return nil, &FaultError{Problem: ProblemUnknown, Detail: "neither an entry with its hash nor a checkpoint"}
	}
	if err := l.Entry.validate(); err != nil {
		return nil, &FaultError{Problem: ProblemUnknown, Seq: l.Entry.Seq, Detail: err.Error()}
	}
	if hashEntry(splitRow(text)) != *l.Hash {
		return nil, &FaultError{Problem: ProblemAltered, Seq: l.Entry.Seq, Detail: "it does not have its hash"}
	}
	if fault := v.chain.add(l.Entry, *l.Hash); fault != nil {
		return nil, fault
	}
	return nil, v.arrived()
}

// arrived looks, at each place of the chain, for what is known of it from elsewhere.
func (v *verifier) arrived() *FaultError {
	at := v.chain.head
	v.vouched = v.vouched || at.Key == v.key
	for len(v.earlier) > 0 && v.earlier[0].Size == at.Size {
		switch c := v.earlier[0]; {
		case c.Key != at.Key:
			return &FaultError{Problem: ProblemSignature, Seq: at.Size, Detail: "the earlier checkpoint is by another key than signed here"}
		case c.Head != at.Hash:
			return &FaultError{Problem: ProblemRolledBack, Seq: at.Size, Detail: "the earlier checkpoint names another hash of this entry: this, or what stands before it, was altered since"}
		}
		v.earlier = v.earlier[1:]
		v.held++
	}
	return nil
}

// end checks the checkpoint at the end.
func (v *verifier) end(p Checkpoint) *FaultError {
	if fault := v.chain.checkpoint(p); fault != nil {
		return fault
	}
	if !v.vouched {
		return &FaultError{Problem: ProblemKey, Detail: fmt.Sprintf("it is signed by %s, for which the given key, %s, does not vouch", p.Key, v.key)}
	}
	if n := len(v.earlier); n > 0 { // which the chain has not come to
		return &FaultError{Problem: ProblemRolledBack, Detail: fmt.Sprintf("the log has %d entries, and had %d at the earlier checkpoint", p.Size, v.earlier[n-1].Size)}
	}
	return nil
}
