package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"glovebox/internal/loopback"
)

// CheckAdminAddress refuses an address for [ServeAdmin] that others than this host could reach, whatever keys there are for
// others: profiles are the operator's alone, and nothing asks who wants them.
func CheckAdminAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("admin address %q is not host:port, as in 127.0.0.1:6060", address)
	}
	if !loopback.Is(host) {
		return fmt.Errorf("admin address %q is refused: it must be loopback's (127.0.0.1, [::1] or localhost)", address)
	}
	return nil
}

// ServeAdmin answers with net/http/pprof on the listener, which it closes, until ctx ends: then it drops what is asked of it,
// and returns nil. It has nothing else, and nothing to drain.
func ServeAdmin(ctx context.Context, listener net.Listener, log *slog.Logger) error {
	if err := CheckAdminAddress(listener.Addr().String()); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: adminHandler(), ReadHeaderTimeout: defaultBounds.header, ReadTimeout: defaultBounds.header,
		WriteTimeout: longestProfile, IdleTimeout: defaultBounds.idle, MaxHeaderBytes: defaultBounds.headerBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("serve the admin listener: %w", err)
	}
	return nil
}

// longestProfile bounds an answer of the admin listener; pprof refuses a longer profile by itself.
const longestProfile = 5 * time.Minute

// adminHandler holds the Host header to loopback, as every route does, against pages whose name was rebound to it.
func adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and each profile by its name
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	var loopback hostRule
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := loopback.check(r); refused != nil {
			http.Error(w, refused.detail, http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
