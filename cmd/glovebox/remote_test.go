package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"glovebox/api"
	"glovebox/api/client"
	"glovebox/internal/kept"
)

// A server that cannot write its record is told of as such by whoever runs there, and not as one that has failed.
func TestARemoteServerThatCannotWriteItsRecord(t *testing.T) {
	for name, c := range map[string]struct {
		kind, rest string
		notBegun   bool
	}{
		"nothing has run": {"unrecorded", "", true},
		"it has run":      {"unrecorded", `,"resultCode":"EXECUTION_FAILED"`, false},
		"it is busy":      {"busy", "", false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintf(w, `{"type":"urn:glovebox:problem:%s","title":"t","status":503,"detail":"d","requestId":"r"%s}`, c.kind, c.rest)
		}))
		there, err := client.New(client.Config{BaseURL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (remoteExecutor{there}).Execute(t.Context(), api.Request{Code: "1"}, nil); err == nil || kept.NotBegun(err) != c.notBegun {
			t.Errorf("%s: %v", name, err)
		}
		there.CloseIdleConnections()
		server.Close()
	}
}
