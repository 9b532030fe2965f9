package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/quota"
)

// An execution is one run of code that the model asked for.
type execution struct {
	callID  string
	request api.Request
	result  api.Result
	code    Code
	end     RunEnd
	err     error // ours: no result could be had
}

// execute runs the actions of one step, side by side as far as limits allow, and returns them in the order in
// which the model gave them. The error is ours, or the end of ctx.
func (r *session) execute(ctx context.Context, actions []action) ([]*execution, error) {
	executions := make([]*execution, len(actions))
	places := make(chan struct{}, r.limits.Parallel)
	var group sync.WaitGroup
	for i, a := range actions {
		e := r.prepare(ctx, i, a)
		executions[i] = e
		if e.end.Refused != "" {
			r.emit(Event{Type: EventRun, Run: &e.end})
			continue
		}
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			r.emit(Event{Type: EventCode, Code: &e.code})
			if e.result, e.err = r.runCode(ctx, e.request); e.err == nil {
				e.finish()
				r.emit(Event{Type: EventRun, Run: &e.end})
			}
		})
	}
	group.Wait()
	for _, e := range executions {
		if e.err != nil {
			return nil, e.err
		}
		r.executions = append(r.executions, e)
	}
	return executions, ctx.Err()
}

// prepare makes a request of an action, or says why it is refused. number is the action's in its step.
func (r *session) prepare(ctx context.Context, number int, a action) *execution {
	r.runs++
	e := &execution{callID: a.callID}
	e.end = RunEnd{Run: r.runs, Iteration: r.iteration, Logs: []api.Log{}, Warnings: []string{}}
	e.code = Code{Run: r.runs, Iteration: r.iteration}
	refuse := func(code api.ResultCode, format string, args ...any) *execution {
		e.end.ResultCode, e.end.Refused = code, cut(strings.ToValidUTF8(fmt.Sprintf(format, args...), "\ufffd"), MaxShownError)
		return e
	}
	switch {
	case number >= MaxCallsPerStep:
		return refuse("", "at most %d programs run in one step", MaxCallsPerStep)
	case a.unreadable != "":
		return refuse("", "the arguments cannot be used: %s", a.unreadable)
	case !isExecute(a.name):
		return refuse("", "there is no action %q, but %q", cut(a.name, MaxShownLine), ActionExecute)
	case len(a.params) == 0:
		return refuse(api.MissingCode, "there are no params: give code")
	}
	request, err := r.agent.config.Params(ctx, a.params)
	if err == nil {
		e.code.OwnInput = request.InputData != nil && string(request.InputData) != "null"
		if !e.code.OwnInput {
			request.InputData = r.task.InputData
		}
		request.Seed, request.Now = r.task.Seed, r.task.Now
		request = quota.WithDefaults(ctx, request)
		if err = request.Validate(r.agent.config.HostCPUs); err == nil {
			err = quota.Check(ctx, request)
		}
	}
	e.request = request
	e.code.Code, e.code.Language = request.Code, request.Language
	if err != nil {
		var refused *api.Error
		if errors.As(err, &refused) {
			return refuse(refused.ResultCode, "%s", asParams.Replace(refused.Error()))
		}
		return refuse("", "%s", asParams.Replace(err.Error()))
	}
	e.code.TimeoutSeconds, e.code.MemoryLimitMB = *request.TimeoutSeconds, *request.MemoryLimitMB
	return e
}

// isExecute reports whether a name is that of the one action, in either of its spellings.
func isExecute(name string) bool {
	return strings.EqualFold(strings.TrimSpace(name), ActionExecute) || strings.EqualFold(name, ToolExecute)
}

// quotaTries is how often code is handed over that a quota keeps from running.
const quotaTries = 5

// maxPause is for how long code waits that a quota keeps from running.
const maxPause = time.Minute

// runCode runs a request. Where every box is taken it waits, for as long as the task may take, and in the queue, however many others there are: what a
// model was paid for is not thrown away since others are quicker. It waits likewise where it cannot be recorded now that it begins. Where a quota lets it run
// soon it waits too, and where Glovebox itself failed it tries once more.
func (r *session) runCode(ctx context.Context, request api.Request) (api.Result, error) {
	ctx = quota.Few(ctx) // an agent works on few tasks at once, on each by few programs
	failures := 0
	for try := 1; ; try++ {
		result, err := r.agent.config.Executor.Execute(ctx, request, nil)
		var busy interface{ RetryAfter() time.Duration }
		var over *quota.Error
		overQuota := errors.As(err, &over)
		isBusy := !overQuota && errors.As(err, &busy)
		unrecorded := !overQuota && !isBusy && kept.NotBegun(err)
		if !overQuota && !isBusy && !unrecorded { // which has not run
			r.countRun()
		}
		switch {
		case ctx.Err() != nil:
			return api.Result{}, ctx.Err()
		case overQuota && !over.Forbidden && over.After <= maxPause && try < quotaTries:
			if err := pause(ctx, over.After); err != nil {
				return api.Result{}, err
			}
		case overQuota:
			return api.Result{}, over
		case isBusy:
			if err := pause(ctx, busy.RetryAfter()); err != nil {
				return api.Result{}, err
			}
		case unrecorded:
			if err := pause(ctx, kept.RecordRetry); err != nil {
				return api.Result{}, err
			}
		case err != nil:
			return api.Result{}, &sandboxError{err}
		case result.ResultCode == api.ExecutionFailed:
			if failures++; failures > 1 {
				return api.Result{}, &sandboxError{fmt.Errorf("the result code is %s", api.ExecutionFailed)}
			}
		default:
			return result, nil
		}
	}
}

// A sandboxError says that Glovebox failed, and not the code.
type sandboxError struct{ err error }

func (e *sandboxError) Error() string { return "agent: run code: " + e.err.Error() }
func (e *sandboxError) Unwrap() error { return e.err }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish notes how the run ended. A success is the result code's: nothing that a script says makes one.
func (e *execution) finish() {
	result := &e.result
	e.end.ResultCode = result.ResultCode
	e.end.Success = result.Success && result.ResultCode == api.Success
	e.end.Error, e.end.ExecutionTimeMs = result.Error, result.ExecutionTimeMs
	if len(result.Warnings) > 0 {
		e.end.Warnings = result.Warnings
	}
	e.end.Logs, e.end.LogsCut = boundLogs(result.Logs)
	e.end.LogsCut = e.end.LogsCut || result.Truncated.Logs
	if !e.end.Success {
		return
	}
	e.end.OutputBytes = len(result.Output)
	sum := sha256.Sum256(result.Output)
	e.end.OutputSHA256 = hex.EncodeToString(sum[:])
	if len(result.Output) <= MaxEventOutput {
		e.end.Output = result.Output
	}
}

// boundLogs returns as many of the first logs as an event holds, and whether some are left out.
func boundLogs(logs []api.Log) ([]api.Log, bool) {
	size := 0
	for i, entry := range logs {
		if size += len(entry.Message); size > MaxEventOutput {
			return logs[:i:i], true
		}
	}
	if logs == nil {
		return []api.Log{}, false
	}
	return logs, false
}

// message is one sentence on how a failed run ended.
func (e *execution) message() string {
	switch {
	case e.end.Refused != "":
		return e.end.Refused
	case e.result.Error == nil:
		return string(e.end.ResultCode)
	}
	return cut(e.result.Error.Name+": "+e.result.Error.Message, MaxShownError)
}

// sameJSON reports whether two outputs are the same, byte for byte.
func sameJSON(a, b json.RawMessage) bool { return string(a) == string(b) }
