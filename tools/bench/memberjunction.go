package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// A memberjunction is MemberJunction's own service in a Node.js of its own. The time of each execution is taken within that
// process, around the very call that a user of the package would make. It is used by one goroutine.
type memberjunction struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	asks    *json.Encoder
	answers *bufio.Reader
	version version // of the package
	node    version
}

// A theirRequest is one execution that it is asked for.
type theirRequest struct {
	Code           string  `json:"code"`
	TimeoutSeconds float64 `json:"timeoutSeconds"`
	MemoryLimitMB  int     `json:"memoryLimitMB"`
	InputData      any     `json:"inputData,omitempty"`
}

type theirAnswer struct {
	Ms        float64         `json:"ms"`
	Success   bool            `json:"success"`
	Output    json.RawMessage `json:"output"`
	ErrorType string          `json:"errorType"`
	Error     string          `json:"error"`
}

// theirLimit bounds one execution of theirs, and their start and end.
const theirLimit = 3 * time.Minute

// startMemberjunction starts node on the script, which says hello with its versions.
func startMemberjunction(ctx context.Context, node, script string) (_ *memberjunction, err error) {
	if node == "" {
		return nil, errors.New("no Node.js was named")
	}
	// Its end is stop's to bring about, which has it end its workers first.
	m := &memberjunction{cmd: exec.CommandContext(context.WithoutCancel(ctx), node, script)}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if m.stdin, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.asks, m.answers = json.NewEncoder(m.stdin), bufio.NewReaderSize(stdout, 1<<20)
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	var hello struct{ Package, Node string }
	if err := m.read(ctx, &hello); err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s does not start: %w", node, script, err), m.stop())
	}
	m.version, m.node = version{"@memberjunction/code-execution", hello.Package}, version{"Node.js", hello.Node}
	return m, nil
}

// read gives one line of theirs. Where ctx ends first, the process is killed: what it would say later is nobody's answer.
func (m *memberjunction) read(ctx context.Context, v any) error {
	ctx, cancel := context.WithTimeout(ctx, theirLimit)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL) })()
	line, err := m.answers.ReadBytes('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("MemberJunction's service says nothing: %w", err), context.Cause(ctx))
	}
	return json.Unmarshal(line, v)
}

// ask runs a script and returns its time in milliseconds; it fails unless it ends as expected: with "" for success, or their
// name for the failure.
func (m *memberjunction) ask(ctx context.Context, request theirRequest, want string) (float64, error) {
	if request.TimeoutSeconds == 0 {
		request.TimeoutSeconds = 30
	}
	if request.MemoryLimitMB == 0 {
		request.MemoryLimitMB = 128
	}
	if err := m.asks.Encode(request); err != nil {
		return 0, fmt.Errorf("asking MemberJunction's service: %w", err)
	}
	var answer theirAnswer
	if err := m.read(ctx, &answer); err != nil {
		return 0, err
	}
	if answer.ErrorType != want || answer.Success != (want == "") {
		return 0, fmt.Errorf("MemberJunction's service answers %q: %s", answer.ErrorType, cut(answer.Error, 200))
	}
	return answer.Ms, nil
}

// stop ends the service and, where it does not end its workers, those: they are in its process group.
func (m *memberjunction) stop() error {
	_ = m.stdin.Close()
	timer := time.AfterFunc(theirLimit, func() { _ = m.cmd.Process.Kill() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, m.answers)
	err := m.cmd.Wait()
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL) // most often there is nobody left
	return err
}
