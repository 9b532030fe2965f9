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
)

// How long a box may take for what is not the script's: each is far beyond what was measured, and ends
// in the box's death.
const (
	startLimit = 60 * time.Second       // from created to ready
	handLimit  = 20 * time.Second       // to take in the job
	softGrace  = 250 * time.Millisecond // for the engine to end itself once its time is up
	quietLimit = 2 * time.Second        // to end once stdin has been closed
	killLimit  = 10 * time.Second       // for a killed box to be gone
	maxStderr  = 8 << 10                // of a runner's last words
)

// Open waits until the container's runner has sealed itself and said so, holds what it says against
// the Spec, and returns the box. Where that fails the container is removed. isolation is what the
// driver has put in force; it goes into the result as it is.
func Open(ctx context.Context, c Container, io Stdio, spec Spec, limits Limits, expect Expect, isolation api.Isolation) (Box, error) {
	b := &box{
		container: c, stdin: io.Stdin, frames: protocol.NewReader(io.Stdout), limits: limits, isolation: isolation,
		lastWords: newLastWords(io.Stderr),
	}
	err := b.awaitReady(ctx, spec, expect)
	if err == nil {
		return b, nil
	}
	// The caller's time may be up: what is left behind is removed all the same.
	removeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
	defer cancel()
	if removeErr := c.Remove(removeCtx); removeErr != nil {
		err = errors.Join(err, removeErr)
	}
	return nil, err
}

type box struct {
	container Container
	stdin     io.WriteCloser
	frames    *protocol.Reader
	lastWords *lastWords
	limits    Limits
	isolation api.Isolation

	mu        sync.Mutex
	used      bool
	destroyed bool
}

var _ Box = (*box)(nil)

var (
	errUsed      = errors.New("sandbox: a box runs one job")
	errDestroyed = errors.New("the box was destroyed")
)

func (b *box) awaitReady(ctx context.Context, spec Spec, expect Expect) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	type answer struct {
		frame protocol.Frame
		err   error
	}
	ready := make(chan answer, 1)
	go func() {
		frame, err := b.frames.Next()
		ready <- answer{frame, err}
	}()
	select {
	case <-ctx.Done():
		// The reading goroutine ends when the container is removed and its stdout with it.
		return fmt.Errorf("sandbox: the box did not get ready: %w", context.Cause(ctx))
	case got := <-ready:
		if got.err != nil {
			// Its last words end with it: one that still lives is not waited for.
			wordsCtx, cancel := context.WithTimeout(ctx, quietLimit)
			defer cancel()
			if killErr := b.container.Kill(wordsCtx); killErr != nil {
				return fmt.Errorf("sandbox: the box did not get ready: %w", errors.Join(got.err, killErr))
			}
			return fmt.Errorf("sandbox: the box did not get ready: %w%s", got.err, b.lastWords.suffix(wordsCtx))
		}
		return checkReady(*got.frame.Ready, spec, expect)
	}
}

// Destroy implements [Box].
func (b *box) Destroy(ctx context.Context) error {
	// Stdin is closed first: a runner that has ended its work then leaves by itself.
	b.mu.Lock()
	b.destroyed = true
	b.mu.Unlock()
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
	run := &run{box: b, onLog: onLog, evidence: evidence{limits: b.limits}}
	return run.do(ctx, request)
}
