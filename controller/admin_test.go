package controller

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestAdminAddressIsLoopback(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:6060": true, "[::1]:0": true, "localhost:6060": true,
		"": false, ":6060": false, "0.0.0.0:6060": false, "[::]:6060": false, "192.0.2.1:6060": false, "example.com:6060": false, "127.0.0.1": false,
	} {
		if err := CheckAdminAddress(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestAdminServesProfiles has every path, and none of the server's own; and ends although somebody asks for a long profile.
func TestAdminServesProfiles(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeAdmin(ctx, listener, slog.New(slog.DiscardHandler)) }()

	get := func(path, host string) int {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "heap") && response.StatusCode == http.StatusOK && len(body) == 0 {
			t.Error("an empty profile")
		}
		return response.StatusCode
	}
	for path, want := range map[string]int{
		"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/goroutine": 200, "/debug/pprof/cmdline": 200, "/debug/pprof/symbol": 200,
		"/debug/pprof/no-such": 404, "/": 404, "/metrics": 404, "/healthz": 404, "/v1/info": 404, "/debug/vars": 404,
	} {
		if got := get(path, ""); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
	if got := get("/debug/pprof/heap", "evil.example.com"); got != http.StatusForbidden {
		t.Errorf("another name than loopback's: %d", got)
	}

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /debug/pprof/profile?seconds=200 HTTP/1.1\r\nHost: "+listener.Addr().String()+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := within(t, "the listener's end", done); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

// TestAdminRefusesAForeignListener: a name is checked again by what it resolved to.
func TestAdminRefusesAForeignListener(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ServeAdmin(t.Context(), listener, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("served")
	}
	if _, err := listener.Accept(); err == nil {
		t.Error("it still listens")
	}
}
