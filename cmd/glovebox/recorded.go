package main

import (
	"context"
	"fmt"

	"glovebox/controller"
	"glovebox/internal/ledger"
	"glovebox/internal/recorder"
	"glovebox/internal/sandbox"
	"glovebox/internal/store"
)

// recorded has all that an executor runs entered in the store's ledger, and that this server has started. Nothing may be executed
// once it is closed.
func recorded(ctx context.Context, executor *sandbox.Executor, s store.Store, in boxes, build controller.Build) (*recorder.Recorder, error) {
	_, err := s.Ledger().Append(ctx, ledger.Did(ledger.KindServerStarted, operator(), ledger.Act{
		Subject: build.Version,
		Details: map[string]string{"commit": build.Commit, "driver": in.name, "runtime": in.spec.Runtime, "image": in.spec.ImageID},
	}))
	if err != nil {
		return nil, fmt.Errorf("record that the server starts: %w", err)
	}
	return recorder.New(executor, s.Ledger()), nil
}
