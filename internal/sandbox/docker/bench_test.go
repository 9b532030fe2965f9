package docker

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/testenv"
)

// phaseSum adds up the phases that a driver logs.
type phaseSum struct {
	slog.Handler
	sum map[string]time.Duration
}

func (p *phaseSum) Enabled(context.Context, slog.Level) bool { return true }

func (p *phaseSum) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if v := a.Value.Resolve(); v.Kind() == slog.KindGroup {
			for _, phase := range v.Group() {
				p.sum[phase.Key] += phase.Value.Duration()
			}
		}
		return true
	})
	return nil
}

// BenchmarkBox tells what a box costs: its making, by phase, an empty script, and its removal.
func BenchmarkBox(b *testing.B) {
	image, err := runnerimage.Embedded()
	testenv.Need(b, testenv.Runner, err)
	info, err := Probe(b.Context())
	testenv.Need(b, testenv.Docker, err)
	for _, runtime := range info.Runtimes {
		switch runtime.Name {
		case "runc", OurRunc, "crun", "runsc":
		default:
			continue // shims and their like
		}
		b.Run(runtime.Name, func(b *testing.B) {
			state, err := sandbox.OpenState(b.TempDir() + "/state")
			if err != nil {
				b.Fatal(err)
			}
			handler := &phaseSum{sum: map[string]time.Duration{}}
			d, err := New(b.Context(), Config{Image: image, State: state, Runtime: runtime.Name, Log: slog.New(handler)})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			for b.Loop() {
				began := time.Now()
				box, err := d.Create(b.Context(), d.Spec(), testLimits())
				if err != nil {
					b.Skip(err)
				}
				created := time.Now()
				if _, err := box.Run(b.Context(), request("1"), nil); err != nil {
					b.Fatal(err)
				}
				ran := time.Now()
				if err := box.Destroy(b.Context()); err != nil {
					b.Fatal(err)
				}
				handler.sum["all"] += created.Sub(began)
				handler.sum["run"] += ran.Sub(created)
				handler.sum["remove"] += time.Since(ran)
			}
			for phase, sum := range handler.sum {
				b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), phase+"-ms")
			}
		})
	}
}

// TestLimitCosts measures which way of limiting a box that waits is the cheapest. GLOVEBOX_MEASURE says how often.
func TestLimitCosts(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("GLOVEBOX_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("GLOVEBOX_MEASURE names no number of rounds")
	}
	forEachDockerRuntime(t, func(t *testing.T, runtime string) {
		d := newDriver(t, t.TempDir()+"/state", runtime, drivertest.HostileImage(t, drivertest.Honest))
		if !d.holds() {
			t.Skip("needs cgroups of our own")
		}
		b, _ := startBox(t, d)
		var written, asked, weighed []time.Duration
		took := func(times *[]time.Duration, do func() error) {
			start := time.Now()
			if err := do(); err != nil {
				t.Log(err)
			}
			*times = append(*times, time.Since(start))
		}
		for i := range rounds {
			limits := testLimits()
			limits.MemoryBytes += int64(i%2) * limits.MemoryBytes
			took(&written, func() error { return b.Limit(t.Context(), limits) })
			took(&weighed, func() error { return b.Weight(t.Context(), i%2 == 0) })
			took(&asked, func() error { return b.limitByDaemon(t.Context(), b.plan) })
		}
		for _, times := range [][]time.Duration{written, weighed, asked} {
			slices.Sort(times)
		}
		half := rounds / 2
		t.Logf("p50 of %d: limits written and read back %v, weight %v; the daemon asked, and its answer checked %v",
			rounds, written[half], weighed[half], asked[half])
	})
}
