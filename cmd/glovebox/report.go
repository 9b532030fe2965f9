package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/terminal"
)

// A reporter tells people, or a program, how a run ended.
type reporter struct {
	stdout, stderr            io.Writer
	asJSON, verbose, attested bool
}

// log tells a log entry as it happens. In a JSON document it stands with the result.
func (r reporter) log(entry api.Log) error {
	if r.asJSON {
		return nil
	}
	_, err := fmt.Fprintln(r.stderr, terminal.Text(r.stderr, entry.Message))
	return err
}

// result tells the result and returns the error that gives the exit status.
func (r reporter) result(result api.Result) error {
	if r.attested {
		result.Isolation.Attestation = result.Isolation.Attestation.InFull()
	}
	tell := r.people
	if r.asJSON {
		tell = r.document
	}
	if err := tell(result); err != nil {
		return outputError(err)
	}
	switch {
	case result.Success:
		return nil
	case result.ResultCode == api.ExecutionFailed:
		return sandboxError(fmt.Errorf("%s", result.ResultCode))
	}
	return errScript
}

// cancelled tells that we were told to end, and that nobody knows more of the execution.
func (r reporter) cancelled(message string) error {
	return r.result(noResult(api.Cancelled, "Cancelled", message))
}

// failed tells that there is no result: Glovebox itself failed. ending makes of the cause the error that ends the
// program.
func (r reporter) failed(err error, ending func(error) error) error {
	if r.asJSON {
		if writeErr := r.document(noResult(api.ExecutionFailed, "ExecutionFailed", err.Error())); writeErr != nil {
			return outputError(writeErr)
		}
	}
	return ending(err)
}

func noResult(code api.ResultCode, name, message string) api.Result {
	return api.Result{
		ID: ulid.Make().String(), ResultCode: code, Logs: []api.Log{}, Warnings: []string{},
		Error:     &api.ScriptError{Name: name, Message: message},
		Isolation: api.Isolation{Layers: []string{}},
	}
}

// noBox says where to learn why there is no box to be had; there was one where somebody else ended it.
func noBox(err error) error {
	var killed *sandbox.KilledError
	if errors.As(err, &killed) || errors.Is(err, sandbox.ErrUnseen) {
		return sandboxError(fmt.Errorf("%w\nrun it again, if it may run twice", err))
	}
	return sandboxError(fmt.Errorf("%w\nglovebox doctor tells what this machine lacks", err))
}

func (r reporter) document(result api.Result) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // the output is the script's own bytes
	if err := encoder.Encode(result); err != nil {
		return err
	}
	return r.write(body.Bytes())
}

// write prints a JSON document: indented and escaped for a terminal, as it is for a program.
func (r reporter) write(document []byte) error {
	if !terminal.Is(r.stdout) {
		_, err := r.stdout.Write(append(bytes.TrimRight(document, "\n"), '\n'))
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(r.stdout, terminal.Escape(strings.TrimRight(indented.String(), "\n")))
	return err
}

func (r reporter) people(result api.Result) error {
	say := func(format string, args ...any) {
		fmt.Fprintln(r.stderr, terminal.Text(r.stderr, fmt.Sprintf(format, args...)))
	}
	for _, warning := range result.Warnings {
		say("glovebox: warning: %s", warning)
	}
	if result.Truncated.Logs {
		say("glovebox: warning: the script printed more than is kept")
	}
	if r.verbose {
		r.tellIsolation(result, say)
	}
	if r.attested {
		tellAttestation(result.Isolation.Attestation, say)
	}
	if result.Success {
		return r.write(result.Output)
	}
	say("%s: %s", result.ResultCode, describe(result.Error))
	if frames := stackFrames(result.Error); frames != "" {
		say("%s", frames)
	}
	if info, ok := result.ResultCode.Info(); ok {
		say("%s", asFlags.Replace(info.Fix))
	}
	return nil
}

// asFlags turns the names of a request's fields into those of the flags that stand for them.
var asFlags = strings.NewReplacer("timeoutSeconds", "--timeout", "memoryLimitMB", "--memory")

func describe(e *api.ScriptError) string {
	if e == nil {
		return "no more is known"
	}
	text := e.Message
	if e.Name != "" && e.Name != "Error" {
		text = e.Name + ": " + text
	}
	if e.Line > 0 {
		text += fmt.Sprintf(" (line %d, column %d)", e.Line, e.Column)
	}
	return text
}

// stackFrames returns the stack without its heading, which repeats the error's name and message.
func stackFrames(e *api.ScriptError) string {
	if e == nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimPrefix(e.Stack, e.Name+": "+e.Message), "\n")
}

func (r reporter) tellIsolation(result api.Result, say func(string, ...any)) {
	i := result.Isolation
	say("driver %s, runtime %s %s", i.Driver, i.Runtime, i.RuntimeVersion)
	say("layers: %s", strings.Join(i.Layers, ", "))
	if a := i.Attestation; a != nil {
		say("%s", attestationText(a))
	}
	say("ran for %.0f ms after %.0f ms of waiting for its box; CPU of the box %.0f ms, memory at most %d MiB",
		result.ExecutionTimeMs, result.QueueTimeMs, result.Usage.CPUMs, result.Usage.PeakMemoryBytes/api.MiB)
}

func attestationText(a *api.Attestation) string {
	if !a.Verified {
		return "attestation: nothing was checked"
	}
	return fmt.Sprintf("attestation: %d checks hold, %s", a.Checks, a.Digest)
}

// tellAttestation tells each check of a box, and what could not be checked.
func tellAttestation(a *api.Attestation, say func(string, ...any)) {
	if a == nil || a.Statement == nil {
		say("attestation: none was made")
		return
	}
	say("%s", attestationText(a))
	for _, c := range a.Statement.Checks {
		say("  %-7s  %s: %s", c.Where, c.Claim, c.Seen)
	}
	for _, u := range a.Statement.Untold {
		say("  %-7s  %s cannot be told: %s", u.Where, u.Claim, u.Why)
	}
}
