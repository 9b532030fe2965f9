package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A header is the first line of an export. Nothing in it goes unverified: each member is held against what follows.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"v"`
	Log     LogID  `json:"log"`
	// From is the number of the first entry, Prev the hash of the one before it, and Key the one that signed there.
	From uint64    `json:"from"`
	Prev Hash      `json:"prev"`
	Key  PublicKey `json:"key"`
}

const exportFormat = "glovebox ledger export"

// A line is what follows the header: an entry with its hash, or at the end a checkpoint.
type line struct {
	Entry      *Entry      `json:"entry,omitempty"`
	Hash       *Hash       `json:"hash,omitempty"`
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
}

// ErrOtherKey is returned where a log is to be signed by another key than signs in it.
var ErrOtherKey = errors.New("ledger: this is not the key that signs this log")

// Check reads the whole of a log, up to where it ended when Check began, and returns that head. The error is a *[FaultError] where
// something is wrong with it.
func Check(ctx context.Context, log Log) (Head, error) {
	return follow(ctx, log, nil)
}

// follow checks a log, and calls each before it goes on to a row.
func follow(ctx context.Context, log Log, each func(before Head, row Row) error) (Head, error) {
	end, err := log.Head(ctx)
	if err != nil || end.Size == 0 {
		return end, err
	}
	var c chain
	for row, err := range log.Read(ctx, 1) {
		if err != nil {
			return Head{}, err
		}
		before := c.head
		if fault := c.addRow(row); fault != nil {
			return Head{}, fault
		}
		if each != nil {
			if before.Size == 0 {
				before = Head{Log: c.head.Log, Key: c.head.Key}
			}
			if err := each(before, row); err != nil {
				return Head{}, err
			}
		}
		if c.head.Size == end.Size {
			break
		}
	}
	if c.head != end {
		return Head{}, &FaultError{Problem: ProblemTruncated, Seq: c.head.Size + 1, Detail: fmt.Sprintf("the log ends before entry %d, which was its last", end.Size)}
	}
	return end, nil
}

// Export writes a log from entry number from on (at most one beyond the last), as JSON Lines: a header, the entries with their
// hashes, and a checkpoint by signer of the time now. It checks the whole log as it goes, the part before from too, and a
// log with a fault gets no checkpoint: the error is that *[FaultError]. It is [ErrOtherKey] where another key signs this log.
func Export(ctx context.Context, w io.Writer, log Log, signer *Signer, from uint64, now time.Time) (Checkpoint, error) {
	head, err := log.Head(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	if from < 1 || from > head.Size+1 || head.Size == 0 {
		return Checkpoint{}, &InvalidError{"from", fmt.Sprintf("there is no entry %d: there are %d", from, head.Size)}
	}
	if signer.Public() != head.Key {
		return Checkpoint{}, ErrOtherKey
	}
	begin := func(at Head) error {
		return writeLine(w, header{exportFormat, Version, at.Log, from, at.Hash, at.Key})
	}
	end, err := follow(ctx, log, func(before Head, row Row) error {
		if row.Seq < from {
			return nil
		}
		if row.Seq == from {
			if err := begin(before); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(w, "%s%s%s%s%s\n", rowStart, row.Entry, rowMiddle, row.Hash, rowEnd)
		return err
	})
	if err != nil {
		return Checkpoint{}, err
	}
	if end.Size < from {
		if err := begin(end); err != nil {
			return Checkpoint{}, err
		}
	}
	if signer.Public() != end.Key {
		return Checkpoint{}, ErrOtherKey
	}
	checkpoint := signer.Checkpoint(end, now)
	return checkpoint, writeLine(w, trailer{&checkpoint})
}

func writeLine(w io.Writer, value any) error {
	text, err := encode(value)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
