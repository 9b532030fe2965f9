package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"syscall"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/terminal"
)

// runFlags are the flags of `glovebox run`, as they were typed.
type runFlags struct {
	boxes    boxFlags
	remote   remoteFlags
	input    inputFlags
	language string
	timeout  time.Duration
	memory   string
	cpus     float64
	seed     int64
	now      string
	asJSON   bool
	verbose  bool
	attested bool
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [FILE|-]",
		Short: "Run one script in one sealed container",
		Long: `Runs one script, from FILE or from standard input, in one sealed container made for it and destroyed after it.

The script sees its data as ` + "`input`" + `. Its result is what it returns at top level, or what it leaves in
` + "`output`" + `. The result goes to standard output as JSON; what the script prints goes to standard error as it
happens.

Exit status: 0 success, 1 the script failed, 2 usage, 3 the sandbox failed.`,
		Example: `  glovebox run examples/monthly-sales.js --input examples/sales.json
  echo 'return input.length' | glovebox run - --input-text notes.txt
  glovebox run job.ts --timeout 5s --memory 64MiB --json
  glovebox run job.js --seed 1 --now 2026-01-31T00:00:00Z    # the same result every time
  glovebox run job.js --server http://127.0.0.1:8080         # on a server that glovebox serve is`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runScript(cmd, args, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.language, "language", "", "javascript or typescript (default javascript; a .ts file implies typescript)")
	f.input.register(flags)
	flags.DurationVar(&f.timeout, "timeout", api.DefaultTimeoutSeconds*time.Second, "time limit of the script, from 100ms to 5m")
	flags.StringVar(&f.memory, "memory", "128MiB", "memory limit of the script, from 16MiB to 2GiB")
	flags.Float64Var(&f.cpus, "cpus", api.DefaultCPUs, "processors that the script may use, from 0.1")
	flags.Int64Var(&f.seed, "seed", 0, "fix randomness: the same seed gives the same numbers")
	flags.StringVar(&f.now, "now", "", "stop the script's clock at this `TIME` (RFC 3339)")
	flags.BoolVar(&f.asJSON, "json", false, "print the whole result as one JSON document")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "tell on standard error which driver, runtime and layers were in force")
	flags.BoolVar(&f.attested, "attestation", false, "tell every check of the box: on standard error, or within the document of --json")
	f.boxes.register(flags)
	f.remote.register(flags)
	return cmd
}

func runScript(cmd *cobra.Command, args []string, f *runFlags) error {
	server, err := f.remote.server(cmd.Flags(), f.attested)
	if err != nil {
		return err
	}
	request, err := f.request(cmd, args, server != nil)
	if err != nil {
		return err
	}
	report := reporter{stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), asJSON: f.asJSON, verbose: f.verbose, attested: f.attested}
	if server != nil {
		return runThere(cmd.Context(), server, request, report)
	}
	if err := f.boxes.check(); err != nil {
		return err
	}
	return runHere(cmd.Context(), &f.boxes, request, report, openLog(cmd))
}

// runHere runs a request in a box of this machine.
func runHere(ctx context.Context, flags *boxFlags, request api.Request, report reporter, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	boxes, err := flags.open(ctx, log, warner(report.stderr))
	switch {
	case err != nil && ctx.Err() != nil:
		return report.cancelled("the execution was cancelled before its box was ready")
	case err != nil:
		return report.failed(err, noBox)
	}
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: boxes.driver, Spec: boxes.spec, Concurrency: 1, Queue: 0, Log: log,
	})
	if err != nil {
		return sandboxError(err)
	}
	result, err := executor.Execute(ctx, request, func(entry api.Log) {
		if errors.Is(report.log(entry), syscall.EPIPE) {
			cancel() // as for a program that a broken pipe ends
		}
	})
	// The box is destroyed before the command ends, whatever became of it.
	closeErr := executor.Close(context.WithoutCancel(ctx))
	if err == nil {
		err = closeErr
	}
	if err != nil {
		return report.failed(err, noBox)
	}
	return report.result(result)
}

// request makes the request, and refuses what is wrong with it before any box is made. How many processors there
// are is known of this machine alone.
func (f *runFlags) request(cmd *cobra.Command, args []string, elsewhere bool) (api.Request, error) {
	file := "-"
	if len(args) == 1 {
		file = args[0]
	}
	code, err := readCode(file, cmd.InOrStdin())
	if err != nil {
		return api.Request{}, err
	}
	flags := cmd.Flags()
	input, err := f.input.read(flags, cmd.InOrStdin(), file == "-")
	if err != nil {
		return api.Request{}, err
	}
	memory, err := parseMemory(f.memory)
	if err != nil {
		return api.Request{}, err
	}
	request := api.Request{
		Code: code, Language: languageOf(file), InputData: input,
		TimeoutSeconds: new(f.timeout.Seconds()), MemoryLimitMB: &memory, CPUs: &f.cpus,
	}
	if flags.Changed("seed") {
		request.Seed = &f.seed
	}
	if flags.Changed("now") {
		now, err := api.ParseNow(f.now)
		if err != nil {
			return api.Request{}, usageError("--now %w", err)
		}
		request.Now = &now
	}
	request = request.WithDefaults()
	if flags.Changed("language") {
		request.Language = api.Language(f.language)
	}
	cpus := hostCPUs()
	if elsewhere {
		cpus = math.MaxInt32
	}
	if err := request.Validate(cpus); err != nil {
		return api.Request{}, flagError(err)
	}
	return request, nil
}

// parseMemory reads 128MiB, 128m, 1g. The contract counts whole MB of 1,048,576 bytes: what is no whole
// number of them is refused, not rounded.
func parseMemory(s string) (int, error) {
	bytes, err := units.RAMInBytes(s)
	if err != nil {
		return 0, usageError("--memory %q is not a size such as 128MiB", s)
	}
	if bytes%api.MiB != 0 {
		return 0, usageError("--memory %q is %d bytes, and no whole number of MiB: write it as in 128MiB", s, bytes)
	}
	return int(bytes / api.MiB), nil
}

// warner returns a function that tells a warning to people.
func warner(stderr io.Writer) func(string) {
	return func(warning string) { fmt.Fprintln(stderr, "glovebox: warning:", terminal.Text(stderr, warning)) }
}
