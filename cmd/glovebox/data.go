package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"glovebox/internal/config"
	"glovebox/internal/ledger"
	"glovebox/internal/private"
	"glovebox/internal/store"
	"glovebox/internal/store/sqlite"
	"glovebox/internal/tenant"
	"glovebox/internal/terminal"
)

// envDataDir names the variable that stands for --data-dir where that is not given.
const envDataDir = "GLOVEBOX_DATA_DIR"

// dataFlags say where what is kept is.
type dataFlags struct{ dir string }

func (f *dataFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.dir, "data-dir", "", "`DIR`ectory, of mode 0700, in which tenants and keys are kept "+
		"(default $"+envDataDir+", else /var/lib/glovebox for root, and $XDG_DATA_HOME/glovebox for others)")
	config.Mark(flags, "data-dir")
}

// path returns the directory, whole.
func (f *dataFlags) path(flags *pflag.FlagSet) (string, error) {
	if !flags.Changed("data-dir") {
		return filepath.Abs(defaultDataDir(os.Geteuid(), os.Getenv))
	}
	if f.dir == "" {
		return "", badSetting(errors.New("--data-dir is empty: name a directory, or leave it out"), "data-dir")
	}
	return filepath.Abs(f.dir)
}

func defaultDataDir(uid int, getenv func(string) string) string {
	if uid == 0 {
		return "/var/lib/glovebox"
	}
	base := getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(base) { // as its specification wants it
		base = filepath.Join(getenv("HOME"), ".local", "share")
	}
	return filepath.Join(base, "glovebox")
}

// open opens the store for one command. Unless create is set there must be one already: a slip in a path is no place without tenants.
func (f *dataFlags) open(cmd *cobra.Command, create bool) (store.Store, error) {
	dir, err := f.path(cmd.Flags())
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, sqlite.FileName)); !create && errors.Is(err, fs.ErrNotExist) {
		return nil, usageError("nothing is kept in %s: name another with --data-dir, or make it with glovebox tenant create", dir)
	}
	s, err := sqlite.Open(ledger.WithActor(cmd.Context(), operator()), dir, sqlite.Command, progressTo(cmd.ErrOrStderr()))
	if err != nil {
		return nil, storeError(err)
	}
	return s, nil
}

// storeError ends the program for what the store said: what is asked of it may be wrong, or it may be broken.
func storeError(err error) error {
	var status *statusError
	var invalid *tenant.InvalidError
	var notOurs *private.Error
	switch {
	case err == nil, errors.As(err, &status):
		return err
	case errors.As(err, &notOurs):
		return sandboxError(fmt.Errorf("%w; mend it, or name a directory of your own with --data-dir", err))
	case errors.Is(err, store.ErrInUse):
		return sandboxError(fmt.Errorf("%w; end it, or name another directory with --data-dir", err))
	case errors.As(err, &invalid), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		return usageError("%s", strings.TrimPrefix(err.Error(), "store: "))
	}
	return sandboxError(err)
}

// withStore has do work on the store, and closes it.
func (f *dataFlags) withStore(cmd *cobra.Command, create bool, do func(ctx context.Context, s store.Store) error) error {
	s, err := f.open(cmd, create)
	if err != nil {
		return err
	}
	return storeError(errors.Join(do(ledger.WithActor(cmd.Context(), operator()), s), s.Close()))
}

// printJSON prints a document as a program reads it.
func printJSON(w io.Writer, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return sandboxError(err)
	}
	return outputError(reporter{stdout: w}.write(body))
}

// printTable prints rows with their columns one below the other. The first row is the heading, where there is one.
func printTable(w io.Writer, rows [][]string) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for _, cell := range row[:len(row)-1] {
			fmt.Fprint(table, terminal.Text(w, cell), "\t")
		}
		fmt.Fprintln(table, terminal.Text(w, row[len(row)-1]))
	}
	_ = table.Flush() // into memory
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return outputError(err)
		}
	}
	return nil
}

// timeText shows a time to people: in UTC, and what for one that never comes.
func timeText(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
