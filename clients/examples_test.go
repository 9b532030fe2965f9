package clients_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glovebox/internal/testenv"
)

func TestCurlExample(t *testing.T) {
	_, err := exec.LookPath("curl")
	testenv.Need(t, testenv.Curl, err)
	server := serve(t)
	readSources(t, "../examples")
	out := run(t, nil, "../examples/curl.sh", server)
	var result struct {
		Output map[string]int
		Logs   []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if result.Output["a"] != 2 || result.Output["b"] != 1 || len(result.Logs) != 1 || result.Logs[0].Message != "rows: 3" {
		t.Errorf("%s", out)
	}
	// What is no success of HTTP is none of curl's either.
	cmd := exec.CommandContext(t.Context(), "../examples/curl.sh", server+"/nowhere")
	refused, err := cmd.Output()
	if err == nil || cmd.ProcessState.ExitCode() != 22 || !strings.Contains(string(refused), "urn:glovebox:problem:not-found") {
		t.Errorf("%v: %s", err, refused)
	}
}

// A model is a scripted server of chat completions: what it says in turn, and what it must have been told before.
type model struct {
	t     *testing.T
	turns []turn
	asked int
}

type turn struct {
	told   []string // each stands in the messages since the turn before
	answer string   // the message, as JSON
}

type chat struct {
	Model    string
	Messages []struct {
		Role, Content string
		ToolCallID    string `json:"tool_call_id"`
	}
	Tools []struct {
		Type     string
		Function struct{ Name string }
	}
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked chat
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.URL.Path != "/v1/chat/completions" || m.asked >= len(m.turns) {
		m.t.Errorf("turn %d: %s, %v", m.asked, r.URL, err)
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	if asked.Model != "scripted" || len(asked.Tools) != 1 || asked.Tools[0].Function.Name != "execute_code" || r.Header.Get("Authorization") != "Bearer none" {
		m.t.Errorf("turn %d: %+v, %v", m.asked, asked, r.Header)
	}
	var text strings.Builder
	for _, message := range asked.Messages {
		fmt.Fprintf(&text, "%s %s %s\n", message.Role, message.ToolCallID, message.Content)
	}
	now := m.turns[m.asked]
	m.asked++
	for _, told := range now.told {
		if !strings.Contains(text.String(), told) {
			m.t.Errorf("turn %d: the model is not told %q, but\n%s", m.asked, told, &text)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"choices":[{"message":%s}]}`, now.answer)
}

// calls is a message that calls the tool with each of the arguments.
func calls(name string, arguments ...string) string {
	var list []map[string]any
	for i, text := range arguments {
		list = append(list, map[string]any{"id": fmt.Sprintf("call-%d", i), "type": "function", "function": map[string]string{"name": name, "arguments": text}})
	}
	message, err := json.Marshal(map[string]any{"role": "assistant", "content": nil, "tool_calls": list})
	if err != nil {
		panic(err)
	}
	return string(message)
}

// The example runs what a model asks for, tells it what came of it, and prints its answer.
func TestOpenAIToolLoopExample(t *testing.T) {
	n := newNode(t)
	server := serve(t)
	// It is run beside the client that was built for the tests.
	source, err := os.ReadFile("../examples/openai-tool-loop.mjs")
	if err != nil {
		t.Fatal(err)
	}
	example := filepath.Join(n.root, "openai-tool-loop.mjs")
	if err := os.WriteFile(example, bytes.ReplaceAll(source, []byte("'../clients/"), []byte("'./clients/")), 0o600); err != nil {
		t.Fatal(err)
	}
	scripted := &model{t: t, turns: []turn{
		{[]string{"system ", "user  What is the 100th prime?"},
			calls("execute_code", `{"code":"const primes = [];\nreturn prime[99]"}`, `{"code":`, `{"code":1}`, `{"code":" "}`)},
		{[]string{`tool call-0 {"resultCode":"RUNTIME_ERROR","error":{"name":"ReferenceError"`, `"line":2`, "tool call-1 {\"error\":\"the arguments are not JSON\"}",
			"tool call-2 {\"error\":\"code must be a string\"}", "tool call-3 {\"error\":\"code: there is no code to run\"}"},
			calls("write_file", `{}`)},
		{[]string{`{"error":"there is no tool write_file"}`},
			calls("execute_code", `{"code":"console.log('from', input.from); const ps = []; for (let n = input.from; ps.length < 100; n++) if (ps.every(p => n % p)) ps.push(n); return ps.at(-1)","inputData":{"from":2}}`,
				`{"code":"return 'x'.repeat(10000)"}`)},
		{[]string{`{"resultCode":"SUCCESS","output":541,"logs":["from 2"]}`, "xxx… (cut; 10"},
			`{"role":"assistant","content":"The 100th prime is 541.\u001b]0;owned\u0007"}`},
	}}
	chat := httptest.NewServer(scripted)
	t.Cleanup(chat.Close)
	out := run(t, []string{"OPENAI_BASE_URL=" + chat.URL + "/v1", "OPENAI_API_KEY=none", "MODEL=scripted", "GLOVEBOX_SERVER=" + server},
		"node", example, "What is the 100th prime?")
	if want := "The 100th prime is 541.\ufffd]0;owned\ufffd\n"; out != want {
		t.Errorf("it prints %q, want %q", out, want)
	}
	if scripted.asked != len(scripted.turns) {
		t.Errorf("the model was asked %d times, want %d", scripted.asked, len(scripted.turns))
	}
}
