package agent

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/internal/trace"
)

// The attributes of OpenTelemetry's conventions for models.
const (
	attrOperation    = attribute.Key("gen_ai.operation.name")
	attrModel        = attribute.Key("gen_ai.request.model")
	attrInputTokens  = attribute.Key("gen_ai.usage.input_tokens")
	attrOutputTokens = attribute.Key("gen_ai.usage.output_tokens")
)

// startCall begins the span of one question to a model, of which it tells no word. The model's server is told of no trace.
func startCall(ctx context.Context, model Model) (context.Context, trace.Span) {
	ctx, span := trace.Start(ctx, "chat", oteltrace.WithSpanKind(oteltrace.SpanKindClient))
	if !span.IsZero() {
		span.Name("chat " + model.Name())
		span.String(attrOperation, "chat")
		span.String(attrModel, model.Name())
	}
	return ctx, span
}

func endCall(span trace.Span, usage Usage, err error) {
	span.Int(attrInputTokens, usage.InputTokens)
	span.Int(attrOutputTokens, usage.OutputTokens)
	if err != nil {
		span.Fail("no answer")
	}
	span.End()
}
