// Package trace makes OpenTelemetry spans that tell where an execution's time went. It needs OpenTelemetry's API alone; what sends
// spans is the package otlp below it.
//
// There is no global provider: a span is begun by the provider of the one in the context, so that where no trace was begun nothing is,
// at the cost of one look into the context. A span's attributes are those of this package: ids, codes and times, and never code, data, a log's text, an
// error's text, or a key.
package trace

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/internal/logcontext"
)

// scope names who makes the spans.
const scope = "glovebox"

// The attributes of Glovebox's own. Those of OpenTelemetry's conventions have their names from there.
const (
	Agent       = attribute.Key("glovebox.agent")
	BoxPooled   = attribute.Key("glovebox.box.pooled")    // it had waited for its job
	BoxStartMs  = attribute.Key("glovebox.box.start_ms")  // from nothing to ready
	BoxWaitMs   = attribute.Key("glovebox.box.waited_ms") // from ready to taken
	CPUMs       = attribute.Key("glovebox.cpu_ms")
	ErrorType   = attribute.Key("error.type")
	Execution   = attribute.Key("glovebox.execution.id")
	ExecutionMs = attribute.Key("glovebox.execution_ms")
	Language    = attribute.Key("glovebox.language")
	PeakMemory  = attribute.Key("glovebox.peak_memory_bytes")
	Request     = attribute.Key("glovebox.request.id")
	ResultCode  = attribute.Key("glovebox.result_code")
	Runtime     = attribute.Key("glovebox.runtime")
	Tenant      = attribute.Key("glovebox.tenant")
)

// Busy is the [ErrorType] of what had no place.
const Busy = "busy"

// A Span is a part of a trace, or the zero Span, of which nothing is kept. It is safe for concurrent use.
type Span struct{ span oteltrace.Span }

// Start begins a span below the one in ctx, and returns a context that has it. Without one there, or where that trace is not sampled, it is
// the zero Span.
func Start(ctx context.Context, name string, options ...oteltrace.SpanStartOption) (context.Context, Span) {
	parent := oteltrace.SpanFromContext(ctx)
	if !parent.SpanContext().IsSampled() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, options...)
	return ctx, Span{span}
}

// Of returns the span in ctx.
func Of(ctx context.Context) Span {
	span := oteltrace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return Span{}
	}
	return Span{span}
}

// Carry returns the context to with the span in from, and with what lines of the log say of that: for what goes on without its caller.
func Carry(to, from context.Context) context.Context {
	to = logcontext.Copy(to, from)
	span := oteltrace.SpanFromContext(from)
	if !span.SpanContext().IsValid() {
		return to
	}
	return oteltrace.ContextWithSpan(to, span)
}

// IsZero reports whether nothing is kept of the span: what is dear to find out for it need not be.
func (s Span) IsZero() bool { return s.span == nil }

// String sets an attribute, unless value is "".
func (s Span) String(key attribute.Key, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(key.String(value))
	}
}

// Int sets an attribute.
func (s Span) Int(key attribute.Key, value int64) {
	if s.span != nil {
		s.span.SetAttributes(key.Int64(value))
	}
}

// Float sets an attribute.
func (s Span) Float(key attribute.Key, value float64) {
	if s.span != nil {
		s.span.SetAttributes(key.Float64(value))
	}
}

// Millis sets an attribute to a duration in milliseconds.
func (s Span) Millis(key attribute.Key, d time.Duration) {
	s.Float(key, float64(d.Microseconds())/1000)
}

// Bool sets an attribute.
func (s Span) Bool(key attribute.Key, value bool) {
	if s.span != nil {
		s.span.SetAttributes(key.Bool(value))
	}
}

// Name renames the span.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Event says that something happens now.
func (s Span) Event(name string) {
	if s.span != nil {
		s.span.AddEvent(name)
	}
}

// EventAt says that something happened then.
func (s Span) EventAt(name string, at time.Time) {
	if s.span != nil {
		s.span.AddEvent(name, oteltrace.WithTimestamp(at))
	}
}

// Fail says that the span ended with a failure of a kind: a word of ours, never an error's text.
func (s Span) Fail(kind string) {
	if s.span != nil {
		s.span.SetAttributes(ErrorType.String(kind))
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

type patienceKey struct{}

// A patience is the one span of something that is tried again and again. One goroutine uses it at a time.
type patience struct {
	span Span
	open bool
}

// Patient returns a context for what is tried again for as long as there is no place: all that [Source.StartTry] begins in it is one span, which
// end ends, with a result code if there is one, where no try has.
func Patient(ctx context.Context) (patient context.Context, end func(resultCode string)) {
	p := &patience{}
	return context.WithValue(ctx, patienceKey{}, p), func(resultCode string) {
		if p.open {
			p.span.String(ResultCode, resultCode)
			p.span.End()
		}
	}
}

// A Source begins traces. The nil Source begins none. It is safe for concurrent use.
type Source struct{ tracer oteltrace.Tracer }

// NewSource returns a source of traces that the provider keeps.
func NewSource(provider oteltrace.TracerProvider) *Source {
	return &Source{provider.Tracer(scope)}
}

// Start begins a span: below the one in ctx, which may be a caller's, or else at the root of a new trace.
func (s *Source) Start(ctx context.Context, name string, options ...oteltrace.SpanStartOption) (context.Context, Span) {
	if s == nil {
		return ctx, Span{}
	}
	ctx, span := s.tracer.Start(ctx, name, options...)
	if !span.IsRecording() {
		return ctx, Span{}
	}
	return ctx, Span{span}
}

// StartTry begins a span as Start does, or goes on with that of the try before. end ends it; busy says that there was no place, so that in
// a [Patient] context another try follows.
func (s *Source) StartTry(ctx context.Context, name string) (_ context.Context, span Span, end func(busy bool)) {
	if s == nil {
		return ctx, Span{}, func(bool) {}
	}
	p, patient := ctx.Value(patienceKey{}).(*patience)
	if patient && p.open {
		ctx, span = oteltrace.ContextWithSpan(ctx, p.span.span), p.span
	} else {
		ctx, span = s.Start(ctx, name)
	}
	if span.IsZero() {
		return ctx, span, func(bool) {}
	}
	return ctx, span, func(busy bool) {
		if patient {
			p.span, p.open = span, busy
		}
		if busy && patient {
			return
		}
		if busy {
			span.String(ErrorType, Busy)
		}
		span.End()
	}
}
