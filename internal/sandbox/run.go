package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// A run is one job on its way through one box.
type run struct {
	box      *box
	onLog    func(api.Log)
	evidence evidence // its limits are the job's

	called   time.Time // when the box was taken
	early    *event    // what the box said while its answer to another order was due
	started  time.Time
	deadline time.Time // the hard one
	logs     logStore
}

func (r *run) do(ctx context.Context, request api.Request) (api.Result, error) {
	r.hand(ctx, request)
	r.deadline = r.started.Add(r.evidence.limits.Timeout + softGrace)
	hard := time.NewTimer(time.Until(r.deadline))
	defer hard.Stop()
	events := r.box.events
	if r.early != nil {
		events = make(chan event, 1)
		events <- *r.early
	}

	done := ctx.Done()
	var overdue <-chan time.Time
	kill := func(why *bool) {
		*why = true
		if r.kill(); overdue == nil {
			overdue = time.After(killLimit)
		}
	}
	if r.evidence.killed {
		overdue = time.After(killLimit)
	}
	for {
		select {
		case <-done:
			done = nil
			kill(&r.evidence.cancelled)
		case <-hard.C:
			kill(&r.evidence.hardTimeout)
		case <-overdue:
			return api.Result{}, fmt.Errorf("sandbox: the box was killed and did not end: %w",
				errors.Join(errUndead, r.evidence.killError))
		case e := <-events:
			events = r.box.events
			if e.err == nil && e.frame.Type == protocol.FrameLog {
				r.log(*e.frame.Log)
				continue
			}
			r.evidence.elapsed = time.Since(r.started)
			if e.err == nil {
				// An honest runner's end is not waited for, and what others say later is never read: it changes nothing.
				r.evidence.result = e.frame.Result
				e.err = r.box.frames.Ended()
			}
			return r.finish(ctx, e.err)
		}
	}
}

var (
	errUndead = errors.New("its stdout is still open")
	errSlow   = errors.New("the box did not take in the job in time")
)

// hand gives the job to the box and starts the script's clock. What goes wrong is evidence: a box that
// has died, or never reads, tells more by its end than by its pipe.
func (r *run) hand(ctx context.Context, request api.Request) {
	job := protocol.Job{
		Code: request.Code, Language: request.Language, Input: request.InputData, Seed: request.Seed, Now: request.Now, Libraries: request.Libraries,
		TimeoutMs: r.evidence.limits.Timeout.Milliseconds(), MemoryBytes: r.evidence.limits.MemoryBytes,
	}
	handed := make(chan error, 1)
	go func() { handed <- protocol.WriteMessage(r.box.stdin, protocol.Order{Job: &job}) }()
	limit := time.NewTimer(handLimit)
	defer limit.Stop()
	select {
	case r.evidence.handError = <-handed:
		if r.evidence.handError == nil {
			r.begun(ctx)
		}
	case <-ctx.Done():
		r.evidence.cancelled = true
		r.kill()
	case <-limit.C:
		r.evidence.handError = errSlow
		r.kill()
	}
	r.started = time.Now()
}

func (r *run) log(l protocol.Log) {
	// It was said before it was heard, whatever the runner's clock says: that began a little earlier than ours.
	at := min(l.AtMs, milliseconds(time.Since(r.started)))
	entry, ok := r.logs.add(api.Log{Level: l.Level, Message: l.Message, AtMs: at})
	if ok && r.onLog != nil {
		r.onLog(entry)
	}
}

// kill ends the box from outside. A failure shows in what follows: the box does not end, and that is
// our fault, told as such.
func (r *run) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	r.evidence.killed = true
	r.evidence.killError = r.box.container.Kill(ctx)
}

// finish gathers the evidence while the box's cgroup still lives, and passes the verdict.
func (r *run) finish(caller context.Context, readErr error) (api.Result, error) {
	var broken *protocol.BrokenError
	if errors.As(readErr, &broken) {
		r.evidence.broken = broken
		r.kill()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), 2*killLimit)
	defer cancel()
	if r.evidence.result == nil {
		r.awaitExit(caller, ctx)
		r.evidence.fatal = r.box.lastWords.fatal(ctx)
	}
	usage, usageErr := r.box.container.Usage(ctx)
	usage.CPU = max(0, usage.CPU-r.box.waiting.spent())
	r.evidence.usage = usage
	r.evidence.destroyed = r.box.isDestroyed()
	verdict, err := r.evidence.verdict()
	if err != nil {
		return api.Result{}, errors.Join(err, usageErr)
	}
	return r.result(verdict), nil
}

// awaitExit learns how the box ended, now that its stdout has. One that lives on for longer than an
// end takes, or than its time allows, is killed.
func (r *run) awaitExit(caller, ctx context.Context) {
	if r.evidence.killed {
		r.evidence.exit, r.evidence.waitError = r.box.container.Wait(ctx)
		return
	}
	patience := min(quietLimit, time.Until(r.deadline))
	first, cancel := context.WithTimeout(caller, patience)
	defer cancel()
	exit, err := r.box.container.Wait(first)
	if err != nil {
		r.kill()
		switch {
		case caller.Err() != nil:
			r.evidence.cancelled = true
		case errors.Is(err, ErrUnseen): // who ended its stdout may have been somebody else
		case errors.Is(err, ErrDead): // it did not live on
		case first.Err() == nil: // it is Wait that failed
		case patience < quietLimit:
			r.evidence.hardTimeout = true
		default:
			r.evidence.lingered = true
		}
		exit, err = r.box.container.Wait(ctx)
	}
	r.evidence.exit, r.evidence.waitError = exit, err
}

func (r *run) result(v verdict) api.Result {
	result := api.Result{
		Success:         v.code == api.Success,
		ResultCode:      v.code,
		Output:          v.output,
		Logs:            r.logs.entries(),
		Error:           v.err,
		ExecutionTimeMs: milliseconds(r.evidence.elapsed),
		QueueTimeMs:     milliseconds(r.started.Sub(r.called)),
		Usage: api.Usage{
			CPUMs:           milliseconds(r.evidence.usage.CPU),
			PeakMemoryBytes: r.evidence.usage.PeakMemoryBytes,
		},
		Truncated: api.Truncation{Logs: r.logs.truncated || v.logsTruncated, Output: v.code == api.OutputLimit},
		Warnings:  v.warnings,
		Isolation: r.box.isolation,
	}
	result.Isolation.Attestation = r.box.attestation()
	if result.Warnings == nil {
		result.Warnings = []string{}
	}
	return result
}

// milliseconds is a duration as the contract has it: to the microsecond, rounded down.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// A logStore keeps what a box logs, within the contract's bounds.
type logStore struct {
	kept      []api.Log
	budget    protocol.LogBudget
	truncated bool
}

// add keeps the entry, cut to what there is room for, and returns it as kept; false means that nothing
// of it was.
func (s *logStore) add(entry api.Log) (api.Log, bool) {
	message, ok, cut := s.budget.Admit(entry.Message)
	s.truncated = s.truncated || cut
	if !ok {
		return api.Log{}, false
	}
	entry.Message = message
	s.kept = append(s.kept, entry)
	return entry, true
}

// entries never returns nil: the contract's logs are an array.
func (s *logStore) entries() []api.Log {
	if s.kept == nil {
		return []api.Log{}
	}
	return s.kept
}
