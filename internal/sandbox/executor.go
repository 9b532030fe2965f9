package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/api"
	"glovebox/internal/logcontext"
	"glovebox/internal/queue"
	"glovebox/internal/trace"
)

// An Executor runs requests, each in a box of its own: it admits, takes a box, runs, and destroys. It is
// safe for concurrent use.
type Executor struct {
	pool   *pool
	config PoolConfig
	log    *slog.Logger
	queue  *queue.Queue  // a place for each box that may live
	end    chan struct{} // closed with the Executor

	mu       sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
}

// ExecutorConfig is what an Executor needs.
type ExecutorConfig struct {
	Driver Driver
	// Spec is that of every box.
	Spec Spec
	// Concurrency is how many boxes work at once, beside those that wait in the pool; Queue how many requests may
	// wait for a place, of which nobody who is named gets all: see [queue.Queue.Enter].
	Concurrency int
	Queue       int
	// Pool says which boxes wait. The zero PoolConfig is no pool.
	Pool PoolConfig
	// Log is told what goes wrong behind a result that is already out: a box that could not be removed. By a handler of
	// [logcontext.NewHandler] it tells of which execution.
	Log *slog.Logger
}

// NewExecutor returns an Executor. The error names a value of the configuration that is out of bounds.
func NewExecutor(c ExecutorConfig) (*Executor, error) {
	if c.Concurrency < api.MinConcurrency || c.Concurrency > api.MaxConcurrency {
		return nil, fmt.Errorf("sandbox: concurrency is %d; from %d to %d is allowed", c.Concurrency, api.MinConcurrency, api.MaxConcurrency)
	}
	if c.Queue < 0 {
		return nil, fmt.Errorf("sandbox: a queue of %d is not possible", c.Queue)
	}
	if err := c.Pool.check(); err != nil {
		return nil, err
	}
	return &Executor{
		pool: newPool(c.Driver, c.Spec, c.Pool, c.Log), config: c.Pool, log: c.Log,
		queue: queue.New(c.Concurrency, c.Queue), end: make(chan struct{}),
	}, nil
}

// ErrClosed is returned once the Executor has been closed.
var ErrClosed = errors.New("sandbox: shutting down")

// Reshare says what a party that has anything here may have from now on; see [queue.Queue.Reshare].
func (e *Executor) Reshare(share queue.Share) { e.queue.Reshare(share) }

// Load tells how many boxes work, or are being destroyed, and how many requests wait for a place.
func (e *Executor) Load() (running, waiting int) { return e.queue.Load() }

// Parties tells the same of each party that has any.
func (e *Executor) Parties() []queue.PartyLoad { return e.queue.Parties() }

// Pool tells of the boxes that wait for their jobs.
func (e *Executor) Pool() PoolStats { return e.pool.read() }

// Execute runs a request of nobody's in particular; see [Executor.ExecuteAs].
func (e *Executor) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	return e.ExecuteAs(ctx, queue.Share{}, request, onLog)
}

// ExecuteAs runs one request that has passed its checks, with its defaults filled in, in its turn among those of others. When ctx ends
// while the request waits, or while it runs, the result is CANCELLED. onLog may be nil; see [Box.Run]. Of ctx it takes [Hooks], and the
// span that those of the execution's parts go below. The error is a *[queue.FullError], [ErrClosed], that of a hook, or a failure of ours,
// for which the script is not to blame. The box is destroyed behind the caller's back, and keeps its place until it is gone;
// [Executor.Close] waits for it.
func (e *Executor) ExecuteAs(ctx context.Context, share queue.Share, request api.Request, onLog func(api.Log)) (api.Result, error) {
	if err := e.enter(); err != nil {
		return api.Result{}, err
	}
	hooks := HooksOf(ctx)
	ctx = logcontext.With(ctx, logcontext.Execution, hooks.ID)
	came := time.Now()
	if hooks.Since.IsZero() {
		hooks.Since = came
	}
	place, err := e.queue.Enter(ctx, share)
	if err == nil || ctx.Err() != nil { // else it has not waited
		_, span := trace.Start(ctx, "queue", oteltrace.WithTimestamp(came))
		span.End()
	}
	if err != nil {
		e.inFlight.Done()
		if ctx.Err() != nil {
			return CancelledInQueue(hooks.ID, time.Since(hooks.Since)), nil
		}
		return api.Result{}, err
	}
	return e.execute(ctx, job{hooks, place, request, onLog})
}

// A job is one request on its way through the Executor.
type job struct {
	hooks   Hooks // of which Since is set
	place   *queue.Place
	request api.Request
	onLog   func(api.Log)
}

// boxTries is how many boxes a job is tried in that was not handed over.
const boxTries = 3

// execute runs the job in a box, and gives its place back once that is gone.
func (e *Executor) execute(ctx context.Context, j job) (api.Result, error) {
	var lost []error
	for try := 1; ; try++ {
		box, waited, err := e.obtain(ctx, j, try)
		if err != nil {
			e.leave(j.place)
			if ctx.Err() != nil {
				return CancelledInQueue(j.hooks.ID, time.Since(j.hooks.Since)), nil
			}
			return api.Result{}, fmt.Errorf("sandbox: no box: %w", errors.Join(append(lost, err)...))
		}
		result, again, err := e.runIn(ctx, j, box, waited, try < boxTries)
		if again {
			// The script has not run, and does not pay for it.
			lost = append(lost, err)
			e.log.WarnContext(ctx, "a box was not fit for its job: the job gets another", "error", err)
			continue
		}
		return result, err
	}
}

