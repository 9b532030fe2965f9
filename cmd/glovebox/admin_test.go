package main

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"testing"
)

// TestAdminListener: it answers from its start to its stop, and says where.
func TestAdminListener(t *testing.T) {
	var told bytes.Buffer
	stop, err := startAdmin(t.Context(), "127.0.0.1:0", slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(told.String())
	if found == nil {
		t.Fatalf("no address in %q", told.String())
	}
	response, err := http.Get("http://" + found[1] + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	stop()
	if conn, err := net.Dial("tcp", found[1]); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

func TestNoAdminListener(t *testing.T) {
	var told bytes.Buffer
	stop, err := startAdmin(t.Context(), "", slog.New(slog.NewTextHandler(&told, nil)))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if told.Len() > 0 {
		t.Errorf("without an address: %s", told.String())
	}
}
