package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// A turn is one run of the runner by somebody else than Glovebox.
type turn struct {
	result float64 // ms from the start to the result
	whole  float64 // ms to the end of the process
	cpu    float64 // ms of user and system time, of the process and all descendants that were waited for
}

// trivialScript is what everybody is asked to run.
const trivialScript = "output = 1"

func trivialOrder() protocol.Order {
	return protocol.Order{Job: &protocol.Job{
		Code: trivialScript, Language: api.JavaScript, TimeoutMs: api.DefaultTimeoutSeconds * 1000,
		MemoryBytes: api.DefaultMemoryLimitMB * api.MiB,
	}}
}

// converse starts a command that is, or becomes, the runner; gives it the job; reads to the result; and lets it end. The job
// is written at once, so that nobody waits for the ready frame.
func converse(cmd *exec.Cmd) (t turn, err error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return t, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return t, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return t, err
	}
	err = protocol.WriteMessage(stdin, trivialOrder())
	if err == nil {
		err = readResult(stdout)
	}
	t.result = ms(time.Since(began))
	_ = stdin.Close() // the runner's sign to go
	_, _ = io.Copy(io.Discard, stdout)
	ended := cmd.Wait()
	// Once it has given its result, how the runner ends is chance: the end of stdin is seen by two of its goroutines.
	if exit := (*exec.ExitError)(nil); err != nil || !errors.As(ended, &exit) {
		err = errors.Join(err, ended)
	}
	t.whole = ms(time.Since(began))
	if state := cmd.ProcessState; state != nil {
		t.cpu = ms(state.UserTime() + state.SystemTime())
	}
	if err != nil {
		return t, fmt.Errorf("%s: %w: %s", cmd.Path, err, cut(strings.TrimSpace(stderr.String()), 300))
	}
	return t, nil
}

func readResult(r io.Reader) error {
	frames := protocol.NewReader(r)
	for {
		frame, err := frames.Next()
		if err != nil {
			return fmt.Errorf("no result: %w", err)
		}
		if frame.Type != protocol.FrameResult {
			continue
		}
		if frame.Result.Code != api.Success {
			return fmt.Errorf("the trivial script ended with %s", frame.Result.Code)
		}
		return nil
	}
}
