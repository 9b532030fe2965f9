package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"glovebox/internal/ledger"
	"glovebox/internal/store"
	"glovebox/internal/store/sqlite"
)

func newLedgerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Show and verify the record of what was run and administered",
		Long: `The ledger is the record of every execution and every task of an agent's that glovebox serve has run on a data directory, and of every
administrative act. Each entry holds the hash of the one before it, and checkpoints of the last one's hash are signed. docs/ledger.md
says what that proves.

Exit status: 0 whole, 1 something is wrong with the ledger, 2 usage, 3 Glovebox failed.`,
		Args: noVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLedgerVerifyCommand(), newLedgerExportCommand(), newLedgerCheckpointCommand(), newLedgerKeyCommand())
	return cmd
}

// operator is the user who types commands here.
func operator() ledger.Actor { return ledger.Actor{Operator: fmt.Sprintf("uid:%d", os.Getuid())} }

// ledgerError ends the program for what is wrong with a ledger, or with what was asked of it.
func ledgerError(err error) error {
	var fault *ledger.FaultError
	var invalid *ledger.InvalidError
	switch {
	case errors.As(err, &fault):
		return &statusError{statusScript, err}
	case errors.As(err, &invalid):
		return usageError("%s: %s", invalid.Field, invalid.Why)
	}
	return err
}

type ledgerVerifyFlags struct {
	publicKey, checkpoint string
	asJSON                bool
}

