package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// readyFor is for how long a look at whether anything can be kept holds: who asks more often, which anybody may, costs no write.
	readyFor = time.Second
	// readyLimit bounds it.
	readyLimit = 5 * time.Second
)

// A readiness is what was last seen of whether anything can be kept.
type readiness struct {
	turn chan struct{} // of room for one: whose the rest is
	seen time.Time     // zero, and so long ago, before the first look
	err  error
	file os.FileInfo // of the database that was opened
}

// Ready reports why nothing can be kept now, by keeping something: the disk may be full, or the file gone. It looks once a second at
// most, and tells whoever asks meanwhile what it saw. It is safe for concurrent use.
func (s *Store) Ready(ctx context.Context) error {
	r := &s.readiness
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if time.Since(r.seen) >= readyFor {
		looks, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyLimit) // whoever asked may go: the next one wants to know, too
		defer cancel()
		r.err, r.seen = s.look(looks), time.Now()
	}
	return r.err
}

// look writes a page, with what is in it already.
func (s *Store) look(ctx context.Context) error {
	file, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if !os.SameFile(file, s.readiness.file) {
		return fmt.Errorf("store: %s: %w", s.path, errReplaced)
	}
	const doing = "see whether it can be written"
	return s.write(ctx, doing, func(tx *transaction) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return s.failed(doing, err)
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
			return s.failed(doing, err)
		}
		return nil
	})
}

// errReplaced says that another file stands where the database was opened: what is kept now is in one that has no name any more.
var errReplaced = errors.New("it is not the file that was opened")
