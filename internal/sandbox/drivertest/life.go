package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

var caseLimits = sandbox.Limits{MemoryBytes: caseMemoryMB * api.MiB, CPUs: caseCPUs, Timeout: caseTimeoutSeconds * time.Second}

// testLife holds what Create, Run and Destroy promise, whatever runs in the box.
func (h Harness) testLife(t *testing.T) {
	f := h.hostile(t)
	t.Run("one job", f.testOneJob)
	t.Run("run twice", f.testRunTwice)
	t.Run("logs stream and cancel kills", f.testStream)
	t.Run("cancelled before it takes in its job", f.testCancelDeaf)
	t.Run("destroy", f.testDestroy)
	t.Run("destroy during run", f.testDestroyDuringRun)
	t.Run("create cancelled", f.testCreateCancelled)
	t.Run("refused specs", f.testRefused)
	t.Run("ids are a box's own", f.testIDs)
	t.Run("eight at once", f.testEight)
	t.Run("starts that are refused", f.testStarts)
}

func (f *fixture) testOneJob(t *testing.T) {
	result := f.play(t, Case{Code: "echo", Input: json.RawMessage(`{"a":[1,"é"]}`), Output: `{"a":[1,"é"]}`,
		Want: []api.ResultCode{api.Success}, FirstLog: "echo"})
	if result.ID != "" {
		t.Error("the id is not the box's to set")
	}
	if result.QueueTimeMs < 0 || result.QueueTimeMs > 60_000 {
		t.Errorf("the hand-over took %v ms", result.QueueTimeMs)
	}
	// The kernel counts a process's time when it ticks, or lets go of the processor: of a job that took less the answer may be
	// there before. That the counter counts is seen by the case of half a processor.
	if result.Usage.CPUMs < 0 || result.Usage.PeakMemoryBytes <= 0 {
		t.Errorf("usage %+v: the counters were not read", result.Usage)
	}
	if result.ExecutionTimeMs <= 0 || result.ExecutionTimeMs > 60_000 {
		t.Errorf("executionTimeMs %v", result.ExecutionTimeMs)
	}
	i := result.Isolation
	if i.Driver != f.Driver || i.Runtime != f.spec.Runtime || i.RuntimeVersion == "" || i.Image == "" || len(i.Layers) == 0 {
		t.Errorf("isolation %+v: fields are missing", i)
	}
	if i.Seccomp != f.spec.Seccomp.Digest() {
		t.Errorf("isolation names the profile %q, want %q", i.Seccomp, f.spec.Seccomp.Digest())
	}
}

func (f *fixture) testRunTwice(t *testing.T) {
	box := f.create(t, caseLimits)
	c := Case{Code: "echo"}
	if _, err := box.Run(t.Context(), c.request(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Run(t.Context(), c.request(), nil); err == nil {
		t.Error("a box ran a second job")
	}
}

// testStream cancels the run from within its third log: it can only end if logs come while the script
// still runs.
func (f *fixture) testStream(t *testing.T) {
	for try := 1; ; try++ {
		box := f.create(t, caseLimits)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var heard int
		var cancelled time.Time
		result, err := box.Run(ctx, Case{Code: "beat"}.request(), func(api.Log) {
			if heard++; heard == 3 {
				cancelled = time.Now()
				cancel()
			}
		})
		took := time.Since(cancelled)
		if err != nil {
			t.Fatal(err)
		}
		if result.ResultCode != api.Cancelled || len(result.Logs) < 3 || heard < 3 {
			t.Fatalf("code %s with %d logs, %d heard; want CANCELLED and its logs", result.ResultCode, len(result.Logs), heard)
		}
		checkForm(t, result)
		destroy(t, box)
		if took <= time.Second+f.Slack {
			return
		}
		if try == tries {
			t.Fatalf("a cancelled run took %v to end, want 1 s at most", took)
		}
	}
}

// testCancelDeaf cancels a run whose job waits in the pipe.
func (f *fixture) testCancelDeaf(t *testing.T) {
	deaf := f.open(t, HostileImage(t, Deaf))
	box := deaf.create(t, caseLimits)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	result, err := box.Run(ctx, Case{Code: "echo", Input: largeInput()}.request(), nil)
	if err != nil || result.ResultCode != api.Cancelled {
		t.Fatalf("code %s, error %v; want CANCELLED", result.ResultCode, err)
	}
	checkForm(t, result)
}

// largeInput is as large as an input may be.
func largeInput() json.RawMessage {
	input := bytes.Repeat([]byte("x"), api.MaxInputBytes)
	input[0], input[len(input)-1] = '"', '"'
	return input
}

func (f *fixture) testDestroy(t *testing.T) {
	box := f.create(t, caseLimits)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { destroy(t, box) })
	}
	all.Wait()
	destroy(t, box)
	if left := f.LeftBehind(t, f.stateDir); len(left) > 0 {
		t.Errorf("left behind by a box that never ran: %q", left)
	}
	result, err := box.Run(t.Context(), Case{Code: "echo"}.request(), nil)
	if err == nil {
		t.Errorf("a destroyed box ran a job: %+v", result)
	}
}

func (f *fixture) testDestroyDuringRun(t *testing.T) {
	box := f.create(t, caseLimits)
	running := make(chan struct{})
	ended := make(chan error, 1)
	var once sync.Once
	go func() {
		_, err := box.Run(t.Context(), Case{Code: "beat"}.request(), func(api.Log) { once.Do(func() { close(running) }) })
		ended <- err
	}()
	<-running
	destroy(t, box)
	select {
	case <-ended: // a result or an error: its caller has destroyed it, and knows
	case <-time.After(caseLimits.Timeout / 2):
		t.Error("Run goes on in a box that was destroyed")
	}
}

