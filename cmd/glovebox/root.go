package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"glovebox/api"
	"glovebox/internal/terminal"
)

// The exit statuses.
const (
	statusSuccess = 0
	statusScript  = 1 // the script failed
	statusUsage   = 2 // the command, or the request, is wrong
	statusSandbox = 3 // Glovebox failed
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

func usageError(format string, args ...any) error {
	return &statusError{statusUsage, fmt.Errorf(format, args...)}
}

func sandboxError(err error) error { return &statusError{statusSandbox, err} }

// run is the program.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return statusSuccess
	}
	if errors.Is(err, errScript) {
		return statusScript
	}
	fmt.Fprintln(stderr, "glovebox:", terminal.Text(stderr, err.Error()))
	var status *statusError
	if errors.As(err, &status) {
		return status.status
	}
	var refused *api.Error
	if errors.As(err, &refused) {
		return statusUsage
	}
	// What cobra itself refuses (flags, arguments, verbs) comes without a status.
	fmt.Fprintln(stderr, "Try glovebox --help, or glovebox COMMAND --help.")
	return statusUsage
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
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRunCommand(), newServeCommand(), newDoctorCommand(), newSweepCommand(), newVersionCommand())
	return root
}
