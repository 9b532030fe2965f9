package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept/kepttest"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/trace"
)

// keptSpans is a place that keeps spans.
type keptSpans struct {
	memory *tracetest.InMemoryExporter
	source *trace.Source
}

func keepSpans() keptSpans {
	memory := tracetest.NewInMemoryExporter()
	return keptSpans{memory, trace.NewSource(sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory)))}
}

// tree writes the spans below each other, in the order in which they began, each with what a test looks for: how long it took, its
// attributes but for the ids, and its events.
func (k keptSpans) tree() string {
	spans := k.memory.GetSpans()
	slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	known := map[string]bool{}
	for _, s := range spans {
		known[s.SpanContext.SpanID().String()] = true
	}
	var b strings.Builder
	var write func(parent, indent string)
	write = func(parent, indent string) {
		for _, s := range spans {
			above := s.Parent.SpanID().String()
			if !known[above] {
				above = ""
			}
			if above != parent {
				continue
			}
			fmt.Fprintf(&b, "%s%s %v", indent, s.Name, s.EndTime.Sub(s.StartTime))
			slices.SortFunc(s.Attributes, func(a, b attribute.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
			for _, a := range s.Attributes {
				if a.Key != trace.Request && a.Key != trace.Execution {
					fmt.Fprintf(&b, " %s=%s", strings.TrimPrefix(string(a.Key), "glovebox."), a.Value.String())
				}
			}
			for _, e := range s.Events {
				fmt.Fprintf(&b, " [%s]", e.Name)
			}
			if s.Status.Description != "" {
				b.WriteString(" " + s.Status.Description)
			}
			b.WriteByte('\n')
			write(s.SpanContext.SpanID().String(), indent+"  ")
		}
	}
	write("", "")
	return b.String()
}

// tracedServer returns a server over the real executor and the fake's boxes, which take half a second to start, and what waits for everything to end.
func tracedServer(t *testing.T, fake *drivertest.Fake, k keptSpans, pool sandbox.PoolConfig, options ...option) (server *Server, end func()) {
	t.Helper()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: fake.SlowStart(500 * time.Millisecond), Spec: sandbox.Sealed("sha256:"+strings.Repeat("0", 64), "runc"),
		Concurrency: 1, Queue: 1, Pool: pool, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server = testServer(t, executor, append(options, func(c *Config, _ *bounds) { c.Traces, c.Runtime = k.source, "runc" })...)
	return server, func() {
		if err := executor.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

var runFor = []drivertest.Step{drivertest.Sleep(time.Second), drivertest.Output("1")}

const (
	callerTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerParent = "00-" + callerTrace + "-00f067aa0ba902b7-01"
)

func TestSpans(t *testing.T) {
	for name, c := range map[string]struct {
		pool sandbox.PoolConfig
		do   func(t *testing.T, server *Server)
		want string
	}{
		"a box that is made for it": {
			do: func(t *testing.T, server *Server) { ask(t, server, post(`{"code":"code"}`)).result(t) },
			want: `
POST /v1/executions 1.5s result_code=SUCCESS http.request.method=POST http.response.status_code=200 http.route=/v1/executions url.scheme=http
  execution 1.5s language=javascript result_code=SUCCESS runtime=runc
    queue 0s
    box 500ms box.pooled=false box.start_ms=500 [ready] [attested]
    run 1s cpu_ms=1 execution_ms=1000 peak_memory_bytes=1048576 result_code=SUCCESS [handed over]
    destroy 0s
`},
		"a box from the pool": {
			pool: sandbox.PoolConfig{Min: 1, Max: 1, Starts: 1, MaxAge: time.Hour, Limits: sandbox.LimitsOf(api.Request{}.WithDefaults())},
			do: func(t *testing.T, server *Server) {
				time.Sleep(2500 * time.Millisecond) // of the bubble's time
				ask(t, server, post(`{"code":"code"}`)).result(t)
			},
			want: `
POST /v1/executions 1s result_code=SUCCESS http.request.method=POST http.response.status_code=200 http.route=/v1/executions url.scheme=http
  execution 1s language=javascript result_code=SUCCESS runtime=runc
    queue 0s
    box 0s box.pooled=true box.waited_ms=2000
    run 1s cpu_ms=1 execution_ms=1000 peak_memory_bytes=1048576 result_code=SUCCESS [handed over]
    destroy 0s
`},
		"accepted, and run once there is a place": {
			do: func(t *testing.T, server *Server) {
				r := post(`[{"code":"code"},{"code":"code"},{"code":"code"}]`) // the last has no place in the queue at first
				r.Header.Set("Prefer", "respond-async")
				if a := ask(t, server, r); a.status != http.StatusAccepted {
					t.Errorf("status %d: %s", a.status, a.body)
				}
				time.Sleep(time.Minute)
			},
			want: `
POST /v1/executions 0s http.request.method=POST http.response.status_code=202 http.route=/v1/executions url.scheme=http
  execution 1.5s language=javascript result_code=SUCCESS runtime=runc
    queue 0s
    box 500ms box.pooled=false box.start_ms=500 [ready] [attested]
    run 1s cpu_ms=1 execution_ms=1000 peak_memory_bytes=1048576 result_code=SUCCESS [handed over]
    destroy 0s
  execution 3s language=javascript result_code=SUCCESS runtime=runc
    queue 1.5s
    box 500ms box.pooled=false box.start_ms=500 [ready] [attested]
    run 1s cpu_ms=1 execution_ms=1000 peak_memory_bytes=1048576 result_code=SUCCESS [handed over]
    destroy 0s
  execution 4.5s language=javascript result_code=SUCCESS runtime=runc
    queue 1s
    box 500ms box.pooled=false box.start_ms=500 [ready] [attested]
    run 1s cpu_ms=1 execution_ms=1000 peak_memory_bytes=1048576 result_code=SUCCESS [handed over]
    destroy 0s
`},
		"no box to be had": {
			do: func(t *testing.T, server *Server) {
				if a := ask(t, server, post(`{"code":"no box"}`)); a.status != http.StatusInternalServerError {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			},
			want: `
POST /v1/executions 0s error.type=500 http.request.method=POST http.response.status_code=500 http.route=/v1/executions url.scheme=http
  execution 0s error.type=EXECUTION_FAILED language=javascript result_code=EXECUTION_FAILED runtime=runc
    queue 0s
    box 0s error.type=no box box.pooled=false
`},
		"its client leaves": {
			do: func(t *testing.T, server *Server) {
				r := post(`{"code":"code"}`)
				ctx, cancel := context.WithTimeout(r.Context(), time.Second)
				defer cancel()
				ask(t, server, r.WithContext(ctx))
			},
			want: `
POST /v1/executions 1s result_code=CANCELLED http.request.method=POST http.response.status_code=200 http.route=/v1/executions url.scheme=http
  execution 1s language=javascript result_code=CANCELLED runtime=runc
    queue 0s
    box 500ms box.pooled=false box.start_ms=500 [ready] [attested]
    run 500ms cpu_ms=1 execution_ms=500 peak_memory_bytes=1048576 result_code=CANCELLED [handed over]
    destroy 0s
`},
		"refused before it runs": {
			do: func(t *testing.T, server *Server) {
				ask(t, server, post(`{"code":""}`))
				server.ServeHTTP(httpDiscard{}, request("BREW", "/v1/secret?token=secret", nil))
				ask(t, server, request(http.MethodGet, "/v1/executions/01JZ8Q6V9T3YB5C2N7K4M1XH0D?token=secret", nil))
				for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
					ask(t, server, request(http.MethodGet, path, nil))
				}
			},
			want: `
POST /v1/executions 0s http.request.method=POST http.response.status_code=400 http.route=/v1/executions url.scheme=http
_OTHER 0s http.request.method=_OTHER http.response.status_code=404 url.scheme=http
GET /v1/executions/:id 0s http.request.method=GET http.response.status_code=400 http.route=/v1/executions/:id url.scheme=http
`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().Teach("code", runFor...)
				if strings.Contains(c.want, "no box") {
					fake.FailCreate(errors.New("the secret path /var/lib/secret"))
				}
				k := keepSpans()
				server, end := tracedServer(t, fake, k, c.pool)
				c.do(t, server)
				end()
				if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), k.tree()); diff != "" {
					t.Errorf("spans (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// httpDiscard is a client that reads nothing.
type httpDiscard struct{}

func (httpDiscard) Header() http.Header         { return http.Header{} }
func (httpDiscard) Write(p []byte) (int, error) { return len(p), nil }
func (httpDiscard) WriteHeader(int)             {}

// Where every place is taken, the span says why nothing ran, and that it is nobody's failure.
func TestSpansOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keepSpans()
		server, end := tracedServer(t, drivertest.NewFake().Teach("code", runFor...), k, sandbox.PoolConfig{})
		for range 2 {
			go ask(t, server, post(`{"code":"code"}`))
			synctest.Wait()
		}
		if a := ask(t, server, post(`{"code":"code"}`)); a.status != http.StatusServiceUnavailable {
			t.Errorf("status %d", a.status)
		}
		got := k.tree()
		want := "  execution 0s error.type=busy language=javascript runtime=runc\n"
		if !strings.Contains(got, want) {
			t.Errorf("spans:\n%s", got)
		}
		end()
	})
}

// What an earlier server accepted has no request any more: it begins a trace of its own.
func TestSpansOfWhatWasAcceptedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keepSpans()
		store := execution.NewMemory()
		request := api.Request{Code: "code"}.WithDefaults()
		if err := kepttest.Add(t.Context(), store, execution.Record{ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", State: api.ExecutionQueued, Request: &request}); err != nil {
			t.Fatal(err)
		}
		_, end := tracedServer(t, drivertest.NewFake().Teach("code", runFor...), k, sandbox.PoolConfig{}, func(c *Config, _ *bounds) {
			c.Executions = func(e Executor) (*execution.Service, error) {
				service, err := execution.Open(t.Context(), execution.Config{Executor: e, Store: store})
				if err == nil {
					t.Cleanup(func() { closeExecutions(t, service) })
				}
				return service, err
			}
		})
		time.Sleep(time.Minute)
		end()
		spans := k.memory.GetSpans()
		root := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return s.Name == "execution" })
		if root < 0 || spans[root].Parent.IsValid() {
			t.Fatalf("spans:\n%s", k.tree())
		}
		if !slices.Contains(spans[root].Attributes, trace.Execution.String("01JZ8Q6V9T3YB5C2N7K4M1XH0D")) {
			t.Errorf("the execution is none of %v", spans[root].Attributes)
		}
	})
}

