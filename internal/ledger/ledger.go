// Package ledger keeps a record that cannot be altered unseen: entries of what was run and of what was administered, each of
// which holds the hash of the one before it, and checkpoints of the last one's hash that are signed with Ed25519. Everything is
// canonical JSON (RFC 8785), so that one content has one form, and an export can be verified byte for byte with the public key
// alone. docs/ledger.md has the format, and what it proves and what not.
//
// It knows the form of a ledger and nothing of where one is kept: package store does.
package ledger

import (
	"context"
	"iter"
	"time"
)

// Version is that of everything that is hashed, signed or exported; a verifier refuses any other.
const Version = 1

// The bounds of what is written, and so of what a verifier reads.
const (
	// MaxEntryBytes is the most that an entry may have as canonical JSON.
	MaxEntryBytes = 32 << 10
	// MaxLineBytes is the most that a line of an export may have, its end included.
	MaxLineBytes = 64 << 10
	// maxNumber is the largest whole number that canonical JSON keeps: its numbers are IEEE 754 doubles.
	maxNumber = 1<<53 - 1
)

// A Head is where a log ends. The zero Head is that of a log with nothing in it.
type Head struct {
	Log LogID
	// Size is how many entries there are, and so the number of the last one: they count from 1.
	Size uint64
	// Hash is that of the last entry.
	Hash Hash
	// Key is the one that signs from here on.
	Key PublicKey
}

// A Row is one entry as it is kept.
type Row struct {
	Seq uint64
	// Entry is canonical JSON.
	Entry []byte
	Hash  Hash
	// Key is set where this entry names the key that signs from here on: in the first one, and where keys are rotated.
	Key *PublicKey
}

// A Log is where entries are kept. It is safe for concurrent use, by other processes as well.
type Log interface {
	// Append seals the drafts with [Seal] behind the last entry: all of them or none, and they are on the disk when it
	// returns. It returns the head that they make. An error of Seal is returned as it is.
	Append(ctx context.Context, drafts ...Draft) (Head, error)
	// Head returns where the log ends.
	Head(ctx context.Context) (Head, error)
	// Read yields the rows from a sequence number on, in order, those that are appended meanwhile perhaps included. After
	// an error it yields nothing more.
	Read(ctx context.Context, from uint64) iter.Seq2[Row, error]
}

// A Draft is an entry that has no place in a log yet; see [Seal]. It is made by [Create], [Began], [Ended], [Did], [Rotate] or [Note].
type Draft struct {
	entry Entry
	// sign signs what is known when the entry has its place.
	sign func(*Entry)
}

// Names says what a draft is about: its kind, and the id of an execution or a task, or what an act is done to; "" is neither.
func (d Draft) Names() (kind Kind, subject string) {
	switch e := d.entry; {
	case e.Execution != nil:
		return e.Kind, e.Execution.ID
	case e.Outcome != nil:
		return e.Kind, e.Outcome.ID
	case e.Task != nil:
		return e.Kind, e.Task.ID
	case e.Work != nil:
		return e.Kind, e.Work.ID
	case e.Act != nil:
		return e.Kind, e.Act.Subject
	default:
		return e.Kind, ""
	}
}

// Create is the first entry of each log, and of none other: it names the key whose signatures count.
func Create(actor Actor, signer *Signer) Draft {
	return Draft{entry: Entry{Kind: KindCreated, Actor: actor, Created: &Created{Key: signer.Public()}}}
}

// Began records an execution before a box gets its script.
func Began(actor Actor, execution Execution) Draft {
	return Draft{entry: Entry{Kind: KindBegan, Actor: actor, Execution: &execution}}
}

// Ended records how an execution ended.
func Ended(actor Actor, outcome Outcome) Draft {
	return Draft{entry: Entry{Kind: KindEnded, Actor: actor, Outcome: &outcome}}
}

// TaskBegan records an agent's task before its model is asked.
func TaskBegan(actor Actor, task Task) Draft {
	return Draft{entry: Entry{Kind: KindTaskBegan, Actor: actor, Task: &task}}
}

// TaskEnded records what became of it.
func TaskEnded(actor Actor, work Work) Draft {
	return Draft{entry: Entry{Kind: KindTaskEnded, Actor: actor, Work: &work}}
}

// Did records an administrative act.
func Did(kind Kind, actor Actor, act Act) Draft {
	return Draft{entry: Entry{Kind: kind, Actor: actor, Act: &act}}
}

// Rotate has next sign from here on, in current's place. The entry is signed by both.
func Rotate(actor Actor, current, next *Signer) Draft {
	return Draft{
		entry: Entry{Kind: KindRotated, Actor: actor, Rotation: &Rotation{Old: current.Public(), New: next.Public()}},
		sign: func(e *Entry) {
			signed := rotationBytes(e)
			e.Rotation.OldSignature, e.Rotation.NewSignature = current.sign(signed), next.sign(signed)
		},
	}
}

// Note puts a checkpoint of all that stands before it into the log.
func Note(actor Actor, signer *Signer) Draft {
	return Draft{
		entry: Entry{Kind: KindCheckpoint, Actor: actor},
		sign: func(e *Entry) {
			at := Head{Log: e.Log, Size: e.Seq - 1, Hash: e.Prev}
			e.Checkpoint = new(signer.Checkpoint(at, e.Time.Time))
		},
	}
}

// Seal gives a draft its place behind head: its number, its time, which is now, the hash of its predecessor, and its signatures.
// It returns the row, and the head that it makes. The error is an *[InvalidError], or an *[OrderError] for a draft that
// may not stand there.
func Seal(head Head, d Draft, now time.Time) (Row, Head, error) {
	e := d.entry
	e.Version, e.Log, e.Seq, e.Prev, e.Time = Version, head.Log, head.Size+1, head.Hash, Time{now}
	if e.Rotation != nil {
		e.Rotation = new(*e.Rotation) // a draft may be sealed again, where its transaction failed
	}
	if head.Size == 0 {
		e.Log = newLogID()
	}
	if d.sign != nil {
		d.sign(&e)
	}
	if err := e.validate(); err != nil {
		return Row{}, Head{}, err
	}
	c := chain{head: head}
	encoded, err := encode(e)
	if err != nil {
		return Row{}, Head{}, err
	}
	if len(encoded) > MaxEntryBytes {
		return Row{}, Head{}, &InvalidError{"entry", "longer than is allowed"}
	}
	hash := hashEntry(encoded)
	if fault := c.add(&e, hash); fault != nil {
		return Row{}, Head{}, &OrderError{Kind: e.Kind, Why: fault.Detail}
	}
	row := Row{Seq: e.Seq, Entry: encoded, Hash: hash}
	if c.head.Key != head.Key {
		row.Key = new(c.head.Key)
	}
	return row, c.head, nil
}

// HeadAt returns the head that a log's last row makes. key is the one that the last row with a Key has. The error is a
// *[FaultError]: the row was not kept as it was sealed.
func HeadAt(row Row, key PublicKey) (Head, error) {
	e, fault := decodeRow(row)
	if fault != nil {
		return Head{}, fault
	}
	return Head{Log: e.Log, Size: row.Seq, Hash: row.Hash, Key: key}, nil
}
