// Package sandbox is the life of a box: what is asked of it, how it is talked to, how its end is
// judged, and how it is destroyed whatever happens.
//
// A driver (docker, oci) knows how to create a container and how to kill it; it hands a [Container]
// to [Open], and everything else, the conversation with the runner above all, is the same for all.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// A Driver makes boxes on one kind of engine. It is safe for concurrent use.
type Driver interface {
	// Create starts a box with the Spec in force and returns it once it has sealed itself and said
	// so. A box that is not what the Spec asks for is destroyed, and the error says what differs. When
	// ctx ends first, nothing is left behind. Any error is ours, not a script's.
	Create(ctx context.Context, spec Spec, limits Limits) (Box, error)
	// Sweep destroys what dead owners have left behind, and nothing of a living one. It may be
	// called at any time, by several processes at once. It goes on after a failure, and returns what
	// it removed with the failures joined.
	Sweep(ctx context.Context) (Swept, error)
}

// A Box is one sealed container that waits for its one job. It is safe for concurrent use.
type Box interface {
	// Warm has the box use its time until the job comes: see [protocol.Warm]. One call at a time is made; it
	// returns when the box has answered, and with an error when its job has come or it is lost. While it
	// lasts the box gets only processor time that nobody else on the host wants. After an error the box is not to
	// be warmed again; unless it is lost, it may still be given its job.
	Warm(ctx context.Context, order protocol.Warm) (Warmed, error)
	// Lost is closed once a box that waits is none to be handed out any more: it has died, or has spoken unasked.
	Lost() <-chan struct{}
	// Run puts the request's limits in force, hands over the job, a request that has passed its checks with its defaults
	// filled in, and returns how it ended, but for the result's id; its time in the queue is what the hand-over took.
	// It may be called once. The error is ours: a script that fails, or breaks its protocol, is a Result; a
	// *[NotHandedError] says that no other box would have been told of the job twice. When ctx ends, the box is killed
	// and the result is CANCELLED. onLog gets each log entry as it comes, on a goroutine of Run's own; it must not
	// block for long. Run does not destroy the box.
	Run(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)
	// Destroy kills whatever runs in the box and removes everything of it. It may be called again,
	// and after a failure should be. ctx bounds it: give it one that outlives the caller's.
	Destroy(ctx context.Context) error
}

// Warmed says what a box has in place after [Box.Warm].
type Warmed struct {
	Libraries []string
	HeapBytes int64         // the runner's heap
	CPU       time.Duration // what it has cost
}

// A NotHandedError says that a job was not handed over: the box was lost before, or its limits could not be set. The
// script has not run, and may be run in another box.
type NotHandedError struct{ Why error }

func (e *NotHandedError) Error() string {
	return "sandbox: the job was not handed over: " + e.Why.Error()
}

// Unwrap returns why.
func (e *NotHandedError) Unwrap() error { return e.Why }

// ErrUnseen is what [Container.Wait] wraps where the box was lost sight of, for instance because its daemon went away: its streams
// need not have ended by its own doing then, and how it ended, where that is known, need not either.
var ErrUnseen = errors.New("the box was lost sight of while its script ran")

// ErrDead is what [Container.Wait] wraps where the box is seen to have died, and how is not told yet.
var ErrDead = errors.New("the box has died, and nobody has told how yet")

// A KilledError says that a box was killed while its job ran, and neither by us nor by the kernel for want of memory in it: by
// an administrator, by a daemon that was stopped, by a host that shuts down or that frees memory. The job may have done
// anything before.
type KilledError struct{ Exit Exit }

func (e *KilledError) Error() string {
	return "sandbox: the box was killed by somebody else on the host, while its script ran (" + e.Exit.String() +
		"; its memory was not at its limit)"
}

// Swept counts what a sweep removed.
type Swept struct {
	Boxes []string // the ids of the boxes that were removed
}

// A Container is a started process with its confinement around it: what a driver gives for a box.
// Its methods are safe for concurrent use.
type Container interface {
	// Usage reads the box's counters, also after its process has died, until Remove.
	Usage(ctx context.Context) (Usage, error)
	// Kill ends every process in the box, from outside. It returns when they have been signalled;
	// killing what is dead is no error.
	Kill(ctx context.Context) error
	// Observe tells what is seen of the box from outside. It is called once the runner is ready, before the box is
	// given to anybody.
	Observe(ctx context.Context) (Outside, error)
	// Limit puts limits in force that may differ from those that the box has, and returns what it then reads back: nil
	// where this host cannot see it. An error says what is not in force. It is called before the job is handed over, by
	// one at a time.
	Limit(ctx context.Context, limits Limits) (*Cgroup, error)
	// Weight gives the box only processor time that nobody else on the host wants, or its usual weight back. It is
	// called before the job is handed over, by one at a time. Where it cannot be done the error says why.
	Weight(ctx context.Context, idle bool) error
	// Wait blocks until the runner has ended and says how, or ctx has. An error may wrap [ErrUnseen] or [ErrDead]. It may be called by several.
	Wait(ctx context.Context) (Exit, error)
	// Remove kills what still runs and removes everything of the box: container, cgroup, mounts, files,
	// and the claim on its ids. It is idempotent.
	Remove(ctx context.Context) error
}

// Stdio is the only channel to a box. Stdout and Stderr end when the box has ended.
type Stdio struct {
	Stdin  io.WriteCloser
	Stdout io.Reader
	Stderr io.Reader
}

// Usage is what a box has cost, from its cgroup's own counters.
type Usage struct {
	CPU             time.Duration
	PeakMemoryBytes int64
	// OOMKilled is true where the kernel killed a process of the box for want of memory.
	OOMKilled bool
	// MemoryAtLimit is true where the box's memory has run into its limit (failcnt, memory.events
	// max): no verdict by itself, but one beside a SIGKILL that nobody sent.
	MemoryAtLimit bool
	// Final is true where the counters were read after all that they count: a kill for want of memory that they do not tell of
	// was none.
	Final bool
}

// Exit is how a box's process ended: by a signal, or with a status.
type Exit struct {
	Status int
	Signal int // 0 where it exited by itself
}

// Killed reports whether the process died of SIGKILL, also where a shell's 128 + 9 says so.
func (e Exit) Killed() bool { return e.Signal == 9 || e.Status == 128+9 }

// An UnsupportedError says that a driver cannot put a field of the Spec in force.
type UnsupportedError struct {
	Driver string
	Field  string // the name of the Spec's field
	Why    string // with what to do instead
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("the %s driver cannot put %s in force: %s", e.Driver, e.Field, e.Why)
}
