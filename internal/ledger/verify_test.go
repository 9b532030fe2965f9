package ledger_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
)

func TestVerify(t *testing.T) {
	w := write(t)
	for from := uint64(1); from <= size+1; from++ {
		export := text(w.export(t, from))
		report, err := verify(export, w.signer.Public(), ledger.VerifyOptions{})
		if err != nil {
			t.Fatalf("from %d: %v\n%s", from, err, export)
		}
		if report.From != from || report.Entries != size+1-from || report.Checkpoint.Size != size {
			t.Errorf("from %d: %+v", from, report)
		}
		// The first key vouches for the second where the rotation (entry 8) is within the export.
		_, err = verify(export, w.first.Public(), ledger.VerifyOptions{})
		if within := from <= 8; (err == nil) != within || !within && problem(err) != ledger.ProblemKey {
			t.Errorf("from %d with the first key: %v", from, err)
		}
		if _, err := verify(export, ledger.NewSigner().Public(), ledger.VerifyOptions{}); problem(err) != ledger.ProblemKey {
			t.Errorf("from %d with a stranger's key: %v", from, err)
		}
	}
}

func problem(err error) ledger.Problem {
	var fault *ledger.FaultError
	if errors.As(err, &fault) {
		return fault.Problem
	}
	return ""
}

