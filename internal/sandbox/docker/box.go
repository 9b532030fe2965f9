package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
	"glovebox/internal/trace"
)

// A box is one container, from its claim on. It is the [sandbox.Container] of a sandbox.Box.
type box struct {
	driver *Driver
	claim  *sandbox.Claim
	name   string // of the container
	meter  *meter
	spec   sandbox.Spec
	plan   plan       // what is in force
	pid    int        // of its process on this host; 0 where that cannot be seen
	conns  []net.Conn // of the attached streams
	ending *ending    // of the streams, once they are attached

	asked  chan struct{} // closed once the daemon has told of the container
	told   container.InspectResponse
	askErr error

	gone     chan struct{} // closed by Remove: nobody watches any more
	goneOnce sync.Once

	exited  chan struct{} // closed once exit and waitErr are set
	settled sync.Once
	broke   atomic.Bool // the connection on which the daemon was to tell: it went away
	exit    sandbox.Exit
	waitErr error
	endWait context.CancelFunc // of the question to the daemon
	waited  chan struct{}      // closed when that has ended

	mu      sync.Mutex
	removed bool // everything is gone
}

var _ sandbox.Container = (*box)(nil)

// create makes, starts and checks the container. Where it fails the caller calls Remove.
func (b *box) create(ctx context.Context, spec sandbox.Spec, limits sandbox.Limits) (sandbox.Box, error) {
	d := b.driver
	params := boxParams{
		id: b.claim.ID, owner: b.claim.Owner.String(), pidNS: d.pidNS, ids: b.claim.IDs, imageRef: d.imageRef,
	}
	b.meter = &meter{box: b}
	phases := newPhases()
	if d.holds() {
		params.cgroupParent = holdPath(b.claim.ID)
	}
	plan, err := translate(spec, limits, d.info, d.image, params)
	if err != nil {
		return nil, err
	}
	if params.cgroupParent != "" {
		b.hold(ctx, &plan)
	}
	phases.end("cgroup")
	if err := b.make(ctx, plan); err != nil {
		return nil, err
	}
	phases.end("create")
	trace.Of(ctx).Event("created")
	stdio, err := b.attach(ctx)
	if err != nil {
		return nil, err
	}
	phases.end("attach")
	if _, err := d.client.ContainerStart(ctx, b.name, client.ContainerStartOptions{}); err != nil {
		return nil, fmt.Errorf("docker: start: %w", err)
	}
	phases.end("start")
	trace.Of(ctx).Event("started")
	b.spec, b.plan = spec, plan
	opened, err := b.open(ctx, spec, limits, plan, stdio)
	phases.end("ready")
	d.log.DebugContext(ctx, "box", "id", b.claim.ID, "phases", phases)
	return opened, err
}

// hold makes the cgroup around the container's. Where it cannot be made (a host that gives its cgroups
// to somebody else) the box does without: what it costs is then read while it lives.
func (b *box) hold(ctx context.Context, p *plan) {
	host := p.options.HostConfig
	held, err := newHold(b.driver.cgroups, host.CgroupParent, host.Memory)
	if err == nil {
		b.meter.hold = held
		return
	}
	b.driver.log.WarnContext(ctx, "no cgroup of ours around a box's", "box", b.claim.ID, "error", err,
		"cleanup", b.driver.cgroups.remove(ctx, host.CgroupParent))
	host.CgroupParent = ""
}

// make creates the container. A daemon goes on with that when its client has left: the caller's end
// is looked at once it is made, or nobody would know what to remove.
func (b *box) make(ctx context.Context, p plan) error {
	makeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createLimit)
	defer cancel()
	made, err := b.driver.client.ContainerCreate(makeCtx, p.options)
	if cerrdefs.IsNotFound(err) {
		// Somebody has removed the image since the driver was made.
		if p.options.Config.Image, err = ensureImage(makeCtx, b.driver.client, b.driver.image); err == nil {
			made, err = b.driver.client.ContainerCreate(makeCtx, p.options)
		}
	}
	if err != nil {
		return fmt.Errorf("docker: create: %w", err)
	}
	for _, warning := range made.Warnings {
		// What it warns of shows when the limits are read back.
		b.driver.log.WarnContext(ctx, "the daemon warns", "box", b.claim.ID, "warning", warning)
	}
	return context.Cause(ctx)
}

// open waits until the runner is ready, while the daemon tells of the container.
func (b *box) open(ctx context.Context, spec sandbox.Spec, limits sandbox.Limits, p plan, stdio sandbox.Stdio) (sandbox.Box, error) {
	go b.ask(ctx, spec, p)
	opened, err := sandbox.Open(ctx, b, stdio, spec, limits, b.expect(spec, p), b.driver.isolation(spec, p.userNS))
	<-b.asked
	if err == nil {
		return opened, nil
	}
	var refused *sandbox.AttestationError
	if !errors.As(err, &refused) && b.askErr == nil && b.told.HostConfig != nil {
		// Where the container is not what was asked for, it is no wonder that the box did not get ready.
		err = errors.Join(sandbox.Compare(checkInspect(p, b.told)), err)
	}
	return nil, errors.Join(b.askErr, err)
}

// watchStdout has stdout end where the runner closes it and lives on: the daemon tells of that only when the
// process ends. gVisor's own processes hold the pipe as long as they live.
func (b *box) watchStdout(pid int) {
	fd, ok := openReader(pid, 1)
	if !ok {
		return
	}
	if err := await(fd, hungUp, b.gone, b.ending.stdoutClosed); err != nil {
		b.driver.log.Warn("nobody watches a box's stdout", "box", b.claim.ID, "error", err)
	}
}