func TestCallersTrace(t *testing.T) {
	long := "k=" + strings.Repeat("v", 200)
	for name, c := range map[string]struct {
		header http.Header
		heeded bool
		state  string
	}{
		"none":                       {http.Header{}, false, ""},
		"a parent":                   {http.Header{"Traceparent": {callerParent}}, true, ""},
		"a parent and a state":       {http.Header{"Traceparent": {callerParent}, "Tracestate": {"a=1", "b=2"}}, true, "a=1,b=2"},
		"a state that is too long":   {http.Header{"Traceparent": {callerParent}, "Tracestate": {long, "j" + long, "i" + long}}, true, ""},
		"a state that is none":       {http.Header{"Traceparent": {callerParent}, "Tracestate": {"\x01"}}, true, ""},
		"two parents":                {http.Header{"Traceparent": {callerParent, callerParent}}, false, ""},
		"zeros":                      {http.Header{"Traceparent": {"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"}}, false, ""},
		"upper case":                 {http.Header{"Traceparent": {strings.ToUpper(callerParent)}}, false, ""},
		"more than there is":         {http.Header{"Traceparent": {callerParent + "-" + strings.Repeat("0", 100)}}, false, ""},
		"a version that will not be": {http.Header{"Traceparent": {"ff" + callerParent[2:]}}, false, ""},
		"a later version":            {http.Header{"Traceparent": {"01" + callerParent[2:] + "-what"}}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := keepSpans()
			server := testServer(t, succeeds, func(config *Config, _ *bounds) { config.Traces = k.source })
			r := post(`{"code":"x"}`)
			for key, values := range c.header {
				r.Header[key] = values
			}
			r.Header.Set("Baggage", "who=me")
			ask(t, server, r).result(t)
			for _, s := range k.memory.GetSpans() {
				if heeded := s.SpanContext.TraceID().String() == callerTrace; heeded != c.heeded || s.SpanContext.TraceState().String() != c.state {
					t.Errorf("%s is of trace %s, state %q", s.Name, s.SpanContext.TraceID(), s.SpanContext.TraceState())
				}
			}
			if n := len(k.memory.GetSpans()); n != 2 {
				t.Errorf("%d spans", n)
			}
		})
	}
}

