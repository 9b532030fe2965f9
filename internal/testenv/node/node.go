// Package node runs the Node.js of this machine, for tests that write anew what they compare with. Their golden files
// are committed: without -update no test needs it.
package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Run runs a program and returns what it printed. It sees a machine in UTC that speaks American English, as a box does.
func Run(ctx context.Context, program string) ([]byte, error) {
	return run(ctx, "", strings.NewReader(program), "-")
}

// RunFile does the same with a file, by its path in dir, which is its working directory. stdin may be nil.
func RunFile(ctx context.Context, dir, file string, stdin io.Reader) ([]byte, error) {
	return run(ctx, dir, stdin, file)
}

// Updater returns what [Run] does where update is set, and nil, with which golden files are only compared, where it is not.
func Updater(ctx context.Context, update bool) func(program string) ([]byte, error) {
	if !update {
		return nil
	}
	return func(program string) ([]byte, error) { return Run(ctx, program) }
}

func run(ctx context.Context, dir string, stdin io.Reader, program string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", program)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, stdin, &stderr
	cmd.Env = append(os.Environ(), "TZ=UTC", "LANG=en_US.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("node %s: %w: %s", program, err, stderr.Bytes())
	}
	return out, nil
}
