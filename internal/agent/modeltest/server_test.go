package modeltest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"glovebox/internal/agent"
	"glovebox/internal/agent/modeltest"
)

// post asks a server as no client of ours does, and returns status and body.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Anthropic-Version", "2023-06-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// One script answers both protocols, in one piece too.
func TestWholeAnswers(t *testing.T) {
	reply := modeltest.Reply{
		Text: "Both.", Calls: []agent.Call{{Name: "f", Arguments: `{"a": 1}`}, {ID: "mine", Name: "g", Arguments: `{}`}},
		Usage: &modeltest.Usage{Input: 5, CacheRead: 2, Output: 3},
	}
	s := modeltest.New(t, reply, reply)

	status, body := post(t, s.OpenAI()+"/chat/completions", `{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}`)
	want := `{"choices":[{"finish_reason":"tool_calls","index":0,"message":{"content":"Both.","refusal":null,"role":"assistant","tool_calls":[` +
		`{"function":{"arguments":"{\"a\": 1}","name":"f"},"id":"call_scripted_0","type":"function"},` +
		`{"function":{"arguments":"{}","name":"g"},"id":"mine","type":"function"}]}}],` +
		`"created":1,"id":"chatcmpl-scripted","model":"scripted","object":"chat.completion",` +
		`"usage":{"completion_tokens":3,"prompt_tokens":7,"prompt_tokens_details":{"cached_tokens":2},"total_tokens":10}}`
	if status != http.StatusOK || body != want {
		t.Errorf("chat completions answer %d\n%s\nnot\n%s", status, body, want)
	}

	status, body = post(t, s.Anthropic()+"/v1/messages", `{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}`)
	want = `{"content":[{"text":"Both.","type":"text"},{"id":"toolu_scripted_0","input":{"a":1},"name":"f","type":"tool_use"},` +
		`{"id":"mine","input":{},"name":"g","type":"tool_use"}],"id":"msg_scripted","model":"scripted","role":"assistant",` +
		`"stop_reason":"tool_use","stop_sequence":null,"type":"message",` +
		`"usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"input_tokens":5,"output_tokens":3}}`
	if status != http.StatusOK || body != want {
		t.Errorf("messages answer %d\n%s\nnot\n%s", status, body, want)
	}
	for _, request := range s.Requests() {
		if request.Stream || len(request.Messages) != 1 || request.Messages[0].Text != "Hi" {
			t.Errorf("the request is read as %+v", request)
		}
	}
}

// A conversation that a real server would refuse is refused, and told of.
func TestRules(t *testing.T) {
	call := `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	use := `{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}`
	tools := `"tools":[{"name":"f","input_schema":{"type":"object"}}],"max_tokens":9,`
	tests := map[string]struct{ path, body string }{
		"no JSON":                    {"/v1/chat/completions", `{`},
		"no message":                 {"/v1/chat/completions", `{"messages":[]}`},
		"unknown role":               {"/v1/chat/completions", `{"messages":[{"role":"wizard","content":"x"}]}`},
		"no result":                  {"/v1/chat/completions", `{"messages":[` + call + `,{"role":"user","content":"x"}]}`},
		"a result of nothing":        {"/v1/chat/completions", `{"messages":[{"role":"tool","tool_call_id":"a","content":"x"}]}`},
		"the assistant last":         {"/v1/chat/completions", `{"messages":[{"role":"assistant","content":"x"}]}`},
		"arguments that are no JSON": {"/v1/chat/completions", `{"messages":[` + strings.Replace(call, `"{}"`, `"{"`, 1) + `,{"role":"tool","tool_call_id":"a","content":"x"}]}`},
		"no bound":                   {"/v1/messages", `{"messages":[{"role":"user","content":"x"}]}`},
		"blank text":                 {"/v1/messages", `{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":" "}]}]}`},
		"no content":                 {"/v1/messages", `{"max_tokens":9,"messages":[{"role":"user","content":[]}]}`},
		"no result, either":          {"/v1/messages", `{` + tools + `"messages":[` + use + `,{"role":"user","content":"x"}]}`},
		"calls without tools":        {"/v1/messages", `{"max_tokens":9,"messages":[` + use + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}`},
		"text before results":        {"/v1/messages", `{` + tools + `"messages":[` + use + `,{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"a"}]}]}`},
		"input that is no object":    {"/v1/messages", `{` + tools + `"messages":[` + strings.Replace(use, `{}`, `"x"`, 1) + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := modeltest.Start(modeltest.Forever{Step: modeltest.Say("taken")})
			status, body := post(t, s.Anthropic()+test.path, test.body)
			if status != http.StatusBadRequest || !json.Valid([]byte(body)) {
				t.Errorf("it is answered %d %s", status, body)
			}
			if problems := s.Close(); len(problems) != 1 {
				t.Errorf("the problems are %q", problems)
			}
		})
	}
}

func TestScriptsAreFollowed(t *testing.T) {
	hello := `{"messages": [{"role": "user", "content": "Hi"}]}`
	for name, test := range map[string]struct {
		steps []modeltest.Step
		asked int
		says  string
	}{
		"to the end":     {[]modeltest.Step{modeltest.Say("a"), modeltest.Say("b")}, 2, ""},
		"not to the end": {[]modeltest.Step{modeltest.Say("a"), modeltest.Say("b")}, 1, "1 steps"},
		"beyond it":      {[]modeltest.Step{modeltest.Say("a")}, 2, "request 2"},
		"for ever":       {[]modeltest.Step{modeltest.Say("a"), modeltest.Forever{Step: modeltest.Say("b")}}, 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := modeltest.Start(test.steps...)
			for range test.asked {
				post(t, s.OpenAI()+"/chat/completions", hello)
			}
			problems := strings.Join(s.Close(), "; ")
			if (problems == "") != (test.says == "") || !strings.Contains(problems, test.says) {
				t.Errorf("the problems are %q", problems)
			}
		})
	}
}

// A streamed answer in each protocol, as it is on the wire.
func TestStreams(t *testing.T) {
	reply := modeltest.Reply{Text: "Two, three", Calls: []agent.Call{{ID: "a", Name: "f", Arguments: `{"a":12}`}}, Usage: &modeltest.Usage{Input: 5, Output: 3}}
	s := modeltest.New(t, reply, reply)
	_, body := post(t, s.OpenAI()+"/chat/completions", `{"stream": true, "messages": [{"role": "user", "content": "Hi"}]}`)
	for _, part := range []string{
		`"delta":{"content":"Two, th"}`, `"delta":{"content":"ree"}`,
		`"tool_calls":[{"function":{"arguments":"","name":"f"},"id":"a","index":0,"type":"function"}]`,
		`"tool_calls":[{"function":{"arguments":"{\"a\":"},"index":0}]`, `"finish_reason":"tool_calls"`, "\n\ndata: [DONE]\n\n",
	} {
		if !strings.Contains(body, part) {
			t.Errorf("chat completions do not stream %s:\n%s", part, body)
		}
	}
	if strings.Contains(body, "prompt_tokens") {
		t.Error("chat completions tell usage unasked")
	}
	_, body = post(t, s.Anthropic()+"/v1/messages", `{"stream": true, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}`)
	var names []string
	for line := range bytes.Lines([]byte(body)) {
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			names = append(names, string(bytes.TrimSpace(name)))
		}
	}
	want := "message_start ping content_block_start content_block_delta content_block_delta content_block_stop " +
		"content_block_start content_block_delta content_block_delta content_block_delta content_block_stop message_delta message_stop"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("messages stream\n%s\nnot\n%s", got, want)
	}
}
