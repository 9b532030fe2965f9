package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/internal/kept"
	"glovebox/internal/mcp"
	"glovebox/internal/recorder"
	"glovebox/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type executorFunc func(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)

func (f executorFunc) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	return f(ctx, request, onLog)
}

func newServer(t *testing.T, executor executorFunc) *mcp.Server {
	t.Helper()
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	code, err := action.NewExecuteCode(catalogue, executor, 2)
	if err != nil {
		t.Fatal(err)
	}
	info := api.NewInfo(api.Build{Version: "test", Commit: "0123abc"}, []api.Library{{Name: "lodash", Version: "4.17.21"}}, 2)
	server, err := mcp.NewServer(mcp.Config{Code: code, Info: info})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// progress keeps what a client was told on the way.
type progress struct {
	mu    sync.Mutex
	heard sync.Cond // of mu
	notes []string
}

func (p *progress) handler(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, r.Params.Message)
	p.heard.Broadcast()
}

// told waits for so many notes, since the client hears of them beside the call's answer, and returns those that there are.
func (p *progress) told(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	late := false
	const most = 30 * time.Second
	defer time.AfterFunc(most, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.heard.Broadcast()
	}).Stop()
	for len(p.notes) < n && !late {
		p.heard.Wait()
	}
	return slices.Clone(p.notes)
}

