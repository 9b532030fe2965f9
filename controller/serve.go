package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"glovebox/internal/kept"
)

// Serve answers on the listener, which it closes, until ctx ends. Then it drains: it takes nothing
// new, lets what runs end within Config.DrainLimit, cancels the rest, and waits for their boxes to
// be gone. A drained server returns nil. It may be called once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	asks, err := s.entry.asks(context.WithoutCancel(ctx)) // who stops it at once has it end well
	if err == nil {
		err = CheckListenAddress(listener.Addr().String(), Exposure{Keys: asks, TLS: s.config.TLS != nil, InsecureHTTP: s.config.InsecureHTTP})
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	// What runs must outlive the signal that ends ctx.
	base, cancelAll := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelAll(kept.ErrStops)
	server := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: s.bounds.header,
		ReadTimeout:       s.bounds.body, // of the whole request; a body is the long part of it
		IdleTimeout:       s.bounds.idle,
		MaxHeaderBytes:    s.bounds.headerBytes,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered as any other path that there is not.
		DisableGeneralOptionsHandler: true,
		Protocols:                    new(http.Protocols),
	}
	// What bounds a conversation was made for one request at a time on a connection.
	server.Protocols.SetHTTP1(true)
	listener = connListener{listener, &s.conns}
	if s.config.TLS != nil {
		listener = tls.NewListener(listener, s.config.TLS)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	defer s.thin.flush()
	s.draining.Store(true)
	s.drainNow()
	err = s.drain(server, cancelAll)
	<-ended
	return err
}

func (s *Server) drain(server *http.Server, cancelAll context.CancelCauseFunc) error {
	s.config.Log.Info("draining", "limit", s.bounds.drain)
	if s.shutdown(server, s.bounds.drain) == nil {
		return nil
	}
	s.config.Log.Warn("cancelling what still runs", "after", s.bounds.drain)
	cancelAll(kept.ErrStops)
	err := s.shutdown(server, s.bounds.cleanup)
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("executions have not ended after they were cancelled: %w", err), server.Close())
}

// shutdown waits until every connection is done with. A connection is busy for as long as its
// handler runs, also when its client has gone: no execution is left behind.
func (s *Server) shutdown(server *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return server.Shutdown(ctx)
}
