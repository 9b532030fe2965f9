package docker

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
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
