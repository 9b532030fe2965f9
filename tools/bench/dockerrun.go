package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/seccomp"
)

// A dockerRun runs the runner by `docker run`, as a careful user would: the same image, and the same confinement as far as the
// command line has it. It is used by several goroutines.
type dockerRun struct {
	args   []string
	prefix string // of containers' names
	runs   atomic.Int64
}

func newDockerRun(dir string, t target, image string) (*dockerRun, error) {
	profile, err := json.Marshal(sandbox.ProfileFor(t.kind, seccomp.Runner()))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "seccomp-"+string(t.kind)+".json")
	if err := os.WriteFile(path, profile, 0o600); err != nil {
		return nil, err
	}
	spec := sandbox.Sealed(image, string(t.kind))
	memory := strconv.FormatInt(api.DefaultMemoryLimitMB*api.MiB+spec.Overhead.MemoryBytes, 10)
	args := []string{
		"--interactive", "--rm", "--runtime", string(t.kind), "--network", "none", "--ipc", "none", "--cgroupns", "private", "--read-only",
		"--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "seccomp=" + path, "--user", "65534:65534",
		"--memory", memory, "--memory-swap", memory, "--cpus", "1", "--pids-limit", strconv.Itoa(spec.Overhead.PIDs),
		"--log-driver", "none",
	}
	early, _ := sandbox.SplitRlimits(t.kind, spec.Rlimits)
	for _, r := range early {
		name := strings.ToLower(strings.TrimPrefix(r.Type, "RLIMIT_"))
		args = append(args, "--ulimit", fmt.Sprintf("%s=%d", name, r.Value))
	}
	return &dockerRun{prefix: fmt.Sprintf("bench-%d-", os.Getpid()), args: append(args, image)}, nil
}

func (d *dockerRun) turn(ctx context.Context) (turn, error) {
	if err := context.Cause(ctx); err != nil {
		return turn{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
	defer cancel()
	name := d.prefix + strconv.FormatInt(d.runs.Add(1), 10)
	t, err := converse(dockerCommand(ctx, append([]string{"run", "--name", name}, d.args...)...))
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
		defer cancel()
		_ = dockerCommand(cleanup, "rm", "--force", name).Run() // there may be nothing
	}
	return t, err
}

func dockerCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}
