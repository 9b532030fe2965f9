package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"glovebox/internal/store/sqlite"
	"glovebox/internal/terminal"
)

// progressText says to people how far the opening of a store is.
func progressText(p sqlite.Progress) string {
	took := p.Took.Round(100 * time.Millisecond)
	switch {
	case p.Phase == sqlite.Waiting:
		return fmt.Sprintf("waiting for another process that opens %s: %s so far", p.File, took)
	case p.Phase == sqlite.Migrated:
		return fmt.Sprintf("migrated %s from form %d to %d in %s", p.File, p.From, p.To, took)
	case p.At > p.From:
		return fmt.Sprintf("migrating %s from form %d to %d: at %d, %s so far", p.File, p.From, p.To, p.At, took)
	}
	return fmt.Sprintf("migrating %s from form %d to %d: %s so far", p.File, p.From, p.To, took)
}

// progressTo tells people, for a command that opens the store.
func progressTo(stderr io.Writer) func(sqlite.Progress) {
	return func(p sqlite.Progress) { fmt.Fprintln(stderr, "glovebox:", terminal.Text(stderr, progressText(p))) }
}

// logProgress writes a server's log.
func logProgress(log *slog.Logger, p sqlite.Progress) {
	if p.Phase == sqlite.Waiting {
		log.Info("waiting for another process that opens the database", "file", p.File, "took", p.Took)
		return
	}
	log.Info(string(p.Phase)+" the database", "file", p.File, "from", p.From, "to", p.To, "at", p.At, "took", p.Took)
}
