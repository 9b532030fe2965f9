package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/trace"
)

// How long a box may take for what is not the script's: each is far beyond what was measured, and ends
// in the box's death.
const (
	startLimit = 60 * time.Second       // from created to ready
	handLimit  = 20 * time.Second       // to take in the job
	warmLimit  = 10 * time.Minute       // to answer an order to warm up, on what processor time others leave
	softGrace  = 250 * time.Millisecond // for the engine to end itself once its time is up
	quietLimit = 2 * time.Second        // to end once its stdout has
	killLimit  = 10 * time.Second       // for a killed box to be gone
	maxStderr  = 8 << 10                // of a runner's last words
)

// Open waits until the container's runner has sealed itself and said so, holds what it says, and what is seen of it from
// outside, against the Spec, and returns the box. Where that fails the container is removed; an *[AttestationError] says
// that it was not what it was to be. isolation is what the driver has put in force; it goes into the result, with the
// attestation.
func Open(ctx context.Context, c Container, io Stdio, spec Spec, limits Limits, expect Expect, isolation api.Isolation) (Box, error) {
	b := &box{
		container: c, stdin: io.Stdin, frames: protocol.NewReader(io.Stdout), isolation: isolation,
		lastWords: newLastWords(io.Stderr), events: make(chan event), stop: make(chan struct{}),
		waiting: newWaiting(limits),
	}
	go b.read()
	ready, err := b.awaitReady(ctx)
	if err == nil {
		trace.Of(ctx).Event("ready")
		err = b.attest(ctx, ready, spec, limits, expect)
	}
	if err == nil {
		trace.Of(ctx).Event("attested")
		go b.watch()
		go func() {
			b.firstLook(ctx)
			b.waiting.mu.Lock()
			defer b.waiting.mu.Unlock()
			b.attested.attestation()
		}()
		return b, nil
	}
	// The caller's time may be up: what is left behind is removed all the same.
	removeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
	defer cancel()
	b.unheard()
	return nil, errors.Join(err, b.end(removeCtx))
}

// A box is what a driver's Create returns. What it does while it waits for its job stands in waiting.go.
type box struct {
	container Container
	stdin     io.WriteCloser
	frames    *protocol.Reader
	lastWords *lastWords
	isolation api.Isolation
	attested  attested   // guarded by waiting.mu once the box is open
	events    chan event // what the runner says: one goroutine reads it, from the start to the end
	stop      chan struct{}
	stopOnce  sync.Once
	waiting   *waiting

	mu        sync.Mutex
	used      bool
	destroyed bool
}

var _ Box = (*box)(nil)

var (
	errUsed      = errors.New("sandbox: a box runs one job")
	errDestroyed = errors.New("the box was destroyed")
)

// event is what the reading goroutine reports.
type event struct {
	frame protocol.Frame
	err   error
}

// read passes on what the box says, up to the result or to the first fault.
func (b *box) read() {
	for {
		frame, err := b.frames.Next()
		select {
		case b.events <- event{frame, err}:
		case <-b.stop:
			return
		}
		if err != nil || frame.Type == protocol.FrameResult {
			return
		}
	}
}

func (b *box) awaitReady(ctx context.Context) (protocol.Ready, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case <-ctx.Done():
		// The reading goroutine ends when the container is removed and its stdout with it.
		return protocol.Ready{}, fmt.Errorf("sandbox: the box did not get ready: %w", context.Cause(ctx))
	case got := <-b.events:
		if got.err != nil {
			// Its last words end with it: one that still lives is not waited for.
			wordsCtx, cancel := context.WithTimeout(ctx, quietLimit)
			defer cancel()
			if killErr := b.container.Kill(wordsCtx); killErr != nil {
				return protocol.Ready{}, fmt.Errorf("sandbox: the box did not get ready: %w", errors.Join(got.err, killErr))
			}
			return protocol.Ready{}, fmt.Errorf("sandbox: the box did not get ready: %w%s", got.err, b.lastWords.suffix(wordsCtx))
		}
		return *got.frame.Ready, nil
	}
}

// Destroy implements [Box].
func (b *box) Destroy(ctx context.Context) error {
	b.mu.Lock()
	b.destroyed = true
	used := b.used
	b.mu.Unlock()
	if !used {
		b.unheard() // else Run hears the end
	}
	return b.end(ctx)
}

// unheard says that nobody listens to the box any more.
func (b *box) unheard() { b.stopOnce.Do(func() { close(b.stop) }) }

// end removes the container. Stdin is closed first: a runner that has ended its work then leaves by itself.
func (b *box) end(ctx context.Context) error {
	_ = b.stdin.Close()
	return b.container.Remove(ctx)
}

func (b *box) isDestroyed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.destroyed
}

// Run implements [Box].
func (b *box) Run(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	called := time.Now()
	b.mu.Lock()
	used, destroyed := b.used, b.destroyed
	b.used = true
	b.mu.Unlock()
	switch {
	case used:
		return api.Result{}, errUsed
	case destroyed:
		return api.Result{}, fmt.Errorf("sandbox: %w before it ran", errDestroyed)
	}
	defer b.unheard()
	limits := LimitsOf(request)
	if err := b.take(ctx, limits); err != nil {
		return api.Result{}, &NotHandedError{err}
	}
	run := &run{box: b, onLog: onLog, called: called, evidence: evidence{limits: limits}}
	return run.do(ctx, request)
}