// watch has the streams end when the process does, and learns how it ended.
func (b *box) watch(pid int) error {
	process, err := openPidfd(pid)
	if err != nil {
		return err
	}
	return process.await(b.gone, func() {
		b.ending.died()
		b.meter.died()
		// Where the kernel tells how it ended, the daemon need not: it is late (see ending).
		if status, ok := process.reaped(b.exited); ok {
			b.settle(exitOf(shellStatus(status)), nil)
		}
	})
}

// shellStatus tells a status as the daemon does.
func shellStatus(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// attach connects the streams and waits for the exit, before the start: nothing is missed.
func (b *box) attach(ctx context.Context) (sandbox.Stdio, error) {
	waiting := make(chan struct{})
	waitCtx, endWait := context.WithCancel(context.WithoutCancel(ctx))
	b.endWait = endWait
	go b.await(waitCtx, waiting)
	type attached struct {
		client.HijackedResponse
		err error
	}
	open := func(options client.ContainerAttachOptions) chan attached {
		result := make(chan attached, 1)
		go func() {
			response, err := b.driver.client.ContainerAttach(ctx, b.name, options)
			result <- attached{response.HijackedResponse, err}
		}()
		return result
	}
	streams := open(client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true})
	errStream := open(client.ContainerAttachOptions{Stream: true, Stderr: true})
	both, stderr := <-streams, <-errStream
	select {
	case <-waiting:
	case <-ctx.Done():
	}
	for _, a := range []attached{both, stderr} {
		if a.err == nil {
			b.conns = append(b.conns, a.Conn)
		}
	}
	if err := errors.Join(both.err, stderr.err, context.Cause(ctx)); err != nil {
		return sandbox.Stdio{}, fmt.Errorf("docker: attach: %w", err)
	}
	b.ending = newEnding(both.Conn, stderr.Conn)
	return sandbox.Stdio{
		Stdin:  &input{conn: both.Conn, closing: b.meter.sample, ending: b.ending},
		Stdout: newOutput(both.Reader, streamStdout, b.ending),
		Stderr: newOutput(stderr.Reader, streamStderr, b.ending),
	}, nil
}

// await asks the daemon to tell of the exit, and says on waiting when it has been asked. Where the
// connection breaks (a daemon restarts) it goes on asking until Remove.
func (b *box) await(ctx context.Context, waiting chan<- struct{}) {
	defer close(b.waited)
	result := b.driver.client.ContainerWait(ctx, b.name, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	close(waiting)
	select {
	case answer := <-result.Result:
		var err error
		if answer.Error != nil && answer.Error.Message != "" {
			err = fmt.Errorf("docker: wait: %s", answer.Error.Message)
		}
		b.settle(exitOf(int(answer.StatusCode)), err)
	case <-result.Error:
		b.broke.Store(ctx.Err() == nil)
		b.settle(b.pollExit(ctx))
	}
}

// settle takes the first word on how the box ended.
func (b *box) settle(exit sandbox.Exit, err error) {
	b.settled.Do(func() {
		b.exit, b.waitErr = exit, err
		close(b.exited)
	})
}

// pollExit asks again and again how the container is.
func (b *box) pollExit(ctx context.Context) (sandbox.Exit, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := b.driver.client.ContainerInspect(ctx, b.name, client.ContainerInspectOptions{})
		switch {
		case cerrdefs.IsNotFound(err):
			return sandbox.Exit{}, errors.New("docker: the container is gone, and nobody knows how it ended")
		case err == nil && got.Container.State != nil && !got.Container.State.Running && got.Container.State.Status != container.StateCreated:
			return exitOf(got.Container.State.ExitCode), nil
		}
		select {
		case <-ctx.Done():
			return sandbox.Exit{}, fmt.Errorf("docker: wait: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// exitOf undoes the shell's way of telling a signal, which Docker has. A runner's own exit statuses
// are small.
func exitOf(status int) sandbox.Exit {
	const first, last = 128 + 1, 128 + 64
	if status >= first && status <= last {
		return sandbox.Exit{Signal: status - 128}
	}
	return sandbox.Exit{Status: status}
}

// Wait implements [sandbox.Container].
func (b *box) Wait(ctx context.Context) (sandbox.Exit, error) {
	select {
	case <-b.exited:
		return b.exit, errors.Join(b.waitErr, b.unseen())
	case <-ctx.Done():
		return sandbox.Exit{}, errors.Join(fmt.Errorf("docker: wait: %w", context.Cause(ctx)), b.unseen(), b.ending.dying())
	}
}

// unseen says whether the daemon went away, and took along the box's streams: with its stdin a runner may have ended, and all of
// them with a daemon that has its containers live on.
func (b *box) unseen() error {
	if b.broke.Load() {
		return fmt.Errorf("docker: the daemon went away: %w", sandbox.ErrUnseen)
	}
	return nil
}

// Usage implements [sandbox.Container].
func (b *box) Usage(ctx context.Context) (sandbox.Usage, error) { return b.meter.read(ctx) }

// Kill implements [sandbox.Container]. It kills through the cgroup where it can, and asks the daemon
// elsewhere.
func (b *box) Kill(ctx context.Context) error {
	b.meter.glance()
	defer b.ending.killed()
	if done, err := b.meter.kill(); done {
		b.meter.hasten()
		return nil
	} else if err != nil {
		b.driver.log.WarnContext(ctx, "a box could not be killed through its cgroup: the daemon is asked to", "box", b.claim.ID, "error", err)
	}
	_, err := b.driver.client.ContainerKill(ctx, b.name, client.ContainerKillOptions{Signal: "SIGKILL"})
	// 404 and 409: it is gone, or does not run.
	if err == nil || cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("docker: kill: %w", err)
}
