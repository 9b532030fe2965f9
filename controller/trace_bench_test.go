package controller

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/trace"
)

// discard is an exporter that takes all, and keeps nothing.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// BenchmarkTraces is what a request costs the server beside its box, which is a goroutine from a pool: without traces, with a trace that is not
// sampled, and with one that is.
func BenchmarkTraces(b *testing.B) {
	for _, c := range []struct {
		name    string
		sampler sdktrace.Sampler
	}{{"off", nil}, {"not sampled", sdktrace.NeverSample()}, {"sampled", sdktrace.AlwaysSample()}} {
		b.Run(c.name, func(b *testing.B) {
			executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
				Driver: drivertest.NewFake().Teach("code", drivertest.Output("1")), Spec: sandbox.Sealed("sha256:"+strings.Repeat("0", 64), "runc"),
				Concurrency: 64, Queue: 64, Log: slog.New(slog.DiscardHandler),
				Pool: sandbox.PoolConfig{Min: 8, Max: 64, Starts: 2, MaxAge: time.Hour, Limits: sandbox.LimitsOf(api.Request{}.WithDefaults())},
			})
			if err != nil {
				b.Fatal(err)
			}
			var source *trace.Source
			if c.sampler != nil {
				provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{}), sdktrace.WithSampler(c.sampler))
				defer func() { _ = provider.Shutdown(context.WithoutCancel(b.Context())) }()
				source = trace.NewSource(provider)
			}
			server := testServer(b, executor, func(config *Config, _ *bounds) { config.Traces = source })
			for b.Loop() {
				w := httptest.NewRecorder()
				if server.ServeHTTP(w, post(`{"code":"code"}`)); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
			b.StopTimer()
			if err := executor.Close(context.WithoutCancel(b.Context())); err != nil {
				b.Fatal(err)
			}
		})
	}
}