// A box is sealed: neither its job nor its result tell of the trace. Nor do spans tell of what runs.
func TestSpansAndBoxesAreApart(t *testing.T) {
	k := keepSpans()
	fake := drivertest.NewFake().Teach("the secret code", drivertest.Log(api.LevelLog, "the secret log"), drivertest.EchoJob()).
		Teach("the secret fault", drivertest.Fail(api.RuntimeError, "SecretError", "the secret message"))
	server, allGone := boxed(t, fake, 4, 4, func(c *Config, _ *bounds) { c.Traces = k.source })
	r := post(`{"code":"the secret code","inputData":"the secret data"}`)
	r.Header.Set("Traceparent", callerParent)
	r.Header.Set("Tracestate", "vendor=opaque")
	answer := ask(t, server, r)
	if job := string(answer.result(t).Output); !strings.Contains(job, "the secret code") {
		t.Fatalf("the job is not told: %s", job)
	}
	ask(t, server, post(`{"code":"the secret fault"}`)).result(t)
	allGone()
	spans := k.memory.GetSpans()
	if len(spans) != 12 {
		t.Errorf("%d spans", len(spans))
	}
	for _, s := range spans {
		if s.Parent.TraceID().String() == callerTrace && strings.Contains(string(answer.body), s.SpanContext.SpanID().String()) {
			t.Errorf("the box or its result has %s of %s", s.SpanContext.SpanID(), s.Name)
		}
	}
	for _, word := range []string{callerTrace, "00f067aa0ba902b7", "opaque"} {
		if strings.Contains(string(answer.body), word) {
			t.Errorf("the box or its result has %q", word)
		}
	}
	said, err := json.Marshal(spans)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(said)), "secret") {
		t.Errorf("spans tell of code, data, logs or errors: %s", said)
	}
}

