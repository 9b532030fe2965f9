package native

import (
	"context"
	"fmt"
	"slices"
	"time"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/plan"
)

// A trial is one probe at one stage on its way: what came back, and what is still to be tried.
type trial struct {
	probe    probe.Probe
	stage    probe.Stage
	plan     plan.Trial
	attempts []probe.Attempt
	began    time.Time
	took     time.Duration
	parts    *parts // of a sweep
	idle     int    // boxes that ended before it tried anything
	empty    int    // boxes in which it ended without a word of an attempt
	done     bool
	why      string // it could not be tried
}

// A batch is a list of trials that may share a box.
type batch []*trial

// tryAll works off all probes at all stages.
func (a *audit) tryAll(ctx context.Context, probes []probe.Probe, seen func(probe.Outcome)) error {
	batches, err := a.batches(probes)
	if err != nil {
		return err
	}
	return probe.Share(batches, seen, func(b batch, say func(probe.Outcome)) error { return a.work(ctx, b, say) })
}

// batches puts what does not disturb each other together: a share for each worker, at each stage. What disturbs comes
// last, on its own.
func (a *audit) batches(probes []probe.Probe) ([]batch, error) {
	var shared, single []batch
	for _, stage := range probe.Native.Stages() {
		var together []*trial
		for _, p := range probes {
			t := &trial{probe: p, stage: stage, plan: plan.Trial{ID: p.ID, Args: a.args(p.ID)}}
			switch {
			case p.ID == SweepID:
				shares, err := sweepTrials(p, stage)
				if err != nil {
					return nil, err
				}
				shared = append(shared, shares...)
			case p.Disturbs || p.ID == latencyID:
				single = append(single, batch{t})
			default:
				together = append(together, t)
			}
		}
		size := (len(together) + probe.Workers - 1) / probe.Workers
		for share := range slices.Chunk(together, max(size, 1)) {
			shared = append(shared, batch(share))
		}
	}
	return slices.Concat(shared, single), nil
}

// work tries a batch, in as many boxes as it takes: each that is killed for an attempt is followed by another that goes
// on behind it.
func (a *audit) work(ctx context.Context, b batch, say func(probe.Outcome)) error {
	for len(b) > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := a.round(ctx, b); err != nil {
			return err
		}
		b = slices.DeleteFunc(b, func(t *trial) bool {
			if !t.done {
				return false
			}
			if o, whole := t.outcome(a.target.Pair); whole {
				say(o)
			}
			return true
		})
	}
	return nil
}

// round tries what is left of a batch in one box. Every round gets at least one attempt further, or gives a trial up.
func (a *audit) round(ctx context.Context, b batch) error {
	first := b[0]
	if !onThisProcessor(first.probe.ID) {
		first.done = true
		return nil
	}
	if first.probe.ID == latencyID {
		return a.tryLatency(ctx, first)
	}
	j := job{seal: first.stage == probe.Sealed}
	trials := map[string]*trial{}
	for _, t := range b {
		if trials[t.plan.ID] != nil || !onThisProcessor(t.probe.ID) {
			break // another share of the same sweep, or one for the next round
		}
		trials[t.plan.ID] = t
		j.trials = append(j.trials, t.plan)
		j.timeout = max(j.timeout, t.probe.Deadline)
	}
	if len(j.trials) > 1 {
		j.timeout = min(api.MaxTimeout, j.timeout+time.Duration(len(j.trials))*time.Second)
	}
	tune(&j, first.probe.ID)

	var current *trial // whose attempt has begun and not ended
	var what string
	progress := false
	result, err := a.job(ctx, j, func(e plan.Event) {
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
			t.attempts = append(t.attempts, AttemptOf(e))
		case plan.End:
			t.done, progress = true, true
			t.took += time.Since(t.began)
		}
	})
	if err != nil {
		return fmt.Errorf("probe: %s: %w", first.probe.ID, err)
	}
	for _, t := range trials {
		t.again()
	}
	switch {
	case current != nil:
		current.took += time.Since(current.began)
		current.attempts = append(current.attempts, endOf(what, current.probe, j, result))
		if current.probe.Disturbs {
			current.done = true
		}
	case first.probe.ID == ProcessorID && result.Success:
		first.attempts = []probe.Attempt{processorAttempt(first.attempts, j, result)}
	case !progress || result.ResultCode != api.Success && !first.done:
		if first.idle++; first.idle < idleBoxes {
			return nil
		}
		first.done = true
		first.why = fmt.Sprintf("the box ended as %s before an attempt: %s", result.ResultCode, message(result))
	}
	return nil
}

// again has a trial of which nothing was heard but its end begin anew in another box, a few times. It was seen twice, with Docker on
// a busy machine.
func (t *trial) again() {
	if t.done && t.parts == nil && len(t.attempts) == 0 && t.empty < idleBoxes {
		t.empty++
		t.done, t.plan.From = false, 0
	}
}

func message(r api.Result) string {
	if r.Error == nil {
		return ""
	}
	return r.Error.Message
}

