// Package script tries the script probes: it runs scripts in the real runner as a hostile tenant would, and judges what
// comes back. What a script says of itself counts only where it says that an attack has succeeded, or where it could not
// have known the answer otherwise; codes, times and counts are the controller's own.
package script

import (
	"context"
	"fmt"
	"slices"
	"time"

	"glovebox/api"
	"glovebox/internal/probe"
)

// A Runner tries script probes. Its zero value is ready to use.
type Runner struct{}

var _ probe.Runner = Runner{}

// Probes implements [probe.Runner].
func (Runner) Probes() []probe.Probe { return Probes() }

// Probes returns all script probes, in the order of a report.
func Probes() []probe.Probe {
	all := trials()
	probes := make([]probe.Probe, len(all))
	for i, t := range all {
		probes[i] = t.Probe
	}
	return probes
}

// A trial is a probe and how it is tried.
type trial struct {
	probe.Probe
	// try runs scripts in boxes and says what came of each. The error means that the audit failed.
	try func(ctx context.Context, run run) ([]probe.Attempt, error)
}

// run runs a script in a box of its own, and says each log as it comes. It is called by several at once.
type run = func(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)

// Try has the scripts of a probe run wherever run runs them, and returns what came of each attempt. What they come to is the
// same as in [Runner.Run]: it is for controls, whose boxes lack layers. The requests lack their defaults. The error is
// run's.
func Try(ctx context.Context, id string, run run) ([]probe.Attempt, error) {
	all := trials()
	i := slices.IndexFunc(all, func(t trial) bool { return t.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("probe: there is no script probe %s", id)
	}
	return all[i].try(ctx, run)
}

// Run implements [probe.Runner].
func (Runner) Run(ctx context.Context, target probe.Target, probes []probe.Probe, seen func(probe.Outcome)) error {
	byID := map[string]trial{}
	for _, t := range trials() {
		byID[t.ID] = t
	}
	// Boxes are few, however many probes are tried at once.
	boxes := make(chan struct{}, probe.Workers)
	inBox := func(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
		select {
		case boxes <- struct{}{}:
		case <-ctx.Done():
			return api.Result{}, context.Cause(ctx)
		}
		defer func() { <-boxes }()
		return target.Run(ctx, request.WithDefaults(), onLog)
	}
	var asked []trial
	for _, p := range probes {
		t, ok := byID[p.ID]
		if !ok {
			return fmt.Errorf("probe: there is no script probe %s", p.ID)
		}
		asked = append(asked, t)
	}
	return probe.Share(asked, seen, func(t trial, say func(probe.Outcome)) error {
		began := time.Now()
		attempts, err := t.try(ctx, inBox)
		if err != nil {
			return fmt.Errorf("probe: %s: %w", t.ID, err)
		}
		o := outcome(t.Probe, target.Pair, attempts)
		o.DurationMs = float64(time.Since(began).Microseconds()) / 1000
		say(o)
		return nil
	})
}

func outcome(p probe.Probe, pair probe.Pair, attempts []probe.Attempt) probe.Outcome {
	o := probe.Outcome{Probe: p.ID, Driver: pair.Driver, Runtime: pair.Runtime, Stage: probe.Sealed, Attempts: attempts}
	o.Verdict, o.Why = probe.Judge(p, attempts)
	return o
}

// Describe runs an idle script on a target, and returns what its driver says is in force there.
func Describe(ctx context.Context, target probe.Target) (api.Isolation, error) {
	result, err := target.Run(ctx, api.Request{Code: "output = 1"}.WithDefaults(), func(api.Log) {})
	if err != nil {
		return api.Isolation{}, err
	}
	if !result.Success {
		return api.Isolation{}, fmt.Errorf("probe: an idle script ended as %s: %s", result.ResultCode, message(result))
	}
	return result.Isolation, nil
}

func message(r api.Result) string {
	if r.Error == nil {
		return ""
	}
	return cut(r.Error.Name + ": " + r.Error.Message)
}

// cut bounds a text of a box's.
func cut(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most]
	}
	return s
}
