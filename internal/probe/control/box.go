package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/internal/probe/plan"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
)

// boxLimits are what the driver would be asked for.
var boxLimits = sandbox.Limits{MemoryBytes: api.MinMemoryLimitMB * api.MiB, CPUs: 1, Timeout: time.Minute}

// burnCPUs is the share of a box that burns all that it gets: so small that what it gets beyond shows on a busy machine.
const burnCPUs = 0.05

// A wish is what a disposable box is to be.
type wish struct {
	rootfs string   // of place's
	lifted []string // the layers that its config.json lacks
	limits sandbox.Limits
	// change, which may be nil, has the last word on the config.json.
	change func(*specs.Spec)
}

// A disposable is one box that runc has started, or is starting.
type disposable struct {
	bundle oci.Bundle
	cmd    *exec.Cmd // runc's
	stdin  io.WriteCloser
	stdout io.Reader
	stderr bytes.Buffer
	remove func() error // kills what is left, and takes everything away
}

// open has runc start a box, which lives no longer than ctx.
func (c *Controller) open(ctx context.Context, w wish) (box *disposable, err error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	id := namePrefix() + hex.EncodeToString(random[:])
	dir := c.files.path(id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	user := c.boxUser()
	box = &disposable{bundle: oci.Bundle{
		Kind: sandbox.KindRunc, Rootfs: c.files.path(w.rootfs), CgroupPath: "/" + id,
		IDs: sandbox.IDs{Root: firstHostID + plan.VictimUID, Box: firstHostID + user},
	}}
	config, err := box.bundle.Config(c.Spec, w.limits)
	if err != nil {
		return nil, err
	}
	lift(config, w.lifted, c.host, c.files, user)
	if w.change != nil {
		w.change(config)
	}
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), body, 0o600); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	root := filepath.Join(dir, "state")
	box.remove = func() error {
		removeCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer stop()
		var err error
		if out, removeErr := exec.CommandContext(removeCtx, c.Runtime.Path, "--root", root, "delete", "--force", id).CombinedOutput(); removeErr != nil {
			err = fmt.Errorf("control: removal of a box: %w: %s", removeErr, out)
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	// Its cgroup is kept until it is removed, and with it what has been counted there.
	args := []string{"--root", root, "run", "--keep", "--bundle", dir}
	var leaks []*os.File
	if slices.Contains(w.lifted, sandbox.LayerProcess) {
		if leaks, err = c.leaks(); err != nil {
			return nil, err
		}
		defer func() {
			for _, f := range leaks {
				_ = f.Close()
			}
		}()
		args = append(args, "--preserve-fds", strconv.Itoa(len(leaks)))
	}
	box.cmd = exec.CommandContext(ctx, c.Runtime.Path, append(args, id)...)
	box.cmd.ExtraFiles, box.cmd.Stderr, box.cmd.WaitDelay = leaks, &box.stderr, time.Second
	if err := box.start(); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return box, nil
}

func (b *disposable) start() (err error) {
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return err
	}
	if b.stdout, err = b.cmd.StdoutPipe(); err != nil {
		return err
	}
	return b.cmd.Start()
}

// lastWords is the last line that came of the box's standard error, once it has ended.
func (b *disposable) lastWords() string {
	lines := strings.Split(strings.TrimSpace(b.stderr.String()), "\n")
	return lines[len(lines)-1]
}

// run has runc start one box without some layers, gives it a plan, and says each event as it comes. It returns how the
// box ended: nil where it said its result. Nothing of the box is left behind.
func (c *Controller) run(ctx context.Context, layers []string, limits sandbox.Limits, p plan.Plan, timeout time.Duration, event func(plan.Event)) (ending, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	box, err := c.open(ctx, wish{rootfs: sealedRoot, lifted: layers, limits: limits})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, box.remove()) }()
	return box.converse(ctx, p, event)
}

// leaks are descriptors that a careless runtime would leave open for a box: a directory of the stand-in host's, and a
// socket.
func (c *Controller) leaks() ([]*os.File, error) {
	dir, err := os.Open(c.files.path("open/etc"))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control: %w", err), dir.Close())
	}
	return []*os.File{dir, os.NewFile(uintptr(fd), "socket")}, nil
}

// converse speaks with the program in the box by the runner's protocol.
func (b *disposable) converse(ctx context.Context, p plan.Plan, event func(plan.Event)) (ending, err error) {
	frames := protocol.NewReader(b.stdout)
	read := func() (bool, error) { // whether the result has come
		frame, err := frames.Next()
		switch {
		case err != nil:
			return false, err
		case frame.Type == protocol.FrameResult:
			return true, nil
		case frame.Type == protocol.FrameLog:
			var e plan.Event
			if json.Unmarshal([]byte(frame.Log.Message), &e) == nil {
				event(e)
			}
		}
		return false, nil
	}
	if _, err := read(); err != nil { // ready
		_ = b.stdin.Close()
		return nil, fmt.Errorf("control: the box did not get ready: %w: %s", errors.Join(err, b.cmd.Wait(), context.Cause(ctx)), b.lastWords())
	}
	code, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	ending = protocol.WriteMessage(b.stdin, protocol.Order{Job: &protocol.Job{Code: string(code), Language: api.JavaScript}})
	for said := false; ending == nil && !said; {
		said, ending = read()
	}
	_ = b.stdin.Close()
	waitErr := b.cmd.Wait()
	if ending != nil {
		ending = errors.Join(ending, waitErr, errors.New(b.lastWords()))
	}
	return ending, nil
}
