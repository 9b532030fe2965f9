package drivertest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// FakeDriver is the name of the fake in results and claims.
const FakeDriver = "fake"

// A Fake is a [sandbox.Driver] without containers: each box is a goroutine that speaks the runner's side
// of the protocol over pipes, through [sandbox.Open] as every driver's boxes do. It passes the suite of
// this package, and is what tests of a driver's users take. It runs no code: it looks up what the
// code would do. It is safe for concurrent use.
type Fake struct {
	state *sandbox.State // nil: there is nobody to share ids with

	mu      sync.Mutex
	scripts map[string][]Step
	start   Start
	delay   time.Duration
	warming time.Duration
	fail    error
	wrap    func(sandbox.Container) sandbox.Container
	boxes   map[string]*fakeBox // the living
	created int
}

var _ sandbox.Driver = (*Fake)(nil)

// NewFake returns a fake on its own. What it has not been taught ends with SUCCESS and null.
func NewFake() *Fake { return NewFakeOn(nil) }

// NewFakeOn returns a fake that claims ids in a state directory, as the real drivers do.
func NewFakeOn(state *sandbox.State) *Fake {
	return &Fake{state: state, scripts: map[string][]Step{}, start: Honest, boxes: map[string]*fakeBox{}}
}

// Teach tells what a code does, and returns the fake.
func (f *Fake) Teach(code string, steps ...Step) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scripts[code] = steps
	return f
}

// TeachCases teaches the fake what the suite's cases do, and returns it.
func (f *Fake) TeachCases(cases ...Case) *Fake {
	for _, c := range cases {
		f.Teach(c.Code, c.Script...)
	}
	return f
}

// StartAs tells how the runners of boxes to come begin, and returns the fake.
func (f *Fake) StartAs(start Start) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.start = start
	return f
}

// SlowStart makes each Create to come take so long, and returns the fake.
func (f *Fake) SlowStart(d time.Duration) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = d
	return f
}

// SlowWarming makes each library take so long to warm, and returns the fake.
func (f *Fake) SlowWarming(d time.Duration) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.warming = d
	return f
}

func (f *Fake) warmingTakes() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.warming
}

// FailCreate makes each Create to come fail with err, until it is called with nil.
func (f *Fake) FailCreate(err error) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
	return f
}

// Wrap puts what wrap returns in the place of the containers of boxes to come, so that a test can make
// a method of theirs fail. It returns the fake.
func (f *Fake) Wrap(wrap func(sandbox.Container) sandbox.Container) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrap = wrap
	return f
}

// Created returns how many boxes have been created.
func (f *Fake) Created() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.created
}

// Living returns how many boxes have not been destroyed.
func (f *Fake) Living() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.boxes)
}

// Create implements [sandbox.Driver].
func (f *Fake) Create(ctx context.Context, spec sandbox.Spec, limits sandbox.Limits) (sandbox.Box, error) {
	if err := supported(spec); err != nil {
		return nil, err
	}
	f.mu.Lock()
	start, delay, fail, wrap := f.start, f.delay, f.fail, f.wrap
	f.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	box, err := f.newBox(spec, limits)
	if err != nil {
		return nil, err
	}
	var container sandbox.Container = box
	if wrap != nil {
		container = wrap(box)
	}
	return sandbox.Open(ctx, container, box.startRunner(start, spec, f.steps), spec, limits, sandbox.Expect{UID: sandbox.RunnerUID, GID: sandbox.RunnerUID, PIDOne: true}, box.isolation)
}

// supported refuses what the real drivers refuse.
func supported(spec sandbox.Spec) error {
	refuse := func(field, why string) error {
		return &sandbox.UnsupportedError{Driver: FakeDriver, Field: field, Why: why}
	}
	switch {
	case spec.ImageID == "":
		return refuse("ImageID", "a box needs an image: name one")
	case spec.Network != sandbox.NetworkNone:
		return refuse("Network", "a box has no network: use none")
	case len(spec.Capabilities) > 0:
		return refuse("Capabilities", "a fake's runner never has any: name none")
	}
	return nil
}

func isolationOf(spec sandbox.Spec) api.Isolation {
	isolation := api.Isolation{Driver: FakeDriver, Runtime: spec.Runtime, RuntimeVersion: "0", Image: spec.ImageID,
		UserNamespace: spec.UserNamespace != sandbox.UserNamespaceOff, Layers: []string{"none: this is a fake"}}
	if spec.Seccomp != nil {
		isolation.Seccomp = spec.Seccomp.Digest()
	}
	return isolation
}

func (f *Fake) newBox(spec sandbox.Spec, limits sandbox.Limits) (*fakeBox, error) {
	f.mu.Lock()
	f.created++
	id := fmt.Sprintf("%s-%d-%d", FakeDriver, os.Getpid(), f.created)
	f.mu.Unlock()
	box := &fakeBox{fake: f, id: id, limits: limits, overhead: spec.Overhead, isolation: isolationOf(spec), dead: make(chan struct{})}
	if f.state != nil {
		claim, err := f.state.Claim(id, FakeDriver, spec.UIDs)
		if err != nil {
			return nil, err
		}
		box.claim = claim
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boxes[id] = box
	return box, nil
}

func (f *Fake) steps(code string) []Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.scripts[code]
}

func (f *Fake) forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.boxes, id)
}

// Sweep implements [sandbox.Driver]: of a dead owner's fake box nothing is left but its claim.
func (f *Fake) Sweep(ctx context.Context) (sandbox.Swept, error) {
	if f.state == nil {
		return sandbox.Swept{}, nil
	}
	orphans, err := f.state.Orphans(FakeDriver)
	if err != nil {
		return sandbox.Swept{}, err
	}
	var swept sandbox.Swept
	for _, orphan := range orphans {
		if ctx.Err() != nil {
			return swept, context.Cause(ctx)
		}
		if err := orphan.Release(); err != nil {
			return swept, fmt.Errorf("fake: %w", err)
		}
		swept.Boxes = append(swept.Boxes, orphan.ID)
	}
	return swept, nil
}