// runIn runs the job in a box, which waited for it or not, and destroys that behind the caller's back, whatever happens: onLog may panic. again is
// true where the job was not handed over and may be tried in another; else its place is given back once the box is gone.
func (e *Executor) runIn(ctx context.Context, j job, box Box, waited, mayRetry bool) (result api.Result, again bool, err error) {
	defer func() {
		if again {
			e.inFlight.Go(func() { destroy(ctx, e.log, box) })
			return
		}
		go func() {
			defer e.leave(j.place)
			e.linger(j.place)
			destroy(ctx, e.log, box)
		}()
	}()
	if err := j.hooks.begin(); err != nil {
		return api.Result{}, false, err
	}
	result, err = e.run(ctx, j, box, waited)
	e.pool.refused(ctx, err)
	var notHanded *NotHandedError
	return result, mayRetry && errors.As(err, &notHanded), err
}

// run has the box run the job. It waited until the box had it: also while its beginning was recorded.
func (e *Executor) run(ctx context.Context, j job, box Box, waited bool) (api.Result, error) {
	ctx, span := trace.Start(ctx, "run")
	defer span.End()
	called := time.Now()
	result, err := box.Run(ctx, j.request, j.onLog)
	if err != nil {
		span.Fail(string(api.ExecutionFailed))
		return api.Result{}, err
	}
	handOver := time.Duration(result.QueueTimeMs * float64(time.Millisecond)) // as the box knows it
	if e.config.Observe.HandedOver != nil {
		e.config.Observe.HandedOver(handOver, waited)
	}
	result.ID = j.hooks.ID
	result.QueueTimeMs = milliseconds(max(0, called.Sub(j.hooks.Since)) + handOver)
	if span.IsZero() {
		return result, nil
	}
	span.EventAt("handed over", called.Add(handOver))
	span.String(trace.ResultCode, string(result.ResultCode))
	span.Float(trace.ExecutionMs, result.ExecutionTimeMs)
	span.Float(trace.CPUMs, result.Usage.CPUMs)
	span.Int(trace.PeakMemory, result.Usage.PeakMemoryBytes)
	return result, nil
}

// lingerLimit is how long a box that has done its work may stay.
const lingerLimit = 50 * time.Millisecond

// linger lets the next script by before a box is destroyed: the end of its process and of its namespaces costs the kernel about as
// much as a small script. It does so only beside a pool, whose scripts are quick, while half of the places are free, and until
// somebody waits for one.
func (e *Executor) linger(place *queue.Place) {
	if running, _ := e.queue.Load(); e.config.Max == 0 || 2*running > e.queue.Places() {
		return
	}
	timer := time.NewTimer(lingerLimit)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-place.Wanted():
	case <-e.end:
	}
}

// obtain takes a box from the pool, and after a failure starts one that is made for the job.
func (e *Executor) obtain(ctx context.Context, j job, try int) (box Box, waited bool, err error) {
	ctx, span := trace.Start(ctx, "box")
	defer span.End()
	limits := LimitsOf(j.request)
	if try > 1 {
		box, err = e.pool.cold(ctx, limits)
	} else {
		box, waited, err = e.pool.take(ctx, limits, e.config.Warm.Wants(j.request.Code))
	}
	span.Bool(trace.BoxPooled, waited)
	if err != nil && ctx.Err() == nil {
		span.Fail("no box")
	}
	return box, waited, err
}

func (e *Executor) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.inFlight.Add(1)
	return nil
}

// leave gives a place back once its box is gone.
func (e *Executor) leave(place *queue.Place) {
	place.Leave()
	e.inFlight.Done()
}

// destroyTries is how often a box is destroyed before it is left to the sweep that follows this process:
// while its owner lives, no sweep touches it.
const destroyTries = 3

// destroy outlives the caller: a client that leaves leaves no box behind.
func destroy(ctx context.Context, log *slog.Logger, box Box) {
	ctx, span := trace.Start(context.WithoutCancel(ctx), "destroy")
	defer span.End()
	var err error
	for range destroyTries {
		if err = destroyOnce(ctx, box); err == nil {
			return
		}
	}
	span.Fail("left behind")
	log.ErrorContext(ctx, "a box could not be destroyed: it is left to the sweep of the next process", "error", err)
}

func destroyOnce(ctx context.Context, box Box) error {
	ctx, cancel := context.WithTimeout(ctx, killLimit)
	defer cancel()
	return box.Destroy(ctx)
}

// CancelledInQueue is the result of an execution that was cancelled before its box was ready, after so long a wait for that.
func CancelledInQueue(id string, waited time.Duration) api.Result {
	return api.Result{
		ID: id, ResultCode: api.Cancelled, Logs: []api.Log{}, Warnings: []string{},
		Error:       &api.ScriptError{Name: "Cancelled", Message: "the execution was cancelled before its box was ready"},
		QueueTimeMs: milliseconds(max(0, waited)), // a clock may have been put back
		Isolation:   api.Isolation{Layers: []string{}},
	}
}

// Close refuses new requests, destroys the boxes that wait, and waits until those that run have ended, or ctx has.
func (e *Executor) Close(ctx context.Context) error {
	e.mu.Lock()
	if !e.closed {
		close(e.end)
	}
	e.closed = true
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.inFlight.Wait() // first: whoever waits for a box still gets one
		e.pool.close()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
