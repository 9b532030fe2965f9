package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/plan"
	"glovebox/internal/probe/script"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// A scriptControl is a control of a script probe to be made: its scripts run where some layers are lifted.
//
// Without the engine a weak one stands in the runner's place. Without the controller a careless one reads what comes. Without
// the process one process gets all scripts, and a world for each unless the engine is lifted too. Without the
// cgroup the limits on memory, processors and processes are far wider than those that were asked for, and no clock runs
// outside; what is left bounds a box for the machine's sake.
type scriptControl struct {
	probe  probe.Probe
	lifted []string
}

func (s scriptControl) lifts(layer string) bool { return slices.Contains(s.lifted, layer) }

// scriptControls plans the controls of script probes: as those of native ones, and of bombs one with a weak engine in any
// case, which all other layers are to hold.
func scriptControls(probes []probe.Probe) (all []scriptControl) {
	for _, p := range probes {
		liftings := liftings(p)
		if weak := []string{sandbox.LayerEngine}; slices.Contains(p.Layers, sandbox.LayerCgroup) && !slices.Contains(p.Layers, sandbox.LayerEngine) {
			liftings = append(liftings, weak)
		}
		liftings[0] = slices.Concat(liftings[0], besides[p.ID])
		for _, lifted := range liftings {
			all = append(all, scriptControl{p, lifted})
		}
	}
	return all
}

// widest is the memory of a box without its cgroup's limits: several times what a script probe may take, and no more
// than a machine can spare twice.
const widest = 512 * api.MiB

// wideBoxes is how many boxes without their cgroup's limits live at once.
const wideBoxes = 2

// A sluice lets so many boxes live at once.
type sluice chan struct{}

func (s sluice) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// boxes are where the scripts of one control run.
type boxes struct {
	c       *Controller
	control scriptControl

	mu   sync.Mutex
	one  *talk  // the box that all share, without the layer of processes
	done func() // what is to be called when that has gone
}

// makeScript makes a control.
func (c *Controller) makeScript(ctx context.Context, s scriptControl) (probe.Control, error) {
	began := time.Now()
	b := &boxes{c: c, control: s}
	run := b.single
	switch {
	case s.lifts(sandbox.LayerProcess):
		run = b.shared
	case slices.Equal(s.lifted, []string{sandbox.LayerEngine}):
		run = b.sealed
	}
	attempts, err := script.Try(ctx, s.probe.ID, run)
	if err = errors.Join(err, b.close()); err != nil {
		return probe.Control{}, fmt.Errorf("control: %s, without %s: %w", s.probe.ID, strings.Join(s.lifted, ", "), err)
	}
	out := probe.Control{Probe: s.probe.ID, Lifted: s.lifted, Result: probe.StillStopped, Attempts: attempts,
		DurationMs: float64(time.Since(began).Microseconds()) / 1000}
	if slices.ContainsFunc(attempts, func(a probe.Attempt) bool { return a.Succeeded }) {
		out.Result = probe.Succeeded
		return out, nil
	}
	out.Why = answered(attempts)
	return out, nil
}

// sealed runs a script in a box of the driver's own, with all that this puts in force, but with the weak engine in it.
func (b *boxes) sealed(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	leave, err := b.c.narrow.enter(ctx)
	if err != nil {
		return api.Result{}, err
	}
	defer leave()
	if request.Code, err = weakly(request.Code, false); err != nil {
		return api.Result{}, err
	}
	return b.c.Target.Run(ctx, request.WithDefaults(), onLog)
}

// weakly has the probe's program run a script.
func weakly(code string, keepWorld bool) (string, error) {
	body, err := json.Marshal(plan.Plan{Seal: true, Script: &plan.Script{Code: code, KeepWorld: keepWorld}})
	if err != nil {
		return "", fmt.Errorf("control: %w", err)
	}
	return string(body), nil
}

// single runs a script in a disposable box.
func (b *boxes) single(ctx context.Context, request api.Request, onLog func(api.Log)) (result api.Result, err error) {
	request = request.WithDefaults()
	t, leave, err := b.open(ctx, request)
	if err != nil {
		return api.Result{}, err
	}
	defer leave()
	defer func() { err = errors.Join(err, t.close()) }()
	return b.give(ctx, t, request, onLog)
}

// shared runs a script in the one box that all scripts of the control share.
func (b *boxes) shared(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	request = request.WithDefaults()
	b.mu.Lock()
	if b.one == nil {
		var err error
		// It outlives the script that it is made for.
		if b.one, b.done, err = b.open(context.WithoutCancel(ctx), request); err != nil {
			b.mu.Unlock()
			return api.Result{}, err
		}
	}
	t := b.one
	b.mu.Unlock()
	return b.give(ctx, t, request, onLog)
}

func (b *boxes) close() error {
	if b.one == nil {
		return nil
	}
	defer b.done()
	return b.one.close()
}

// open makes a disposable box for a script. leave is to be called when it has gone.
func (b *boxes) open(ctx context.Context, request api.Request) (t *talk, leave func(), err error) {
	w := wish{rootfs: runnerRoot, limits: sandbox.LimitsOf(request)}
	if b.control.lifts(sandbox.LayerEngine) || b.control.lifts(sandbox.LayerProcess) {
		w.rootfs = sealedRoot
	}
	boxes := b.c.narrow
	if b.control.lifts(sandbox.LayerCgroup) {
		boxes = b.c.wide
		w.lifted, w.change = []string{sandbox.LayerCgroup}, func(config *specs.Spec) {
			memory := int64(widest)
			config.Linux.Resources.Memory.Limit = &memory
		}
	}
	if leave, err = boxes.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			leave()
		}
	}()
	box, err := b.c.open(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	t, err = listen(ctx, box)
	return t, leave, err
}

// give has a disposable box run a script.
func (b *boxes) give(ctx context.Context, t *talk, request api.Request, onLog func(api.Log)) (api.Result, error) {
	limits := sandbox.LimitsOf(request)
	job := protocol.Job{
		Code: request.Code, Language: request.Language, Input: request.InputData,
		TimeoutMs: limits.Timeout.Milliseconds(), MemoryBytes: limits.MemoryBytes,
	}
	if b.control.lifts(sandbox.LayerEngine) || b.control.lifts(sandbox.LayerProcess) {
		var err error
		if job.Code, err = weakly(request.Code, b.control.lifts(sandbox.LayerEngine)); err != nil {
			return api.Result{}, err
		}
	}
	return t.do(ctx, job, limits.Timeout, onLog)
}

// answered says in short what came of attempts.
func answered(attempts []probe.Attempt) string {
	var answers []string
	for _, a := range attempts {
		answers = append(answers, a.What+": "+cmp.Or(a.Errno, a.Got, string(a.Denial)))
	}
	text := strings.Join(answers, "; ")
	if len(text) > mostAnswered {
		return text[:mostAnswered] + "..."
	}
	return text
}

// mostAnswered bounds a reason, in bytes.
const mostAnswered = 300
