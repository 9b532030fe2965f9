package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	runc "github.com/containerd/go-runc"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
	"glovebox/internal/trace"
)

// A container is one box: its claim, its directory, its cgroup and its processes.
type container struct {
	claim    *sandbox.Claim
	group    group
	overhead sandbox.Overhead
	dir      string
	bundle   bundle
	runtime  Runtime
	image    string // the digest of the driver's
	rootfs   rootfs
	checked  string // what that looked like when it held the image, byte for byte
	spec     sandbox.Spec
	config   *specs.Spec // what the runtime was given
	early    early       // as the runtime left it

	mu        sync.Mutex
	starter   int        // the pid, and process group, of the runtime that started it
	startedAt uint64     // when that began, in clock ticks since boot
	main      *process   // nil until it has started
	helpers   []*process // other children of ours in the box: gVisor's gofer
	pipes     []*os.File // our ends
	removed   bool
}

var _ sandbox.Container = (*container)(nil)

// root is the runtime's own state directory: one for each box, so that nothing of a box is elsewhere.
func (c *container) root() string { return rootOf(c.dir) }

func rootOf(dir string) string { return filepath.Join(dir, "root") }

func (c *container) logFile() string { return filepath.Join(c.dir, "log") }

// start has the runtime start the box. On an error the caller removes the container.
func (c *container) start(ctx context.Context) (sandbox.Stdio, error) {
	inner, outer, err := c.prepare()
	if err != nil {
		return sandbox.Stdio{}, err
	}
	err = c.run(ctx, inner)
	inner.close()
	if err != nil {
		return sandbox.Stdio{}, err
	}
	trace.Of(ctx).Event("started")
	if err := c.adopt(); err != nil {
		return sandbox.Stdio{}, err
	}
	return outer, c.check()
}

// prepare makes what the runtime needs: the bundle, and the pipes.
func (c *container) prepare() (inner stdio, outer sandbox.Stdio, err error) {
	config, err := c.bundle.config(c.spec)
	if err != nil {
		return stdio{}, sandbox.Stdio{}, err
	}
	c.config = config
	if err := c.writeBundle(config); err != nil {
		return stdio{}, sandbox.Stdio{}, err
	}
	return c.openPipes()
}

// check sets what the runtime could not, and looks at the box while its runner starts: see Observe.
func (c *container) check() error {
	err := c.bundle.setLateRlimits(c.main.pid, c.spec)
	if err == nil {
		c.early, err = c.look()
	}
	// A runner that has died already is in no cgroup: it has a better story to tell, and no ready frame.
	if err != nil && !hasEnded(c.main.pid) {
		return err
	}
	return nil
}

// runtimeGrace is how long a runtime may still work when its caller's time is up: far longer than it takes.
const runtimeGrace = 2 * time.Second

// run calls the runtime, which returns once the box has started.
func (c *container) run(ctx context.Context, stdio stdio) error {
	client := &runc.Runc{
		Command: c.runtime.Path, Root: c.root(), Log: c.logFile(), LogFormat: runc.JSON, ExtraArgs: c.runtime.Flags(),
		// The runtime dies with us. In a group of its own it hears no terminal's signals, and what it
		// would leave behind is found.
		PdeathSignal: syscall.SIGKILL, Setpgid: true,
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	// A runtime that is killed leaves more behind than one that comes to its end.
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(runtimeGrace, cancel) })
	defer stop()
	started := make(chan int)
	noted := make(chan error, 1)
	go func() { noted <- c.noteRuntime(<-started) }() // 0, from the closed channel, where it did not start
	c.group.hurry()
	_, err := client.Run(runCtx, c.claim.ID, c.dir, &runc.CreateOpts{
		IO: stdio, PidFile: c.pidFile(), Detach: true, Started: started,
	})
	if err := <-noted; err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("oci: %s could not start a box: %w%s", c.runtime.Kind, err, logErrors(c.logFile()))
	}
	return nil
}

func (c *container) noteRuntime(pid int) error {
	if pid == 0 {
		return nil
	}
	_, _, start := stat(pid)
	c.mu.Lock()
	c.starter, c.startedAt = pid, start
	c.mu.Unlock()
	return noteProcess(processesFile(c.dir), pid)
}

