package modeltest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	oteltrace "go.opentelemetry.io/otel/trace"

	"glovebox/internal/agent"
	"glovebox/internal/agent/remote"
	"glovebox/internal/secret"
)

// A Client is what the suite must know of a client.
type Client struct {
	// New makes a model.
	New func(remote.Options) (agent.Model, error)
	// Base is where on the server the client's protocol is.
	Base func(*Server) string
	// KeyVariable is what the client's key is called, which its errors must name.
	KeyVariable string
	// TellsFailure is true where the protocol can say of a result that its call failed.
	TellsFailure bool
}

// Key is the key that the suite uses; whatever shows any of its parts fails.
const Key = "sk-scripted-0123456789-SECRET"

// Suite is what every agent.Model behind HTTP must do, whatever it speaks.
func Suite(t *testing.T, client Client) {
	for name, test := range map[string]func(*testing.T, Client){
		"answers":        testAnswers,
		"streams":        testStreams,
		"calls":          testCalls,
		"conversation":   testConversation,
		"odd messages":   testOddMessages,
		"text only":      testTextOnly,
		"length":         testLength,
		"usage":          testUsage,
		"withheld":       testWithheld,
		"concurrent":     testConcurrent,
		"rate limit":     testRateLimit,
		"cut stream":     testCutStream,
		"failing":        testFailing,
		"error event":    testErrorEvent,
		"cancel":         testCancel,
		"timeout":        testTimeout,
		"too long":       testTooLong,
		"no such server": testNoServer,
		"no stream":      testNoStream,
		"redirect":       testRedirect,
		"key":            testKey,
	} {
		t.Run(name, func(t *testing.T) { test(t, client) })
	}
}

// model makes the model under test against a server; change may change its options.
func (c Client) model(t *testing.T, s *Server, change ...func(*remote.Options)) agent.Model {
	t.Helper()
	opts := remote.Options{Model: "scripted", BaseURL: c.Base(s), Key: secret.New(Key), RetryDelay: time.Millisecond}
	for _, c := range change {
		c(&opts)
	}
	model, err := c.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// question is the shortest turn there is.
func question(text string) agent.Turn {
	return agent.Turn{System: "Be brief.", Messages: []agent.Message{{Role: agent.RoleUser, Text: text}}}
}

func mustAnswer(t *testing.T, model agent.Model, turn agent.Turn) agent.Answer {
	t.Helper()
	answer, err := model.Answer(traced(t.Context()), turn)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return answer
}

// traced is a context within a trace, of which a model's server is not to be told.
func traced(ctx context.Context) context.Context {
	return oteltrace.ContextWithSpanContext(ctx, oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceFlags: oteltrace.FlagsSampled}))
}

// mustFail asks, wants a ModelError of a status whose message holds all words, and returns the message.
func mustFail(t *testing.T, model agent.Model, turn agent.Turn, status int, words ...string) (message string) {
	t.Helper()
	answer, err := model.Answer(t.Context(), turn)
	var failure *agent.ModelError
	if !errors.As(err, &failure) {
		t.Fatalf("answers %+v and the error %v, which is no ModelError", answer, err)
	}
	if failure.Status != status {
		t.Errorf("the status is %d, not %d: %v", failure.Status, status, failure)
	}
	for _, word := range words {
		if !strings.Contains(failure.Message, word) {
			t.Errorf("the error does not say %q: %s", word, failure.Message)
		}
	}
	if answer.Text != "" || answer.Calls != nil {
		t.Errorf("there is an answer with the error: %+v", answer)
	}
	return failure.Message
}

func asked(t *testing.T, s *Server, times int) []Request {
	t.Helper()
	requests := s.Requests()
	if len(requests) != times {
		t.Fatalf("the server was asked %d times, not %d", len(requests), times)
	}
	return requests
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var codeTool = agent.Tool{
	Name: "execute_code", Description: "Runs code.",
	Schema: json.RawMessage(`{"type":"object","properties":{"code":{"type":"string"},"seed":{"type":"integer","maximum":9007199254740993}},"required":["code"],"additionalProperties":false}`),
}

func testAnswers(t *testing.T, client Client) {
	s := New(t, Say("Four."), Say("Five."))
	model := client.model(t, s)
	if model.Name() != "scripted" || !model.NativeTools() {
		t.Errorf("the model is %q, with native tools %t", model.Name(), model.NativeTools())
	}
	turn := question("2+2?")
	turn.Tools = []agent.Tool{codeTool}
	turn.MaxOutputTokens = 321
	answer := mustAnswer(t, model, turn)
	if answer.Text != "Four." || answer.Calls != nil || answer.Cut {
		t.Errorf("the answer is %+v", answer)
	}
	turn.MaxOutputTokens = 0
	mustAnswer(t, client.model(t, s, func(o *remote.Options) { o.MaxOutputTokens = 123 }), turn)

	requests := asked(t, s, 2)
	request := requests[0]
	if request.Model != "scripted" || request.System != "Be brief." || !request.Stream || !request.WantsUsage || request.Key != Key {
		t.Errorf("the request is %+v", request)
	}
	if request.MaxTokens != 321 || requests[1].MaxTokens != 123 {
		t.Errorf("the bounds on the answers are %d and %d", request.MaxTokens, requests[1].MaxTokens)
	}
	same(t, "messages", request.Messages, turn.Messages)
	if len(request.Tools) != 1 {
		t.Fatalf("there are the tools %+v", request.Tools)
	}
	same(t, "the tool's name", request.Tools[0].Name+": "+request.Tools[0].Description, "execute_code: Runs code.")
	same(t, "the tool's schema", ordered(t, request.Tools[0].Schema), ordered(t, codeTool.Schema))
}

// ordered writes JSON with its members in order and its numbers as they are.
func ordered(t *testing.T, data []byte) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return string(encode(value))
}

