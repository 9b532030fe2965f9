package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// A Sender sends spans to a collector, many at a time, behind everybody's back: who ends a span never waits, and what cannot be sent in
// time is dropped. It must be closed.
type Sender struct {
	provider *sdktrace.TracerProvider
	exporter *reporting
}

// New returns a Sender for a Glovebox of a version. It asks nobody yet. log is told of spans that could not be sent.
func New(ctx context.Context, c Config, version string, log *slog.Logger) (*Sender, error) {
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			attribute.String("service.name", "glovebox"), attribute.String("service.version", version),
			attribute.String("service.instance.id", ulid.Make().String())),
		resource.WithFromEnv()) // which goes before ours
	if err != nil {
		return nil, errors.New("otlp: OTEL_RESOURCE_ATTRIBUTES is not name=value, percent-encoded")
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.Endpoint()), otlptracehttp.WithProxy(proxy),
		otlptracehttp.WithMaxResponseSize(maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("otlp: %w", err)
	}
	reported := &reporting{inner: exporter, log: log}
	return &Sender{
		provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(reported), sdktrace.WithSampler(c.sampler), sdktrace.WithResource(about)),
		exporter: reported,
	}, nil
}

// maxAnswer bounds a collector's answer.
const maxAnswer = 64 << 10

// proxy is the environment's, for the collector's own address: a redirect is not followed, since keys would go along.
func proxy(r *http.Request) (*url.URL, error) {
	if r.Response != nil {
		return nil, errors.New("the collector sends elsewhere")
	}
	return http.ProxyFromEnvironment(r)
}

// Provider makes spans that are sent.
func (s *Sender) Provider() oteltrace.TracerProvider { return s.provider }

// Close sends what has not been sent, until ctx ends; then it gives up.
func (s *Sender) Close(ctx context.Context) error {
	err := s.provider.Shutdown(ctx)
	if err == nil {
		return nil
	}
	// The SDK leaves an export that hangs to itself.
	_ = s.exporter.inner.Shutdown(context.WithoutCancel(ctx))
	return fmt.Errorf("otlp: the last spans could not be sent: %w", err)
}

// reportEvery is how often a collector that does not take spans is told of.
const reportEvery = time.Minute

// reporting is an exporter that tells the log of its failures, and nobody else: the SDK would write them, with what the collector
// answered, to standard error.
type reporting struct {
	inner sdktrace.SpanExporter
	log   *slog.Logger

	mu   sync.Mutex
	lost int // since the last report
	told time.Time
}

// ExportSpans implements [sdktrace.SpanExporter]. It never fails.
func (r *reporting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := r.inner.ExportSpans(ctx, spans); err != nil {
		r.report(len(spans), err)
	}
	return nil
}

// Shutdown implements [sdktrace.SpanExporter].
func (r *reporting) Shutdown(ctx context.Context) error { return r.inner.Shutdown(ctx) }

func (r *reporting) report(spans int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost += spans
	if !r.told.IsZero() && time.Since(r.told) < reportEvery {
		return
	}
	r.log.Warn("spans could not be sent to the collector, and are lost", "spans", r.lost, "error", brief(err))
	r.lost, r.told = 0, time.Now()
}

// brief is an error without what the collector said, which may repeat the key that it was sent.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "body:")
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return strings.TrimRight(text, " (")
}
