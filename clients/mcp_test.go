package clients_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glovebox/internal/agent/modeltest"
	"glovebox/internal/testenv"
)

// foreign holds the official clients of the Model Context Protocol.
const foreign = "mcp"

func needMCP(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(foreign, "node_modules", "@modelcontextprotocol"))
	}
	if err != nil {
		err = fmt.Errorf("%w (type `make clients`)", err)
	}
	testenv.Need(t, testenv.MCP, err)
	readSources(t, foreign)
}

// withAgent starts a model that makes a mistake and mends it, and returns the flags of a server that asks it.
func withAgent(t *testing.T) []string {
	t.Helper()
	code := func(code string) modeltest.Step {
		return modeltest.Say(`{"nextStep": {"type": "Actions", "actions": [{"name": "Execute Code", "params": {"code": "` + code + `"}}]}}`)
	}
	model := modeltest.New(t, code("return input.lenth.a;"), code("return input.reduce((s, row) => s + row.amount, 0);"),
		modeltest.Say(`{"taskComplete": true, "message": "it is 26.5"}`))
	return []string{"--agent-model", "tiny", "--agent-base-url", model.OpenAI()}
}

func TestMCPBySDK(t *testing.T) {
	needMCP(t)
	for transport, where := range map[string]func(t *testing.T, m machine) map[string]any{
		"stdio": func(t *testing.T, m machine) map[string]any {
			return map[string]any{"command": m.binary, "args": slices.Concat([]string{"mcp"}, m.flags, withAgent(t))}
		},
		"http": func(t *testing.T, m machine) map[string]any {
			return map[string]any{"url": m.serve(t, withAgent(t)...) + "/mcp"}
		},
	} {
		t.Run(transport, func(t *testing.T) {
			m := newMachine(t)
			told := where(t, m)
			told["state"] = m.state
			server, err := json.Marshal(told)
			if err != nil {
				t.Fatal(err)
			}
			nodeTest(t, []string{"GLOVEBOX_MCP=" + string(server)}, filepath.Join(foreign, "sdk.test.mjs"))
		})
	}
}

// An inspector runs the inspector's command line, and returns what it says and its exit status.
func inspect(t *testing.T, args ...string) (stdout string, status int) {
	t.Helper()
	return inspectUnder(t, nil, nil, args...)
}

// inspectUnder does the same under another program, which may be none.
func inspectUnder(t *testing.T, env, under []string, args ...string) (stdout string, status int) {
	t.Helper()
	// It reads its own package.json by way of its working directory.
	dir := filepath.Join(foreign, "node_modules", "@modelcontextprotocol", "inspector-cli", "build")
	line := slices.Concat(under, []string{"node", "cli.js", "--cli"}, args)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("inspector %q: %v\n%s%s", args, err, &out, &said)
		}
	})
	return out.String(), cmd.ProcessState.ExitCode()
}

// A toolResult is what the inspector prints of a call.
type toolResult struct {
	Content    []struct{ Type, Text string }
	IsError    bool
	Structured struct {
		ResultCode string
		Output     json.RawMessage
	} `json:"structuredContent"`
}

func (r toolResult) text() string {
	if len(r.Content) != 1 {
		return fmt.Sprintf("%d contents", len(r.Content))
	}
	return r.Content[0].Text
}

// called reads what the inspector prints of a call, which it could make whatever came of it.
func called(t *testing.T, stdout string, status int) (result toolResult) {
	t.Helper()
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || status != 0 {
		t.Errorf("status %d, %v in %s", status, err, stdout)
	}
	return result
}

func TestMCPByInspector(t *testing.T) {
	needMCP(t)
	for transport, where := range map[string]func(t *testing.T, m machine) []string{
		"stdio": func(_ *testing.T, m machine) []string { return append([]string{m.binary, "mcp"}, m.flags...) },
		"http":  func(t *testing.T, m machine) []string { return []string{m.serve(t) + "/mcp"} },
	} {
		t.Run(transport, func(t *testing.T) {
			server := where(t, newMachine(t))
			ask := func(method string, args ...string) (string, int) {
				t.Helper()
				return inspect(t, slices.Concat(server, []string{"--method", method}, args)...)
			}

			stdout, status := ask("tools/list")
			var list struct{ Tools []struct{ Name string } }
			if err := json.Unmarshal([]byte(stdout), &list); err != nil || status != 0 || len(list.Tools) != 2 {
				t.Errorf("status %d, %v in %s", status, err, stdout)
			}

			stdout, status = ask("tools/call", "--tool-name", "execute_code", "--tool-arg", "code=return input.a + 1", `inputData={"a": 41}`)
			if r := called(t, stdout, status); r.IsError || r.Structured.ResultCode != "SUCCESS" || string(r.Structured.Output) != "42" {
				t.Errorf("%+v", r)
			}
			stdout, status = ask("tools/call", "--tool-name", "execute_code", "--tool-arg", "code=const a = 1;\nb")
			if r := called(t, stdout, status); !r.IsError || !strings.Contains(r.text(), "line 2") || r.Structured.ResultCode != "RUNTIME_ERROR" {
				t.Errorf("%+v", r)
			}
			stdout, status = ask("tools/call", "--tool-name", "execute_code", "--tool-arg", "code=return 1", "timeout=0")
			if r := called(t, stdout, status); !r.IsError || !strings.Contains(r.text(), "timeout") || r.Structured.ResultCode != "" {
				t.Errorf("%+v", r)
			}
			stdout, status = ask("tools/call", "--tool-name", "describe_environment")
			if r := called(t, stdout, status); r.IsError || !strings.Contains(r.text(), `"lodash"`) {
				t.Errorf("%+v", r)
			}
			if stdout, status = ask("tools/call", "--tool-name", "write_file"); status != 1 || stdout != "" {
				t.Errorf("status %d, %s", status, stdout)
			}
		})
	}
}

// The example is a configuration as hosts read it, and what it names starts: here with a /run of its own, so that it neither
// finds a daemon nor leaves anything in the machine's own state directory.
func TestMCPHostExample(t *testing.T) {
	needMCP(t)
	m := newMachine(t)
	unshare, err := exec.LookPath("unshare")
	testenv.Need(t, testenv.Runc, err)
	config, err := filepath.Abs("../examples/mcp-host.json")
	if err != nil {
		t.Fatal(err)
	}
	readSources(t, config)
	stdout, status := inspectUnder(t,
		[]string{"PATH=" + filepath.Dir(m.binary) + string(filepath.ListSeparator) + os.Getenv("PATH"), "DOCKER_HOST=", "GLOVEBOX_RUNTIME_DIR=" + filepath.Dir(m.flags[3])},
		[]string{unshare, "--mount", "sh", "-c", `mount -t tmpfs -o mode=755 none /run && exec "$@"`, "sh"},
		"--config", config, "--server", "glovebox", "--method", "tools/call", "--tool-name", "execute_code", "--tool-arg", "code=return 6 * 7")
	if r := called(t, stdout, status); r.IsError || string(r.Structured.Output) != "42" {
		t.Errorf("%+v", r)
	}
}
