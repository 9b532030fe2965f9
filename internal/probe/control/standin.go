package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"glovebox/internal/probe/plan"
)

// hostIDs are the ids of this machine that stand for those of the stand-in host: beyond the range that boxes are given
// theirs from, in what systemd's table of ids leaves unused.
const (
	firstHostID = 1879052288
	countHostID = 1000
)

// boxUser returns a box's own id within the stand-in host's, unlike that of any other box that runs. What its root would
// be there is the victim's.
func (c *Controller) boxUser() int {
	const first = plan.VictimUID + 1
	return first + int(c.boxes.Add(1))%(countHostID-first)
}

// A standIn is a process that plays the host, in user, pid, network, ipc, uts and mount namespaces made for it.
type standIn struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	victim string // the number of the process to be attacked, in its pid namespace
}

// startLimit bounds the stand-in host's start, and its end.
const startLimit = 20 * time.Second

// startStandIn starts one from the probe's binary, which lies at a path that others may pass through.
func startStandIn(ctx context.Context, binary string) (*standIn, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), binary, "stand-in")
	cmd.Env, cmd.Dir = []string{}, "/"
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstHostID, Size: countHostID}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS,
		UidMappings: mapping, GidMappings: mapping, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{Uid: 0, Gid: 0},
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("control: stand-in host: %w", err)
	}
	s := &standIn{cmd: cmd, stdin: stdin}
	stop := time.AfterFunc(startLimit, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	stop.Stop()
	pid, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if _, numberErr := strconv.Atoi(pid); err != nil || !ok || numberErr != nil {
		s.stop()
		return nil, fmt.Errorf("control: the stand-in host did not get ready: %q: %w", said.String(), errors.Join(err, numberErr))
	}
	s.victim = pid
	return s, nil
}

// namespace is the path of one of its namespaces, by the kernel's name.
func (s *standIn) namespace(kind string) string {
	return filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "ns", kind)
}

// stop ends it, and with it every process of its pid namespace.
func (s *standIn) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// A place holds the files that controls need: root file systems, and bundles.
type place struct{ dir string }

// Root file systems of boxes: the sealed ones as a driver makes them, with the probe's program and the runner, and one that lies
// open.
const (
	sealedRoot = "sealed"
	runnerRoot = "runner"
	openRoot   = "open"
)

// namePrefix begins the names of all that controls leave on the machine while they are made: whose they are can be told.
func namePrefix() string { return fmt.Sprintf("glovebox-control-%d-", os.Getpid()) }

// newPlace makes them in a directory of their own, whose files belong to nobody in particular: in the open one a box may
// write, as on a host that nothing protects.
func newPlace(binary, runner []byte) (p place, err error) {
	// Not in a shared folder for temporary files: what lies there is run.
	p.dir, err = os.MkdirTemp("/run", namePrefix())
	if err != nil {
		return p, fmt.Errorf("control: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.remove())
		}
	}()
	if err := os.Chmod(p.dir, 0o711); err != nil {
		return p, fmt.Errorf("control: %w", err)
	}
	for _, dir := range []string{"sealed/dev", "sealed/proc", "runner/dev", "runner/proc", "open/dev", "open/proc", "open/sys", "open/tmp", "open/var/tmp", "open/run",
		"open/etc", "open/root", "open/home/somebody", "open/var/lib/docker", "open/var/run", "open/usr/bin", "open/bin"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o755); err != nil {
			return p, fmt.Errorf("control: %w", err)
		}
	}
	for name, body := range map[string]string{
		"open/etc/passwd": "root:x:0:0\n", "open/etc/shadow": "root:!\n", "open/etc/hostname": "stand-in-host\n", "open/root/secret": "s\n",
		"open/var/lib/docker/key": "k\n", "open/usr/bin/env": "#!\n", "open/bin/sh": "#!\n", "sealed/dev/null": "", "runner/dev/null": "", "open/neighbour": Mark,
		"open/var/run/docker.sock": "", "open/run/docker.sock": "",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(body), 0o644); err != nil {
			return p, fmt.Errorf("control: %w", err)
		}
	}
	for name, program := range map[string][]byte{"sealed/runner": binary, "open/runner": binary, "runner/runner": runner} {
		if err := os.WriteFile(filepath.Join(p.dir, name), program, 0o555); err != nil {
			return p, fmt.Errorf("control: %w", err)
		}
	}
	if err := os.Chmod(p.path("open/runner"), 0o777); err != nil {
		return p, fmt.Errorf("control: %w", err)
	}
	// Whoever runs without the layer of files is a user like any on a careless host.
	for _, name := range []string{"open", "open/tmp", "open/var/tmp", "open/run", "open/dev"} {
		if err := os.Chmod(filepath.Join(p.dir, name), 0o777); err != nil {
			return p, fmt.Errorf("control: %w", err)
		}
	}
	return p, nil
}

func (p place) path(name string) string { return filepath.Join(p.dir, name) }

func (p place) remove() error { return os.RemoveAll(p.dir) }

// Mark is what a file of the stand-in host's holds that a box must not find.
const Mark = "mark-of-the-stand-in-host"
