package main

import (
	"fmt"
	"io"
	"strings"

	"glovebox/internal/agent"
	"glovebox/internal/terminal"
)

// sayer returns a function that tells a line to people. What others wrote in it is escaped where it goes to a
// terminal.
func sayer(w io.Writer) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintln(w, terminal.Text(w, fmt.Sprintf(format, args...)))
	}
}

// An agentProgress tells people what an agent does as it happens. Our own lines begin at the margin; whatever a
// model or a script wrote stands indented, so that it cannot pass for one of ours.
type agentProgress struct {
	w              io.Writer
	quiet, verbose bool
	limits         agent.Limits
}

// tell tells one event. The error is the writer's.
func (p *agentProgress) tell(e agent.Event) error {
	text := p.text(e)
	if text == "" || p.quiet {
		return nil
	}
	_, err := fmt.Fprintln(p.w, terminal.Text(p.w, text))
	return err
}

// text is what is told of an event; "" where that is nothing.
func (p *agentProgress) text(e agent.Event) string {
	switch e.Type {
	case agent.EventStarted:
		p.limits = e.Started.Limits
		return fmt.Sprintf("codesmith: asking %s, seed %d, time %s", oneLine(e.Started.Model), e.Started.Seed, e.Started.Now.Format("2006-01-02T15:04:05Z07:00"))
	case agent.EventThinking:
		text := fmt.Sprintf("iteration %d of %d: the model thinks", min(e.Thinking.Iteration, p.limits.Iterations), p.limits.Iterations)
		if p.verbose {
			text += ", told:\n    " + indented(e.Thinking.Prompt)
		}
		return text
	case agent.EventAnswer:
		return p.answer(e.Answer)
	case agent.EventCode:
		return fmt.Sprintf("run %d (%s, up to %v s, %d MB):\n%s", e.Code.Run, e.Code.Language, e.Code.TimeoutSeconds, e.Code.MemoryLimitMB, numbered(e.Code.Code))
	case agent.EventRun:
		return runText(e.Run)
	case agent.EventRetry:
		return fmt.Sprintf("of no use (%d in a row): %s", e.Retry.Count, indented(e.Retry.Reason))
	case agent.EventVerified:
		if e.Verified.Same {
			return fmt.Sprintf("✓ run %d, repeated: the same result", e.Verified.Run)
		}
		return fmt.Sprintf("✗ run %d, repeated: not the same result (%s)", e.Verified.Run, e.Verified.ResultCode)
	case agent.EventComplete:
		return outcomeText(e.Complete)
	}
	return ""
}

func (p *agentProgress) answer(a *agent.Answered) string {
	if !p.verbose {
		return ""
	}
	text := fmt.Sprintf("answered in %s, with %d tokens for %d:\n    %s", shortly(a.DurationMs), a.Usage.OutputTokens, a.Usage.InputTokens, indented(a.Text))
	for _, call := range a.Calls {
		text += fmt.Sprintf("\n    %s(%s)", oneLine(call.Name), indented(call.Arguments))
	}
	return text
}

// shownOutput is how much of an output is told as it happens.
const shownOutput = 500

func runText(e *agent.RunEnd) string {
	if e.Refused != "" {
		return fmt.Sprintf("✗ run %d: refused: %s", e.Run, indented(e.Refused))
	}
	var text string
	if e.Success {
		output := string(e.Output)
		if e.Output == nil || len(output) > shownOutput {
			output = fmt.Sprintf("%d bytes of output", e.OutputBytes)
		}
		text = fmt.Sprintf("✓ run %d: %s in %s: %s", e.Run, e.ResultCode, shortly(e.ExecutionTimeMs), indented(output))
	} else {
		text = fmt.Sprintf("✗ run %d: %s in %s: %s", e.Run, e.ResultCode, shortly(e.ExecutionTimeMs), indented(describe(e.Error)))
	}
	for i, entry := range e.Logs {
		if i == 20 {
			return text + fmt.Sprintf("\n    … and %d more", len(e.Logs)-i)
		}
		text += "\n    | " + indented(entry.Message)
	}
	return text
}

func outcomeText(o *agent.Outcome) string {
	text := fmt.Sprintf("%s: %s", o.Code, indented(o.Message))
	if o.Said != "" {
		text += "\nthe model says:\n    " + indented(o.Said)
	}
	for _, warning := range o.Warnings {
		text += "\nwarning: " + warning
	}
	cost := ""
	if o.Spent.CostUSD > 0 {
		cost = fmt.Sprintf(", %.4f US dollars", o.Spent.CostUSD)
	}
	return text + fmt.Sprintf("\n%d iterations, %d runs, %d answers, %d tokens%s, %s", o.Payload.Iterations, o.Spent.Runs, o.Spent.Answers,
		o.Spent.Usage.InputTokens+o.Spent.Usage.OutputTokens, cost, shortly(o.Spent.DurationMs))
}

// numbered writes code with the numbers of its lines, as errors name them.
func numbered(code string) string {
	var out strings.Builder
	n := 0
	for line := range strings.Lines(code) {
		n++
		fmt.Fprintf(&out, "%5d  %s\n", n, strings.TrimRight(line, "\r\n"))
	}
	return strings.TrimRight(out.String(), "\n")
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
