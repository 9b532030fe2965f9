package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"glovebox/internal/ledger"
)

// A Place is where one log is kept.
type Place struct {
	Log ledger.Log
	// Signer signs the log; nil where there is nothing in it, and it has yet to be begun.
	Signer *ledger.Signer
	// Reopen opens the same log anew, as another process would.
	Reopen func(t *testing.T) ledger.Log
}

// begun returns the place with its log begun, and how many entries it has.
func (p Place) begun(t *testing.T) (Place, uint64) {
	t.Helper()
	if p.Signer == nil {
		p.Signer = Begun(t, p.Log)
	}
	return p, whole(t, p.Log, p.Signer).Size
}

// Run holds a keeper of logs to [ledger.Log]. open opens a log that nobody else uses, which has at most been begun.
func Run(t *testing.T, open func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, Place){
		"a log is begun first":              empty,
		"entries follow each other":         order,
		"drafts are taken together or not":  allOrNone,
		"reading begins where it is told":   reading,
		"writers wait for each other":       together,
		"keys are rotated":                  rotation,
		"nothing is written after the end":  cancelled,
		"a draft that came back goes again": again,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var actor = ledger.Actor{Operator: "uid:0"}

// Ended is a draft of an execution's end, by number.
func Ended(n int) ledger.Draft {
	return ledger.Ended(ledger.Actor{Tenant: "acme", Key: "k1"}, ledger.Outcome{ID: fmt.Sprintf("execution-%d", n), ResultCode: "SUCCESS", CPUMs: 1.5})
}

// Begun begins a log.
func Begun(t testing.TB, log ledger.Log) *ledger.Signer {
	t.Helper()
	signer := ledger.NewSigner()
	if _, err := log.Append(t.Context(), ledger.Create(actor, signer)); err != nil {
		t.Fatal(err)
	}
	return signer
}

// whole checks the log and an export of it, and returns its head.
func whole(t *testing.T, log ledger.Log, signer *ledger.Signer) ledger.Head {
	t.Helper()
	head, err := ledger.Check(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := ledger.Export(t.Context(), &out, log, signer, 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Verify(&out, signer.Public(), ledger.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Entries != head.Size {
		t.Errorf("exported %d entries of %d", report.Entries, head.Size)
	}
	return head
}

func empty(t *testing.T, p Place) {
	if p.Signer != nil {
		return // it has been begun for us
	}
	if head, err := p.Log.Head(t.Context()); err != nil || head != (ledger.Head{}) {
		t.Errorf("an empty log ends at %+v, %v", head, err)
	}
	for row, err := range p.Log.Read(t.Context(), 1) {
		t.Errorf("an empty log has %+v, %v", row, err)
	}
	var order *ledger.OrderError
	if _, err := p.Log.Append(t.Context(), Ended(1)); !errors.As(err, &order) {
		t.Errorf("a log that was not begun takes an entry: %v", err)
	}
}

func order(t *testing.T, p Place) {
	p, size := p.begun(t)
	var order *ledger.OrderError
	if _, err := p.Log.Append(t.Context(), ledger.Create(actor, p.Signer)); !errors.As(err, &order) {
		t.Errorf("a log is begun twice: %v", err)
	}
	head, err := p.Log.Append(t.Context(), Ended(1), Ended(2))
	if err != nil || head.Size != size+2 || head.Key != p.Signer.Public() || head.Log == "" {
		t.Fatalf("%+v, %v", head, err)
	}
	again := p.Reopen(t)
	if got, err := again.Head(t.Context()); err != nil || got != head {
		t.Errorf("opened anew it ends at %+v, %v; want %+v", got, err, head)
	}
	if _, err := again.Append(t.Context(), Ended(3)); err != nil {
		t.Fatal(err)
	}
	if head := whole(t, p.Log, p.Signer); head.Size != size+3 {
		t.Errorf("%d entries, want %d", head.Size, size+3)
	}
}

func allOrNone(t *testing.T, p Place) {
	p, size := p.begun(t)
	var invalid *ledger.InvalidError
	if _, err := p.Log.Append(t.Context(), Ended(1), ledger.Ended(actor, ledger.Outcome{})); !errors.As(err, &invalid) {
		t.Errorf("an entry of nothing is taken: %v", err)
	}
	if head := whole(t, p.Log, p.Signer); head.Size != size {
		t.Errorf("%d entries, want %d", head.Size, size)
	}
}

func reading(t *testing.T, p Place) {
	const entries = 200
	p, size := p.begun(t)
	drafts := make([]ledger.Draft, entries)
	for n := range drafts {
		drafts[n] = Ended(n)
	}
	if _, err := p.Log.Append(t.Context(), drafts...); err != nil {
		t.Fatal(err)
	}
	size += entries
	for from, want := range map[uint64]uint64{1: size, 4: size - 3, size: 1, size + 1: 0, 1 << 40: 0, 1 << 63: 0} {
		next := from
		for row, err := range p.Log.Read(t.Context(), from) {
			if err != nil || row.Seq != next {
				t.Fatalf("%+v, %v: want entry %d", row, err, next)
			}
			next++
		}
		if next-from != want {
			t.Errorf("from %d: %d rows, want %d", from, next-from, want)
		}
	}
	for _, err := range p.Log.Read(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		break // and what it reads from is let go: others can write
	}
	if _, err := p.Log.Append(t.Context(), Ended(9)); err != nil {
		t.Error(err)
	}
}

// Two processes that write at once wait for each other: no number is there twice, and none is missing.
func together(t *testing.T, p Place) {
	p, size := p.begun(t)
	const writers, each = 4, 25
	var group sync.WaitGroup
	for w := range writers {
		own := p.Log
		if w%2 == 1 {
			own = p.Reopen(t)
		}
		group.Go(func() {
			for n := range each {
				if _, err := own.Append(t.Context(), Ended(w*each+n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if head := whole(t, p.Log, p.Signer); head.Size != size+writers*each {
		t.Errorf("%d entries, want %d", head.Size, size+writers*each)
	}
}

func rotation(t *testing.T, p Place) {
	p, _ = p.begun(t)
	second := ledger.NewSigner()
	if _, err := p.Log.Append(t.Context(), ledger.Rotate(actor, p.Signer, second), Ended(1)); err != nil {
		t.Fatal(err)
	}
	if head, err := p.Reopen(t).Head(t.Context()); err != nil || head.Key != second.Public() {
		t.Errorf("%+v, %v: want the second key to sign", head, err)
	}
	var order *ledger.OrderError
	if _, err := p.Log.Append(t.Context(), ledger.Rotate(actor, p.Signer, ledger.NewSigner())); !errors.As(err, &order) {
		t.Errorf("a key that does not sign hands on: %v", err)
	}
	whole(t, p.Log, second)
}

func cancelled(t *testing.T, p Place) {
	p, size := p.begun(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Log.Append(ctx, Ended(1)); err == nil {
		t.Error("appended for somebody who has gone")
	}
	if head := whole(t, p.Log, p.Signer); head.Size != size {
		t.Errorf("%d entries, want %d", head.Size, size)
	}
}

// A draft is signed for the place that it gets: one whose transaction came to nothing gets another.
func again(t *testing.T, p Place) {
	p, size := p.begun(t)
	rotate, second := ledger.Rotate(actor, p.Signer, ledger.NewSigner()), ledger.Note(actor, p.Signer)
	if _, err := p.Log.Append(t.Context(), second, rotate, ledger.Ended(actor, ledger.Outcome{})); err == nil {
		t.Fatal("an entry of nothing is taken")
	}
	head, err := p.Log.Append(t.Context(), Ended(1), second, rotate)
	if err != nil || head.Size != size+3 {
		t.Fatalf("%+v, %v", head, err)
	}
	if _, err := ledger.Check(t.Context(), p.Log); err != nil {
		t.Error(err)
	}
}