func testStreams(t *testing.T, client Client) {
	text := "First \"this\", then\nthat: café, 数字, 👩‍🔬, \u2028 and </script>; " + strings.Repeat("more ", 200)
	s := New(t, Say(text))
	turn := question("Tell.")
	var pieces []string
	turn.OnText = func(piece string) { pieces = append(pieces, piece) }
	answer := mustAnswer(t, client.model(t, s), turn)
	same(t, "text", answer.Text, text)
	same(t, "streamed", strings.Join(pieces, ""), text)
	if len(pieces) < 100 {
		t.Errorf("%d runes came in %d pieces", len([]rune(text)), len(pieces))
	}
	for _, piece := range pieces {
		if piece == "" {
			t.Error("an empty piece says that all before it is void")
		}
	}
}

func testCalls(t *testing.T, client Client) {
	calls := []agent.Call{
		{ID: "a", Name: "execute_code", Arguments: `{"code":"return \"é\\n\" + [1, 2].length"}`},
		{ID: "b", Name: "execute_code", Arguments: `{"code": "x", "seed": 12345678901234567890}`},
		{ID: "c", Name: "no_arguments"},
	}
	s := New(t, Reply{Text: "Two at once.", Calls: calls}, Call(calls[0]))
	model := client.model(t, s)
	turn := question("Run both.")
	turn.Tools = []agent.Tool{codeTool}
	answer := mustAnswer(t, model, turn)
	same(t, "text", answer.Text, "Two at once.")
	calls[2].Arguments = "{}"
	same(t, "calls", answer.Calls, calls)
	answer = mustAnswer(t, model, turn)
	same(t, "a call alone", answer, agent.Answer{Calls: calls[:1], Usage: answer.Usage})
}

func testConversation(t *testing.T, client Client) {
	turn := question("Sum the sales.")
	turn.Tools = []agent.Tool{codeTool}
	turn.Messages = append(turn.Messages,
		agent.Message{Role: agent.RoleAssistant, Text: "Two ways.", Calls: []agent.Call{
			{ID: "a", Name: "execute_code", Arguments: `{"code":"return 1"}`},
			{ID: "b", Name: "execute_code", Arguments: `{"code":"retrun 2"}`},
		}},
		agent.Message{Role: agent.RoleUser, Text: "Mend it.", Results: []agent.CallResult{
			{CallID: "a", Text: `{"resultCode":"SUCCESS","output":1}`},
			{CallID: "b", Text: "SYNTAX_ERROR: line 1\n</result>", Failed: true},
		}},
		agent.Message{Role: agent.RoleAssistant, Calls: []agent.Call{{ID: "c", Name: "execute_code", Arguments: `{}`}}},
		agent.Message{Role: agent.RoleUser, Results: []agent.CallResult{{CallID: "c", Text: "MISSING_CODE", Failed: true}}},
		agent.Message{Role: agent.RoleAssistant, Text: "Then 1."},
		agent.Message{Role: agent.RoleUser, Text: "Sure?"},
	)
	s := New(t, Say("Yes."))
	mustAnswer(t, client.model(t, s), turn)
	want := turn.Messages
	if !client.TellsFailure {
		want[2].Results[1].Failed = false
		want[4].Results[0].Failed = false
	}
	same(t, "the conversation on the wire", asked(t, s, 1)[0].Messages, want)
}

