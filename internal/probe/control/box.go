package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

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

// run has runc start one box without some layers, gives it a plan, and says each event as it comes. It returns how the
// box ended: nil where it said its result. Nothing of the box is left behind.
func (c *Controller) run(ctx context.Context, layers []string, limits sandbox.Limits, p plan.Plan, timeout time.Duration, event func(plan.Event)) (ending, err error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	id := "glovebox-control-" + hex.EncodeToString(random[:])
	bundle := c.files.path(id)
	if err := os.Mkdir(bundle, 0o700); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bundle)) }()
	user := c.boxUser()
	config, err := oci.Bundle{
		Kind: sandbox.KindRunc, Rootfs: c.files.path("sealed"), CgroupPath: "/" + id,
		IDs: sandbox.IDs{Root: firstHostID + plan.VictimUID, Box: firstHostID + user},
	}.Config(c.Spec, limits)
	if err != nil {
		return nil, err
	}
	lift(config, layers, c.host, c.files, user)
	body, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), body, 0o600); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	root := filepath.Join(bundle, "state")
	defer func() {
		// It kills what is left, and takes the cgroup away.
		removeCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer stop()
		remove := exec.CommandContext(removeCtx, c.Runtime.Path, "--root", root, "delete", "--force", id)
		if out, removeErr := remove.CombinedOutput(); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("control: removal of a box: %w: %s", removeErr, out))
		}
	}()
	args := []string{"--root", root, "run", "--bundle", bundle}
	var leaks []*os.File
	if slices.Contains(layers, sandbox.LayerProcess) {
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
	cmd := exec.CommandContext(ctx, c.Runtime.Path, append(args, id)...)
	cmd.ExtraFiles = leaks
	return c.converse(ctx, cmd, p, event)
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
func (c *Controller) converse(ctx context.Context, cmd *exec.Cmd, p plan.Plan, event func(plan.Event)) (ending, err error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	var stderr bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &stderr, time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	frames := protocol.NewReader(stdout)
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
		_ = stdin.Close()
		return nil, fmt.Errorf("control: the box did not get ready: %w: %s", errors.Join(err, cmd.Wait(), context.Cause(ctx)), lastLine(stderr.String()))
	}
	code, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	ending = protocol.WriteMessage(stdin, protocol.Order{Job: &protocol.Job{Code: string(code), Language: api.JavaScript}})
	for said := false; ending == nil && !said; {
		said, ending = read()
	}
	_ = stdin.Close()
	waitErr := cmd.Wait()
	if ending != nil {
		ending = errors.Join(ending, waitErr, errors.New(lastLine(stderr.String())))
	}
	return ending, nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
