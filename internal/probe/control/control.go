// Package control shows what probes do without layers. It takes the config.json that the driver without a daemon would
// write, lifts layers from it, and has runc start a disposable box with the probe in it. Where a layer is a namespace,
// the box joins that of a stand-in host, which is a process in namespaces of its own: never the machine's. Root in such a
// box is root of the stand-in host's user namespace, and nobody on the machine. The driver itself is not asked: it refuses
// what is weak.
package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/plan"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/seccomp"
)

// A Controller makes controls on runc. Its fields are required; it needs root.
type Controller struct {
	Image, Runner *runnerimage.Image // the probe's, and the runner's
	Runtime       oci.Runtime        // runc
	Spec          sandbox.Spec       // the one of sealed boxes
	Target        probe.Target       // the driver without a daemon on runc, with the probe's image

	host         *standIn
	files        place
	boxes        atomic.Int32 // that were started
	wide, narrow sluice       // of boxes for scripts
}

var _ probe.Controller = (*Controller)(nil)

// Control implements [probe.Controller]. It must not be called twice at once.
func (c *Controller) Control(ctx context.Context, probes []probe.Probe, seen func(probe.Control)) (err error) {
	c.files, err = newPlace(c.Image.Binary(), c.Runner.Binary())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.files.remove()) }()
	c.host, err = startStandIn(ctx, c.files.path("sealed/runner"))
	if err != nil {
		return err
	}
	defer c.host.stop()
	c.wide, c.narrow = make(sluice, wideBoxes), make(sluice, probe.Workers)
	var natives, scripts []probe.Probe
	for _, p := range probes {
		if p.Family == probe.Script {
			scripts = append(scripts, p)
		} else {
			natives = append(natives, p)
		}
	}
	err = probe.Share(c.groups(natives, seen), seen, func(g *group, say func(probe.Control)) error { return c.work(ctx, g, say) })
	if err != nil {
		return err
	}
	return probe.Share(scriptControls(scripts), seen, func(s scriptControl, say func(probe.Control)) error {
		made, err := c.makeScript(ctx, s)
		if err == nil {
			say(made)
		}
		return err
	})
}

// A group is what shares boxes: the same layers are lifted.
type group struct {
	layers []string
	trials []*trial
}

type trial struct {
	probe    probe.Probe
	plan     plan.Trial
	attempts []probe.Attempt
	began    time.Time
	took     time.Duration
	done     bool
}

// liftable are the layers of a probe that a control on runc can take away: gVisor is not there, and has been by that.
func liftable(p probe.Probe) []string {
	layers := slices.DeleteFunc(slices.Clone(p.Layers), func(l string) bool { return l == sandbox.LayerGVisor })
	slices.Sort(layers)
	return layers
}

// liftings are what is lifted of a probe's layers, one after the other: all, each alone, and all but each.
func liftings(p probe.Probe) [][]string {
	all := liftable(p)
	made := [][]string{all}
	if len(all) == 1 {
		return made
	}
	for _, layer := range all {
		made = append(made, []string{layer})
		if len(all) > 2 { // else that is what was added for the other one
			made = append(made, slices.DeleteFunc(slices.Clone(all), func(l string) bool { return l == layer }))
		}
	}
	return made
}

// groups plans the controls of native probes. What is not run is told at once.
func (c *Controller) groups(probes []probe.Probe, seen func(probe.Control)) []*group {
	byLayers := map[string]*group{}
	var order []*group
	add := func(p probe.Probe, layers []string) {
		key := strings.Join(layers, ",")
		if p.Disturbs { // alone, as ever
			key += " " + p.ID
		}
		g := byLayers[key]
		if g == nil {
			g = &group{layers: layers}
			byLayers[key] = g
			order = append(order, g)
		}
		g.trials = append(g.trials, &trial{probe: p, plan: plan.Trial{ID: p.ID, Args: c.args(p.ID)}})
	}
	for _, p := range probes {
		if why := notRun[p.ID]; why != "" {
			seen(probe.Control{Probe: p.ID, Lifted: liftable(p), Result: probe.NotRun, Why: why, Attempts: []probe.Attempt{}})
			continue
		}
		for i, layers := range liftings(p) {
			if i == 0 {
				layers = slices.Concat(layers, besides[p.ID])
			}
			add(p, layers)
		}
	}
	return order
}

// args are what a trial is told of the stand-in host, whether or not its box has part in that.
func (c *Controller) args(id string) map[string]string {
	args := map[string]string{
		"host": plan.StandInName, "mark": Mark, "name": plan.StandInSocket, "port": fmt.Sprint(plan.StandInPort),
		"mib": "512", "threads": "300", "seconds": "1", "leak": "../etc/passwd", "victim": c.host.victim,
	}
	if id == native.SweepID {
		args["numbers"] = native.SweepNumbers()
	}
	return args
}

