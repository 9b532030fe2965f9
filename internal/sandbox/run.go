package sandbox

import (
	"context"
	"errors"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// A run is one job on its way through one box.
type run struct {
	box      *box
	onLog    func(api.Log)
	evidence evidence

	started time.Time
	logs    logStore
}

// event is what the reading goroutine reports.
type event struct {
	frame protocol.Frame
	err   error
}

func (r *run) do(ctx context.Context, request api.Request) (api.Result, error) {
	if err := r.hand(ctx, request); err != nil {
		return api.Result{}, err
	}
	hard := time.NewTimer(r.box.limits.Timeout + softGrace)
	defer hard.Stop()
	events := make(chan event)
	stop := make(chan struct{})
	defer close(stop)
	go r.read(events, stop)

	killed := false
	kill := func(why *bool) {
		*why = true
		if !killed {
			killed = true
			r.kill()
		}
	}
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil
			kill(&r.evidence.cancelled)
		case <-hard.C:
			kill(&r.evidence.hardTimeout)
		case e := <-events:
			if e.err == nil && e.frame.Type == protocol.FrameLog {
				r.log(*e.frame.Log)
				continue
			}
			r.evidence.elapsed = time.Since(r.started)
			if e.err == nil {
				r.evidence.result = e.frame.Result
			}
			return r.finish(ctx, e.err, killed)
		}
	}
}

// hand gives the job to the box and starts the script's clock. A box that does not take it in time
// is killed by the caller's Destroy.
func (r *run) hand(ctx context.Context, request api.Request) error {
	job := protocol.Job{
		Code: request.Code, Language: request.Language, Input: request.InputData, Seed: request.Seed, Now: request.Now,
		TimeoutMs: r.box.limits.Timeout.Milliseconds(), MemoryBytes: r.box.limits.MemoryBytes,
	}
	ctx, cancel := context.WithTimeoutCause(ctx, handLimit, errors.New("the box did not take in the job in time"))
	defer cancel()
	handed := make(chan error, 1)
	go func() { handed <- protocol.WriteMessage(r.box.stdin, job) }()
	select {
	case err := <-handed:
		r.started = time.Now()
		// A box that has died, or never reads, tells more by its end than by its pipe: what it had
		// to say is read as after any job.
		r.evidence.handError = err
		return nil
	case <-ctx.Done():
		r.kill()
		<-handed // the pipe is broken now
		return context.Cause(ctx)
	}
}

// read passes on what the box says, up to the result or to the first fault.
func (r *run) read(events chan<- event, stop <-chan struct{}) {
	for {
		frame, err := r.box.frames.Next()
		select {
		case events <- event{frame, err}:
		case <-stop:
			return
		}
		if err != nil || frame.Type == protocol.FrameResult {
			return
		}
	}
}

func (r *run) log(l protocol.Log) {
	entry, ok := r.logs.add(api.Log{Level: l.Level, Message: l.Message, AtMs: l.AtMs})
	if ok && r.onLog != nil {
		r.onLog(entry)
	}
}

// kill ends the box from outside. A failure shows in what follows: the box does not end, and that is
// our fault, told as such.
func (r *run) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	r.evidence.killError = r.box.container.Kill(ctx)
}

// finish gathers the evidence while the box's cgroup still lives, and passes the verdict.
func (r *run) finish(ctx context.Context, readErr error, killed bool) (api.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
	defer cancel()
	var broken *protocol.ProtocolError
	if errors.As(readErr, &broken) {
		r.evidence.broken = broken
		r.kill()
		killed = true
	}
	if r.evidence.result != nil {
		r.checkSilence(ctx)
	} else {
		exit, err := r.box.container.Wait(ctx)
		if err != nil {
			// Its stdout ended, and it lives on.
			r.evidence.waitError = err
			r.kill()
		}
		r.evidence.exit = exit
	}
	usage, usageErr := r.box.container.Usage(ctx)
	r.evidence.usage = usage
	r.evidence.fatal = r.box.lastWords.fatal(ctx)
	r.evidence.killed = killed
	verdict, err := r.evidence.verdict()
	if err != nil {
		return api.Result{}, errors.Join(err, usageErr)
	}
	return r.result(verdict), nil
}

// checkSilence lets an honest runner leave, and finds one that says more than its result.
func (r *run) checkSilence(ctx context.Context) {
	_ = r.box.stdin.Close()
	silent := make(chan error, 1)
	go func() { silent <- r.box.frames.Silent() }()
	quiet := time.NewTimer(quietLimit)
	defer quiet.Stop()
	var err error
	select {
	case err = <-silent:
	case <-quiet.C:
		// It holds its stdout open; dead, it cannot.
		r.kill()
		select {
		case err = <-silent:
		case <-ctx.Done():
		}
	}
	var broken *protocol.ProtocolError
	if errors.As(err, &broken) {
		r.evidence.broken = broken
		r.kill()
	}
}

func (r *run) result(v verdict) api.Result {
	result := api.Result{
		Success:         v.code == api.Success,
		ResultCode:      v.code,
		Output:          v.output,
		Logs:            r.logs.entries(),
		Error:           v.err,
		ExecutionTimeMs: float64(r.evidence.elapsed.Microseconds()) / 1000,
		Usage: api.Usage{
			CPUMs:           float64(r.evidence.usage.CPU.Microseconds()) / 1000,
			PeakMemoryBytes: r.evidence.usage.PeakMemoryBytes,
		},
		Truncated: api.Truncation{Logs: r.logs.truncated || v.logsTruncated, Output: v.code == api.OutputLimit},
		Warnings:  v.warnings,
		Isolation: r.box.isolation,
	}
	if result.Warnings == nil {
		result.Warnings = []string{}
	}
	return result
}

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
