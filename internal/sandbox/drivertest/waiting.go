package drivertest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// testWaiting holds what a box promises between its ready frame and its job.
func (h Harness) testWaiting(t *testing.T) {
	t.Run("another job's limits", h.hostile(t).testOtherLimits)
	t.Run("warmed", h.testWarmed)
	for _, start := range []Start{DiesWaiting, SpeaksWaiting} {
		t.Run(string(start), func(t *testing.T) { h.open(t, HostileImage(t, start)).testLost(t) })
	}
	t.Run("killed", h.hostile(t).testDestroyedWaiting)
}

// testOtherLimits has boxes run jobs of other limits than they were made with: those of the job are in force.
func (f *fixture) testOtherLimits(t *testing.T) {
	large, small := caseLimits, caseLimits
	large.MemoryBytes, large.CPUs = 4*caseLimits.MemoryBytes, 2
	small.MemoryBytes, small.CPUs = caseLimits.MemoryBytes/4, 0.25
	// As much as the smaller limit allows no box, whatever its overhead, and the larger every one.
	alloc := large.MemoryBytes/api.MiB - 16
	beyond := large.MemoryBytes/api.MiB + f.spec.Overhead.MemoryBytes/api.MiB + 16
	memory := func(mb int64, steps ...Step) Case {
		code := "alloc " + strconv.FormatInt(mb, 10)
		return Case{Code: code, FirstLog: code, Script: append([]Step{Log(api.LevelLog, code), Alloc(mb * api.MiB)}, steps...)}
	}
	fits := memory(alloc, Output("null"))
	fits.MemoryMB, fits.CPUs, fits.Want = int(large.MemoryBytes/api.MiB), 2, success
	bursts := memory(beyond)
	bursts.MemoryMB, bursts.Want = int(large.MemoryBytes/api.MiB), []api.ResultCode{api.MemoryLimit}
	lowered := memory(small.MemoryBytes/api.MiB + f.spec.Overhead.MemoryBytes/api.MiB + 16)
	lowered.MemoryMB, lowered.Want = int(small.MemoryBytes/api.MiB), []api.ResultCode{api.MemoryLimit}
	for name, c := range map[string]struct {
		made sandbox.Limits
		job  Case
	}{
		"raised":                  {small, fits},
		"raised, and no further":  {small, bursts},
		"lowered below the first": {large, lowered},
	} {
		t.Run(name, func(t *testing.T) {
			if f.Fake {
				f.driver.(*Fake).TeachCases(c.job)
			}
			box := f.create(t, c.made)
			result, err := box.Run(t.Context(), c.job.request(), nil)
			if err != nil {
				t.Fatal(err)
			}
			c.job.check(t, result)
			destroy(t, box)
		})
	}
	t.Run("processors", func(t *testing.T) {
		const share = 0.5
		if f.Fake {
			f.driver.(*Fake).Teach("burn 1s", Burn(time.Second), Output("null"))
		}
		box := f.create(t, large)
		result, err := box.Run(t.Context(), Case{Code: "burn 1s", CPUs: share}.request(), nil)
		if err != nil || !result.Success {
			t.Fatalf("%s, %v", result.ResultCode, err)
		}
		if got := result.Usage.CPUMs / result.ExecutionTimeMs; got > share*1.5 {
			t.Errorf("a box that was made with %v processors used %.2f of one for a job with %v", large.CPUs, got, share)
		}
		destroy(t, box)
	})
}

// testWarmed has a box make a library while it waits, and again, and take its job in the middle of a warming.
func (h Harness) testWarmed(t *testing.T) {
	f := h.open(t, h.Runner(t))
	const code = `const _ = require("lodash"); return _.chunk([1,2,3], 2)`
	if f.Fake {
		f.driver.(*Fake).Teach(code, Output("[[1,2],[3]]")).SlowWarming(time.Millisecond)
	}
	warm := func(t *testing.T, box sandbox.Box, names ...string) sandbox.Warmed {
		t.Helper()
		got, err := box.Warm(t.Context(), protocol.Warm{Libraries: names})
		if err != nil {
			t.Fatalf("Warm: %v", err)
		}
		return got
	}
	run := func(t *testing.T, box sandbox.Box) api.Result {
		t.Helper()
		result, err := box.Run(t.Context(), Case{Code: code}.request(), nil)
		if err != nil || !result.Success || string(result.Output) != "[[1,2],[3]]" {
			t.Fatalf("%s %+v, output %s, %v", result.ResultCode, result.Error, result.Output, err)
		}
		return result
	}
	t.Run("twice", func(t *testing.T) {
		box := f.create(t, caseLimits)
		first := warm(t, box)
		second := warm(t, box, "lodash", "papaparse")
		if len(first.Libraries) != 0 || !slices.Equal(second.Libraries, []string{"lodash", "papaparse"}) || second.CPU <= 0 {
			t.Errorf("the first warming made %q, the second %q in %v of CPU", first.Libraries, second.Libraries, second.CPU)
		}
		if result := run(t, box); float64(second.CPU.Milliseconds()) < result.Usage.CPUMs && !f.Fake {
			t.Errorf("the script cost %v ms of CPU, and the warming %v: the warming counts as the script's, or did nothing",
				result.Usage.CPUMs, second.CPU)
		}
		destroy(t, box)
	})
	t.Run("the job comes first", func(t *testing.T) {
		box := f.create(t, caseLimits)
		var all sync.WaitGroup
		all.Go(func() {
			// It ends with an answer or because the box is taken, and tells no lie either way.
			_, _ = box.Warm(t.Context(), protocol.Warm{Libraries: []string{"mathjs", "validator", "date-fns"}})
		})
		run(t, box)
		all.Wait()
		destroy(t, box)
	})
	t.Run("an unknown library", func(t *testing.T) {
		box := f.create(t, caseLimits)
		if got := warm(t, box, "lodash", "no-such-library"); !f.Fake && !slices.Equal(got.Libraries, []string{"lodash"}) {
			t.Errorf("it has made %q", got.Libraries)
		}
		run(t, box)
		destroy(t, box)
	})
}

// testLost waits until a box is lost that dies, or speaks, while it waits: it gets no job.
func (f *fixture) testLost(t *testing.T) {
	box := f.create(t, caseLimits)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-box.Lost():
	case <-ctx.Done():
		t.Fatal("nobody noticed")
	}
	_, err := box.Run(ctx, Case{Code: "echo"}.request(), nil)
	var notHanded *sandbox.NotHandedError
	if !errors.As(err, &notHanded) || strings.TrimSpace(err.Error()) == "" {
		t.Errorf("a lost box was given a job: %v", err)
	}
	destroy(t, box)
	if left := f.LeftBehind(t, f.stateDir); len(left) > 0 {
		t.Errorf("left behind by a lost box: %q", left)
	}
}

// testDestroyedWaiting destroys a box that waits: whoever watches it learns of that.
func (f *fixture) testDestroyedWaiting(t *testing.T) {
	box := f.create(t, caseLimits)
	select {
	case <-box.Lost():
		t.Fatal("a box that waits is lost")
	default:
	}
	destroy(t, box)
	<-box.Lost()
}
