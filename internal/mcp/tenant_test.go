package mcp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/api"
	"glovebox/internal/logcontext"
	"glovebox/internal/tenant"
)

// TestASessionIsItsTenants: whoever else learns a session's id can neither use it nor end it, and what it calls is done by the key of the
// request that called, and in its trace.
func TestASessionIsItsTenants(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	started, release := make(chan context.Context, 1), make(chan struct{})
	inner := newServer(t, func(ctx context.Context, _ api.Request, _ func(api.Log)) (api.Result, error) {
		started <- ctx
		select {
		case <-ctx.Done():
			return api.Result{ResultCode: api.Cancelled}, nil
		case <-release:
			return api.Result{ResultCode: api.Success, Success: true, Output: []byte("1")}, nil
		}
	}).Handler()
	// As the controller does; the key reads TENANT_KEY.
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whose, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "_")
		if whose == "nobody" { // while the server is open
			inner.ServeHTTP(w, r)
			return
		}
		ctx := tenant.NewContext(r.Context(), tenant.Tenant{ID: whose})
		ctx = tenant.NewKeyContext(ctx, tenant.Key{ID: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), Tenant: whose})
		ctx = oteltrace.ContextWithSpanContext(ctx, oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
			TraceID: oteltrace.TraceID([]byte("the trace of " + strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))), SpanID: oteltrace.SpanID{1}}))
		inner.ServeHTTP(w, r.WithContext(logcontext.With(ctx, logcontext.Request, r.Header.Get("X-Request-Id"))))
	}))
	defer h.Close()
	send := func(method, key, session, message string) (status int, header http.Header, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, h.URL, bytes.NewBufferString(message))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("X-Request-Id", "of-"+key)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0, nil, ""
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		return response.StatusCode, response.Header, string(text)
	}
	const call = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"execute_code","arguments":{"code":"x"}}}`
	begin := func(key string) (session string) {
		t.Helper()
		_, header, _ := send(http.MethodPost, key, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		if session = header.Get("Mcp-Session-Id"); session == "" {
			t.Fatal("there is no session")
		}
		send(http.MethodPost, key, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		return session
	}
	// One that was begun while the server was open is no tenant's who learns its id.
	open := begin("nobody")
	if status, _, body := send(http.MethodPost, "b_1", open, call); status != http.StatusForbidden {
		t.Errorf("a tenant uses the session of an open server: %d %s", status, body)
	}
	if status, _, _ := send(http.MethodDelete, "nobody", open, ""); status != http.StatusNoContent {
		t.Errorf("its own end: %d", status)
	}
	session := begin("a_1")
	answered := make(chan string, 1)
	go func() {
		_, _, body := send(http.MethodPost, "a_2", session, call)
		answered <- body
	}()
	ctx := <-started
	if whose, _ := tenant.FromContext(ctx); whose.ID != "a" {
		t.Errorf("it is %q's", whose.ID)
	}
	if key, _ := tenant.KeyFromContext(ctx); key.ID != "a_2" {
		t.Errorf("it is called with %q", key.ID)
	}
	var log bytes.Buffer
	slog.New(logcontext.NewHandler(slog.NewTextHandler(&log, nil))).InfoContext(ctx, "line")
	if !strings.HasSuffix(log.String(), "msg=line request=of-a_2\n") {
		t.Errorf("a line of it is %s", log.String())
	}
	if id := oteltrace.SpanContextFromContext(ctx).TraceID(); string(id[:]) != "the trace of a_2" {
		t.Errorf("it is part of %q", id[:])
	}
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		if status, _, body := send(method, "b_1", session, call); status != http.StatusForbidden {
			t.Errorf("%s by another tenant: %d %s", method, status, body)
		}
	}
	if ctx.Err() != nil {
		t.Error("another tenant has ended the call")
	}
	close(release)
	if body := <-answered; !strings.Contains(body, "SUCCESS") {
		t.Errorf("it is answered with %s", body)
	}
	if status, _, _ := send(http.MethodDelete, "a_1", session, ""); status != http.StatusNoContent {
		t.Errorf("its end: %d", status)
	}
}
