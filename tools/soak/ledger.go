package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The books are what a ledger's export says. Ids of executions and of tasks are ULIDs, all different.
type books struct {
	entries      int
	began, ended map[string]int
	codes        map[string]string   // as they ended
	of           map[string][]string // executions that began, by their task
	runs         map[string]int      // by task that has ended, how many it says there were
	acts         map[string]int      // by kind
	missing      int                 // entries that the ledger says were lost
}

func newBooks() *books {
	return &books{began: map[string]int{}, ended: map[string]int{}, codes: map[string]string{}, of: map[string][]string{}, runs: map[string]int{}, acts: map[string]int{}}
}

// The kinds of entries that are reconciled.
const (
	entryBegan, entryEnded         = "execution.began", "execution.ended"
	entryTaskBegan, entryTaskEnded = "task.began", "task.ended"
	entryLost                      = "store.lost"
	entryHookSet, entryHookRotated = "webhook.set", "webhook.rotated"
	entryHookRemoved               = "webhook.removed"
)

// ledger verifies it, and reads it.
func (s *server) ledger(ctx context.Context) (*books, error) {
	key, err := s.command(ctx, "ledger", "key")
	if err != nil {
		return nil, err
	}
	pem, file := filepath.Join(s.dir, "ledger.pem"), filepath.Join(s.dir, "ledger.jsonl")
	if err := os.WriteFile(pem, key, 0o600); err != nil {
		return nil, err
	}
	if _, err := s.command(ctx, "ledger", "export", "-o", file); err != nil {
		return nil, err
	}
	verify := exec.CommandContext(ctx, s.program, "ledger", "verify", file, "--public-key", pem)
	if out, err := verify.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("glovebox ledger verify: %w: %s", err, bytes.TrimSpace(out))
	}
	body, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	b := newBooks()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := b.enter(lines.Bytes()); err != nil {
			return nil, err
		}
	}
	return b, lines.Err()
}

// enter reads a line of the export.
func (b *books) enter(line []byte) error {
	var row struct {
		Entry struct {
			Kind      string
			Execution struct{ ID, Task string }
			Outcome   struct{ ID, ResultCode string }
			Task      struct{ ID string }
			Work      struct {
				ID, ResultCode string
				Runs           int
			}
			Act struct{ Details map[string]string }
		}
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return err
	}
	b.entries++
	switch e := row.Entry; e.Kind {
	case entryBegan:
		b.began[e.Execution.ID]++
		if e.Execution.Task != "" {
			b.of[e.Execution.Task] = append(b.of[e.Execution.Task], e.Execution.ID)
		}
	case entryTaskBegan:
		b.began[e.Task.ID]++
	case entryEnded:
		b.ended[e.Outcome.ID]++
		b.codes[e.Outcome.ID] = e.Outcome.ResultCode
	case entryTaskEnded:
		b.ended[e.Work.ID]++
		b.codes[e.Work.ID], b.runs[e.Work.ID] = e.Work.ResultCode, e.Work.Runs
	case entryLost:
		first, firstErr := strconv.Atoi(e.Act.Details["firstEntry"])
		last, lastErr := strconv.Atoi(e.Act.Details["lastEntry"])
		if firstErr == nil && lastErr == nil && first > 0 {
			b.missing += last - first + 1
		}
	default:
		b.acts[e.Kind]++
	}
	return nil
}

// twice tells what began more than once.
func (b *books) twice() (ids []string) {
	for id, n := range b.began {
		if n > 1 {
			ids = append(ids, fmt.Sprintf("%s began %d times", id, n))
		}
	}
	return ids
}

// What the books are held against.
type memories struct {
	accepted []*accepted
	heard    map[string]string // by id of an execution, what whoever waited for it was told
	acts     map[string]int
	named    map[string]bool // that the server said were lost
	killed   bool            // the server was, once or more
}

// reconcile tells where the books differ from what is remembered.
func (b *books) reconcile(m memories) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, "the ledger: "+fmt.Sprintf(format, args...)) }
	for id, n := range b.ended {
		if n > 1 || b.began[id] == 0 {
			say("%s ended %d times, and began %d times", id, n, b.began[id])
		}
	}
	for _, a := range m.accepted {
		if !m.named[a.id] {
			b.compare(say, a.sort.name+" "+a.id, a.id, a.told, a.told == a.sort.failed, m.killed)
		}
	}
	for id, code := range m.heard {
		if !m.named[id] {
			b.compare(say, "execution "+id+", whose client waited", id, code, code == executions.failed, m.killed)
		}
	}
	for task, of := range b.of {
		if b.began[task] == 0 {
			say("%v are of task %s, which never began", of, task)
		}
		if b.ended[task] > 0 && b.runs[task] < len(of) {
			say("task %s had %d executions begin, and says that there were %d", task, len(of), b.runs[task])
		}
	}
	for kind, want := range m.acts {
		if got := b.acts[kind]; got > want || got < want-b.missing {
			say("%d entries of %s, where there were %d of these", got, kind, want)
		}
	}
	return wrong
}

// compare holds what somebody was told against what stands there. Of what failed there may be less: where it never began nothing, and where
// the server was killed no end, or one that it could keep nowhere else.
func (b *books) compare(say func(string, ...any), what, id, told string, failed, killed bool) {
	switch {
	case failed && (killed || b.began[id] == 0):
	case b.began[id] == 0 && told == "CANCELLED":
	case b.began[id] != 1 || b.ended[id] != 1 || b.codes[id] != told:
		say("%s was told as %s, began %d times and ended %d times, as %q", what, told, b.began[id], b.ended[id], b.codes[id])
	}
}

var ulidForm = regexp.MustCompile(`[0-7][0-9A-HJKMNP-TV-Z]{25}`)

// namedLost are the ids of executions and runs of which the server's log says that something of theirs was lost.
func (s *server) namedLost() (map[string]bool, error) {
	body, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(body)) {
		if strings.Contains(line, "firstLedgerEntry") {
			for _, id := range ulidForm.FindAllString(line, -1) {
				named[id] = true
			}
		}
	}
	return named, nil
}