// processesFile is where a box's processes on the host are noted.
func processesFile(dir string) string { return filepath.Join(dir, "processes") }

func (c *container) pidFile() string { return filepath.Join(c.dir, "pid") }

// adopt begins to wait for the processes that the runtime has left to us.
func (c *container) adopt() error {
	text, err := cgroup.Read(c.pidFile())
	if err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	pid, err := strconv.Atoi(text)
	if err == nil {
		err = c.awaitCopy(pid)
	}
	if err != nil || !isChild(pid) {
		return fmt.Errorf("oci: the box's process %q is not a child of this process", text)
	}
	main, err := c.watch(pid)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.main = main
	if c.bundle.kind != sandbox.KindRunsc {
		return nil // the others leave nobody else
	}
	return c.adoptHelpers() // who, once dead, is in no cgroup
}

// awaitCopy waits for the end of a copy that crun makes of itself to start a box that is detached: until then the box's
// process is its child and not ours, but with a user namespace, where it is ours at once (and the copy is found by end). It ends right
// after crun itself, which tells nobody.
func (c *container) awaitCopy(pid int) error {
	_, parent, _ := stat(pid)
	if parent == os.Getpid() || !isChild(parent) {
		return nil
	}
	crun, err := c.watch(parent)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.helpers = append(c.helpers, crun)
	c.mu.Unlock()
	late := time.NewTimer(runtimeGrace)
	defer late.Stop()
	select {
	case <-crun.done:
		return nil
	case <-late.C:
		return errors.New("the runtime's copy of itself does not end")
	}
}

func (c *container) watch(pid int) (*process, error) {
	if err := noteProcess(processesFile(c.dir), pid); err != nil {
		return nil, err
	}
	return watch(pid)
}

// adoptHelpers finds our other children in the box's cgroup. mu is held.
func (c *container) adoptHelpers() error {
	members, err := c.group.members()
	if err != nil {
		return err
	}
	for pid := range members {
		if c.knows(pid) || !isChild(pid) {
			continue
		}
		helper, err := c.watch(pid)
		if err != nil {
			return err
		}
		c.helpers = append(c.helpers, helper)
	}
	return nil
}

// adoptStrays finds children of ours that name the box on their command line: copies that the runtime has
// made of itself, and not put in the cgroup yet or not at all. The runtime is gone, and no other program that we start
// is told a box's name. mu is held.
func (c *container) adoptStrays() {
	for _, pid := range childrenNaming(c.claim.ID) {
		if c.knows(pid) {
			continue
		}
		if stray, err := c.watch(pid); err == nil { // else it has ended
			c.helpers = append(c.helpers, stray)
		}
	}
}

// knows reports whether the process is one that is waited for. mu is held.
func (c *container) knows(pid int) bool {
	for _, p := range c.processes() {
		if p.pid == pid {
			return true
		}
	}
	return false
}

// processes are those that are waited for, the runner's first. mu is held.
func (c *container) processes() []*process {
	if c.main == nil {
		return slices.Clone(c.helpers)
	}
	return append([]*process{c.main}, c.helpers...)
}

// Usage implements [sandbox.Container].
func (c *container) Usage(context.Context) (sandbox.Usage, error) { return c.group.usage() }

// Kill implements [sandbox.Container].
func (c *container) Kill(ctx context.Context) error {
	c.mu.Lock()
	processes := c.processes()
	c.mu.Unlock()
	for _, p := range processes {
		p.kill() // the first of a pid namespace takes the others with it
	}
	err := c.group.kill(ctx)
	_ = c.group.files().Hasten() // it dies without that too
	return err
}

var errNotStarted = errors.New("oci: the box has not started")

// Wait implements [sandbox.Container].
func (c *container) Wait(ctx context.Context) (sandbox.Exit, error) {
	c.mu.Lock()
	main := c.main
	c.mu.Unlock()
	if main == nil {
		return sandbox.Exit{}, errNotStarted
	}
	exit, err := main.wait(ctx)
	if c.bundle.kind == sandbox.KindRunsc && exit.Status > 128 {
		// gVisor's own kernel exits as a shell does for the runner's signal.
		exit = sandbox.Exit{Signal: exit.Status - 128}
	}
	return exit, err
}

