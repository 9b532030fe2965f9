package oci

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// TestLimitOfARunningBox raises and lowers what a box has, in both orders, and has a job run under it.
func TestLimitOfARunningBox(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, stdio := startContainer(t, d, spec)
		for _, mib := range []int64{128, 256, 32, 512, 16} {
			limits := sandbox.Limits{MemoryBytes: mib * api.MiB, CPUs: float64(mib) / 64, Timeout: defaultLimits.Timeout}
			got, err := c.Limit(t.Context(), limits)
			if err != nil {
				t.Fatalf("%d MiB: %v", mib, err)
			}
			if err := sandbox.Compare(got.Checks(spec.Overhead, limits)); err != nil {
				t.Error(err)
			}
		}
		hand(t, stdio, "eat")
		exit, err := c.Wait(t.Context())
		if err != nil || exit.Signal != 9 {
			t.Errorf("what takes all memory ended as %+v, %v", exit, err)
		}
		usage, err := c.Usage(t.Context())
		// The kernel lets a dying process have a little that it cannot do without, beyond the limit: a page was seen.
		const unrefused = 64 << 10
		if most := spec.Overhead.MemoryBytes + 16*api.MiB + unrefused; err != nil || usage.PeakMemoryBytes > most || !usage.OOMKilled && !usage.MemoryAtLimit {
			t.Errorf("under a limit of %d bytes: %+v, %v", most, usage, err)
		}
		if _, err := c.Limit(t.Context(), defaultLimits); err == nil {
			t.Error("a dead box was limited")
		}
	})
}

func TestLimitBelowWhatTheBoxHolds(t *testing.T) {
	d, spec := newDriver(t, needRuntime(t, sandbox.KindRunc))
	c, _ := startContainer(t, d, spec)
	c.overhead = sandbox.Overhead{PIDs: spec.Overhead.PIDs}
	if _, err := c.Limit(t.Context(), sandbox.Limits{MemoryBytes: int64(os.Getpagesize()), CPUs: 1}); err == nil {
		t.Error("a box was limited to a page of memory")
	}
}

func TestWeightOfARunningBox(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, stdio := startContainer(t, d, spec)
		for _, idle := range []bool{true, true, false} {
			if err := c.Weight(t.Context(), idle); err != nil {
				t.Fatalf("idle %v: %v", idle, err)
			}
		}
		if _, err := c.Limit(t.Context(), defaultLimits); err != nil {
			t.Error(err)
		}
		hand(t, stdio, "die")
		if exit, err := c.Wait(t.Context()); err != nil || exit.Status != 3 {
			t.Errorf("%+v, %v", exit, err)
		}
	})
}

// TestLimitFindsWhatWasDropped: what a file takes and does not keep is found, whichever it is.
func TestLimitFindsWhatWasDropped(t *testing.T) {
	want := bounds{memory: 256 * api.MiB, cpuQuota: 150_000, pids: 64}
	limit := func(g group) error { return errors.Join(g.limit(want), verify(g, want)) }
	for _, v2 := range []bool{false, true} {
		names := map[bool][]string{
			false: {"memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "cpu/cpu.cfs_quota_us"},
			true:  {"memory.max", "cpu.max"},
		}[v2]
		files := inForce(v2)
		if v2 {
			files["memory.current"] = "4096"
		}
		if err := limit(fakeGroup(t, v2, files)); err != nil {
			t.Errorf("version 2 %v: %v", v2, err)
		}
		for _, name := range names {
			g := fakeGroup(t, v2, files)
			keepNothing(t, g, name)
			if err := limit(g); err == nil {
				t.Errorf("version 2 %v: %s keeps nothing, and was taken", v2, name)
			}
		}
	}
	small := inForce(true)
	small["memory.current"] = "268435457"
	if err := limit(fakeGroup(t, true, small)); err == nil {
		t.Error("a box that holds more than the limit would be killed by it")
	}
}

func TestWeightFindsWhatWasDropped(t *testing.T) {
	for _, c := range []struct {
		v2          bool
		file        string
		idle, usual string
	}{
		{false, "cpu/cpu.idle", "1", "0"}, {true, "cpu.idle", "1", "0"},
		{false, "cpu/cpu.shares", "2", "1024"}, {true, "cpu.weight", "1", "100"},
	} {
		g := fakeGroup(t, c.v2, map[string]string{c.file: "7"})
		controller, name, ok := strings.Cut(c.file, "/")
		if !ok {
			controller, name = "", c.file
		}
		for _, idle := range []bool{true, false} {
			want := map[bool]string{true: c.idle, false: c.usual}[idle]
			if err := g.weigh(idle); err != nil {
				t.Errorf("%s: %v", c.file, err)
			}
			if got, err := os.ReadFile(g.file(controller, name)); err != nil || !strings.HasPrefix(string(got), want) {
				t.Errorf("%s is %q, %v; want %s", c.file, got, err, want)
			}
			if err := os.WriteFile(g.file(controller, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		keepNothing(t, g, c.file)
		if err := g.weigh(true); err == nil {
			t.Errorf("%s keeps nothing, and was taken", c.file)
		}
	}
	if err := fakeGroup(t, false, nil).weigh(true); err == nil {
		t.Error("a cgroup that is not there was given a weight")
	}
}

// keepNothing has a file of a fake take what is written, and forget it.
func keepNothing(t *testing.T, g group, name string) {
	t.Helper()
	path := filepath.Join(g.all[0], g.name, name)
	if controller, file, ok := strings.Cut(name, "/"); ok {
		path = g.file(controller, file)
	}
	if err := errors.Join(os.Remove(path), os.Symlink(os.DevNull, path)); err != nil {
		t.Fatal(err)
	}
}

func TestLimitOfABoxThatHasNotStarted(t *testing.T) {
	if _, err := new(container).Limit(context.Background(), defaultLimits); !errors.Is(err, errNotStarted) {
		t.Error(err)
	}
}
