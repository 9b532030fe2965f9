package action_test

import (
	"context"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/trace"
)

// An agent's questions to its model, and the code that it has run, are parts of its run; neither a model nor a task is quoted.
func TestSpansOfAnAgent(t *testing.T) {
	memory := tracetest.NewInMemoryExporter()
	source := trace.NewSource(sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory)))
	var ranIn []oteltrace.SpanID
	smith := smithOf(t, model{answer: runs}, agent.Limits{}, executorFunc(func(ctx context.Context, _ api.Request) (api.Result, error) {
		ranIn = append(ranIn, oteltrace.SpanContextFromContext(ctx).SpanID())
		return api.Result{Success: true, ResultCode: api.Success, Output: []byte("3")}, nil
	}), nil)
	ctx, root := source.Start(t.Context(), "request")
	if _, err := smith.Work(ctx, []byte(`{"task":"the secret task","maxIterations":1}`), nil); err != nil {
		t.Fatal(err)
	}
	root.End()
	var names []string
	spans := memory.GetSpans()
	run := spans[len(spans)-2]
	for _, s := range spans {
		names = append(names, s.Name)
		if s.Name == "chat one answer" && s.Parent.SpanID() != run.SpanContext.SpanID() {
			t.Errorf("%s is below %s", s.Name, s.Parent.SpanID())
		}
		for _, a := range s.Attributes {
			if strings.Contains(a.Value.String(), "secret") || strings.Contains(a.Value.String(), "return 3") {
				t.Errorf("%s tells %s=%s", s.Name, a.Key, a.Value.String())
			}
		}
	}
	if got := strings.Join(names, ", "); got != "chat one answer, chat one answer, invoke_agent codesmith, request" {
		t.Errorf("spans: %s", got)
	}
	if len(ranIn) != 1 || ranIn[0] != run.SpanContext.SpanID() {
		t.Errorf("the code ran in %v, the agent in %s", ranIn, run.SpanContext.SpanID())
	}
}

type executorFunc func(context.Context, api.Request) (api.Result, error)

func (f executorFunc) Execute(ctx context.Context, request api.Request, _ func(api.Log)) (api.Result, error) {
	return f(ctx, request)
}