// connect connects a client to a server, in memory or over HTTP.
func connect(t *testing.T, server *mcp.Server, overHTTP bool, p *progress) *sdk.ClientSession {
	t.Helper()
	options := &sdk.ClientOptions{}
	if p != nil {
		p.heard.L = &p.mu
		options.ProgressNotificationHandler = p.handler
	}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, options)
	var transport sdk.Transport
	if overHTTP {
		h := httptest.NewServer(server.Handler())
		t.Cleanup(h.Close)
		transport = &sdk.StreamableClientTransport{Endpoint: h.URL, HTTPClient: h.Client()}
	} else {
		toServer, fromClient := io.Pipe()
		toClient, fromServer := io.Pipe()
		served := make(chan error, 1)
		go func() {
			err := server.Serve(t.Context(), toServer, fromServer)
			_ = fromServer.Close()
			served <- err
		}()
		t.Cleanup(func() {
			_ = fromClient.Close()
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
		transport = &sdk.IOTransport{Reader: toClient, Writer: fromClient}
	}
	session, err := client.Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func onBoth(t *testing.T, test func(t *testing.T, overHTTP bool)) {
	t.Run("streams", func(t *testing.T) { test(t, false) })
	t.Run("http", func(t *testing.T) { test(t, true) })
}

func call(t *testing.T, session *sdk.ClientSession, name string, arguments any) *sdk.CallToolResult {
	t.Helper()
	params := &sdk.CallToolParams{Name: name, Arguments: arguments}
	params.SetProgressToken("token")
	result, err := session.CallTool(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func text(r *sdk.CallToolResult) string {
	if len(r.Content) != 1 {
		return "not one content"
	}
	content, ok := r.Content[0].(*sdk.TextContent)
	if !ok {
		return "not text"
	}
	return content.Text
}

// holds fails the test unless a structured result is as the tool's schema says.
func holds(t *testing.T, schema, value any) {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("the structured result: %v", err)
	}
}

func outputSchema(t *testing.T, session *sdk.ClientSession, name string) any {
	t.Helper()
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools.Tools {
		if tool.Name == name {
			return tool.OutputSchema
		}
	}
	t.Fatalf("there is no tool %s", name)
	return nil
}

func TestExecuteCode(t *testing.T) {
	onBoth(t, func(t *testing.T, overHTTP bool) {
		var p progress
		session := connect(t, newServer(t, func(_ context.Context, r api.Request, onLog func(api.Log)) (api.Result, error) {
			for _, message := range []string{"one", "two"} {
				onLog(api.Log{Level: api.LevelWarn, Message: message})
			}
			return api.Result{ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", Success: true, ResultCode: api.Success, Output: r.InputData,
				Logs: []api.Log{{Level: api.LevelWarn, Message: "one"}, {Level: api.LevelWarn, Message: "two"}}, ExecutionTimeMs: 1.5}, nil
		}), overHTTP, &p)
		got := call(t, session, "execute_code", map[string]any{"code": "output = input", "inputData": `{"a": 1}`})
		if got.IsError || !strings.HasPrefix(text(got), "SUCCESS: The script ran to its end.") ||
			!strings.Contains(text(got), "\noutput: {\"a\": 1}\nlogs:\n[warn] one\n[warn] two") {
			t.Errorf("got %q, error %v", text(got), got.IsError)
		}
		structured, _ := got.StructuredContent.(map[string]any)
		if output, _ := structured["output"].(map[string]any); output["a"] != float64(1) {
			t.Errorf("structured %v", structured)
		}
		holds(t, outputSchema(t, session, "execute_code"), got.StructuredContent)
		if told := p.told(2); !slices.Equal(told, []string{"[warn] one", "[warn] two"}) {
			t.Errorf("told %q on the way", told)
		}
	})
}

func TestFailures(t *testing.T) {
	failing := func(context.Context, api.Request, func(api.Log)) (api.Result, error) {
		return api.Result{ResultCode: api.RuntimeError, Error: &api.ScriptError{Name: "TypeError", Message: "x is undefined", Line: 2, Column: 5}}, nil
	}
	broken := func(context.Context, api.Request, func(api.Log)) (api.Result, error) {
		return api.Result{}, errors.New("secret path")
	}
	unrecorded := func(err error) executorFunc {
		return func(context.Context, api.Request, func(api.Log)) (api.Result, error) { return api.Result{}, err }
	}
	for name, c := range map[string]struct {
		executor  executorFunc
		arguments any
		says      string
		code      string // in the structured result, if there is one
	}{
		"a script that throws": {failing, map[string]any{"code": "x.y"}, "TypeError: x is undefined (line 2, column 5)", "RUNTIME_ERROR"},
		"no code":              {failing, map[string]any{}, "There was no code to run", "MISSING_CODE"},
		"data that is no JSON": {failing, map[string]any{"code": "x", "inputData": "{"}, "INVALID_INPUT_DATA", "INVALID_INPUT_DATA"},
		"an unknown argument":  {failing, map[string]any{"code": "x", "cpus": 2}, "cpus: is not a parameter", ""},
		"a limit too high":     {failing, map[string]any{"code": "x", "timeout": 1e9}, "timeout: is 1e+09", ""},
		"what cannot be recorded, and so did not run": {unrecorded(&kept.NotBegunError{Err: errors.New("secret path: the disk is full")}), map[string]any{"code": "x"},
			"Nothing was run: the server cannot write its record now. Try again in 5 seconds", ""},
		"what cannot be recorded, and ran": {unrecorded(&recorder.UnrecordedError{Began: true, Err: errors.New("secret path")}), map[string]any{"code": "x"},
			"EXECUTION_FAILED: It ran", ""},
		"our own fault": {broken, map[string]any{"code": "x"}, "EXECUTION_FAILED", ""},
	} {
		t.Run(name, func(t *testing.T) {
			session := connect(t, newServer(t, c.executor), false, nil)
			got := call(t, session, "execute_code", c.arguments)
			if !got.IsError || !strings.Contains(text(got), c.says) || strings.Contains(text(got), "secret") {
				t.Errorf("got %q, error %v", text(got), got.IsError)
			}
			structured, _ := got.StructuredContent.(map[string]any)
			if code, _ := structured["resultCode"].(string); code != c.code {
				t.Errorf("structured %v", got.StructuredContent)
			}
			if c.code != "" {
				holds(t, outputSchema(t, session, "execute_code"), got.StructuredContent)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	onBoth(t, func(t *testing.T, overHTTP bool) {
		started, ended := make(chan struct{}), make(chan struct{})
		session := connect(t, newServer(t, func(ctx context.Context, _ api.Request, _ func(api.Log)) (api.Result, error) {
			close(started)
			<-ctx.Done()
			close(ended)
			return api.Result{ResultCode: api.Cancelled, Error: &api.ScriptError{Name: "Cancelled"}}, nil
		}), overHTTP, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-started
			cancel()
		}()
		if _, err := session.CallTool(ctx, &sdk.CallToolParams{Name: "execute_code", Arguments: map[string]any{"code": "x"}}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the execution goes on after its call was cancelled")
		}
	})
}

// Over HTTP, a call ends with its session, and with the request that brought it: nobody could be told its result.
func TestCallsEndWithTheirRequests(t *testing.T) {
	endSession := func(t *testing.T, _ context.CancelFunc, url, session string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Mcp-Session-Id", session)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	for name, leave := range map[string]func(t *testing.T, post context.CancelFunc, url, session string){
		"the session is ended": endSession,
		"the request is gone":  func(_ *testing.T, post context.CancelFunc, _, _ string) { post() },
	} {
		t.Run(name, func(t *testing.T) {
			defer http.DefaultClient.CloseIdleConnections()
			started, ended := make(chan struct{}), make(chan struct{})
			h := httptest.NewServer(newServer(t, func(ctx context.Context, _ api.Request, _ func(api.Log)) (api.Result, error) {
				close(started)
				<-ctx.Done()
				close(ended)
				return api.Result{ResultCode: api.Cancelled}, nil
			}).Handler())
			defer h.Close()
			post := func(ctx context.Context, session, message string) *http.Response {
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, strings.NewReader(message))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Accept", "application/json, text/event-stream")
				if session != "" {
					r.Header.Set("Mcp-Session-Id", session)
				}
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return nil
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				return response
			}
			session := post(t.Context(), "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`).Header.Get("Mcp-Session-Id")
			post(t.Context(), session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				post(ctx, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"execute_code","arguments":{"code":"x"}}}`)
			}()
			<-started
			leave(t, cancel, h.URL, session)
			<-ended
			<-done
			endSession(t, nil, h.URL, session)
		})
	}
}

// A box never waits for a client: what one cannot be told in time is left out.
func TestManyLogs(t *testing.T) {
	var p progress
	const many = 20_000
	session := connect(t, newServer(t, func(_ context.Context, _ api.Request, onLog func(api.Log)) (api.Result, error) {
		for range many {
			onLog(api.Log{Level: api.LevelLog, Message: strings.Repeat("x", 10_000)})
		}
		return api.Result{Success: true, ResultCode: api.Success, Output: json.RawMessage(`"` + strings.Repeat("y", 100_000) + `"`)}, nil
	}), false, &p)
	got := call(t, session, "execute_code", map[string]any{"code": "x"})
	if got.IsError || len(text(got)) > 20_000 || !strings.Contains(text(got), "100002 bytes in all") {
		t.Errorf("%d bytes of text", len(text(got)))
	}
	told := p.told(1)
	if len(told) == 0 || len(told) == many || len(told[0]) > 5_000 {
		t.Errorf("told %d notes, the first of %d bytes", len(told), len(told[0]))
	}
}

func TestDescribeEnvironment(t *testing.T) {
	session := connect(t, newServer(t, nil), false, nil)
	got := call(t, session, "describe_environment", nil)
	var info api.Info
	if err := json.Unmarshal([]byte(text(got)), &info); err != nil || len(info.ResultCodes) != len(api.Codes()) || info.Libraries[0].Name != "lodash" {
		t.Errorf("%v: %s", err, text(got))
	}
	holds(t, outputSchema(t, session, "describe_environment"), got.StructuredContent)
}

func TestTools(t *testing.T) {
	session := connect(t, newServer(t, nil), true, nil)
	tools, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
		if tool.Description == "" || tool.InputSchema == nil || tool.OutputSchema == nil || tool.Annotations == nil {
			t.Errorf("%s lacks something: %+v", tool.Name, tool)
		}
		// A schema may be true or false by the book, but not for the official TypeScript SDK.
		schema, _ := tool.OutputSchema.(map[string]any)
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			if _, ok := property.(map[string]any); !ok {
				t.Errorf("%s: the schema of %s in the output is %v", tool.Name, name, property)
			}
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"describe_environment", "execute_code"}) {
		t.Errorf("tools %v", names)
	}
	if session.InitializeResult().Instructions == "" {
		t.Errorf("the server says %+v", session.InitializeResult())
	}
}
