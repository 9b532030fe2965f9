package drivertest

import (
	"context"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// A fakeBox is a [sandbox.Container] whose process is a goroutine.
type fakeBox struct {
	fake      *Fake
	id        string
	claim     *sandbox.Claim // nil where there is no state directory
	limits    sandbox.Limits
	overhead  sandbox.Overhead
	isolation api.Isolation
	dead      chan struct{} // closed once the runner has ended

	mu    sync.Mutex
	ended bool
	exit  sandbox.Exit
	usage sandbox.Usage
	ends  []interface{ Close() error } // the runner's ends of its pipes
}

var _ sandbox.Container = (*fakeBox)(nil)

// startRunner starts the goroutine, and returns the controller's ends of its pipes.
func (b *fakeBox) startRunner(start Start, spec sandbox.Spec, steps func(string) []Step) sandbox.Stdio {
	stdin, toStdin := newPipe()
	fromStdout, stdout := newPipe()
	fromStderr, stderr := newPipe()
	b.ends = append(b.ends, stdin, stdout, stderr)
	p := &player{box: b, stdin: stdin, stdout: stdout, stderr: stderr}
	go p.run(start, spec, steps)
	return sandbox.Stdio{Stdin: toStdin, Stdout: fromStdout, Stderr: fromStderr}
}

// die ends the runner, once; its pipes end with it.
func (b *fakeBox) die(exit sandbox.Exit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	b.ended, b.exit = true, exit
	for _, end := range b.ends {
		_ = end.Close()
	}
	close(b.dead)
}

// oom ends the runner as the kernel does when memory runs out.
func (b *fakeBox) oom() {
	b.mu.Lock()
	b.usage.OOMKilled, b.usage.MemoryAtLimit = true, true
	b.usage.PeakMemoryBytes = b.limits.MemoryBytes + b.overhead.MemoryBytes
	b.mu.Unlock()
	b.die(sandbox.Exit{Signal: 9})
}

func (b *fakeBox) addCPU(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usage.CPU += d
}

// Usage implements [sandbox.Container].
func (b *fakeBox) Usage(context.Context) (sandbox.Usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// No process costs nothing.
	b.usage.CPU += time.Millisecond
	usage := b.usage
	usage.PeakMemoryBytes = max(usage.PeakMemoryBytes, 1<<20)
	return usage, nil
}

// Kill implements [sandbox.Container].
func (b *fakeBox) Kill(context.Context) error {
	b.die(sandbox.Exit{Signal: 9})
	return nil
}

// Observe implements [sandbox.Container]. There is no process that anybody could see.
func (b *fakeBox) Observe(context.Context) (sandbox.Outside, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	outside := sandbox.Outside{
		Runtime: b.isolation.Runtime, RuntimeVersion: b.isolation.RuntimeVersion, Image: b.isolation.Image, Seccomp: b.isolation.Seccomp,
		Cgroup: b.cgroup(), Untold: []api.Untold{{Claim: "process", Where: api.Outside, Why: "a fake has none"}},
	}
	return outside, nil
}

func (b *fakeBox) cgroup() *sandbox.Cgroup {
	return &sandbox.Cgroup{
		MemoryBytes: b.limits.MemoryBytes + b.overhead.MemoryBytes, CPUs: b.limits.CPUs, PIDs: int64(b.overhead.PIDs), Holds: true,
	}
}

// Limit implements [sandbox.Container].
func (b *fakeBox) Limit(_ context.Context, limits sandbox.Limits) (*sandbox.Cgroup, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = limits
	return b.cgroup(), nil
}

// Weight implements [sandbox.Container].
func (b *fakeBox) Weight(context.Context, bool) error { return nil }

// Wait implements [sandbox.Container].
func (b *fakeBox) Wait(ctx context.Context) (sandbox.Exit, error) {
	select {
	case <-b.dead:
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.exit, nil
	case <-ctx.Done():
		return sandbox.Exit{}, context.Cause(ctx)
	}
}

// Remove implements [sandbox.Container].
func (b *fakeBox) Remove(ctx context.Context) error {
	_ = b.Kill(ctx)
	b.fake.forget(b.id)
	if b.claim != nil {
		return b.claim.Release()
	}
	return nil
}
