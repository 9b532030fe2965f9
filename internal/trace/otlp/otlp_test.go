package otlp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"glovebox/internal/trace/otlp/otlptest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// cleared takes every variable that is read here out of the environment.
func cleared(t *testing.T) {
	for _, name := range []string{envDisabled, envExporter, envEndpoint, envTracesEndpoint, envProtocol, envTracesProtocol,
		envHeaders, envTracesHeaders, envInsecure, envTracesInsecure, envSampler, envSamplerArg, "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"} {
		t.Setenv(name, "")
	}
}

func TestFromEnvironment(t *testing.T) {
	const base = "http://127.0.0.1:4318"
	for name, c := range map[string]struct {
		flag   string
		env    map[string]string
		want   string // the address; "" is no traces
		refuse string // what the error says
	}{
		"nothing":                {"", nil, "", ""},
		"the flag":               {base, nil, base + "/v1/traces", ""},
		"a base with a path":     {base + "/otlp/", nil, base + "/otlp/v1/traces", ""},
		"the base":               {"", map[string]string{envEndpoint: base}, base + "/v1/traces", ""},
		"the address of traces":  {"", map[string]string{envEndpoint: "http://other", envTracesEndpoint: base + "/here"}, base + "/here", ""},
		"one without a path":     {"", map[string]string{envTracesEndpoint: base}, base + "/", ""},
		"the flag before both":   {base, map[string]string{envEndpoint: "http://other", envTracesEndpoint: "http://other"}, base + "/v1/traces", ""},
		"switched off":           {base, map[string]string{envDisabled: "TRUE"}, "", ""},
		"no exporter":            {base, map[string]string{envExporter: "none"}, "", ""},
		"another exporter":       {base, map[string]string{envExporter: "zipkin"}, "", "OTEL_TRACES_EXPORTER is \"zipkin\""},
		"the protocol":           {base, map[string]string{envProtocol: "http/protobuf"}, base + "/v1/traces", ""},
		"another protocol":       {base, map[string]string{envProtocol: "http/protobuf", envTracesProtocol: "grpc"}, "", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is \"grpc\""},
		"no scheme":              {"hunter2:4318", nil, "", "--otlp-endpoint is no address"},
		"a password":             {"", map[string]string{envEndpoint: "http://me:hunter2@127.0.0.1"}, "", envEndpoint + " has more"},
		"one that is overridden": {base, map[string]string{envEndpoint: "http://me:hunter2@127.0.0.1:%zz"}, "", envEndpoint + " is no address"},
		"headers":                {"https://collector", map[string]string{envHeaders: "a=hunter2,b=hunter%203"}, "https://collector/v1/traces", ""},
		"headers on this host":   {base, map[string]string{envHeaders: "a=hunter2"}, base + "/v1/traces", ""},
		"headers for all":        {"http://collector", map[string]string{envHeaders: "a=hunter2"}, "", "for all to read"},
		"headers for all, as told": {"http://collector", map[string]string{envHeaders: "a=hunter2", envInsecure: "true"},
			"http://collector/v1/traces", ""},
		"a header without a name":  {base, map[string]string{envTracesHeaders: "a=1,hunter2"}, "", "header number 2"},
		"a header that is escaped": {base, map[string]string{envHeaders: "a=hunter%2"}, "", "header number 1"},
		"a sampler":                {base, map[string]string{envSampler: "always_off"}, base + "/v1/traces", ""},
		"another sampler":          {base, map[string]string{envSampler: "jaeger_remote"}, "", envSampler},
		"no ratio":                 {base, map[string]string{envSampler: "traceidratio", envSamplerArg: "NaN"}, "", envSamplerArg},
	} {
		t.Run(name, func(t *testing.T) {
			cleared(t)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			got, ok, err := FromEnvironment(c.flag)
			if c.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), c.refuse) || strings.Contains(err.Error(), "hunter") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || ok != (c.want != "") || ok && got.Endpoint() != c.want {
				t.Errorf("%v, %v, %v", got, ok, err)
			}
		})
	}
}