// boxTime bounds a box with many trials.
const boxTime = 90 * time.Second

// work tries a group in as many boxes as it takes.
func (c *Controller) work(ctx context.Context, g *group, say func(probe.Control)) error {
	for len(g.trials) > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := c.round(ctx, g); err != nil {
			return fmt.Errorf("%s, without %s: %w", g.trials[0].probe.ID, strings.Join(g.layers, ", "), err)
		}
		g.trials = slices.DeleteFunc(g.trials, func(t *trial) bool {
			if t.done {
				say(t.control(g.layers))
			}
			return t.done
		})
	}
	return nil
}

func (c *Controller) round(ctx context.Context, g *group) error {
	p := plan.Plan{Seal: !slices.Contains(g.layers, sandbox.LayerSelfSeal)}
	trials := map[string]*trial{}
	for _, t := range g.trials {
		trials[t.probe.ID] = t
		p.Trials = append(p.Trials, t.plan)
	}
	var current *trial
	var what string
	progress := false
	limits := boxLimits
	if g.trials[0].probe.ID == native.ProcessorID {
		limits.CPUs = burnCPUs
	}
	ending, err := c.run(ctx, g.layers, limits, p, boxTime, func(e plan.Event) {
		t := trials[e.Trial]
		if t == nil {
			return
		}
		switch e.Kind {
		case plan.Begin:
			t.began = time.Now()
		case plan.Try:
			current, what, progress = t, e.What, true
			t.plan.From = e.N + 1
		case plan.Got:
			current = nil
			t.attempts = append(t.attempts, native.AttemptOf(e))
		case plan.End:
			t.done, progress = true, true
			t.took += time.Since(t.began)
		}
	})
	if err != nil {
		return err
	}
	switch {
	case current != nil:
		current.took += time.Since(current.began)
		current.attempts = append(current.attempts, probe.Attempt{What: what, Denial: probe.DeniedKilled, Got: "the box ended"})
		current.done = current.done || current.probe.Disturbs
	case !progress:
		return fmt.Errorf("control: the box ended before an attempt: %w", cmp.Or(ending, errors.New("it said nothing")))
	}
	return nil
}

// control judges: one attempt that succeeded is enough to show that the trial can.
func (t *trial) control(lifted []string) probe.Control {
	out := probe.Control{Probe: t.probe.ID, Lifted: lifted, Result: probe.StillStopped, Attempts: t.attempts,
		DurationMs: float64(t.took.Microseconds()) / 1000}
	if t.attempts == nil {
		out.Attempts = []probe.Attempt{}
	}
	if t.probe.ID == native.SweepID {
		return sweep(out, lifted)
	}
	if slices.ContainsFunc(t.attempts, succeeded(t.probe.ID)) {
		out.Result = probe.Succeeded
		return out
	}
	out.Why = answered(t.attempts)
	if len(lifted) < len(liftable(t.probe)) || len(t.attempts) == 0 {
		return out
	}
	if refused, ok := kernelRefuses[t.probe.ID]; ok && t.everyErrno(refused.errno) {
		out.NotApplicable, out.Why = true, refused.why+": "+out.Why
	}
	switch {
	case !slices.Contains(machineRoot, t.probe.ID):
	case t.everyErrno("ENOENT", "ENOSYS"):
		out.NotApplicable, out.Why = true, "this kernel has none: "+out.Why
	default:
		out.Result, out.Why = probe.NotRun, whyMachineRoot+": "+out.Why
	}
	return out
}

// everyErrno reports whether each attempt failed with one of the errors.
func (t *trial) everyErrno(errnos ...string) bool {
	return !slices.ContainsFunc(t.attempts, func(a probe.Attempt) bool { return !slices.Contains(errnos, a.Errno) })
}

// sweep judges a sweep by the filters that are left: with one of them it must find what that one declares, and no more.
func sweep(out probe.Control, lifted []string) probe.Control {
	var left []*seccomp.Profile
	if !slices.Contains(lifted, sandbox.LayerSeccomp) {
		left = append(left, seccomp.Runner())
	}
	if !slices.Contains(lifted, sandbox.LayerSelfSeal) {
		left = append(left, seccomp.Sealed())
	}
	verdict, why := native.JudgeFilters(left, out.Attempts)
	out.Why = why
	if verdict != probe.Held || len(left) == 0 {
		out.Result = probe.Succeeded
	}
	return out
}

// succeeded tells a trial's success. The processor time that a box was given has no other witness in a control than its
// own clock, which on runc is the kernel's.
func succeeded(id string) func(probe.Attempt) bool {
	return func(a probe.Attempt) bool {
		if id == native.ProcessorID {
			var ms int
			_, err := fmt.Sscanf(a.Got, "%d ms by its own clock", &ms)
			return err == nil && float64(ms) > 1.5*1000*burnCPUs
		}
		return a.Succeeded
	}
}