func (f *fixture) testCreateCancelled(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		box, err := f.driver.Create(ctx, f.spec, caseLimits)
		cancel()
		if err == nil {
			destroy(t, box) // it was faster
		} else if box != nil {
			t.Errorf("after %v: a box beside the error %v", after, err)
		}
		if left := f.LeftBehind(t, f.stateDir); len(left) > 0 {
			t.Errorf("left behind when Create was cancelled after %v: %q", after, left)
		}
	}
}

func (f *fixture) testRefused(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(*sandbox.Spec)
	}{
		{"another image", "ImageID", func(s *sandbox.Spec) { s.ImageID = "" }},
		{"a network", "Network", func(s *sandbox.Spec) { s.Network = "bridge" }},
	} {
		spec := f.spec
		c.change(&spec)
		box, err := f.driver.Create(t.Context(), spec, caseLimits)
		if err == nil {
			destroy(t, box)
			t.Errorf("%s was accepted", c.name)
			continue
		}
		var unsupported *sandbox.UnsupportedError
		if !errors.As(err, &unsupported) {
			t.Errorf("%s: %v; want an UnsupportedError", c.name, err)
		} else if unsupported.Field != c.field || unsupported.Driver != f.Driver || unsupported.Why == "" {
			t.Errorf("%s: %+v; want the field %s named", c.name, *unsupported, c.field)
		}
	}
}

// testIDs holds that two boxes that live at one time share no host id, and that an id is given back.
func (f *fixture) testIDs(t *testing.T) {
	state, err := sandbox.OpenState(f.stateDir)
	if err != nil {
		t.Fatal(err)
	}
	boxes := []sandbox.Box{f.create(t, caseLimits), f.create(t, caseLimits)}
	claims, err := state.Claims(f.Driver)
	if err != nil || len(claims) != 2 {
		t.Fatalf("two boxes hold %d claims, error %v", len(claims), err)
	}
	a, b := claims[0].IDs, claims[1].IDs
	if seen := map[int]bool{a.Root: true, a.Box: true, b.Root: true, b.Box: true}; len(seen) != 4 {
		t.Errorf("two boxes share host ids: %+v and %+v", a, b)
	}
	for _, id := range []int{a.Root, a.Box, b.Root, b.Box} {
		if id < f.spec.UIDs.First || id >= f.spec.UIDs.First+f.spec.UIDs.Count {
			t.Errorf("the id %d lies outside of the range %+v", id, f.spec.UIDs)
		}
	}
	if kind := sandbox.RuntimeKind(f.spec.Runtime); !f.Fake && os.Geteuid() == 0 && (kind == sandbox.KindRunc || kind == sandbox.KindCrun) {
		// gVisor's processes are the Sentry's; without root another user namespace lies between.
		running := hostUIDs()
		for _, claim := range claims {
			if !running[claim.IDs.Box] {
				t.Errorf("no process on the host has the id %d of box %s", claim.IDs.Box, claim.ID)
			}
			if running[claim.IDs.Root] {
				t.Errorf("a process runs as %d, which is root within the box", claim.IDs.Root)
			}
		}
	}
	for _, box := range boxes {
		destroy(t, box)
	}
	if claims, err := state.Claims(f.Driver); err != nil || len(claims) != 0 {
		t.Errorf("%d claims outlive their boxes, error %v", len(claims), err)
	}
}

// hostUIDs returns the ids that processes of this host have.
func hostUIDs() map[int]bool {
	uids := map[int]bool{}
	paths, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, path := range paths {
		status, _ := os.ReadFile(path) // a process may have gone
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
				for field := range strings.FieldsSeq(rest) {
					if uid, err := strconv.Atoi(field); err == nil {
						uids[uid] = true
					}
				}
			}
		}
	}
	return uids
}

func (f *fixture) testEight(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			want := fmt.Sprintf(`{"box":%d}`, i)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			box, err := f.driver.Create(ctx, f.spec, caseLimits)
			if err != nil {
				t.Errorf("box %d: %v", i, err)
				return
			}
			defer destroy(t, box)
			result, err := box.Run(ctx, Case{Code: "echo", Input: json.RawMessage(want)}.request(), nil)
			if err != nil || !sameJSON(result.Output, []byte(want)) {
				t.Errorf("box %d: %s, output %s, error %v", i, result.ResultCode, result.Output, err)
			}
		})
	}
	all.Wait()
}

// testStarts holds that a box enters the world only after a ready frame that agrees with the Spec.
func (f *fixture) testStarts(t *testing.T) {
	for _, start := range []Start{DiesEarly, NeverSays, Unsealed, WrongUser, SaysJunk} {
		t.Run(string(start), func(t *testing.T) {
			bad := f.openIn(t, filepath.Join(t.TempDir(), "state"), HostileImage(t, start))
			patience := time.Minute
			if start == NeverSays {
				patience = 3 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			box, err := bad.driver.Create(ctx, bad.spec, caseLimits)
			if err == nil {
				destroy(t, box)
				t.Fatal("Create accepted it")
			}
			if took := time.Since(began); took > patience+10*time.Second {
				t.Errorf("Create took %v to give up", took)
			}
			if left := bad.LeftBehind(t, bad.stateDir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
