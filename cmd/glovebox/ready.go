package main

import (
	"context"
	"errors"

	"glovebox/internal/sandbox"
	"glovebox/internal/store/sqlite"
)

// readiness tells why a script that is sent now could not be run: no box can be made for it, or that it has run could not be kept. kept may be nil.
func readiness(in boxes, pool func() sandbox.PoolStats, kept *sqlite.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := in.ready(ctx); err != nil {
			return err
		}
		if pool().Failing {
			return errNoBoxStarts
		}
		if kept == nil {
			return nil
		}
		return kept.Ready(ctx)
	}
}

var errNoBoxStarts = errors.New("no box waits, and the last ones could not be started")
