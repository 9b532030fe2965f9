// Package native tries the native probes: it puts the audit's probe into boxes in the runner's place, gives it plans, and
// judges what comes back. What comes out of a box is judged as hostile bytes, though the program in it is ours.
package native

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/plan"
)

// A Runner tries native probes. Its zero value is ready to use.
type Runner struct{}

var _ probe.Runner = Runner{}

// Probes implements [probe.Runner].
func (Runner) Probes() []probe.Probe { return Probes() }

// Run implements [probe.Runner].
func (Runner) Run(ctx context.Context, target probe.Target, probes []probe.Probe, seen func(probe.Outcome)) error {
	a, err := newAudit(target)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leave, err := a.neighbour(ctx)
	if err != nil {
		return err
	}
	err = a.tryAll(ctx, probes, seen)
	return errors.Join(err, leave())
}

// An audit is one run on one target.
type audit struct {
	target   probe.Target
	hostname string
	mark     string // what the neighbour holds
	port     int    // on which the host's loopback is listened on
	listener net.Listener
}

func newAudit(target probe.Target) (*audit, error) {
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	return &audit{target: target, hostname: name, mark: "mark-" + hex.EncodeToString(random[:])}, nil
}

// neighbour starts a box that stays while others are tried, with a mark in its memory, and something that listens on
// the host's loopback. leave ends both, and fails where the neighbour has not lived until then.
func (a *audit) neighbour(ctx context.Context) (leave func() error, err error) {
	a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	a.port = a.listener.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithCancel(ctx)
	waits := make(chan struct{})
	var once sync.Once
	type end struct {
		result api.Result
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		result, err := a.job(ctx, job{seal: true, timeout: api.MaxTimeout, trials: []plan.Trial{{ID: "neighbour.wait", Args: a.args("")}}},
			func(e plan.Event) {
				if e.Kind == plan.Try {
					once.Do(func() { close(waits) })
				}
			})
		ended <- end{result, err}
	}()
	leave = func() error {
		select {
		case e := <-ended:
			cancel()
			return errors.Join(fmt.Errorf("probe: the neighbour did not live on: %s", e.result.ResultCode), e.err, a.listener.Close())
		default:
		}
		cancel()
		e := <-ended
		if e.err == nil && e.result.ResultCode != api.Cancelled {
			e.err = fmt.Errorf("probe: the neighbour ended as %s", e.result.ResultCode)
		}
		return errors.Join(e.err, a.listener.Close())
	}
	select {
	case <-waits:
		return leave, nil
	case e := <-ended:
		cancel()
		return nil, errors.Join(fmt.Errorf("probe: the neighbour's box did not come to be: %s %+v", e.result.ResultCode, e.result.Error), e.err, a.listener.Close())
	}
}

// args are what a trial is told.
func (a *audit) args(id string) map[string]string {
	switch id {
	case "net.host-loopback":
		return map[string]string{"port": strconv.Itoa(a.port)}
	case "net.abstract-socket":
		return map[string]string{"name": "glovebox-probe-" + a.mark}
	case "host.name", "files.host-files":
		return map[string]string{"host": a.hostname}
	case "limits.memory":
		return map[string]string{"mib": "512"}
	case "limits.thread-bomb":
		return map[string]string{"threads": strconv.Itoa(a.target.Spec.Overhead.PIDs + 200)}
	}
	return map[string]string{"mark": a.mark}
}

// A job is a plan with the limits of its box.
type job struct {
	seal    bool
	trials  []plan.Trial
	timeout time.Duration
	cpus    float64
	memory  int // MiB
}

// job runs a plan in a box of its own, and says each event as it comes.
func (a *audit) job(ctx context.Context, j job, event func(plan.Event)) (api.Result, error) {
	code, err := json.Marshal(plan.Plan{Seal: j.seal, Trials: j.trials})
	if err != nil {
		return api.Result{}, fmt.Errorf("probe: %w", err)
	}
	request := api.Request{Code: string(code), TimeoutSeconds: new(j.timeout.Seconds())}
	if j.cpus != 0 {
		request.CPUs = &j.cpus
	}
	if j.memory != 0 {
		request.MemoryLimitMB = &j.memory
	}
	return a.target.Run(ctx, request.WithDefaults(), func(l api.Log) {
		var e plan.Event
		if json.Unmarshal([]byte(l.Message), &e) == nil {
			event(e)
		}
	})
}
