package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
)

// templates is where the prompt's texts are.
const templates = "../../metadata/prompts/templates/agents"

func promptText(t testing.TB) (text, parts string) {
	t.Helper()
	var read [2]string
	for i, name := range []string{"codesmith.template.md", "codesmith.glovebox.template.md"} {
		body, err := os.ReadFile(filepath.Join(templates, name))
		if err != nil {
			t.Fatal(err)
		}
		read[i] = string(body)
	}
	return read[0], read[1]
}

func libraries() (all []agent.Library) {
	for _, l := range runnerimage.Libraries() {
		all = append(all, agent.Library{Name: l.Name, Version: l.Version})
	}
	return all
}

func prompt(t testing.TB) *agent.Prompt {
	t.Helper()
	text, parts := promptText(t)
	p, err := agent.ParsePrompt(text, parts, libraries())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readParams reads parameters as the action does, as far as these tests go.
func readParams(_ context.Context, params []byte) (api.Request, error) {
	var p struct {
		Code, Language string
		InputData      json.RawMessage
		Timeout        *float64
		MemoryLimit    *int
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return api.Request{}, &api.Error{Field: "code", Detail: "must be a string"}
	}
	return api.Request{
		Code: p.Code, Language: api.Language(p.Language), InputData: p.InputData, TimeoutSeconds: p.Timeout, MemoryLimitMB: p.MemoryLimit,
	}, nil
}

var executeTool = agent.Tool{Description: "Runs a program.", Schema: json.RawMessage(`{"type":"object","properties":{"code":{"type":"string"}},"required":["code"]}`)}

// A turn is one answer of the scripted model, and what it must and must not have been told before.
type turn struct {
	want, never []string

	say   string       // as text, whatever the form
	run   []string     // programs
	with  string       // further parameters, as members of JSON
	done  bool         // complete the task,
	code  *string      // with this code
	extra string       // and these members of the payload, as JSON
	calls []agent.Call // as they are, in place of run
	cut   bool
	usage agent.Usage

	err   error
	block bool // until the context ends
	// halfStreamed is what streams in before the connection is cut and the model asked again.
	halfStreamed string
	busy         int // how often the server answers that it is asked too often
	again        int // how many more times this turn comes
}

// A scripted model gives the answers of its turns.
type scripted struct {
	t      *testing.T
	native bool
	turns  []turn

	mu    sync.Mutex
	asked []agent.Turn
}

func (m *scripted) Name() string      { return "scripted" }
func (m *scripted) NativeTools() bool { return m.native }

func (m *scripted) Answer(ctx context.Context, asked agent.Turn) (agent.Answer, error) {
	m.mu.Lock()
	m.asked = append(m.asked, asked)
	n := len(m.asked)
	m.mu.Unlock()
	if n > len(m.turns) {
		m.t.Errorf("the model was asked %d times, and has %d answers; it was told last:\n%s", n, len(m.turns), told(asked))
		return agent.Answer{}, &agent.ModelError{Message: "no answer is left"}
	}
	now := m.turns[n-1]
	now.check(m.t, n, asked)
	switch {
	case now.block:
		<-ctx.Done()
		return agent.Answer{}, ctx.Err()
	case now.err != nil:
		return agent.Answer{}, now.err
	}
	answer := now.answer(m.native)
	if now.halfStreamed != "" && asked.OnText != nil {
		asked.OnText(now.halfStreamed)
		asked.OnText("")
	}
	if asked.OnText != nil && answer.Text != "" {
		asked.OnText(answer.Text)
	}
	return answer, nil
}

// told is all that the last message of a turn tells the model.
func told(asked agent.Turn) string {
	last := asked.Messages[len(asked.Messages)-1]
	var parts []string
	for _, result := range last.Results {
		parts = append(parts, result.Text)
	}
	return strings.Join(append(parts, last.Text), "\n")
}

func (now turn) check(t *testing.T, n int, asked agent.Turn) {
	t.Helper()
	text := told(asked)
	for _, want := range now.want {
		if !strings.Contains(text, want) {
			t.Errorf("before answer %d the model was not told %q, but:\n%s", n, want, text)
		}
	}
	for _, never := range now.never {
		if strings.Contains(text, never) {
			t.Errorf("before answer %d the model was told %q:\n%s", n, never, text)
		}
	}
	// What servers demand: turns alternate, no message is empty, and every call has its result.
	var open []agent.Call
	for i, m := range asked.Messages {
		if (i%2 == 0) != (m.Role == agent.RoleUser) || m.Text == "" && len(m.Calls) == 0 && len(m.Results) == 0 {
			t.Errorf("message %d of the conversation is %+v", i, m)
		}
		if len(m.Results) != len(open) {
			t.Errorf("message %d has %d results for %d calls", i, len(m.Results), len(open))
		}
		open = m.Calls
	}
}

// expand repeats the turns that come again.
func expand(turns []turn) (all []turn) {
	for _, one := range turns {
		for range one.again + 1 {
			all = append(all, one)
		}
	}
	return all
}

// answer writes a turn in the form that the model speaks.
func (now turn) answer(native bool) agent.Answer {
	a := agent.Answer{Text: now.say, Cut: now.cut, Usage: now.usage}
	if a.Usage == (agent.Usage{}) {
		a.Usage = agent.Usage{InputTokens: 1000, OutputTokens: 100}
	}
	switch {
	case now.calls != nil:
		a.Calls = now.calls
	case len(now.run) > 0 && native:
		for i, code := range now.run {
			a.Calls = append(a.Calls, agent.Call{ID: fmt.Sprintf("call_%d", i+1), Name: agent.ToolExecute, Arguments: now.params(code)})
		}
	case len(now.run) > 0:
		var actions []string
		for _, code := range now.run {
			actions = append(actions, fmt.Sprintf(`{"name":"Execute Code","params":%s}`, now.params(code)))
		}
		a.Text = fmt.Sprintf(`{"taskComplete":false,"reasoning":"try","nextStep":{"type":"Actions","actions":[%s]}}`, strings.Join(actions, ","))
	case now.done && native:
		a.Calls = []agent.Call{{ID: "call_1", Name: agent.ToolComplete, Arguments: `{"message":"done"` + now.payload() + `}`}}
	case now.done:
		a.Text = `{"taskComplete":true,"message":"done","payloadChangeRequest":{"newElements":{` + strings.TrimPrefix(now.payload(), ",") + `}}}`
	}
	return a
}

func (now turn) params(code string) string {
	with := ""
	if now.with != "" {
		with = "," + now.with
	}
	return `{"code":` + quoted(code) + with + `}`
}

func (now turn) payload() (members string) {
	if now.code != nil {
		members = `,"code":` + quoted(*now.code)
	}
	if now.extra != "" {
		members += "," + now.extra
	}
	return members
}

func quoted(s string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s)
	return strings.TrimSpace(out.String())
}

