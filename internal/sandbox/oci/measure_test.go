package oci

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/testenv"
)

// measuredDriver has the runner that boxes run, and not the one of the tests.
func measuredDriver(t *testing.T, runtime Runtime) *Driver {
	t.Helper()
	image, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	state, err := sandbox.OpenState(filepath.Join(newDir(t), "state"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Image: image, State: state, Runtime: runtime, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestOverhead compares the driver with its runtime alone, on the very same config.json, turn by turn: a cold box until its
// result is out, and until it is gone, against the runtime's own run of a runner that finds its stdin at its end.
func TestOverhead(t *testing.T) {
	rounds := drivertest.Measurement(t)
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d := measuredDriver(t, runtime)
		var bare, result, whole []time.Duration
		var bareCPU, cpu time.Duration
		for range rounds {
			wall, processor := runBare(t, d, d.Spec())
			bare, bareCPU = append(bare, wall), bareCPU+processor
			spent := processorTime(unix.RUSAGE_SELF) + processorTime(unix.RUSAGE_CHILDREN)
			start := time.Now()
			box := create(t, d, d.Spec(), defaultLimits)
			if r := do(t, box, "return 1"); !r.Success {
				t.Fatal(r.ResultCode, r.Error)
			}
			result = append(result, time.Since(start))
			destroy(t, box)
			whole = append(whole, time.Since(start))
			cpu += processorTime(unix.RUSAGE_SELF) + processorTime(unix.RUSAGE_CHILDREN) - spent
		}
		ratio := func(d []time.Duration) float64 { return float64(median(d)) / float64(median(bare)) }
		t.Logf("p50 of %d: %s alone %v; create to result %v, %.2f times as long; until it is gone %v, %.2f times", rounds, runtime.Kind,
			median(bare), median(result), ratio(result), median(whole), ratio(whole))
		mean := func(d time.Duration) time.Duration { return (d / time.Duration(rounds)).Round(100 * time.Microsecond) }
		t.Logf("mean CPU: %s alone %v; a whole box, its script and this process %v, %.2f times as much", runtime.Kind, mean(bareCPU), mean(cpu),
			float64(cpu)/float64(bareCPU))
	})
}

// A budget adds up what each phase of a box's life takes, of the clock and of processors.
type budget struct {
	names []string
	of    map[string]*phase

	last     time.Time
	self     time.Duration // this process's
	children time.Duration // of those that it has reaped
	box      time.Duration // the cgroup's
}

type phase struct {
	wall               []time.Duration
	self, runtime, box time.Duration
}

func (b *budget) begin() {
	b.self, b.children, b.box, b.last = processorTime(unix.RUSAGE_SELF), processorTime(unix.RUSAGE_CHILDREN), 0, time.Now()
}

// end says that a phase has ended, and another begun. A box whose cgroup is gone has cost what it had cost before.
func (b *budget) end(name string, c *container) {
	now := time.Now()
	p := b.of[name]
	if p == nil {
		p = &phase{}
		b.of[name], b.names = p, append(b.names, name)
	}
	p.wall = append(p.wall, now.Sub(b.last))
	self, children := processorTime(unix.RUSAGE_SELF), processorTime(unix.RUSAGE_CHILDREN)
	p.self += self - b.self
	b.self = self
	if name == "start" { // later its box is reaped
		p.runtime += children - b.children
	}
	if usage, err := c.group.usage(); err == nil {
		p.box += usage.CPU - b.box
		b.box = usage.CPU
	}
	b.last = time.Now()
}

func (b *budget) add(name string, wall time.Duration) {
	p := b.of[name]
	if p == nil {
		p = &phase{}
		b.of[name], b.names = p, append(b.names, name)
	}
	p.wall = append(p.wall, wall)
}

func (b *budget) table(rounds int) string {
	var out strings.Builder
	out.WriteString("\n| phase | wall p50 | CPU: this process | the runtime | the box |\n|---|---|---|---|---|\n")
	mean := func(d time.Duration) string {
		return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000/float64(rounds))
	}
	for _, name := range b.names {
		p := b.of[name]
		fmt.Fprintf(&out, "| %s | %.1f | %s | %s | %s |\n", name, float64(exact(p.wall).Microseconds())/1000, mean(p.self), mean(p.runtime), mean(p.box))
	}
	return out.String()
}

func processorTime(who int) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(who, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestBudget tells where the time of a box's life goes, phase by phase, in milliseconds; the processors' is the mean.
func TestBudget(t *testing.T) {
	rounds := drivertest.Measurement(t)
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d := measuredDriver(t, runtime)
		spec := d.Spec()
		b := &budget{of: map[string]*phase{}}
		for range rounds {
			b.begin()
			userns, err := d.accept(spec)
			must(t, err)
			c, err := d.claim(spec, boundsOf(spec.Overhead, defaultLimits), userns)
			must(t, err)
			inner, outer, err := c.prepare()
			must(t, err)
			b.end("create", c)
			err = c.run(t.Context(), inner)
			inner.close()
			must(t, err)
			b.end("start", c)
			must(t, c.adopt())
			must(t, c.check())
			b.end("check", c)
			box, err := sandbox.Open(t.Context(), c, outer, spec, defaultLimits, c.expect(), d.isolation(spec, userns))
			must(t, err)
			b.end("seal, ready", c)
			result, err := box.Run(t.Context(), request("return 1"), nil)
			must(t, err)
			b.end("hand-over, run, result", c)
			b.add("of which its script's clock", time.Duration(result.ExecutionTimeMs*float64(time.Millisecond)))
			destroy(t, box)
			b.end("destroy", c)
		}
		t.Logf("%s, p50 of %d:%s", runtime.Kind, rounds, b.table(rounds))
	})
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(100 * time.Microsecond)
}

// runBare runs a box as a shell would, with the runner's stdin at its end: it seals itself, and leaves.
func runBare(t *testing.T, d *Driver, spec sandbox.Spec) (wall, processor time.Duration) {
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
	return time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// TestLimitCosts measures which way of limiting a box that waits is the cheapest.
func TestLimitCosts(t *testing.T) {
	rounds := drivertest.Measurement(t)
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, _ := startContainer(t, d, spec)
		var written, updated, weighed []time.Duration
		for i := range rounds {
			limits := defaultLimits
			limits.MemoryBytes += int64(i%2) * defaultLimits.MemoryBytes
			start := time.Now()
			if _, err := c.Limit(t.Context(), limits); err != nil {
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
			args := append([]string{"--root", c.root()}, runtime.Flags()...)
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

// TestAttestationCosts measures what it takes to look at a box: while its runner starts, once it is ready, and when a job
// with the limits that it has is handed over.
func TestAttestationCosts(t *testing.T) {
	rounds := drivertest.Measurement(t)
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, _ := startContainer(t, d, spec)
		var early, late, handed []time.Duration
		took := func(all *[]time.Duration, look func() error) {
			start := time.Now()
			must(t, look())
			*all = append(*all, time.Since(start))
		}
		for range rounds {
			took(&early, func() error { _, err := c.look(); return err })
			took(&late, func() error { _, err := c.Observe(t.Context()); return err })
			took(&handed, func() error { _, err := c.Limit(t.Context(), defaultLimits); return err })
		}
		t.Logf("p50 of %d: while it starts %v, once it is ready %v, at the hand-over %v", rounds, exact(early), exact(late), exact(handed))
	})
}

// exact is the median to the microsecond.
func exact(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Microsecond)
}
