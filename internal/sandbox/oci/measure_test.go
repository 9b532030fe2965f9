package oci

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// TestOverhead compares the driver with its runtime alone, on the very same config.json. It is a
// measurement: GLOVEBOX_MEASURE says how often.
func TestOverhead(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("GLOVEBOX_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("GLOVEBOX_MEASURE names no number of rounds")
	}
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		var bare, whole, created, destroyed []time.Duration
		for range rounds {
			bare = append(bare, runBare(t, d, spec))
			start := time.Now()
			box := create(t, d, spec, defaultLimits)
			created = append(created, time.Since(start))
			destroy(t, box)
			whole = append(whole, time.Since(start))
			destroyed = append(destroyed, whole[len(whole)-1]-created[len(created)-1])
		}
		t.Logf("p50 of %d: %s alone %v; create %v and destroy %v: %v, %.2f times as long", rounds, runtime.Kind, median(bare),
			median(created), median(destroyed), median(whole), float64(median(whole))/float64(median(bare)))
	})
}

// TestPhases measures where the time of a box's start goes.
func TestPhases(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("GLOVEBOX_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("GLOVEBOX_MEASURE names no number of rounds")
	}
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		phases := map[string][]time.Duration{}
		for range rounds {
			last := time.Now()
			done := func(phase string, err error) {
				if err != nil {
					t.Fatal(err)
				}
				phases[phase] = append(phases[phase], time.Since(last))
				last = time.Now()
			}
			c, err := d.claim(spec, boundsOf(spec.Overhead, defaultLimits), d.noUsers == "")
			done("1 claim", err)
			config, err := c.bundle.config(spec)
			done("2 config", err)
			done("3 bundle", c.writeBundle(config))
			inner, outer, err := c.openPipes()
			if err == nil {
				err = c.run(t.Context(), d.runtime, inner)
			}
			inner.close()
			done("4 runtime", err)
			done("5 adopt", c.adopt())
			done("6 verify", c.group.verify(c.main.pid, c.bundle.bounds))
			_, err = protocol.NewReader(outer.Stdout).Next()
			done("7 ready", err)
			done("8 kill", c.Kill(t.Context()))
			done("9 remove", c.Remove(t.Context()))
		}
		for _, phase := range slices.Sorted(maps.Keys(phases)) {
			t.Logf("%s %s: p50 %v", runtime.Kind, phase, median(phases[phase]))
		}
	})
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(100 * time.Microsecond)
}

// runBare runs a box as a shell would, with the runner's stdin at its end: it seals itself, and leaves.
func runBare(t *testing.T, d *Driver, spec sandbox.Spec) time.Duration {
	t.Helper()
	c, err := d.claim(spec, boundsOf(spec.Overhead, defaultLimits), d.noUsers == "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	config, err := c.bundle.config(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.writeBundle(config); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--root", c.root()}, d.runtime.Flags()...)
	cmd := exec.Command(d.runtime.Path, append(args, "run", "--bundle", c.dir, c.claim.ID)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	for {
		if _, err := out.Read(buffer); err != nil {
			break
		}
	}
	_ = cmd.Wait()
	return time.Since(start)
}

// TestLimitCosts measures which way of limiting a box that waits is the cheapest.
func TestLimitCosts(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("GLOVEBOX_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("GLOVEBOX_MEASURE names no number of rounds")
	}
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, _ := startContainer(t, d, spec)
		var written, updated, weighed []time.Duration
		for i := range rounds {
			limits := defaultLimits
			limits.MemoryBytes += int64(i%2) * defaultLimits.MemoryBytes
			start := time.Now()
			if err := c.Limit(t.Context(), limits); err != nil {
				t.Fatal(err)
			}
			written = append(written, time.Since(start))
			start = time.Now()
			if err := c.Weight(t.Context(), i%2 == 0); err != nil {
				t.Fatal(err)
			}
			weighed = append(weighed, time.Since(start))
			want := boundsOf(spec.Overhead, limits)
			memory := strconv.FormatInt(want.memory, 10)
			args := append([]string{"--root", c.root()}, runtime.flags()...)
			args = append(args, "update", "--memory", memory, "--memory-swap", memory, "--cpu-quota", strconv.FormatInt(want.cpuQuota, 10), c.claim.ID)
			start = time.Now()
			if out, err := exec.Command(runtime.Path, args...).CombinedOutput(); err != nil {
				t.Logf("%s update: %v: %s", runtime.Kind, err, out)
			}
			updated = append(updated, time.Since(start))
		}
		t.Logf("p50 of %d: limits written and read back %v, weight %v; %s update %v", rounds, exact(written), exact(weighed), runtime.Kind, exact(updated))
	})
}

// exact is the median to the microsecond.
func exact(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Microsecond)
}
