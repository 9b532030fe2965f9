package docker

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"glovebox/internal/sandbox"
)

// An ending ends the streams of a box that has died. The daemon ends them too, but only once it has
// cleaned up behind the container, a tenth of a second later or, on a busy host, a good deal more;
// that is too late for a script that was killed in time. So where its process can be seen to die,
// the streams end when nothing more has come for a while. It is safe for concurrent use.
type ending struct {
	stdout, stderr net.Conn

	mu     sync.Mutex
	dead   bool
	closed bool          // its stdout is
	quiet  time.Duration // how long nothing must come from a dead box
}

// How long nothing must come of a dead box until its streams are taken to have ended. What it said
// last must come through two processes of the daemon's.
const (
	quietByItself = time.Second           // nobody asked it to end: its last words tell why it did
	quietKilled   = 50 * time.Millisecond // we know why
	quietAsked    = 5 * time.Millisecond  // it has said all that counts

	// drainLimit bounds what a killed box's streams may take, if its death is never seen: a daemon
	// that hangs does not hang us.
	drainLimit = 5 * time.Second
)

func newEnding(stdout, stderr net.Conn) *ending {
	return &ending{stdout: stdout, stderr: stderr, quiet: quietByItself}
}

// asked says that the box was asked to end.
func (e *ending) asked() { e.shorten(quietAsked) }

// killed says that the box was sent SIGKILL: nothing can be written to it any more.
func (e *ending) killed() {
	if e == nil {
		return
	}
	e.shorten(quietKilled)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	_ = e.stdout.SetWriteDeadline(now)
	if !e.dead {
		_ = e.stdout.SetReadDeadline(now.Add(drainLimit))
		_ = e.stderr.SetReadDeadline(now.Add(drainLimit))
	}
}

func (e *ending) shorten(quiet time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if quiet < e.quiet {
		e.quiet = quiet
		e.wait()
	}
}

// died says that the box's process was seen to be dead.
func (e *ending) died() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dead = true
	e.wait()
}

// dying is [sandbox.ErrDead] of a box whose process was seen to be dead. Linux before 6.15 does not tell how it ended (see
// pidfd.exit), and a busy daemon is late to.
func (e *ending) dying() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead {
		return sandbox.ErrDead
	}
	return nil
}

// heard says that something came.
func (e *ending) heard() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wait()
}

// stdoutClosed says that nobody can write to the box's stdout any more.
func (e *ending) stdoutClosed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.wait()
}

// wait begins to wait for quiet, if an end has been seen. mu is held.
func (e *ending) wait() {
	until := time.Now().Add(e.quiet)
	if e.dead || e.closed {
		_ = e.stdout.SetReadDeadline(until)
	}
	if e.dead {
		_ = e.stderr.SetReadDeadline(until)
	}
}

// explain turns the end of the wait into the end of the stream.
func (e *ending) explain(err error) error {
	if e == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead || e.closed {
		return io.EOF
	}
	return err
}
