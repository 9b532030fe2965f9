package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/sandbox"
	"glovebox/metadata"
)

func newAgentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Have a model write the code for a task, and run it",

		SuggestionsMinimumDistance: 2,
		Args:                       noVerb,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAgentRunCommand(), newAgentReplayCommand())
	return cmd
}

// agentFlags are the flags of `glovebox agent run`, as they were typed.
type agentFlags struct {
	boxes                        boxFlags
	model                        modelFlags
	input                        inputFlags
	report                       agentReportFlags
	task, taskFile, requirements string
	limits                       agent.Limits
	seed                         int64
	now                          string
}

// agentReportFlags say what is told of a run, and where.
type agentReportFlags struct {
	transcript      string
	asJSON, verbose bool
}

func newAgentRunCommand() *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "run --task TEXT --model NAME",
		Short: "Have a model solve one task",
		Long: `Has a model write a program for a task, runs it in a sealed container, shows the model how it ended, and lets it
mend the program until the task is done or a budget is spent. The model sees a sample of the data; the program gets
all of it. The result on standard output is what the program returned, in a run that was repeated with the same
outcome. What happens meanwhile is told on standard error.

The key comes from --key-file, OPENAI_API_KEY or ANTHROPIC_API_KEY. A server on this machine needs none.

Exit status: 0 the task is complete, 1 it is not, 2 usage, 3 the sandbox failed.`,
		Example: `  glovebox agent run --task "Sales by month, best first" --input examples/sales.json --provider anthropic --model claude-haiku-4-5
  glovebox agent run --task-file task.md --input data.json --base-url http://127.0.0.1:11434/v1 --model qwen3-coder
  glovebox agent run --task "…" --model NAME --transcript run.jsonl --json
  glovebox agent replay run.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAgent(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.task, "task", "", "what is to be done, as `TEXT`")
	flags.StringVar(&f.taskFile, "task-file", "", "`FILE` with what is to be done; - is standard input")
	flags.StringVar(&f.requirements, "requirements", "", "how the result must be, as `TEXT`")
	f.input.register(flags)
	f.model.register(flags, "")
	flags.IntVar(&f.limits.Iterations, "max-iterations", 0, "how many times the model may have code run (default what the metadata says, 10)")
	flags.Int64Var(&f.limits.Tokens, "budget-tokens", 0, "end when this many tokens were used; 0 is no limit")
	flags.Float64Var(&f.limits.CostUSD, "budget-usd", 0, "end when this much was spent, at --price-input and --price-output; 0 is no limit")
	flags.Float64Var(&f.limits.Price.Input, "price-input", 0, "US dollars for a million tokens of questions")
	flags.Float64Var(&f.limits.Price.Output, "price-output", 0, "US dollars for a million tokens of answers")
	flags.DurationVar(&f.limits.Time, "budget-time", agent.DefaultTime, "end after this time")
	flags.Int64Var(&f.seed, "seed", 0, "the seed of every run of code (default by chance, and told in the transcript)")
	flags.StringVar(&f.now, "now", "", "the `TIME` at which the clock of every run stands still (RFC 3339; default now)")
	f.report.register(cmd)
	f.boxes.register(flags)
	return cmd
}

func (f *agentReportFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.transcript, "transcript", "", "write every step to this `FILE`, as JSON lines, from which the run can be done again; it holds the data")
	flags.BoolVar(&f.asJSON, "json", false, "print the whole outcome as one JSON document, and nothing meanwhile")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "tell on standard error all that the model is told and answers")
}

func runAgent(cmd *cobra.Command, f *agentFlags) error {
	task, err := f.readTask(cmd)
	if err != nil {
		return err
	}
	if err := f.limits.Check(); err != nil {
		return &statusError{statusUsage, err}
	}
	if f.model.name == "" {
		return usageError("no model: name one with --model, as its server calls it")
	}
	model, err := f.model.open(os.Getenv)
	if err != nil {
		return err
	}
	_, err = f.report.run(cmd, &f.boxes, agentRun{task: task, model: model, limits: f.limits})
	return err
}

// readTask reads the task, and refuses what is wrong with it before any box is made.
func (f *agentFlags) readTask(cmd *cobra.Command) (agent.Task, error) {
	flags := cmd.Flags()
	if flags.Changed("task") == flags.Changed("task-file") {
		return agent.Task{}, usageError("give the task with --task or with --task-file")
	}
	task := agent.Task{Text: f.task, Requirements: f.requirements}
	if f.taskFile != "" {
		text, err := readFile("the task", f.taskFile, cmd.InOrStdin(), agent.MaxTaskBytes)
		if err != nil {
			return agent.Task{}, err
		}
		task.Text = string(text)
	}
	input, err := f.input.read(flags, cmd.InOrStdin(), f.taskFile == "-")
	if err != nil {
		return agent.Task{}, err
	}
	task.InputData = input
	if flags.Changed("seed") {
		task.Seed = &f.seed
	}
	if flags.Changed("now") {
		now, err := api.ParseNow(f.now)
		if err != nil {
			return agent.Task{}, usageError("--now %w", err)
		}
		task.Now = &now
	}
	if err := task.Check(); err != nil {
		return agent.Task{}, flagError(err)
	}
	return task, nil
}

func newAgentReplayCommand() *cobra.Command {
	var boxes boxFlags
	var report agentReportFlags
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Do a run again from its transcript",
		Long: `Does a run again that ` + "`agent run --transcript FILE`" + ` has written: the model's answers are the recorded ones, no model is
