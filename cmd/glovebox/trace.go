package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"glovebox/internal/trace"
	"glovebox/internal/trace/otlp"
)

// traceFlags say where traces go.
type traceFlags struct {
	endpoint string
	config   otlp.Config
	on       bool
}

func (f *traceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.endpoint, "otlp-endpoint", "", "base `URL` of an OpenTelemetry collector that gets traces over HTTP, such as http://127.0.0.1:4318 (default what OTEL_EXPORTER_OTLP_ENDPOINT says; without one there are no traces)")
}

// check reads the environment. It goes before anything is logged.
func (f *traceFlags) check() (err error) {
	if f.config, f.on, err = otlp.FromEnvironment(f.endpoint); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// handler has the log name the trace that a line belongs to, where there are any.
func (f *traceFlags) handler(inner slog.Handler) slog.Handler {
	if !f.on {
		return inner
	}
	return trace.LogHandler(inner)
}

// flushLimit bounds the wait for the last spans to be sent.
const flushLimit = 5 * time.Second

// start returns what begins traces, nil where there are none, and what sends the last spans once everything has ended.
func (f *traceFlags) start(ctx context.Context, version string, log *slog.Logger) (traces *trace.Source, stop func(), err error) {
	if !f.on {
		return nil, func() {}, nil
	}
	sender, err := otlp.New(ctx, f.config, version, log)
	if err != nil {
		return nil, nil, err
	}
	log.Info("traces are sent", "endpoint", f.config.Endpoint())
	return trace.NewSource(sender.Provider()), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
		defer cancel()
		if err := sender.Close(ctx); err != nil {
			log.Warn("traces", "error", err)
		}
	}, nil
}