// A caller may have its trace kept where nobody else decides, and no more often than a ratio says.
func TestSampler(t *testing.T) {
	const many = 2000
	easy := oteltrace.TraceID{15: 1} // the lowest that there is: of every ratio
	for _, c := range []struct {
		name, argument        string
		root, yes, no, almost int // of a hundred
	}{
		{"", "", 100, 100, 0, 0},
		{"always_on", "", 100, 100, 100, 0},
		{"always_off", "", 0, 0, 0, 0},
		{"parentbased_always_on", "", 100, 100, 0, 0},
		{"parentbased_always_off", "", 0, 100, 0, 0},
		{"traceidratio", "0.1", 10, 10, 10, 4},
		{"parentbased_traceidratio", "0.1", 10, 10, 0, 4},
		{"parentbased_traceidratio", "", 100, 100, 0, 0},
	} {
		t.Run(c.name+c.argument, func(t *testing.T) {
			sampler, err := newSampler(c.name, c.argument)
			if err != nil {
				t.Fatal(err)
			}
			tracer := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)).Tracer("test")
			caller := func(flags oteltrace.TraceFlags) context.Context {
				return oteltrace.ContextWithRemoteSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
					TraceID: easy, SpanID: oteltrace.SpanID{1}, TraceFlags: flags}))
			}
			for name, one := range map[string]struct {
				ctx  context.Context
				want int
			}{"no caller": {t.Context(), c.root}, "a caller's yes": {caller(oteltrace.FlagsSampled), c.yes}, "a caller's no": {caller(0), c.no}} {
				sampled := 0
				for range many {
					ctx, span := tracer.Start(one.ctx, "request")
					_, child := tracer.Start(ctx, "child")
					if span.SpanContext().IsSampled() != child.SpanContext().IsSampled() {
						t.Fatalf("%s: a part of a request goes another way than the whole", name)
					}
					if span.SpanContext().IsSampled() {
						sampled++
					}
				}
				if off := sampled*100/many - one.want; off > c.almost || off < -c.almost {
					t.Errorf("%s: %d of %d are kept; want %d in a hundred", name, sampled, many, one.want)
				}
			}
		})
	}
}

// A text is a log that is written while it is read: an export that was given up may have a word to say still.
type text struct {
	mu sync.Mutex
	bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Buffer.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Buffer.String()
}

func newSender(t *testing.T, endpoint string) (*Sender, *text) {
	t.Helper()
	config, ok, err := FromEnvironment(endpoint)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	log := &text{}
	sender, err := New(t.Context(), config, "v1.2.3", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return sender, log
}

func say(t *testing.T, s *Sender, attributes ...attribute.KeyValue) {
	_, span := s.Provider().Tracer("test").Start(t.Context(), "a span", oteltrace.WithAttributes(attributes...))
	span.End()
}

func TestSend(t *testing.T) {
	cleared(t)
	t.Setenv(envHeaders, "X-Key=hunter%202")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.name=no")
	t.Setenv("OTEL_SERVICE_NAME", "boxes")
	c := otlptest.New(t, nil)
	sender, log := newSender(t, c.URL)
	say(t, sender)
	if err := sender.Close(t.Context()); err != nil {
		t.Error(err)
	}
	requests, header := c.Requests()
	spans := c.Spans()
	if requests != 1 || header.Get("X-Key") != "hunter 2" || len(spans) != 1 || spans[0].Name != "a span" || log.String() != "" {
		t.Fatalf("%d requests, %q, %v, log: %s", requests, header, spans, log)
	}
	resource := spans[0].Resource
	if resource["service.name"] != "boxes" || resource["service.version"] != "v1.2.3" || resource["deployment.environment"] != "test" || len(resource["service.instance.id"]) != 26 {
		t.Errorf("resource %v", resource)
	}
}

// A collector that refuses, sends elsewhere or hangs costs spans, a line in the log without its own words, and nothing else.
func TestCollectorInTrouble(t *testing.T) {
	elsewhere := otlptest.New(t, nil)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		told   string
	}{
		"it refuses": {func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "wrong key: "+r.Header.Get("X-Key"), http.StatusUnauthorized)
		}, "401 Unauthorized"},
		"it sends elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "the collector sends elsewhere"},
		"it hangs": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cleared(t)
			t.Setenv(envHeaders, "X-Key=hunter2")
			r := otlptest.New(t, c.answer)
			sender, log := newSender(t, r.URL)
			began := time.Now()
			for range 3_000 { // more than is kept, and on its way beside
				say(t, sender)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("spans made their makers wait: %v", took)
			}
			ctx, hangs := t.Context(), c.told == ""
			if hangs { // any other is waited for, however long a busy machine takes
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Second)
				defer cancel()
			}
			err := sender.Close(ctx)
			if hangs != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Close: %v", err)
			}
			if !strings.Contains(log.String(), c.told) || strings.Contains(log.String(), "hunter2") || strings.Count(log.String(), "\n") > 1 {
				t.Errorf("the log: %s", log)
			}
		})
	}
	if n, _ := elsewhere.Requests(); n > 0 {
		t.Error("a redirect was followed")
	}
}
