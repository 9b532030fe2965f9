package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// VerifyOptions say what else is known.
type VerifyOptions struct {
	// Checkpoint is an earlier one, kept elsewhere: the export must go on from what it was of.
	Checkpoint *Checkpoint
}

// A Report says what an export that was found whole is of.
type Report struct {
	// From is the first entry's number, and Entries how many there are.
	From, Entries uint64
	// Checkpoint is the one at its end, which was found to be good.
	Checkpoint Checkpoint
}

// Verify reads an export to its end and checks all of it, with nothing but a public key: that which signed its checkpoint, or one
// that signed earlier and vouches for it by rotations within the export. What it needs of memory does not grow with the
// export. The error is a *[FaultError], or the reader's own.
func Verify(r io.Reader, key PublicKey, o VerifyOptions) (Report, error) {
	// A buffer of the bound: what does not fit is beyond it.
	v := verifier{lines: bufio.NewReaderSize(r, MaxLineBytes), key: key, earlier: o.Checkpoint}
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
	earlier *Checkpoint
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
		return Report{From: from, Entries: v.chain.head.Size + 1 - from, Checkpoint: *end}, nil, nil
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
	if v.earlier != nil && !v.earlier.authentic() {
		return 0, &FaultError{Problem: ProblemSignature, Detail: "the earlier checkpoint's signature is not its key's"}
	}
	if v.earlier != nil && v.earlier.Log != h.Log {
		return 0, &FaultError{Problem: ProblemLog, Detail: fmt.Sprintf("the export is of log %s, and the earlier checkpoint of %s", h.Log, v.earlier.Log)}
	}
	if v.earlier != nil && v.earlier.Size < h.From-1 {
		return 0, &FaultError{Problem: ProblemUncomparable, Detail: fmt.Sprintf("the export begins at entry %d: to be held against the earlier checkpoint it has to begin at %d or before",
			h.From, v.earlier.Size+1)}
	}
	v.chain.head = Head{Log: h.Log, Size: h.From - 1, Hash: h.Prev, Key: h.Key}
	return h.From, v.arrived()
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
	if v.earlier == nil || v.earlier.Size != at.Size {
		return nil
	}
	switch {
	case v.earlier.Key != at.Key:
		return &FaultError{Problem: ProblemSignature, Seq: at.Size, Detail: "the earlier checkpoint is by another key than signed here"}
	case v.earlier.Head != at.Hash:
		return &FaultError{Problem: ProblemRolledBack, Seq: at.Size, Detail: "the earlier checkpoint names another hash of this entry: this, or what stands before it, was altered since"}
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
	if v.earlier != nil && v.earlier.Size > p.Size {
		return &FaultError{Problem: ProblemRolledBack, Detail: fmt.Sprintf("the log has %d entries, and had %d at the earlier checkpoint", p.Size, v.earlier.Size)}
	}
	return nil
}