// A fakeExecutor knows the programs of one conversation, and how each ends.
type fakeExecutor struct {
	t    *testing.T
	ends map[string]api.Result

	mu    sync.Mutex
	asked []api.Request
}

func (e *fakeExecutor) Execute(_ context.Context, request api.Request, _ func(api.Log)) (api.Result, error) {
	e.mu.Lock()
	e.asked = append(e.asked, request)
	e.mu.Unlock()
	result, ok := e.ends[request.Code]
	if !ok {
		e.t.Errorf("nobody said how this program ends:\n%s", request.Code)
		return api.Result{}, errors.New("unknown program")
	}
	return result, nil
}

// ok is a success with an output, and what was printed.
func ok(output string, logs ...string) api.Result {
	r := api.Result{Success: true, ResultCode: api.Success, Output: json.RawMessage(output), ExecutionTimeMs: 2}
	for _, message := range logs {
		r.Logs = append(r.Logs, api.Log{Level: api.LevelLog, Message: message})
	}
	return r
}

// fails is a failure.
func fails(code api.ResultCode, name, message string, line, column int) api.Result {
	return api.Result{ResultCode: code, Error: &api.ScriptError{Name: name, Message: message, Line: line, Column: column}, ExecutionTimeMs: 2}
}

// boxes returns an executor with real boxes, or skips the test.
func boxes(t *testing.T) agent.Executor {
	t.Helper()
	image, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	if len(runnerimage.Libraries()) < 2 {
		testenv.Missing(t, testenv.Libs, "the runner holds no libraries: type make")
	}
	runtime, err := oci.FindRuntime(t.Context(), sandbox.KindRunc, oci.SearchDirs())
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("boxes without Docker need root")
	}
	testenv.Need(t, testenv.Runc, err)
	// It may not lie where nobody may pass through: a box in a user namespace must reach its root file system.
	dir, err := os.MkdirTemp("", "gb-agent-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	state, err := sandbox.OpenState(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	driver, err := oci.New(oci.Config{Image: image, State: state, Runtime: runtime, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: driver, Spec: sandbox.Sealed(image.BinaryDigest(), string(runtime.Kind)), Concurrency: 4, Queue: 16, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := executor.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return executor
}

func mustTime(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := api.ParseNow(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