func newLedgerVerifyCommand() *cobra.Command {
	var f ledgerVerifyFlags
	cmd := &cobra.Command{
		Use:   "verify [FILE|-] --public-key FILE",
		Short: "Check an export, with the public key alone",
		Long: `Checks an export of a ledger, from FILE or from standard input, from its first byte to its last: with the public key and nothing else,
on any machine. Any byte that was changed, and any entry that was dropped, added or moved, is found and named.

That a ledger was rolled back as a whole, to an earlier state or another history, only an earlier checkpoint can tell, which was kept
where the ledger's keeper cannot get at it: --checkpoint. Of several each has to hold; an export --from an entry is held against those that
are of what it goes on from, or later.

Exit status: 0 whole, 1 something is wrong with it, 2 usage, 3 it could not be read.`,
		Example: `  glovebox ledger key > ledger.pem                              # once, from whom you trust
  glovebox ledger verify export.jsonl --public-key ledger.pem
  glovebox ledger export | glovebox ledger verify - --public-key ledger.pem --checkpoint checkpoints.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return ledgerError(verifyLedger(cmd, &f, args)) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.publicKey, "public-key", "", "`FILE` with the public key, as glovebox ledger key prints it")
	flags.StringVar(&f.checkpoint, "checkpoint", "", "`FILE` with earlier checkpoints, one a line, as glovebox ledger checkpoint prints it")
	flags.BoolVar(&f.asJSON, "json", false, "print what was verified as JSON")
	return cmd
}

func verifyLedger(cmd *cobra.Command, f *ledgerVerifyFlags, args []string) error {
	if f.publicKey == "" {
		return usageError("--public-key FILE is needed: glovebox ledger key prints it")
	}
	text, err := readSmall(f.publicKey)
	if err != nil {
		return err
	}
	key, err := ledger.ParsePublicKey(text)
	if err != nil {
		return usageError("%s: %v", f.publicKey, err)
	}
	var options ledger.VerifyOptions
	if f.checkpoint != "" {
		if options.Checkpoints, err = readCheckpoints(f.checkpoint); err != nil {
			return err
		}
	}
	source := cmd.InOrStdin()
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return usageError("%v", err)
		}
		defer func() { _ = file.Close() }()
		source = file
	}
	report, err := ledger.Verify(source, key, options)
	var fault *ledger.FaultError
	switch {
	case errors.As(err, &fault):
		return err
	case err != nil:
		return sandboxError(err)
	}
	end := report.Checkpoint
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			From       uint64            `json:"from"`
			Entries    uint64            `json:"entries"`
			Checkpoint ledger.Checkpoint `json:"checkpoint"`
			Earlier    earlierJSON       `json:"earlierCheckpoints"`
		}{report.From, report.Entries, end, earlierJSON{len(options.Checkpoints), report.Held}})
	}
	return printTable(cmd.OutOrStdout(), [][]string{
		{"whole", entriesText(report.From, report.Entries)},
		{"log", string(end.Log)},
		{"head", end.Head.String()},
		{"signed", end.Time.Format(time.RFC3339) + " by " + end.Key.String()},
		{"held against", heldText(len(options.Checkpoints), report)},
	})
}

// earlierJSON says how many earlier checkpoints were given, and how many of them the export was held against, and agrees with.
type earlierJSON struct {
	Given int `json:"given"`
	Held  int `json:"held"`
}

// heldText says what an export was held against, and agrees with.
func heldText(given int, r ledger.Report) string {
	switch {
	case given == 0:
		return "no earlier checkpoint: it may have been rolled back as a whole"
	case r.Held < given:
		return fmt.Sprintf("%d of %d earlier checkpoints: the others are of what stands before entry %d", r.Held, given, r.From)
	case given == 1:
		return "the earlier checkpoint"
	}
	return fmt.Sprintf("all %d earlier checkpoints", given)
}

// readCheckpoints reads earlier checkpoints, one a line.
func readCheckpoints(name string) ([]ledger.Checkpoint, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usageError("%v", err)
	}
	defer func() { _ = file.Close() }()
	checkpoints, err := ledger.ParseCheckpoints(file)
	if err != nil {
		return nil, usageError("%s: %v", name, err)
	}
	return checkpoints, nil
}

func entriesText(from, entries uint64) string {
	switch entries {
	case 0:
		return fmt.Sprintf("no entry, after entry %d", from-1)
	case 1:
		return fmt.Sprintf("1 entry, number %d", from)
	}
	return fmt.Sprintf("%d entries, from %d to %d", entries, from, from+entries-1)
}

// readSmall reads a key.
func readSmall(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usageError("%v", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, ledger.MaxLineBytes))
	if err != nil {
		return nil, usageError("%v", err)
	}
	return text, nil
}

// opening gets what signs a ledger: it is [ledger.Open], or [ledger.RotateKey].
type opening func(ctx context.Context, log ledger.Log, path string, actor ledger.Actor) (*ledger.Signer, error)

// withLedger has do work on the ledger of the data directory, with what signs it.
func (f *dataFlags) withLedger(cmd *cobra.Command, open opening, do func(ctx context.Context, log ledger.Log, signer *ledger.Signer) error) error {
	return f.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
		dir, err := f.path(cmd.Flags())
		if err != nil {
			return err
		}
		signer, err := open(ctx, s.Ledger(), filepath.Join(dir, sqlite.KeyFileName), operator())
		if err != nil {
			return ledgerError(err)
		}
		return ledgerError(do(ctx, s.Ledger(), signer))
	})
}

func newLedgerExportCommand() *cobra.Command {
	var data dataFlags
	var from uint64
	var output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the ledger as JSON Lines",
		Long: `Writes the ledger on standard output, or to a file, as JSON Lines: a header, the entries, and a checkpoint that is signed now. The
ledger is checked as it is written; one in which something is wrong gets no checkpoint.

Exit status: 0 written, 1 something is wrong with the ledger, 2 usage, 3 Glovebox failed.`,
		Example: `  glovebox ledger export -o ledger.jsonl
  glovebox ledger export --from 1001 | gzip > since.jsonl.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return data.withLedger(cmd, ledger.Open, func(ctx context.Context, log ledger.Log, signer *ledger.Signer) error {
				return writeTo(cmd.OutOrStdout(), output, func(w io.Writer) error {
					_, err := ledger.Export(ctx, w, log, signer, from, time.Now())
					return err
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&from, "from", 1, "number of the first entry to write; the number behind the last one writes none, and a checkpoint")
	flags.StringVarP(&output, "output", "o", "", "`FILE` to write, of mode 0600, once all of it is there (default standard output)")
	data.register(flags)
	return cmd
}

func newLedgerCheckpointCommand() *cobra.Command {
	var data dataFlags
	var output string
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Sign where the ledger ends, to keep elsewhere",
		Long: `Checks the whole ledger and prints a line that says where it ends, signed. Keep it where whoever keeps the ledger cannot get at it:
with it, glovebox ledger verify --checkpoint finds that the ledger was rolled back. The ledger notes that it was signed.

Exit status: 0 signed, 1 something is wrong with the ledger, 2 usage, 3 Glovebox failed.`,
		Example: `  glovebox ledger checkpoint | ssh elsewhere 'cat >> checkpoints.jsonl'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return data.withLedger(cmd, ledger.Open, func(ctx context.Context, log ledger.Log, signer *ledger.Signer) error {
				checkpoint, err := ledger.CheckpointNow(ctx, log, signer, operator(), time.Now())
				if err != nil {
					return err
				}
				line, err := checkpoint.Line()
				if err != nil {
					return err
				}
				return writeTo(cmd.OutOrStdout(), output, func(w io.Writer) error {
					_, err := w.Write(line)
					return err
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "", "`FILE` to write, of mode 0600 (default standard output)")
	data.register(flags)
	return cmd
}

func newLedgerKeyCommand() *cobra.Command {
	var data dataFlags
	var rotate bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Print the public key that verifies the ledger",
		Long: `Prints the public key of the ledger, as PEM. The private key is ledger.key in the data directory; without it the ledger goes on, and
is never signed again.

With --rotate another key signs from now on, and its public key is printed. An entry that both have signed says so: whoever has the old
public key can go on with it for exports that hold that entry.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			open := ledger.Open
			if rotate {
				open = ledger.RotateKey
			}
			return data.withLedger(cmd, open, func(_ context.Context, _ ledger.Log, signer *ledger.Signer) error {
				text, err := signer.Public().PEM()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return outputError(err)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&rotate, "rotate", false, "have another key sign from now on")
	data.register(flags)
	return cmd
}

// writeTo has write fill standard output, or a file, which is there once all of it is.
func writeTo(stdout io.Writer, name string, write func(io.Writer) error) (err error) {
	if name == "" {
		buffered := bufio.NewWriter(stdout)
		if err := write(buffered); err != nil && !errors.Is(err, syscall.EPIPE) {
			return err
		}
		return outputError(buffered.Flush()) // it fails as the write did
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return usageError("%v", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	buffered := bufio.NewWriter(file)
	if err := errors.Join(write(buffered), buffered.Flush(), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