// Each way to tamper is found, named, and where it is told.
func TestTampering(t *testing.T) {
	w := write(t)
	other := write(t)
	good, foreign := w.export(t, 1), other.export(t, 1)
	last := len(good) - 1
	edit := func(line int, from, to string) func([]string) []string {
		return func(l []string) []string {
			if !strings.Contains(l[line], from) {
				t.Fatalf("line %d has no %s: %s", line+1, from, l[line])
			}
			l[line] = strings.Replace(l[line], from, to, 1)
			return l
		}
	}
	for name, test := range map[string]struct {
		tamper  func([]string) []string
		problem ledger.Problem
		line    int
		seq     uint64
	}{
		"a byte of an entry":       {edit(3, `"e1"`, `"e2"`), ledger.ProblemAltered, 4, 3},
		"a byte of a hash":         {edit(3, `"hash":"sha256:`, `"hash":"sha256:0`), ledger.ProblemUnknown, 4, 0},
		"a row dropped":            {func(l []string) []string { return slices.Delete(l, 4, 5) }, ledger.ProblemSequence, 5, 5},
		"the first row dropped":    {func(l []string) []string { return slices.Delete(l, 1, 2) }, ledger.ProblemSequence, 2, 2},
		"the last row dropped":     {func(l []string) []string { return slices.Delete(l, last-1, last) }, ledger.ProblemTruncated, last, 0},
		"rows swapped":             {func(l []string) []string { l[3], l[4] = l[4], l[3]; return l }, ledger.ProblemSequence, 4, 4},
		"a row twice":              {func(l []string) []string { return slices.Insert(l, 4, l[3]) }, ledger.ProblemSequence, 5, 3},
		"another log's row":        {func(l []string) []string { l[3] = foreign[3]; return l }, ledger.ProblemLog, 4, 3},
		"another log's checkpoint": {func(l []string) []string { l[last] = foreign[last]; return l }, ledger.ProblemLog, last + 1, 0},
		"two logs joined":          {func(l []string) []string { return append(l[:last:last], foreign[1:]...) }, ledger.ProblemLog, last + 1, 1},
		"two exports joined":       {func(l []string) []string { return append(append(l[:last:last], l[last]+"\n"), foreign...) }, ledger.ProblemTrailing, last + 2, 0},
		"a header within":          {func(l []string) []string { return slices.Insert(l, 3, l[0]) }, ledger.ProblemUnknown, 4, 0},
		"no header":                {func(l []string) []string { return l[1:] }, ledger.ProblemUnknown, 1, 0},
		"no checkpoint":            {func(l []string) []string { return l[:last] }, ledger.ProblemTruncated, last + 1, 0},
		"nothing":                  {func([]string) []string { return nil }, ledger.ProblemForm, 1, 0},
		"an empty line":            {func(l []string) []string { return slices.Insert(l, 4, "\n") }, ledger.ProblemForm, 5, 0},
		"a blank":                  {edit(3, `:`, `: `), ledger.ProblemForm, 4, 0},
		"a carriage return":        {edit(3, "\n", "\r\n"), ledger.ProblemForm, 4, 0},
		"a byte order mark":        {edit(0, "{", "\ufeff{"), ledger.ProblemForm, 1, 0},
		"an escape":                {edit(3, `"e1"`, `"\u00651"`), ledger.ProblemForm, 4, 0},
		"a member twice":           {edit(3, `"id":"e1"`, `"id":"e1","id":"e1"`), ledger.ProblemForm, 4, 0},
		"another order":            {edit(3, `"key":"k1","tenant":"acme"`, `"tenant":"acme","key":"k1"`), ledger.ProblemForm, 4, 0},
		"a member less":            {edit(3, `"id":"e1",`, ``), ledger.ProblemUnknown, 4, 0},
		"a number otherwise":       {edit(3, `"cpus":1`, `"cpus":1.0`), ledger.ProblemForm, 4, 0},
		"a number that rounds":     {edit(3, `"seq":3`, `"seq":9007199254740993`), ledger.ProblemForm, 4, 0},
		"an unknown member":        {edit(3, `"id":"e1"`, `"id":"e1","idle":1`), ledger.ProblemUnknown, 4, 0},
		"a member in capitals":     {edit(3, `"actor"`, `"Actor"`), ledger.ProblemUnknown, 4, 0},
		"a null":                   {edit(3, `"actor"`, `"act":null,"actor"`), ledger.ProblemUnknown, 4, 0},
		"an unknown version":       {edit(3, `"v":1`, `"v":2`), ledger.ProblemUnknown, 4, 3},
		"an unknown kind":          {edit(3, `execution.began`, `execution.forgotten`), ledger.ProblemUnknown, 4, 3},
		"another kind":             {edit(2, `tenant.created`, `tenant.deleted`), ledger.ProblemAltered, 3, 2},
		"a kind of another member": {edit(2, `tenant.created`, `execution.ended`), ledger.ProblemUnknown, 3, 2},
		"the header's version":     {edit(0, `"v":1`, `"v":2`), ledger.ProblemUnknown, 1, 0},
		"the header's number":      {edit(0, `"from":1`, `"from":2`), ledger.ProblemSequence, 2, 1},
		"the header's hash":        {edit(0, `"prev":"sha256:0`, `"prev":"sha256:1`), ledger.ProblemChain, 1, 0},
		"a lone half of a letter":  {edit(2, `é`, `\ud800`), ledger.ProblemForm, 3, 0},
		"the checkpoint's time":    {edit(last, `"time":"2`, `"time":"3`), ledger.ProblemSignature, last + 1, 0},
		"the checkpoint's size":    {edit(last, `"size":10`, `"size":9`), ledger.ProblemSignature, last + 1, 0},
		"a line without end":       {func(l []string) []string { return append(l[:2:2], strings.Repeat("x", ledger.MaxLineBytes)) }, ledger.ProblemForm, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(text(test.tamper(slices.Clone(good))), w.signer.Public(), ledger.VerifyOptions{})
			var fault *ledger.FaultError
			if !errors.As(err, &fault) {
				t.Fatalf("not found: %v", err)
			}
			if fault.Problem != test.problem || fault.Line != test.line || fault.Seq != test.seq {
				t.Errorf("%s at line %d, entry %d; want %s at %d, %d: %v", fault.Problem, fault.Line, fault.Seq, test.problem, test.line, test.seq, err)
			}
		})
	}
	// Half a line is more than a line less.
	cut := text(good)
	if _, err := verify(cut[:len(cut)-1], w.signer.Public(), ledger.VerifyOptions{}); problem(err) != ledger.ProblemTruncated {
		t.Errorf("without its last byte: %v", err)
	}
}

