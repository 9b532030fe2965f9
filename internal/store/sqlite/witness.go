package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/private"
)

// WitnessFileName is the name of the file, in the store's directory, that says what the database was told last.
//
// SQLite takes a log whose end does not check for one that ends earlier, which is right after a crash, and so says nothing where the end
// was damaged. The witness knows what was there.
const WitnessFileName = "glovebox.witness"

// oldWitness ends the name of the file that it goes on from.
const oldWitness = ".old"

// witnessLimit is how long the file grows, in bytes, before a new one is begun: far longer than what a log of SQLite's holds.
const witnessLimit = 1 << 20

// A witness is a file of lines, one for each ledger entry and each state of an accepted execution or run that was committed, written before anybody is told. It is
// not synced: a process that is killed leaves it whole, and what a machine loses that stops can only be of the witness's own end. So
// whatever it has and the database has not was lost. It is safe for concurrent use; processes append to it side by side.
type witness struct {
	path   string
	rotate bool // it is this process's to begin a new file

	mu     sync.Mutex
	file   *os.File
	size   int64
	broken bool // the last line may be half one
}

func openWitness(path string, rotate bool) (*witness, error) {
	w := &witness{path: path, rotate: rotate}
	return w, w.open()
}

func (w *witness) open() error {
	if err := private.File(w.path); err != nil {
		return err
	}
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.file, w.size, w.broken = f, info.Size(), info.Size() > 0 // by whoever wrote before
	return nil
}

func (w *witness) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}

// say writes lines. Where that fails, on a full disk for one, they are missing: the database has what they say, and nobody waits for a
// witness.
func (w *witness) say(lines []byte) {
	if len(lines) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.file == nil: // it could not be opened when it was begun anew
		if w.open() != nil {
			return
		}
	case w.rotate && w.size > witnessLimit:
		if w.begin(w.path + oldWitness); w.file == nil {
			return
		}
	}
	if w.broken {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := w.file.Write(lines)
	w.size += int64(n)
	w.broken = err != nil
}

// begin puts what there is at another path, and goes on with an empty file. mu is held.
func (w *witness) begin(old string) {
	if err := os.Rename(w.path, old); err != nil {
		w.size = 0 // it is tried again when as much has been said
		return
	}
	_ = w.file.Close() // its lines are where they are
	w.file = nil
	_ = w.open() // or by whoever has something to say next
}

// forget begins anew: what it had has been compared.
func (w *witness) forget() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.file.Truncate(0); err != nil {
		return err
	}
	w.size, w.broken = 0, false
	if err := os.Remove(w.path + oldWitness); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// An entered line says that a ledger entry was kept.
type entered struct {
	line    int // where it was said
	seq     uint64
	hash    ledger.Hash
	kind    ledger.Kind
	subject string
}

const (
	enteredForm = "entered %d %s %q %q\n"
	statedForm  = "stated %s %q %q %q %q %q %q %q\n"
)

func (e entered) append(lines []byte) []byte {
	return fmt.Appendf(lines, enteredForm, e.seq, e.hash, string(e.kind), e.subject)
}

// A stated line says in which state an execution, or a run of an agent, was kept.
type stated struct {
	line      int // where it was said
	table, id string
	state     api.ExecutionState
	// These are said once, where it is queued: whose it is; the digests of an execution's code and data, or a run's agent and the digest of
	// its task; and the idempotency key. What the request was that this stands for is not said: digests without a salt were, in the last place, by
	// servers of before.
	tenant string
	about  [4]string
}

// queuedLine is what is said of what is accepted.
func queuedLine(id, tenant, first, second string, key kept.Idempotency) stated {
	return stated{id: id, state: api.ExecutionQueued, tenant: tenant, about: [4]string{first, second, key.Key}}
}

// idempotency is what is left of a key: whatever request has it now, it stands for what is lost.
func (e stated) idempotency() kept.Idempotency { return kept.Idempotency{Key: e.about[2]} }

func (e stated) append(lines []byte) []byte {
	return fmt.Appendf(lines, statedForm, e.table, e.id, string(e.state), e.tenant, e.about[0], e.about[1], e.about[2], e.about[3])
}

// A testimony is all that a witness has said, the oldest first.
type testimony struct {
	lines   int
	plain   bool // it has digests without a salt
	entered []entered
	stated  []stated
}

// since leaves out what was said before a line.
func (t *testimony) since(line int) {
	t.entered = slices.DeleteFunc(t.entered, func(e entered) bool { return e.line < line })
	t.stated = slices.DeleteFunc(t.stated, func(e stated) bool { return e.line < line })
}

// hear reads what was said. Lines that are not whole are no lines.
func (w *witness) hear() (t testimony, err error) {
	for _, path := range []string{w.path + oldWitness, w.path} {
		body, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
		for line := range strings.Lines(string(body)) {
			t.add(line)
		}
	}
	return t, nil
}

// add takes in a line, if it is one that append wrote. That is read by hand: fmt's Sscanf took most of a server's start for it.
func (t *testimony) add(line string) {
	if !strings.HasSuffix(line, "\n") {
		return
	}
	t.lines++
	switch r := (lineReader{rest: line[:len(line)-1]}); r.word() {
	case "entered":
		e := entered{line: t.lines}
		seq, notNumber := strconv.ParseUint(r.word(), 10, 64)
		notHash := e.hash.UnmarshalText([]byte(r.word()))
		e.seq, e.kind, e.subject = seq, ledger.Kind(r.quoted()), r.quoted()
		if r.whole() && notNumber == nil && notHash == nil {
			t.entered = append(t.entered, e)
		}
	case "stated":
		x := stated{line: t.lines, table: r.word(), id: r.quoted(), state: api.ExecutionState(r.quoted()), tenant: r.quoted()}
		for i := range x.about {
			x.about[i] = r.quoted()
		}
		if r.whole() {
			t.plain = t.plain || x.about[3] != ""
			t.stated = append(t.stated, x)
		}
	}
}

// A lineReader reads what stands in a line, with one space between, as %s and %q write it.
type lineReader struct {
	rest string
	read bool // something was
	bad  bool // something else stands there
}

// next is past the space before what comes next.
func (r *lineReader) next() string {
	if r.read {
		var spaced bool
		r.rest, spaced = strings.CutPrefix(r.rest, " ")
		r.bad = r.bad || !spaced
	}
	r.read = true
	return r.rest
}

func (r *lineReader) word() string {
	word, _, _ := strings.Cut(r.next(), " ")
	r.rest = r.rest[len(word):]
	r.bad = r.bad || word == ""
	return word
}

func (r *lineReader) quoted() string {
	rest := r.next()
	if end := strings.IndexByte(rest[min(1, len(rest)):], '"'); end >= 0 && rest[0] == '"' {
		if text := rest[1 : 1+end]; !strings.Contains(text, `\`) { // as nearly all are
			r.rest = rest[end+2:]
			return text
		}
	}
	prefix, err := strconv.QuotedPrefix(rest)
	r.rest = rest[len(prefix):]
	text, notText := strconv.Unquote(prefix)
	r.bad = r.bad || err != nil || notText != nil
	return text
}

// whole reports whether all was there, and nothing else.
func (r *lineReader) whole() bool { return !r.bad && r.rest == "" }
