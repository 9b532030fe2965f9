package trace_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"glovebox/internal/trace"
)

// Where there are no traces, making a span of something costs no memory.
func TestNothingCostsNothing(t *testing.T) {
	var none *trace.Source
	if n := testing.AllocsPerRun(100, func() {
		ctx, root := none.Start(t.Context(), "request")
		ctx, span := trace.Start(ctx, "execution")
		span.String(trace.ResultCode, "SUCCESS")
		span.Millis(trace.CPUMs, time.Second)
		span.Event("ready")
		span.Fail("busy")
		span.Name("other")
		span.End()
		root.End()
		if trace.Carry(ctx, ctx) != ctx || !trace.Of(ctx).IsZero() || !span.IsZero() {
			t.Error("there is a span")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Of a trace that is not sampled nothing is kept, wherever it goes on.
func TestNotSampled(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	source := trace.NewSource(sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample()))))
	ctx, root := source.Start(t.Context(), "request")
	ctx = trace.Carry(context.Background(), ctx)
	_, span := trace.Start(ctx, "queue")
	_, execution := source.Start(ctx, "execution")
	for _, s := range []trace.Span{root, span, execution} {
		if s.End(); !s.IsZero() {
			t.Error("there is a span")
		}
	}
	if n := len(memory.GetSpans()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// What goes on when its caller has gone is below the caller's span still.
func TestCarry(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	source := trace.NewSource(sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory)))
	ctx, cancel := context.WithCancel(t.Context())
	ctx, root := source.Start(ctx, "request")
	root.End()
	cancel()
	carried := trace.Carry(context.Background(), ctx)
	if carried.Err() != nil {
		t.Error("the caller's end is carried on")
	}
	_, span := trace.Start(carried, "execution")
	span.Fail("busy")
	span.End()
	spans := memory.GetSpans()
	if len(spans) != 2 || spans[1].Parent.SpanID() != spans[0].SpanContext.SpanID() || spans[1].Status.Code != codes.Error {
		t.Errorf("%+v", spans)
	}
}

func TestLogHandler(t *testing.T) {
	var text strings.Builder
	log := slog.New(trace.LogHandler(slog.NewTextHandler(&text, nil))).With("a", 1)
	ctx, span := trace.NewSource(sdktrace.NewTracerProvider()).Start(t.Context(), "request")
	defer span.End()
	log.InfoContext(ctx, "one", "b", 2)
	log.Info("two")
	lines := strings.Split(text.String(), "\n")
	if !strings.Contains(lines[0], " a=1 b=2 trace_id=") || !strings.Contains(lines[0], " span_id=") || strings.Contains(lines[1], "trace_id") {
		t.Errorf("%q", lines)
	}
}
