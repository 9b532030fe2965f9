//go:build linux

package trial

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"glovebox/internal/probe/plan"
)

// A sweep on a busy machine made threads faster than they ended, came to its box's number of processes, and died of it in
// the middle of a call that was denied.
func TestAttemptsThatAreDeniedShareAThread(t *testing.T) {
	events := 0
	trial := &T{say: func(plan.Event) { events++ }}
	seen := map[int]bool{}
	for range 1000 {
		trial.try("a call", func() (string, error) {
			seen[unix.Gettid()] = true
			return "", unix.ENOSYS
		})
	}
	if len(seen) != 1 || events != 2000 {
		t.Errorf("%d threads and %d events for 1000 attempts, want 1 and 2000", len(seen), events)
	}
}

// What succeeded may have changed its thread: its network, its user.
func TestAnAttemptThatSucceededHasHadItsThreadToItself(t *testing.T) {
	trial := &T{say: func(plan.Event) {}}
	main := os.Getpid()
	seen := map[int]bool{}
	var last *worker
	for range 20 {
		trial.try("a call", func() (string, error) {
			last = trial.worker
			seen[unix.Gettid()] = true
			return "done", nil
		})
		if trial.worker != nil {
			t.Fatal("its thread is kept for the next attempt")
		}
		for !last.killed() && last.thread != main { // it ends by itself, unless it is the program's first, which Go keeps
			runtime.Gosched()
		}
	}
	if len(seen) == 0 {
		t.Error("nothing was tried")
	}
}