asked, and the code runs anew, on the same data, with the same seed and time. What differs from the recorded run is told.

Exit status: 0 all is as it was recorded, 1 something differs, 2 usage, 3 the sandbox failed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return replayAgent(cmd, args[0], &boxes, &report) },
	}
	report.register(cmd)
	boxes.register(cmd.Flags())
	return cmd
}

func replayAgent(cmd *cobra.Command, file string, boxes *boxFlags, report *agentReportFlags) error {
	recorded, err := readTranscript(file)
	if err != nil {
		return &statusError{statusUsage, err}
	}
	task, limits, model := recorded.Replay()
	if report.transcript == file {
		return usageError("--transcript would write over %s, which is replayed", file)
	}
	events, err := report.run(cmd, boxes, agentRun{task: task, model: model, limits: limits})
	if err != nil && !errors.Is(err, errScript) {
		return err
	}
	say := sayer(cmd.ErrOrStderr())
	differences := recorded.Compare(events)
	for _, difference := range differences {
		say("differs: %s", difference)
	}
	if len(differences) > 0 {
		return errScript
	}
	say("the same as it was recorded")
	return nil
}

func readTranscript(file string) (agent.Transcript, error) {
	f, err := os.Open(file)
	if err != nil {
		return agent.Transcript{}, err
	}
	defer func() { _ = f.Close() }()
	return agent.ReadTranscript(f)
}

// An agentRun is what runs.
type agentRun struct {
	task   agent.Task
	model  agent.Model
	limits agent.Limits
}

// run works on the task in boxes, tells what happens, and returns every event. The error is errScript where the
// task was not completed.
func (f *agentReportFlags) run(cmd *cobra.Command, flags *boxFlags, r agentRun) (events []agent.Event, err error) {
	if err := flags.check(); err != nil {
		return nil, err
	}
	transcript, err := f.openTranscript(r.task)
	if err != nil {
		return nil, &statusError{statusUsage, err}
	}
	defer func() { err = errors.Join(err, transcript.close()) }()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	log := openLog(cmd)
	found, err := flags.open(ctx, log, warner(stderr))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &statusError{statusScript, errors.New("cancelled before there was a box")}
	case err != nil:
		return nil, noBox(err)
	}
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: found.driver, Spec: found.spec, Concurrency: agent.DefaultParallel, Queue: 2 * agent.MaxCallsPerStep, Log: log,
	})
	if err != nil {
		return nil, sandboxError(err)
	}
	smith, err := makeCodesmith(r, executor, log)
	if err != nil {
		return nil, sandboxError(err)
	}
	progress := agentProgress{w: stderr, quiet: f.asJSON && !f.verbose, verbose: f.verbose}
	outcome, err := smith.Run(ctx, r.task, func(e agent.Event) {
		if e.Type != agent.EventText {
			events = append(events, e)
		}
		transcript.record(e)
		if errors.Is(progress.tell(e), syscall.EPIPE) {
			cancel() // as for a program that a broken pipe ends
		}
	})
	if err == nil {
		err = f.tell(outcome, reporter{stdout: stdout, stderr: stderr})
	}
	// Every box is gone before the command ends.
	closeCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer stop()
	if closeErr := executor.Close(closeCtx); closeErr != nil {
		return events, sandboxError(closeErr)
	}
	return events, err
}

func makeCodesmith(r agentRun, executor agent.Executor, log *slog.Logger) (*agent.Agent, error) {
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		return nil, err
	}
	return codesmith(catalogue, r.model, executor, r.limits, log)
}

// tell tells the outcome, and returns the error that gives the exit status.
func (f *agentReportFlags) tell(outcome agent.Outcome, to reporter) error {
	var err error
	if f.asJSON {
		var document []byte
		if document, err = agent.EncodeLine(outcome); err == nil {
			err = to.write(document)
		}
	} else if outcome.Success {
		err = to.write(outcome.Payload.Results)
	}
	switch {
	case err != nil:
		return outputError(err)
	case outcome.Success:
		return nil
	case outcome.Code == agent.SandboxFailed:
		return sandboxError(errors.New(outcome.Message))
	}
	return errScript
}

// A transcriptFile is where a run is recorded; the zero one records nothing.
type transcriptFile struct {
	file     io.Closer
	recorder *agent.Recorder
	err      error
}

func (f *agentReportFlags) openTranscript(task agent.Task) (*transcriptFile, error) {
	if f.transcript == "" {
		return &transcriptFile{}, nil
	}
	// It holds the data: it is its owner's alone.
	file, err := os.OpenFile(f.transcript, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	recorder, err := agent.NewRecorder(file, task)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &transcriptFile{file: file, recorder: recorder}, nil
}

func (t *transcriptFile) record(e agent.Event) {
	if t.recorder != nil && t.err == nil {
		t.err = t.recorder.Record(e)
	}
}

func (t *transcriptFile) close() error {
	if t.file == nil {
		return nil
	}
	if err := errors.Join(t.err, t.file.Close()); err != nil {
		return sandboxError(fmt.Errorf("the transcript is not whole: %w", err))
	}
	return nil
}

// shortly writes a duration for people.
func shortly(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}

// indented writes a text of several lines so that none of them begins where ours do.
func indented(text string) string { return strings.ReplaceAll(text, "\n", "\n    ") }