// Remove implements [sandbox.Container].
func (c *container) Remove(ctx context.Context) error {
	if err := c.end(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return nil
	}
	for _, pipe := range c.pipes {
		_ = pipe.Close()
	}
	if err := dismantle(ctx, c.group, c.dir, c.claim); err != nil {
		return err
	}
	c.removed = true
	return nil
}

// end kills the box and waits for its processes, so that no zombie stays.
func (c *container) end(ctx context.Context) error {
	c.mu.Lock()
	crun := c.bundle.kind == sandbox.KindCrun
	if c.starter != 0 && c.main == nil {
		// The runtime failed, or was killed halfway.
		reapGroup(c.starter)
	}
	if c.starter != 0 && (c.main == nil || crun) {
		c.adoptStrays()
	}
	err := c.adoptHelpers()
	processes := c.processes()
	c.mu.Unlock()
	if err != nil {
		return errors.Join(err, c.Kill(ctx))
	}
	for _, p := range processes {
		p.kill() // the first of a pid namespace takes the others with it
	}
	for _, p := range processes {
		select {
		case <-p.done:
		case <-ctx.Done():
			return fmt.Errorf("oci: process %d of the box lives on: %w", p.pid, errors.Join(context.Cause(ctx), c.group.kill(ctx)))
		}
	}
	if since, ok := c.mayHaveForgotten(); ok {
		reapForgotten(since)
	}
	if crun {
		reapCopies()
	}
	return c.group.kill(ctx) // as a rule nobody is left, which one look shows
}

// mayHaveForgotten reports whether gVisor's gofer was gone before it could be adopted, and since when it could have been there.
func (c *container) mayHaveForgotten() (since uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startedAt, c.bundle.kind == sandbox.KindRunsc && c.startedAt > 0 && len(c.helpers) == 0
}

// removeAfter removes what a failed start has left, also where the caller's time is up.
func (c *container) removeAfter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
	defer cancel()
	return c.Remove(ctx)
}

// dismantle removes everything of a box whose processes have been killed. The claim goes last: until then
// a sweep would find the rest. It is idempotent.
func dismantle(ctx context.Context, g group, dir string, claim *sandbox.Claim) error {
	if err := g.remove(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	return claim.Release()
}

// stdio are a box's ends of its pipes, and the runtime's environment, as go-runc takes them.
type stdio struct {
	stdin, stdout, stderr *os.File
	env                   []string
	groupless             bool // whether the runtime is to have no supplementary groups
}

var _ runc.IO = stdio{}

// openPipes makes the pipes of a box.
func (c *container) openPipes() (inner stdio, outer sandbox.Stdio, err error) {
	var files []*os.File
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
			return stdio{}, sandbox.Stdio{}, fmt.Errorf("oci: %w", err)
		}
		files = append(files, r, w)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pipes = []*os.File{files[1], files[2], files[4]}
	inner = stdio{stdin: files[0], stdout: files[3], stderr: files[5], env: ownEnvironment(c.bundle.kind)}
	inner.groupless = c.bundle.kind == sandbox.KindRunsc && os.Geteuid() == 0
	return inner, sandbox.Stdio{Stdin: files[1], Stdout: files[2], Stderr: files[4]}, nil
}

// Set gives the runtime the pipes, and none of our environment, nor, of root's supplementary groups, any: gVisor's kernel would
// keep both in a process that a script runs in. (runc and crun set a box's own.)
func (s stdio) Set(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.stdin, s.stdout, s.stderr
	cmd.Env = s.env
	if s.groupless {
		cmd.SysProcAttr.Credential = &syscall.Credential{} // root, with no more groups
	}
}

func (s stdio) close() {
	for _, f := range []*os.File{s.stdin, s.stdout, s.stderr} {
		_ = f.Close()
	}
}

// The other methods of go-runc's IO are for whoever has go-runc hold the outer ends.

// Close implements [runc.IO].
func (s stdio) Close() error { s.close(); return nil }

// Stdin implements [runc.IO].
func (s stdio) Stdin() io.WriteCloser { return nil }

// Stdout implements [runc.IO].
func (s stdio) Stdout() io.ReadCloser { return nil }

// Stderr implements [runc.IO].
func (s stdio) Stderr() io.ReadCloser { return nil }
