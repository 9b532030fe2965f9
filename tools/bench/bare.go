package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/api"
	"glovebox/internal/sandbox/oci"
)

// A peeked box is what the driver made of a Spec, as its state directory shows while the box lives.
type peeked struct {
	id     string
	config []byte // config.json
}

// lingering is a script that lives long enough for its box to be looked at.
const lingering = "await new Promise((done) => setTimeout(done, 20000)); output = 1"

// peek has the server make a box, and reads what it is made from.
func (s *server) peek(ctx context.Context) (peeked, error) {
	runCtx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.client.Execute(runCtx, api.Request{Code: lingering}) // it is cancelled
	}()
	defer func() { cancel(); <-ended }()
	var found peeked
	err := until(ctx, "a box's config.json", serverLimit, func() (bool, error) {
		paths, err := filepath.Glob(s.state(driverOCI, "*", "config.json"))
		if err != nil || len(paths) == 0 {
			return false, err
		}
		body, err := os.ReadFile(paths[0])
		if err != nil || !json.Valid(body) {
			return false, nil // it is being written, or has gone
		}
		found = peeked{id: filepath.Base(filepath.Dir(paths[0])), config: body}
		return true, nil
	})
	return found, err
}

// A bare runtime runs the runner by its own `run`, on the very config.json that the driver made: only the cgroup has a name of
// its own. It is used by one goroutine.
type bare struct {
	runtime oci.Runtime
	name    string // of the cgroup, and of containers with a number behind
	dir     string // the bundle
	runs    int
}

// bareNumber sets bundles apart.
var bareNumber atomic.Int64

func newBare(dir string, runtime oci.Runtime, config []byte) (*bare, error) {
	var spec specs.Spec
	if err := json.Unmarshal(config, &spec); err != nil {
		return nil, fmt.Errorf("a box's config.json: %w", err)
	}
	name := fmt.Sprintf("bench-%d-%d", os.Getpid(), bareNumber.Add(1))
	old, err := json.Marshal(spec.Linux.CgroupsPath)
	if err != nil {
		return nil, err
	}
	fresh, err := json.Marshal("/" + name)
	if err != nil {
		return nil, err
	}
	// Everything else keeps its bytes.
	config = bytes.Replace(config, append([]byte(`"cgroupsPath":`), old...), append([]byte(`"cgroupsPath":`), fresh...), 1)
	b := &bare{runtime: runtime, name: name, dir: filepath.Join(dir, name)}
	if !bytes.Contains(config, fresh) {
		return nil, fmt.Errorf("a box's config.json names its cgroup %s in an unknown way", old)
	}
	if err := os.MkdirAll(b.root(), 0o700); err != nil {
		return nil, err
	}
	return b, os.WriteFile(filepath.Join(b.dir, "config.json"), config, 0o600)
}

func (b *bare) root() string { return filepath.Join(b.dir, "root") }

// command is the runtime's, with what the driver gives it too.
func (b *bare) command(ctx context.Context, args ...string) *exec.Cmd {
	all := append(append([]string{"--root", b.root()}, b.runtime.Flags()...), args...)
	cmd := exec.CommandContext(ctx, b.runtime.Path, all...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// turnLimit bounds one run; ctx alone would cut a container in half, which takes milliseconds to end by itself.
const turnLimit = 30 * time.Second

func (b *bare) turn(ctx context.Context) (turn, error) {
	if err := context.Cause(ctx); err != nil {
		return turn{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
	defer cancel()
	b.runs++
	id := b.name + "-" + strconv.Itoa(b.runs)
	t, err := converse(b.command(ctx, "run", "--bundle", b.dir, id))
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
		defer cancel()
		_ = b.command(cleanup, "delete", "--force", id).Run() // there may be nothing
	}
	return t, err
}
