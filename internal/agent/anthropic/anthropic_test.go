package anthropic_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"glovebox/internal/agent"
	"glovebox/internal/agent/anthropic"
	"glovebox/internal/agent/modeltest"
	"glovebox/internal/agent/remote"
	"glovebox/internal/secret"
)

func TestModel(t *testing.T) {
	modeltest.Suite(t, modeltest.Client{
		New:         func(opts remote.Options) (agent.Model, error) { return anthropic.New(opts) },
		Base:        (*modeltest.Server).Anthropic,
		KeyVariable: "ANTHROPIC_API_KEY",

		TellsFailure: true,
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

const whole = `event: message_start
data: {"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}

event: message_stop
data: {"type":"message_stop"}

`

// The bound that the protocol wants is there, /v1 is not said twice, and what the environment holds is for
// who makes the options to say, and not for the SDK.
func TestRequest(t *testing.T) {
	t.Setenv("ANTHROPIC_AUTH_TOKEN", "token")
	t.Setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
	t.Setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Odd: yes")
	for base, want := range map[string]string{
		"":                       "https://api.anthropic.com/v1/messages",
		"https://gpu.test":       "https://gpu.test/v1/messages",
		"https://gpu.test/v1":    "https://gpu.test/v1/messages",
		"https://gpu.test/v1/":   "https://gpu.test/v1/messages",
		"https://gpu.test/proxy": "https://gpu.test/proxy/v1/messages",
	} {
		model, err := anthropic.New(remote.Options{Model: "m", Key: secret.New("key"), BaseURL: base,
			Transport: transport(func(request *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(request.Body)
				if err != nil {
					return nil, err
				}
				if got := request.URL.String(); got != want || !strings.Contains(string(body), `"max_tokens":8192`) {
					t.Errorf("%q asks %s for %s", base, got, body)
				}
				if request.Header.Get("X-Odd") != "" || request.Header.Get("Authorization") != "" {
					t.Errorf("the environment adds headers: %v", request.Header)
				}
				return streamed(request, whole), nil
			})})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := model.Answer(t.Context(), hello); err != nil || answer.Text != "Hi." || answer.Usage != (agent.Usage{InputTokens: 5, OutputTokens: 7}) {
			t.Errorf("the answer is %+v, %v", answer, err)
		}
	}
}

func answerOf(tb testing.TB, body string) (agent.Answer, error) {
	model, err := anthropic.New(remote.Options{Model: "m", BaseURL: "http://127.0.0.1:1/v1", Retries: -1, MaxAnswerBytes: 1 << 20,
		Transport: transport(func(request *http.Request) (*http.Response, error) { return streamed(request, body), nil })})
	if err != nil {
		tb.Fatal(err)
	}
	return model.Answer(tb.Context(), hello)
}

// Some servers send a call's input whole, where its pieces should follow; and thinking is no answer.
func TestOtherServers(t *testing.T) {
	answer, err := answerOf(t, `event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"so"}}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{"code":"return 1"}}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}

`)
	want := agent.Call{ID: "a", Name: "f", Arguments: `{"code":"return 1"}`}
	if err != nil || answer.Text != "" || len(answer.Calls) != 1 || answer.Calls[0] != want {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
}

func TestSchemaThatIsNone(t *testing.T) {
	turn := hello
	turn.Tools = []agent.Tool{{Name: "odd", Schema: []byte("null")}}
	model, err := anthropic.New(remote.Options{Model: "m", BaseURL: "http://127.0.0.1:1/v1"})
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
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":9223372036854775807,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":-1,\"content_block\":{\"type\":\"tool_use\",\"input\":[]}}\n\n",
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":7},\"usage\":[]}\n\n",
		"event: error\ndata: {\"error\":{\"type\":\"overloaded_error\"}}\n\n",
		"event: error\n\n", "event: message_stop\ndata: null\n\n", "data: {\n\n", ":\n", "",
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
