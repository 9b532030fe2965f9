package main

import (
	"context"
	"log/slog"
	"net"

	"glovebox/controller"
)

// startAdmin serves profiles at the address, unless it is "", until stop is called: also while the server drains, which is worth a
// profile when it takes long.
func startAdmin(ctx context.Context, address string, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	log.Info("admin listener", "address", listener.Addr().String())
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := controller.ServeAdmin(ctx, listener, log); err != nil {
			log.Error("no profiles are served any more", "error", err)
		}
	}()
	return func() { cancel(); <-done }, nil
}