// The line of a request in the log names its trace.
func TestLogNamesTheTrace(t *testing.T) {
	k := keepSpans()
	var log strings.Builder
	server := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.Traces, c.Log = k.source, slog.New(trace.LogHandler(slog.NewTextHandler(&log, nil)))
	})
	r := post(`{"code":"x"}`)
	r.Header.Set("Traceparent", callerParent)
	ask(t, server, r).result(t)
	if !strings.Contains(log.String(), "trace_id="+callerTrace+" span_id=") {
		t.Errorf("the log: %s", log.String())
	}
}

// A tenant's request tells whose it is; what a quota refuses is nobody's failure.
func TestSpansOfATenant(t *testing.T) {
	k := keepSpans()
	server := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) {
		return api.Result{}, &quota.Error{Quota: "queue", After: time.Second}
	}), func(c *Config, _ *bounds) { c.Traces, c.Runtime = k.source, "runc" })
	if a := ask(t, server, by("acme", post(`{"code":"x"}`))); a.status != http.StatusTooManyRequests {
		t.Errorf("status %d", a.status)
	}
	for _, s := range k.memory.GetSpans() {
		if !slices.Contains(s.Attributes, trace.Tenant.String("acme")) || s.Status.Code != codes.Unset {
			t.Errorf("%s: %v, %v", s.Name, s.Attributes, s.Status)
		}
		if s.Name == "execution" && !slices.Contains(s.Attributes, trace.ErrorType.String("quota")) {
			t.Errorf("%s: %v", s.Name, s.Attributes)
		}
	}
	if n := len(k.memory.GetSpans()); n != 2 {
		t.Errorf("%d spans", n)
	}
}
