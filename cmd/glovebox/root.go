package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"glovebox/api"
	"glovebox/internal/terminal"
)

// The exit statuses.
const (
	statusSuccess = 0
	statusScript  = 1 // the script failed
	statusUsage   = 2 // the command, or the request, is wrong
	statusSandbox = 3 // Glovebox failed

	statusNoReader = 128 + 13 // what a shell says of a program that a broken pipe has ended
)

// A statusError ends the program with a status; its text, if any, is told on stderr.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// errScript ends the program after a script's failure has been told.
var errScript = errors.New("the script failed")

// errNoReader ends the program without a word: whoever read its output has had enough.
var errNoReader = errors.New("nobody reads the output any more")

// outputError is for what failed on its way to standard output.
func outputError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return errNoReader
	}
	return sandboxError(err)
}

func usageError(format string, args ...any) error {
	return &statusError{statusUsage, fmt.Errorf(format, args...)}
}

func sandboxError(err error) error { return &statusError{statusSandbox, err} }

// run is the program.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, endSignals()...)
	defer stop()
	// A pipe that nobody reads any more is an error of the write, never our death between making a box and removing it.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return statusSuccess
	}
	switch {
	case errors.Is(err, errScript):
		return statusScript
	case errors.Is(err, errNoReader):
		return statusNoReader
	}
	var status *statusError
	if errors.As(err, &status) && status.status == statusSandbox && keepsJSON(cmd) {
		openLog(cmd).Error(cmd.CommandPath()+" failed", "error", err)
		return statusSandbox
	}
	fmt.Fprintln(stderr, "glovebox:", terminal.Text(stderr, err.Error()+origins(cmd, err)))
	if errors.As(err, &status) {
		return status.status
	}
	var refused *api.Error
	if errors.As(err, &refused) {
		return statusUsage
	}
	// What cobra itself refuses (flags, arguments, verbs) comes without a status.
	fmt.Fprintf(stderr, "Try %s --help.\n", cmd.CommandPath())
	return statusUsage
}

// endSignals are those that end the program in good order. SIGHUP is not, where nohup has switched it off.
func endSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "glovebox",
		Short: "Run untrusted code in a sealed, single-use container",
		Long: `Glovebox runs one piece of untrusted JavaScript or TypeScript in one sealed, single-use container: no
network, no files, no other process, hard limits on time and memory. It hands back JSON.

Exit status: 0 success, 1 the script failed, 2 usage, 3 the sandbox failed.`,
		Example: `  glovebox run script.js --input data.json
  echo 'return input.a + 1' | glovebox run - --input-json '{"a": 41}'
  glovebox serve --listen 127.0.0.1:8080
  glovebox doctor`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(flagHint)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRunCommand(), newServeCommand(), newAgentCommand(), newMCPCommand(), newDoctorCommand(), newAuditCommand(), newSweepCommand(),
		newConfigCommand(), newMetadataCommand(), newTenantCommand(), newKeyCommand(), newLedgerCommand(), newVersionCommand())
	addSettings(root)
	return root
}

// noVerb refuses what is no verb, with what was probably meant.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := os.Stat(args[0]); err == nil {
		return usageError("%q is no command. To run a script, type: glovebox run %s", args[0], strings.Join(args, " "))
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// flagHint adds what the parser of durations leaves out.
func flagHint(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "duration" {
		return fmt.Errorf("%w: write it as in 10s", err)
	}
	return err
}