// Who can write where the log is kept, and has no key, may rewrite it so that it is whole: but for the checkpoints.
func TestARewrittenLogIsNotSigned(t *testing.T) {
	w, forged := write(t), new(ledgertest.Memory)
	thief := ledgertest.Begun(t, forged)
	if _, err := forged.Append(t.Context(), ledgertest.Ended(1)); err != nil {
		t.Fatal(err)
	}
	lines := written{forged, thief, thief}.export(t, 1)
	if _, err := verify(text(lines), w.signer.Public(), ledger.VerifyOptions{}); problem(err) != ledger.ProblemKey {
		t.Errorf("another's log passes: %v", err)
	}
	// It says that the right key had signed, once.
	lines[0] = strings.Replace(lines[0], thief.Public().String(), w.signer.Public().String(), 1)
	if _, err := verify(text(lines), w.signer.Public(), ledger.VerifyOptions{}); problem(err) != ledger.ProblemSignature {
		t.Errorf("a key that only the header names vouches: %v", err)
	}
}

func TestEarlierCheckpoint(t *testing.T) {
	w := write(t)
	earlier, err := ledger.ParseCheckpoint([]byte(w.export(t, 1)[size+1]))
	if err != nil {
		t.Fatal(err)
	}
	old := text(w.export(t, 1))
	w.append(t, ledgertest.Ended(3))
	later, err := ledger.ParseCheckpoint([]byte(w.export(t, 1)[size+2]))
	if err != nil {
		t.Fatal(err)
	}
	against := func(what, export string, c ledger.Checkpoint, want ledger.Problem) {
		t.Helper()
		_, err := verify(export, w.signer.Public(), ledger.VerifyOptions{Checkpoints: []ledger.Checkpoint{c}})
		if got := problem(err); got != want || (want == "") != (err == nil) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	against("what it was of itself", old, earlier, "")
	against("what has grown", text(w.export(t, 1)), earlier, "")
	against("what has grown, from where it was", text(w.export(t, size+1)), earlier, "")
	against("what has grown, from too late", text(w.export(t, size+2)), earlier, ledger.ProblemUncomparable)
	against("what was rolled back", old, later, ledger.ProblemRolledBack)

	forged := earlier
	forged.Head[0] ^= 1
	against("a forged checkpoint", old, forged, ledger.ProblemSignature)
	against("a stranger's checkpoint", old, ledger.NewSigner().Checkpoint(ledger.Head{Log: earlier.Log, Size: earlier.Size, Hash: earlier.Head}, time.Now()), ledger.ProblemSignature)
	against("a checkpoint by a key that was put away", old, w.first.Checkpoint(ledger.Head{Log: earlier.Log, Size: earlier.Size, Hash: earlier.Head}, time.Now()), ledger.ProblemSignature)
	other := write(t)
	of, _ := ledger.ParseCheckpoint([]byte(other.export(t, 1)[size+1]))
	against("another log's", old, of, ledger.ProblemLog)

	// The same key signs two histories: only what was kept elsewhere tells.
	fork := written{new(ledgertest.Memory), w.first, w.signer}
	fork.append(t, ledger.Create(operator, w.signer))
	for n := range size {
		fork.append(t, ledgertest.Ended(n))
	}
	head, err := fork.log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := w.signer.Checkpoint(ledger.Head{Log: head.Log, Size: 3, Hash: ledger.Hash{7}}, time.Now())
	against("another history", text(fork.export(t, 1)), before, ledger.ProblemRolledBack)
	against("another history, from where it was", text(fork.export(t, 4)), before, ledger.ProblemRolledBack)
}

// What is wrong where a log is kept is found before it is signed.
func TestALogThatWasAlteredIsNotExported(t *testing.T) {
	for name, change := range map[string]func(*ledger.Row){
		"an entry":        func(r *ledger.Row) { r.Entry = []byte(strings.Replace(string(r.Entry), "e1", "e2", 1)) },
		"a hash":          func(r *ledger.Row) { r.Hash[0]++ },
		"a number":        func(r *ledger.Row) { r.Seq++ },
		"a key beside it": func(r *ledger.Row) { r.Key = new(ledger.NewSigner().Public()) },
	} {
		w := write(t)
		w.log.Tamper(3, change)
		for _, from := range []uint64{1, 5, size + 1} {
			_, err := ledger.Export(t.Context(), io.Discard, w.log, w.signer, from, time.Now())
			var fault *ledger.FaultError
			if !errors.As(err, &fault) {
				t.Errorf("%s: exported from %d: %v", name, from, err)
			}
		}
		if _, err := ledger.CheckpointNow(t.Context(), w.log, w.signer, operator, time.Now()); problem(err) == "" {
			t.Errorf("%s: a checkpoint is signed: %v", name, err)
		}
	}
	w := write(t)
	if _, err := ledger.Export(t.Context(), io.Discard, w.log, w.first, 1, time.Now()); !errors.Is(err, ledger.ErrOtherKey) {
		t.Errorf("signed by a key that was put away: %v", err)
	}
	for _, from := range []uint64{0, size + 2} {
		var invalid *ledger.InvalidError
		if _, err := ledger.Export(t.Context(), io.Discard, w.log, w.signer, from, time.Now()); !errors.As(err, &invalid) {
			t.Errorf("exported from %d: %v", from, err)
		}
	}
}

// A reader that fails is no fault of the export's.
func TestAFailingReader(t *testing.T) {
	w := write(t)
	export := text(w.export(t, 1))
	broken := errors.New("broken")
	for _, at := range []int{0, 1, len(export) / 2, len(export)} {
		r := io.MultiReader(strings.NewReader(export[:at]), failing{broken})
		if _, err := ledger.Verify(r, w.signer.Public(), ledger.VerifyOptions{}); !errors.Is(err, broken) {
			t.Errorf("broken at %d: %v", at, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Verify needs as much memory for a long export as for a short one.
func TestVerifyStreams(t *testing.T) {
	w := write(t)
	const entries = 20_000
	drafts := make([]ledger.Draft, entries)
	for n := range drafts {
		drafts[n] = ledgertest.Ended(n)
	}
	w.append(t, drafts...)
	r, out := io.Pipe()
	go func() {
		_, err := ledger.Export(context.Background(), out, w.log, w.signer, 1, time.Now())
		out.CloseWithError(err)
	}()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	counted := &counting{Reader: r, each: 1 << 20, call: func() {
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}}
	report, err := ledger.Verify(counted, w.signer.Public(), ledger.VerifyOptions{})
	if err != nil || report.Entries != size+entries {
		t.Fatalf("%+v, %v", report, err)
	}
	const bound = 2 << 20 // the export has 9 MB
	if counted.read < 4*bound || most == 0 || most > before.HeapAlloc+bound {
		t.Errorf("of %d bytes, %d more were held; %d are allowed", counted.read, int64(most)-int64(before.HeapAlloc), bound)
	}
}

// A counting reader calls call after each so many bytes.
type counting struct {
	io.Reader
	read, each, since int
	call              func()
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read, c.since = c.read+n, c.since+n
	if c.since >= c.each {
		c.since = 0
		c.call()
	}
	return n, err
}

// Whoever keeps checkpoints adds one to the others. Each of them has to hold.
func TestEarlierCheckpoints(t *testing.T) {
	w := write(t)
	var kept []ledger.Checkpoint
	at := func() ledger.Checkpoint {
		t.Helper()
		lines := w.export(t, 1)
		c, err := ledger.ParseCheckpoint([]byte(lines[len(lines)-1]))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for n := range 3 {
		kept = append(kept, at())
		w.append(t, ledgertest.Ended(n))
	}
	bent := kept[1]
	bent = w.signer.Checkpoint(ledger.Head{Log: bent.Log, Size: bent.Size, Hash: ledger.Hash{7}}, time.Now())
	forged := kept[1]
	forged.Head[0] ^= 1
	for name, test := range map[string]struct {
		from    uint64
		kept    []ledger.Checkpoint
		held    int
		problem ledger.Problem
	}{
		"all":                            {1, kept, 3, ""},
		"in another order":               {1, []ledger.Checkpoint{kept[2], kept[0], kept[1]}, 3, ""},
		"one twice":                      {1, []ledger.Checkpoint{kept[1], kept[1]}, 2, ""},
		"of what stands before it too":   {size + 2, kept, 2, ""},
		"of the last one alone":          {size + 3, kept, 1, ""},
		"of what stands before it":       {size + 3, kept[:2], 0, ledger.ProblemUncomparable},
		"another history in the midst":   {1, []ledger.Checkpoint{kept[0], bent, kept[2]}, 0, ledger.ProblemRolledBack},
		"another history first":          {1, []ledger.Checkpoint{kept[1], bent}, 0, ledger.ProblemRolledBack},
		"another history, and before it": {size + 3, []ledger.Checkpoint{forged, kept[2]}, 0, ledger.ProblemSignature},
		"a forged one":                   {1, []ledger.Checkpoint{kept[0], kept[2], forged}, 0, ledger.ProblemSignature},
		"one that it does not come to":   {1, append([]ledger.Checkpoint{w.signer.Checkpoint(ledger.Head{Log: bent.Log, Size: 99, Hash: bent.Head}, time.Now())}, kept...), 0, ledger.ProblemRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := verify(text(w.export(t, test.from)), w.signer.Public(), ledger.VerifyOptions{Checkpoints: test.kept})
			if got := problem(err); got != test.problem || (err == nil) != (test.problem == "") || report.Held != test.held {
				t.Errorf("%d held, %v: not %d and %q", report.Held, err, test.held, test.problem)
			}
		})
	}
}

func TestCheckpointsAreLines(t *testing.T) {
	w := write(t)
	var file strings.Builder
	for n := range 2 {
		lines := w.export(t, 1)
		file.WriteString(lines[len(lines)-1] + "\n")
		w.append(t, ledgertest.Ended(n))
	}
	for name, test := range map[string]struct {
		text string
		want int
		line string // that a fault is in
	}{
		"two":                {file.String(), 2, ""},
		"without an end":     {strings.TrimSuffix(file.String(), "\n"), 2, ""},
		"an empty line":      {"\n" + file.String() + "\n", 2, ""},
		"none":               {"", 0, "no checkpoint"},
		"empty lines":        {"\n\n", 0, "no checkpoint"},
		"something else":     {file.String() + "{}\n", 0, "line 3: "},
		"half of one":        {file.String()[:len(file.String())-9], 0, "line 2: "},
		"with returns":       {strings.ReplaceAll(file.String(), "\n", "\r\n"), 2, ""},
		"an export's header": {text(w.export(t, 1)), 0, "line 1: "},
		"a long line":        {file.String() + strings.Repeat("x", ledger.MaxLineBytes+1), 0, "line 3: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ledger.ParseCheckpoints(strings.NewReader(test.text))
			if len(got) != test.want || (err == nil) != (test.line == "") || err != nil && !strings.Contains(err.Error(), test.line) {
				t.Errorf("%d checkpoints, %v: not %d, %s", len(got), err, test.want, test.line)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := ledger.ParseCheckpoints(failing{broken}); !errors.Is(err, broken) {
		t.Error(err)
	}
}
