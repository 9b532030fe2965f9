// Package image is what runs in the container: it seals itself, says so, warms up while it waits if it is told to,
// reads its one job, runs it, tells how it ended, and waits to be destroyed.
package image

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"glovebox/api"
	"glovebox/image/engine"
	"glovebox/image/seal"
	"glovebox/internal/protocol"
)

// The runner's exit statuses. None of them is a verdict: the controller judges by what it was told and by
// what it counts itself.
const (
	exitDone      = 0
	exitNoSeal    = 70 // it could not shut itself in
	exitNoJob     = 71 // stdin ended, or held no job
	exitAbandoned = 72 // stdin was closed while the script ran: whoever waited is gone
	exitNoStdout  = 73 // what it had to say could not be written
)

// maxStack bounds one goroutine's stack. Go's own bound of 1 GB would run into the box's memory limit
// first, and end as MEMORY_LIMIT what is a stack overflow.
const maxStack = 64 << 20

// Run is the runner: newEngine makes the engine, before the seal and before there is a job. It returns the
// process's exit status.
func Run(stdin io.Reader, stdout, stderr io.Writer, newEngine func() (engine.Engine, error)) int {
	debug.SetMaxStack(maxStack)
	// A box has no time zone of its own, and no file to read one from after the seal.
	time.Local = time.UTC
	script, err := newEngine()
	if err != nil {
		return fail(stderr, exitNoSeal, err)
	}
	report, err := seal.Seal()
	if err != nil {
		return fail(stderr, exitNoSeal, err)
	}
	if err := protocol.WriteMessage(stdout, protocol.Frame{Type: protocol.FrameReady, Ready: &report}); err != nil {
		return fail(stderr, exitNoStdout, err)
	}
	job, status, err := await(script, stdin, stdout)
	if err != nil {
		return fail(stderr, status, err)
	}
	if job == nil {
		return status
	}
	closed := watch(stdin)
	result, err := execute(script, *job, stdout)
	closed.expect()
	if err == nil {
		err = protocol.WriteMessage(stdout, protocol.Frame{Type: protocol.FrameResult, Result: result})
	}
	if err != nil {
		return fail(stderr, exitNoStdout, err)
	}
	// Nothing follows, and whoever reads need not wait for the process's end to know. The driver reads this box's
	// counters while it still lives, and then closes stdin.
	if closer, ok := stdout.(io.Closer); ok {
		_ = closer.Close()
	}
	closed.wait()
	return exitDone
}

func fail(stderr io.Writer, status int, err error) int {
	_, _ = io.WriteString(stderr, "runner: "+err.Error()+"\n")
	return status
}

// await takes orders until one is the job. The job is nil, and the status is how to end, where none comes.
func await(script engine.Engine, stdin io.Reader, stdout io.Writer) (job *protocol.Job, status int, err error) {
	order, err := protocol.ReadOrder(stdin)
	for err == nil && order.Job == nil {
		next := read(stdin)
		inPlace := warm(next.come, script, order.Warm)
		select {
		case <-next.come.Done():
			if next.err != nil {
				return nil, exitNoJob, ended(next.err)
			}
		default:
		}
		warmed := protocol.Warmed{Libraries: inPlace, HeapBytes: heapBytes()}
		if err := protocol.WriteMessage(stdout, protocol.Frame{Type: protocol.FrameWarmed, Warmed: &warmed}); err != nil {
			return nil, exitNoStdout, err
		}
		<-next.come.Done()
		order, err = next.order, next.err
	}
	if err != nil {
		return nil, exitNoJob, ended(err)
	}
	return order.Job, exitDone, nil
}

// warmPercent is the GOGC of warming. What a library leaves lies among the garbage of its making, and no collector can move it:
// the less garbage there is at a time, the less memory a waiting box holds on to. Beside Go's own 100 it costs a seventh more time
// and saves a seventh of the memory.
const warmPercent = 50

