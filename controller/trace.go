package controller

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/tenant"
	"glovebox/internal/trace"
)

// The attributes of OpenTelemetry's conventions for servers. A request's path and query are not among them: the route tells as much, and
// they may hold what is the client's own.
const (
	attrMethod = attribute.Key("http.request.method")
	attrRoute  = attribute.Key("http.route")
	attrStatus = attribute.Key("http.response.status_code")
	attrScheme = attribute.Key("url.scheme")
)

// asked reports whether a path is one that is asked every few seconds, and runs nothing: it has no span.
func asked(path string) bool { return path == "/healthz" || path == "/readyz" || path == "/metrics" }

// beginSpan begins the span of a request, below its caller's, and puts it into the request's context.
func (s *Server) beginSpan(c echo.Context, id string) trace.Span {
	r := c.Request()
	if s.config.Traces == nil || asked(r.URL.Path) {
		return trace.Span{}
	}
	method := methodOf(r)
	ctx, span := s.config.Traces.Start(callerContext(r.Context(), r.Header), method, oteltrace.WithSpanKind(oteltrace.SpanKindServer))
	span.String(attrMethod, method)
	span.String(attrScheme, c.Scheme())
	span.String(trace.Request, id)
	c.SetRequest(r.WithContext(ctx))
	return span
}

// nameSpan says what became of a request, by its route, never by its path or body.
func nameSpan(c echo.Context, span trace.Span, route string, status int) {
	if span.IsZero() {
		return
	}
	if route != noRoute {
		span.Name(route)
		span.String(attrRoute, c.Path())
	}
	span.Int(attrStatus, int64(status))
	if status >= http.StatusInternalServerError {
		span.Fail(strconv.Itoa(status))
	}
	if code, ok := c.Get(keyResultCode).(string); ok {
		span.String(trace.ResultCode, code)
	}
	if t, ok := tenant.FromContext(c.Request().Context()); ok {
		span.String(trace.Tenant, t.ID)
	}
}

// methodOf is a request's method, if it is one that routes have.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodPut, http.MethodPatch, http.MethodOptions:
		return r.Method
	}
	return "_OTHER"
}

const (
	headerTraceParent = "traceparent"
	headerTraceState  = "tracestate"
	// maxTraceParent is far more than any version of it has.
	maxTraceParent = 128
	// maxTraceState is what the specification wants passed on at least. It is sent with every span, so that more would let a caller have much sent
	// for little.
	maxTraceState = 512
)

// callerContext returns ctx with the caller's span in it, as its headers tell (W3C Trace Context). What is not valid is as if it were not
// there; baggage is not read.
func callerContext(ctx context.Context, header http.Header) context.Context {
	parent := header.Values(headerTraceParent)
	if len(parent) != 1 || len(parent[0]) > maxTraceParent {
		return ctx
	}
	carrier := propagation.MapCarrier{headerTraceParent: parent[0]}
	if state := strings.Join(header.Values(headerTraceState), ","); len(state) <= maxTraceState {
		carrier[headerTraceState] = state
	}
	return propagation.TraceContext{}.Extract(ctx, carrier)
}

// traced is an Executor that makes a span of what another runs.
type traced struct {
	inner   Executor
	traces  *trace.Source
	runtime string
}

var _ Executor = traced{}

// Execute runs a request. What had no span before it, since an earlier server accepted it, begins a trace of its own.
func (t traced) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	ctx, span, end := t.traces.StartTry(ctx, "execution")
	if span.IsZero() {
		return t.inner.Execute(ctx, request, onLog)
	}
	var busy bool
	defer func() { end(busy) }()
	hooks := sandbox.HooksOf(ctx) // with the id that it is to have
	span.String(trace.Execution, hooks.ID)
	span.String(trace.Language, string(request.Language))
	span.String(trace.Runtime, t.runtime)
	if whose, ok := tenant.FromContext(ctx); ok {
		span.String(trace.Tenant, whose.ID)
	}
	result, err := t.inner.Execute(sandbox.WithHooks(ctx, hooks), request, onLog)
	kind := refusalKind(ctx, err)
	switch {
	case err == nil:
		if told := toldCode(ctx, result); told != "" {
			span.String(trace.ResultCode, string(told))
		} else {
			span.String(trace.ErrorType, stoppingKind)
		}
	case kind == trace.Busy:
		busy = true
	case kind != "":
		span.String(trace.ErrorType, kind)
	case ctx.Err() != nil:
		span.String(trace.ResultCode, string(api.Cancelled))
	default:
		span.String(trace.ResultCode, string(api.ExecutionFailed))
		span.Fail(string(api.ExecutionFailed))
	}
	return result, err
}