// What a model said must not make the server refuse the conversation ever after.
func testOddMessages(t *testing.T, client Client) {
	turn := question("Run it.")
	turn.System = ""
	turn.Tools = []agent.Tool{codeTool}
	turn.Messages = append(turn.Messages,
		agent.Message{Role: agent.RoleAssistant, Text: " \n"},
		agent.Message{Role: agent.RoleUser, Text: "Well?"},
		agent.Message{Role: agent.RoleAssistant, Calls: []agent.Call{
			{ID: "a", Name: "execute_code", Arguments: `{"code": "return`},
			{ID: "b", Name: "execute_code", Arguments: ``},
			{ID: "c", Name: "execute_code", Arguments: `["no object"]`},
			{ID: "d", Name: "execute_code", Arguments: `null`},
		}},
		agent.Message{Role: agent.RoleUser, Results: []agent.CallResult{
			{CallID: "a", Text: "no JSON"}, {CallID: "b", Text: ""}, {CallID: "c", Text: " "}, {CallID: "d", Text: "none"},
		}},
	)
	s := New(t, Say("Sorry."))
	mustAnswer(t, client.model(t, s), turn)
	messages := asked(t, s, 1)[0].Messages
	var arguments []string
	for _, message := range messages {
		for _, call := range message.Calls {
			arguments = append(arguments, ordered(t, []byte(call.Arguments)))
		}
	}
	same(t, "arguments", arguments, []string{`{"unreadable":"{\"code\": \"return"}`, `{}`, `{"unreadable":"[\"no object\"]"}`, `{"unreadable":"null"}`})
	if results := messages[len(messages)-1].Results; len(results) != 4 {
		t.Errorf("the results are %+v", results)
	}
}

func testTextOnly(t *testing.T, client Client) {
	s := New(t, Say("As text."))
	model := client.model(t, s, func(o *remote.Options) { o.TextOnly = true })
	if model.NativeTools() {
		t.Error("it has native tools")
	}
	turn := question("2+2?")
	turn.Tools = []agent.Tool{codeTool}
	mustAnswer(t, model, turn)
	if tools := asked(t, s, 1)[0].Tools; tools != nil {
		t.Errorf("it is offered %+v", tools)
	}
}

func testLength(t *testing.T, client Client) {
	half := agent.Call{ID: "a", Name: "execute_code", Arguments: `{"code": "return [1, 2`}
	s := New(t, Length("It begins"), Reply{Calls: []agent.Call{half}, Cut: true})
	model := client.model(t, s)
	answer := mustAnswer(t, model, question("Tell."))
	if answer.Text != "It begins" || !answer.Cut {
		t.Errorf("the answer is %+v", answer)
	}
	answer = mustAnswer(t, model, question("Run."))
	if !answer.Cut {
		t.Errorf("the answer is %+v", answer)
	}
	same(t, "the half call", answer.Calls, []agent.Call{half})
}

func testUsage(t *testing.T, client Client) {
	told := Usage{Input: 10, CacheRead: 5, CacheWrite: 3, Output: 7}
	s := New(t, Reply{Text: "Four.", Usage: &told}, Reply{Text: "Four.", NoUsage: true},
		Reply{Text: "Four.", Usage: &Usage{Input: -5, Output: 1 << 62}})
	model := client.model(t, s)
	same(t, "usage", mustAnswer(t, model, question("2+2?")).Usage, agent.Usage{InputTokens: 18, OutputTokens: 7})
	same(t, "no usage", mustAnswer(t, model, question("2+2?")).Usage, agent.Usage{})
	if got := mustAnswer(t, model, question("2+2?")).Usage; got.InputTokens != 0 || got.OutputTokens < 1 || got.OutputTokens > 1<<50 {
		t.Errorf("a usage that cannot be is taken for %+v", got)
	}
}

func testWithheld(t *testing.T, client Client) {
	s := New(t, Reply{Text: "I", Withheld: true})
	mustFail(t, client.model(t, s), question("Something vile."), 0, "withheld")
}

func testConcurrent(t *testing.T, client Client) {
	s := New(t, Forever{Func(func(r Request) Step { return Say("It is " + r.Messages[0].Text + ".") })})
	model := client.model(t, s)
	ctx := t.Context()
	ended := make(chan string)
	names := strings.Split("abcdefgh", "")
	for _, name := range names {
		go func() {
			answer, err := model.Answer(ctx, question(name))
			if err == nil && answer.Text == "It is "+name+"." {
				ended <- ""
				return
			}
			ended <- name + " is answered " + answer.Text
		}()
	}
	for range names {
		if wrong := <-ended; wrong != "" {
			t.Error(wrong)
		}
	}
}

// cancelled wants ctx's own error.
func cancelled(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func testCancel(t *testing.T, client Client) {
	t.Run("in mid-stream", func(t *testing.T) {
		s := New(t, Slow{Reply: Say("It begins, and never ends.")})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		turn := question("Tell.")
		turn.OnText = func(string) { cancel() }
		_, err := client.model(t, s).Answer(ctx, turn)
		cancelled(t, err)
		asked(t, s, 1)
	})
	t.Run("in a wait", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := New(t, Func(func(Request) Step {
			cancel()
			return RateLimit{RetryAfter: time.Minute}
		}))
		_, err := client.model(t, s).Answer(ctx, question("2+2?"))
		cancelled(t, err)
	})
	t.Run("between tries", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := New(t, Forever{CutStream{Reply: Say(strings.Repeat("word ", 20))}})
		turn := question("Tell.")
		turn.OnText = func(text string) {
			if text == "" {
				cancel()
			}
		}
		_, err := client.model(t, s).Answer(ctx, turn)
		cancelled(t, err)
	})
}
