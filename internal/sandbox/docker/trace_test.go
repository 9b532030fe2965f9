package docker

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"glovebox/internal/trace"
)

// The daemon is told of no trace, and a trace of nothing that it is asked: addresses and errors of its API are not for it.
func TestTheDaemonIsNoPartOfATrace(t *testing.T) {
	var headers []http.Header
	daemon := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header)
		w.Header().Set("Api-Version", "1.41")
	}))
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	daemon.Listener = listener
	daemon.Start()
	defer daemon.Close()
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	memory := tracetest.NewInMemoryExporter()
	ctx, span := trace.NewSource(sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory))).Start(t.Context(), "execution")
	if _, err := c.Ping(ctx, client.PingOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ContainerStart(ctx, "box", client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	span.End()
	if spans := memory.GetSpans(); len(spans) != 1 {
		t.Errorf("%d spans, of which one is ours", len(spans))
	}
	if len(headers) < 2 {
		t.Fatalf("%d requests", len(headers))
	}
	for _, header := range headers {
		for name := range header {
			if strings.HasPrefix(name, "Trace") || name == "Baggage" {
				t.Errorf("the daemon gets %s: %q", name, header[name])
			}
		}
	}
}
