//go:build linux

// Package trial makes the attempts of the native probes, within a box: raw system calls and hostile reads. It is linked
// into the audit's own image alone. What a probe claims, and which answers count as stopped, stands in package native,
// on the other side of the boundary; a test holds the two lists to each other.
//
// Every attempt is harmless where nothing stops it: it says so by having succeeded, and undoes what it did.
package trial

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/probe/plan"
)

// A T is one trial that runs. Its methods are called on one goroutine.
type T struct {
	trial  plan.Trial
	say    func(plan.Event)
	n      int     // of the next attempt
	reuse  bool    // what succeeds changes nothing of its thread
	worker *worker // on whose thread the next attempt is made; nil before the first, and where that was left
}

// trials are all that there are, by the ids of their probes.
var trials = map[string]func(*T){}

// register adds trials to the table. It panics where an id stands there already.
func register(more map[string]func(*T)) {
	for id, run := range more {
		if trials[id] != nil {
			panic("trial: two of " + id)
		}
		trials[id] = run
	}
}

// IDs returns the ids of all trials, sorted.
func IDs() []string { return slices.Sorted(maps.Keys(trials)) }

// Run makes the attempts of one trial, and says each. An unknown trial only ends: the audit then finds that nothing
// was tried.
func Run(t plan.Trial, say func(plan.Event)) {
	say(plan.Event{Kind: plan.Begin, Trial: t.ID})
	if run := trials[t.ID]; run != nil {
		one := &T{trial: t, say: say}
		run(one)
		one.leave()
	}
	say(plan.Event{Kind: plan.End, Trial: t.ID})
}

// attemptLimit bounds one attempt, of which none takes more than a moment by itself: the machine may be busy.
const attemptLimit = 10 * time.Second

// errBlocked is what an attempt comes to that did not return.
var errBlocked = errors.New("did not return")

// A stopped says that an attempt met a limit, or found nothing, where no system call failed.
type stopped struct {
	how string // contained or absent
	why string
}

func (s stopped) Error() string { return s.why }

func contained(format string, args ...any) error {
	return stopped{"contained", fmt.Sprintf(format, args...)}
}

func absent(format string, args ...any) error { return stopped{"absent", fmt.Sprintf(format, args...)} }

// try makes one attempt on a worker's thread, and says what came of it: f returns what it got, or what stopped it.
func (t *T) try(what string, f func() (got string, err error)) {
	t.within(attemptLimit, what, f)
}

// within is try with another deadline.
func (t *T) within(limit time.Duration, what string, f func() (got string, err error)) {
	n := t.n
	t.n++
	if n < t.trial.From {
		return
	}
	t.say(plan.Event{Kind: plan.Try, Trial: t.trial.ID, N: n, What: what})
	if t.worker == nil {
		t.worker = newWorker()
	}
	t.worker.tasks <- f
	event := plan.Event{Kind: plan.Got, Trial: t.trial.ID, N: n, What: what}
	timer, look := time.NewTimer(limit), time.NewTicker(5*time.Millisecond)
	defer timer.Stop()
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case a := <-t.worker.answers:
			event.Got, event.Succeeded = a.got, a.err == nil
			describe(&event, a.err)
			if a.err == nil && !t.reuse {
				t.leave()
			}
			waiting = false
		case <-timer.C:
			describe(&event, errBlocked)
			t.leave()
			waiting = false
		case <-look.C:
			// A filter may kill the thread alone.
			if t.worker.killed() {
				event.Stopped, event.Got = "killed", plan.ThreadGone
				t.leave()
				waiting = false
			}
		}
	}
	t.say(event)
}

// leave has the next attempt made on another thread. This one ends, unless it is stuck.
func (t *T) leave() {
	if t.worker != nil {
		close(t.worker.tasks)
		t.worker = nil
	}
}

// A worker is a thread on which attempts are made, one after another. What succeeded may have changed its thread, which
// is then left. What did not leaves it as it was: a thread for each attempt would be more than the box may have, on a
// machine that is slow to end them.
type worker struct {
	thread  int
	tasks   chan func() (string, error)
	answers chan outcome
}

type outcome struct {
	got string
	err error
}

func newWorker() *worker {
	w := &worker{tasks: make(chan func() (string, error)), answers: make(chan outcome, 1)}
	thread := make(chan int)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		thread <- unix.Gettid()
		for f := range w.tasks {
			got, err := f()
			w.answers <- outcome{got, err}
		}
	}()
	w.thread = <-thread
	return w
}

// killed reports whether the thread is gone, and left no answer.
func (w *worker) killed() bool {
	gone := unix.Tgkill(unix.Getpid(), w.thread, 0)
	return errors.Is(gone, unix.ESRCH) && len(w.answers) == 0
}

// trapped is the errno that the handler of SIGSYS puts in a call's place: the filter refused the call by a signal.
const trapped = syscall.Errno(4000)

func describe(event *plan.Event, err error) {
	var errno syscall.Errno
	var stop stopped
	switch {
	case err == nil:
	case errors.As(err, &stop):
		event.Stopped, event.Got = stop.how, stop.why
	case errors.As(err, &errno):
		event.Errno, event.Stopped = nameOf(errno), "errno"
		switch errno {
		case trapped:
			event.Stopped = "killed"
		case unix.ENOENT, unix.ENOTDIR:
			event.Stopped = "absent"
		}
	default:
		event.Got = err.Error()
	}
}

func nameOf(errno syscall.Errno) string {
	if errno == trapped {
		return "SIGSYS"
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", uintptr(errno))
}

// call makes one system call as an attempt: it has succeeded where the call did. undo, which may be nil, is given the
// value that came back.
func (t *T) call(what string, undo func(uintptr), number uintptr, args ...uintptr) {
	t.try(what, func() (string, error) {
		got, errno := raw(number, args...)
		if errno != 0 {
			return "", errno
		}
		if undo != nil {
			undo(got)
		}
		return fmt.Sprintf("returned %d", int64(got)), nil
	})
}

// raw makes a system call. The Go runtime knows that it may block.
func raw(number uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	got, _, errno := syscall.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	return got, errno
}

func closeFD(fd uintptr) { _ = unix.Close(int(fd)) }