// processorAttempt judges by the box's own cgroup what it was given of the processors.
func processorAttempt(said []probe.Attempt, j job, r api.Result) probe.Attempt {
	a := probe.Attempt{Denial: probe.DeniedContained}
	if len(said) > 0 {
		a.What = said[0].What
	}
	const most = 1.5 // times its share; what the box did before and after counts too
	given := r.Usage.CPUMs / r.ExecutionTimeMs
	a.Got = fmt.Sprintf("%.0f ms of processor time in %.0f ms, for a share of %.0f %%", r.Usage.CPUMs, r.ExecutionTimeMs, 100*j.cpus)
	if given > most*j.cpus {
		a.Denial, a.Succeeded = "", true
	}
	return a
}

// tune gives a box the limits that a probe is about.
func tune(j *job, id string) {
	switch id {
	case "limits.memory", "limits.thread-bomb":
		j.memory = api.MinMemoryLimitMB
	case ProcessorID:
		j.cpus = 0.5
	case "limits.kill":
		j.timeout = killTimeout
	}
}

// idleBoxes is how many boxes may end before a probe has tried anything, until it is given up.
const idleBoxes = 3

const (
	// killTimeout leaves a box on a busy machine the time to begin.
	killTimeout = 2 * time.Second
	// killGrace is how long after its time a box may live: what is kept for the engine to end itself, and the kill.
	killGrace = 2 * time.Second
)

// AttemptOf reads an attempt that came to its end within the box.
func AttemptOf(e plan.Event) probe.Attempt {
	return probe.Attempt{What: cut(e.What), Errno: cut(e.Errno), Denial: probe.Denial(cut(e.Stopped)), Succeeded: e.Succeeded, Got: cut(e.Got)}
}

// cut bounds a text of a box's.
func cut(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most]
	}
	return s
}

// endOf is what an attempt came to that the box did not outlive: the verdict on the box is the controller's own.
func endOf(what string, p probe.Probe, j job, r api.Result) probe.Attempt {
	a := probe.Attempt{What: cut(what), Got: string(r.ResultCode) + ": " + message(r)}
	switch r.ResultCode {
	case api.SecurityError:
		a.Denial = probe.DeniedKilled
	case api.MemoryLimit:
		a.Denial = probe.DeniedContained
	case api.Timeout:
		if p.ID == "limits.kill" {
			if lived := time.Duration(r.ExecutionTimeMs * float64(time.Millisecond)); lived > j.timeout+killGrace {
				a.Succeeded = true
				a.Got = fmt.Sprintf("it lived for %v", lived)
				return a
			}
			a.Denial = probe.DeniedContained
		}
		if p.ID == "limits.thread-bomb" {
			a.Denial = probe.DeniedContained // it got no further in its time
		}
	case api.RuntimeError:
		if p.Disturbs && p.ID != "limits.kill" { // the program could not go on, and died of it
			a.Denial = probe.DeniedContained
		}
	}
	return a
}

// outcome judges a trial; whole is false while other parts of it are on their way.
func (t *trial) outcome(pair probe.Pair) (o probe.Outcome, whole bool) {
	o = probe.Outcome{Probe: t.probe.ID, Driver: pair.Driver, Runtime: pair.Runtime, Stage: t.stage}
	switch {
	case !onThisProcessor(t.probe.ID):
		o.Verdict, o.Why, o.Attempts = probe.NotApplicable, "this processor has no such call", []probe.Attempt{}
		return o, true
	case t.parts != nil:
		attempts, took, why, whole := t.parts.add(t)
		if !whole {
			return o, false
		}
		o.Attempts, o.DurationMs = attempts, milliseconds(took)
		o.Verdict, o.Why = judgeSweep(pair, t.stage, attempts)
		for i := range attempts {
			attempts[i].What = Name(number(attempts[i]))
		}
		if why != "" {
			o.Verdict, o.Why = probe.Failed, why
		}
		return o, true
	}
	o.Attempts, o.DurationMs = ownOfGVisor(pair, t.probe.ID, t.attempts), milliseconds(t.took)
	o.Verdict, o.Why = Judge(t.probe, t.stage, o.Attempts)
	if t.why != "" && o.Verdict != probe.Breached {
		o.Verdict, o.Why = probe.Failed, t.why
	}
	return o, true
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Judge is [probe.Judge], but for what a box is let do until it has sealed itself.
func Judge(p probe.Probe, stage probe.Stage, attempts []probe.Attempt) (probe.Verdict, string) {
	verdict, why := probe.Judge(p, attempts)
	if exempt := allowedAtStart(p.ID, stage); verdict == probe.Breached && exempt != "" {
		return probe.NotApplicable, exempt
	}
	return verdict, why
}

// allowedAtStart says why a probe may succeed before the seal: what the runtime, or the runner's own start, needs until
// then. Nothing of a script has been read at that time.
func allowedAtStart(id string, stage probe.Stage) string {
	if stage != probe.Starting {
		return ""
	}
	return startNeeds[id]
}

var startNeeds = map[string]string{
	"process.execve": "the runtime starts the runner by execve; the self-seal takes it away",
}
