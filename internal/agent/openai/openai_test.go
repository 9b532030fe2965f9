package openai_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"glovebox/internal/agent"
	"glovebox/internal/agent/modeltest"
	"glovebox/internal/agent/openai"
	"glovebox/internal/agent/remote"
	"glovebox/internal/secret"
)

func TestModel(t *testing.T) {
	modeltest.Suite(t, modeltest.Client{
		New:         func(opts remote.Options) (agent.Model, error) { return openai.New(opts) },
		Base:        (*modeltest.Server).OpenAI,
		KeyVariable: "OPENAI_API_KEY",
	})
}

// A transport answers requests itself.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func streamed(request *http.Request, body string) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: request,
	}
}

var hello = agent.Turn{Messages: []agent.Message{{Role: agent.RoleUser, Text: "Hi"}}}

const whole = `data: {"choices":[{"index":0,"delta":{"content":"Hi."},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"

// OpenAI's newer models refuse the older name of the bound, and not all other servers know the newer one.
// What the environment holds is for who makes the options to say, and not for the SDK.
func TestOwnServers(t *testing.T) {
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
	t.Setenv("OPENAI_CUSTOM_HEADERS", "X-Odd: yes")
	for base, want := range map[string]string{"": `"max_completion_tokens":7`, "https://gpu.test/v1": `"max_tokens":7`} {
		model, err := openai.New(remote.Options{Model: "m", Key: secret.New("key"), BaseURL: base, MaxOutputTokens: 7,
			Transport: transport(func(request *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(request.Body)
				if err != nil {
					return nil, err
				}
				if !strings.Contains(string(body), want) {
					t.Errorf("%s is asked %s", request.URL, body)
				}
				if host := request.URL.Host; host != "api.openai.com" && host != "gpu.test" {
					t.Errorf("%s is asked", host)
				}
				if request.Header.Get("X-Odd") != "" {
					t.Error("the environment adds headers")
				}
				return streamed(request, whole), nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := model.Answer(t.Context(), hello); err != nil || answer.Text != "Hi." {
			t.Errorf("the answer is %+v, %v", answer, err)
		}
	}
}

func answerOf(tb testing.TB, body string) (agent.Answer, error) {
	model, err := openai.New(remote.Options{Model: "m", BaseURL: "http://127.0.0.1:1/v1", Retries: -1, MaxAnswerBytes: 1 << 20,
		Transport: transport(func(request *http.Request) (*http.Response, error) { return streamed(request, body), nil })})
	if err != nil {
		tb.Fatal(err)
	}
	return model.Answer(tb.Context(), hello)
}

// Streams as other servers send them.
func TestOtherServers(t *testing.T) {
	tests := map[string]struct {
		body string
		want agent.Answer
	}{
		"usage with every chunk": {
			`data: {"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}` + "\n\n" +
				`data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}` + "\n\n",
			agent.Answer{Text: "ab", Usage: agent.Usage{InputTokens: 5, OutputTokens: 2}},
		},
		"comments, and lines that end as on Windows": {
			": waiting\r\n\r\n" + strings.ReplaceAll(whole, "\n", "\r\n"),
			agent.Answer{Text: "Hi."},
		},
		"a refusal": {
			`data: {"choices":[{"index":0,"delta":{"content":null,"refusal":"I will not."},"finish_reason":"stop"}]}` + "\n\n",
			agent.Answer{Text: "I will not."},
		},
		"more than one choice": {
			`data: {"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":"length"},{"index":0,"delta":{"content":"yes"},"finish_reason":"stop"}]}` + "\n\n",
			agent.Answer{Text: "yes"},
		},
		"reasoning beside": {
			`data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm","content":"yes"},"finish_reason":"stop"}]}` + "\n\n",
			agent.Answer{Text: "yes"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer, err := answerOf(t, test.body)
			if err != nil || answer.Text != test.want.Text || answer.Cut != test.want.Cut || answer.Usage != test.want.Usage {
				t.Errorf("the answer is %+v, %v", answer, err)
			}
		})
	}
}

func TestSchemaThatIsNone(t *testing.T) {
	turn := hello
	turn.Tools = []agent.Tool{{Name: "odd", Schema: []byte("null")}}
	model, err := openai.New(remote.Options{Model: "m", BaseURL: "http://127.0.0.1:1/v1"})
	if err != nil {
		t.Fatal(err)
	}
	var failure *agent.ModelError
	if _, err := model.Answer(t.Context(), turn); !errors.As(err, &failure) || !strings.Contains(failure.Message, "odd") {
		t.Errorf("the error is %v", err)
	}
}

// Whatever a server sends, there is an answer or a ModelError.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		whole,
		`data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":9223372036854775807,"id":"a","function":{"name":"f","arguments":"{"}},{"index":-1}]}}]}` + "\n\n",
		`data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1e99}]},"finish_reason":"tool_calls"}]}` + "\n\n",
		`data: {"error":{"message":"oh","code":7}}` + "\n\n",
		`data: {"choices":{},"usage":[]}` + "\n\n",
		"data: [DONE]\n\n", "data: {\n\n", "event: x\n\n", ":\n", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		_, err := answerOf(t, body)
		var failure *agent.ModelError
		if err != nil && !errors.As(err, &failure) {
			t.Errorf("%q ends in %v", body, err)
		}
	})
}
