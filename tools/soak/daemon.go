package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/tools/leftbehind"
)

// A daemon is a Docker daemon that is nobody's but this soak's.
type daemon struct {
	dir string
	cmd *exec.Cmd
}

// ownDaemon starts a Docker daemon, and has the server use it.
func ownDaemon(ctx context.Context, s *server, say func(string, ...any)) error {
	if s.options.runtime != "runc" {
		return fmt.Errorf("the daemon that is stopped has runc alone, and --runtime is %s: leave %s out", s.options.runtime, faultDaemon)
	}
	say("starting a Docker daemon ...")
	dir, err := os.MkdirTemp("", "gb-dockerd-") // short, since sockets are in it
	if err != nil {
		return err
	}
	d := &daemon{dir: dir}
	s.undo = append(s.undo, d.clear)
	if err := os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	s.daemon, s.env = d, append(s.env, "DOCKER_HOST="+d.host())
	s.undo = append(s.undo, d.stop)
	return d.start(ctx)
}

func (d *daemon) host() string { return "unix://" + filepath.Join(d.dir, "s") }

// start returns once the daemon answers.
func (d *daemon) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the daemon has its own
	// No bridge: it leaves the machine's firewall and interfaces alone.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "dockerd", "--config-file", filepath.Join(d.dir, "daemon.json"), "--host", d.host(),
		"--data-root", filepath.Join(d.dir, "data"), "--exec-root", filepath.Join(d.dir, "x"), "--pidfile", filepath.Join(d.dir, "pid"),
		"--bridge", "none", "--iptables=false", "--ip6tables=false")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("a Docker daemon: %w (apt-get install docker.io, or leave %s out of --faults)", err, faultDaemon)
	}
	d.cmd = cmd
	return until(ctx, startLimit, func(ctx context.Context) (bool, error) {
		out, err := d.docker(ctx, "version", "--format", "{{.Server.Version}}")
		return err == nil && out != "", nil
	}, func() error { return errors.New("the Docker daemon does not answer") })
}

// clear removes the daemon's directory. One that was stopped while it made a container has left that one's files mounted there.
func (d *daemon) clear() error {
	points, err := leftbehind.MountPoints(d.dir)
	for _, point := range slices.Backward(points) {
		err = errors.Join(err, os.NewSyscallError("unmount of "+point, unix.Unmount(point, 0)))
	}
	return errors.Join(err, os.RemoveAll(d.dir))
}

// docker asks the daemon.
func (d *daemon) docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", append([]string{"--host", d.host()}, args...)...).Output()
	return string(bytes.TrimSpace(out)), err
}

// stop ends the daemon as an administrator does, with its containers.
func (d *daemon) stop() error {
	if d.cmd == nil {
		return nil
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	killed := time.AfterFunc(startLimit, func() { _ = d.cmd.Process.Kill() })
	err := d.cmd.Wait()
	if !killed.Stop() {
		return fmt.Errorf("the Docker daemon did not end within %v: %w", startLimit, err)
	}
	d.cmd = nil
	return nil
}

// restartDaemon stops the daemon and starts it again.
func restartDaemon(ctx context.Context, l *load) error {
	within(ctx, 0.3)
	if _, err := l.server.claims(); err != nil {
		return err
	}
	began := time.Now()
	if err := l.server.daemon.stop(); err != nil {
		return err
	}
	stopped := time.Since(began)
	if err := l.server.unready(ctx); err != nil {
		return err
	}
	within(ctx, 0.3)
	ctx = context.WithoutCancel(ctx)
	if err := l.server.daemon.start(ctx); err != nil {
		return err
	}
	l.tell("%v until the daemon had stopped, then away for %v", stopped.Round(time.Millisecond), (time.Since(began) - stopped).Round(time.Millisecond))
	return l.works(ctx)
}

// containers are those that the daemon still has.
func (s *server) containers(ctx context.Context) (found []string, err error) {
	out, err := s.daemon.docker(ctx, "ps", "--all", "--quiet")
	for id := range strings.FieldsSeq(out) {
		found = append(found, "container "+id)
	}
	return found, err
}