// warm warms the engine up, and gives the memory that this took back to the system, until ctx ends. Where no library was made there
// is too little to give back for what a collection costs.
func warm(ctx context.Context, script engine.Engine, w *protocol.Warm) (inPlace []string) {
	order := engine.Warmup{Libraries: w.Libraries, MemoryBytes: w.MemoryBytes}
	if len(order.Libraries) == 0 {
		return script.Warm(ctx, order)
	}
	percent := debug.SetGCPercent(warmPercent)
	inPlace = script.Warm(ctx, order)
	debug.SetGCPercent(percent)
	if ctx.Err() != nil || len(inPlace) == 0 {
		return inPlace
	}
	freed := make(chan struct{})
	go func() {
		defer close(freed)
		debug.FreeOSMemory()
	}()
	select {
	case <-freed:
	case <-ctx.Done(): // it goes on behind the job
	}
	return inPlace
}

// ended takes the end of stdin for no error: a box that was not needed.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// coming is the next order, or why there is none, once its context has ended.
type coming struct {
	come  context.Context
	order protocol.Order
	err   error
}

// read reads the next order while something else is done.
func read(stdin io.Reader) *coming {
	come, cancel := context.WithCancel(context.Background())
	next := &coming{come: come}
	go func() {
		defer cancel()
		next.order, next.err = protocol.ReadOrder(stdin)
	}()
	return next
}

// heapBytes is how much of the heap is in use.
func heapBytes() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// A watcher waits for the end of stdin. While a script runs that end means that the controller has
// gone, killed perhaps: the box then ends by itself, and no sweep has to find it.
type watcher struct {
	done    chan struct{}
	waiting atomic.Bool
}

func watch(stdin io.Reader) *watcher {
	w := &watcher{done: make(chan struct{})}
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		if !w.waiting.Load() {
			os.Exit(exitAbandoned) //nolint:forbidigo // the script holds the main goroutine, perhaps for ever
		}
		close(w.done)
	}()
	return w
}

// expect says that the script has ended, so that the end of stdin is a good one. Call it before anybody can know.
func (w *watcher) expect() { w.waiting.Store(true) }

func (w *watcher) wait() { <-w.done }

// execute runs the job's script, sends its logs as they come, and returns its result. The error is one of
// stdout's.
func execute(script engine.Engine, job protocol.Job, stdout io.Writer) (*protocol.Result, error) {
	start := time.Now()
	timeout := time.Duration(job.TimeoutMs) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	logs := logSender{stdout: stdout, start: start}
	outcome := script.Run(ctx, engine.Program{
		Code: job.Code, Language: job.Language, Input: job.Input, Seed: job.Seed, Now: job.Now, Libraries: job.Libraries,
		Timeout: timeout, MemoryBytes: job.MemoryBytes, MaxOutputBytes: api.MaxOutputBytes, Log: logs.log,
	})
	if logs.err != nil {
		return nil, logs.err
	}
	return &protocol.Result{
		Code: outcome.Code, Output: outcome.Output, Error: bounded(outcome.Error),
		Warnings: outcome.Warnings, LogsTruncated: logs.cut,
		ExecutionMs: milliseconds(time.Since(start)),
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Bounds on an error's texts, well within what the controller takes.
const (
	maxMessage   = 8 << 10
	maxStackText = 16 << 10
)

func bounded(e *api.ScriptError) *api.ScriptError {
	if e == nil {
		return nil
	}
	return &api.ScriptError{
		Name: protocol.CutText(e.Name, maxMessage), Message: protocol.CutText(e.Message, maxMessage),
		Line: e.Line, Column: e.Column, Stack: protocol.CutText(e.Stack, maxStackText),
	}
}

// A logSender sends log entries as frames, within the contract's bounds. It is used by the goroutine that
// runs the script.
type logSender struct {
	stdout io.Writer
	start  time.Time
	budget protocol.LogBudget
	cut    bool
	err    error
}

func (s *logSender) log(level api.LogLevel, message string) {
	kept, ok, cut := s.budget.Admit(message)
	s.cut = s.cut || cut
	if !ok || s.err != nil {
		return
	}
	s.err = protocol.WriteMessage(s.stdout, protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{
		Level: level, Message: kept, AtMs: milliseconds(time.Since(s.start)),
	}})
}
