package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"glovebox/api"
	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/logcontext"
)

func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder(eventsType, openapi3filter.PlainBodyDecoder)
	goleak.VerifyTestMain(m)
}

// executorFunc is a stub that a test writes on the spot.
type executorFunc func(ctx context.Context, request api.Request) (api.Result, error)

func (f executorFunc) Execute(ctx context.Context, request api.Request, _ func(api.Log)) (api.Result, error) {
	return f(ctx, request)
}

// succeeds is an executor whose scripts give the data that they got.
var succeeds = executorFunc(func(_ context.Context, request api.Request) (api.Result, error) {
	return success(request), nil
})

func success(request api.Request) api.Result {
	output := request.InputData
	if output == nil {
		output = json.RawMessage("null")
	}
	return api.Result{
		ID: "01JZ8Q6V9T3YB5C2N7K4M1XH0D", Success: true, ResultCode: api.Success, Output: output,
		ExecutionTimeMs: 1.5, QueueTimeMs: 2.5, Usage: api.Usage{CPUMs: 750, PeakMemoryBytes: 9_000_000},
		Isolation: api.Isolation{Driver: "fake", Runtime: "runc"},
	}
}

// untilCancelled is an executor whose scripts run until somebody ends them. started gets a value for each.
func untilCancelled(started chan<- struct{}) executorFunc {
	return func(ctx context.Context, _ api.Request) (api.Result, error) {
		started <- struct{}{}
		<-ctx.Done()
		return api.Result{ID: "x", ResultCode: api.Cancelled, Error: &api.ScriptError{Name: "Cancelled", Message: "cancelled"}}, nil
	}
}

type option func(*Config, *bounds)

func testServer(t testing.TB, executor Executor, options ...option) *Server {
	t.Helper()
	config := Config{
		Executor: executor, HostCPUs: 4, Build: Build{Version: "test", Commit: "0123abc"},
		Libraries: []Library{{Name: "lodash", Version: "4.17.21"}},
	}
	b := defaultBounds
	config.Executions = func(e Executor) (*execution.Service, error) {
		service, err := execution.Open(context.Background(), execution.Config{Executor: e, Store: execution.NewMemory(), Log: config.Log})
		if err == nil {
			t.Cleanup(func() { closeExecutions(t, service) })
		}
		return service, err
	}
	config.AgentRuns = func(Executor) (*agentrun.Service, error) { return openRuns(t, nil) }
	for _, o := range options {
		o(&config, &b)
	}
	s, err := newServer(config, b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openRuns makes what keeps the runs of agents, until the test's end: then what goes on is cancelled.
func openRuns(t testing.TB, agents map[string]agentrun.Worker) (*agentrun.Service, error) {
	service, err := agentrun.Open(context.Background(), agentrun.Config{Agents: agents, Store: agentrun.NewMemory()})
	if err == nil {
		t.Cleanup(func() {
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if err := service.Close(ended); err != nil {
				t.Error(err)
			}
		})
	}
	return service, err
}

// closeExecutions cancels what still runs.
func closeExecutions(t testing.TB, service *execution.Service) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := service.Close(ended); err != nil {
		t.Error(err)
	}
}

// A served server is stopped by the test's end at the latest.
type served struct {
	address string
	stop    context.CancelFunc
	done    chan error // gets what Serve returned
	client  *http.Client
	dial    func() (net.Conn, error)
}

func (s *served) url(path string) string { return "http://" + s.address + path }

// serve has a server listen for real.
func serve(t testing.TB, s *Server) *served {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	return serveOn(t, s, listener, func() (net.Conn, error) { return net.Dial("tcp", address) })
}

// serveInBubble serves through pipes: what takes its time, on either end of a connection, takes that of the bubble, and no bound of time
// is one of how busy the machine is.
func serveInBubble(t testing.TB, s *Server) *served {
	t.Helper()
	w := &wire{conns: make(chan net.Conn), closed: make(chan struct{})}
	return serveOn(t, s, w, w.dial)
}

func serveOn(t testing.TB, s *Server, listener net.Listener, dial func() (net.Conn, error)) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: 32, DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() }}
	out := &served{address: listener.Addr().String(), stop: cancel, done: make(chan error, 1), client: &http.Client{Transport: transport}, dial: dial}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out.done <- s.Serve(ctx, listener)
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		<-ended
	})
	return out
}

// A wire is a listener whose connections are pipes.
type wire struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *wire) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case w.conns <- wired{theirs}:
		return ours, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) Addr() net.Addr { return loopbackAddr }

// A wired end of a pipe is at the address of the server: its rules of hosts ask for that.
type wired struct{ net.Conn }

func (wired) LocalAddr() net.Addr { return loopbackAddr }

var loopbackAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}

// request makes a request as a client on this host would send it, for a server that is not listening.
func request(method, path string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, body)
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(loopbackAddr)))
}

func post(body string) *http.Request { return postTo("/v1/executions", body) }

func postTo(path, body string) *http.Request {
	r := request(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// An answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask gets an answer and holds it against the document: every response of every test is.
func ask(t testing.TB, handler http.Handler, r *http.Request) answer {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	a := answer{recorder.Code, recorder.Header(), recorder.Body.Bytes()}
	theContract(t).check(t, r, a)
	return a
}

func (a answer) problem(t testing.TB) api.Problem {
	t.Helper()
	var p api.Problem
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("status %d with a body that is no problem document: %v\n%s", a.status, err, a.body)
	}
	return p
}

func (a answer) result(t testing.TB) api.Result {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	var r api.Result
	if err := json.Unmarshal(a.body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// contract is the document, ready to judge.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

var loadContract = sync.OnceValues(func() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	return &contract{doc, router}, err
})

func theContract(t testing.TB) *contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// check holds a response against what the document says of its route and status. Answers that the
// document describes for all routes at once (404, 405, OPTIONS) are held against that.
func (c *contract) check(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	if got := a.header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("%s %s: X-Content-Type-Options is %q", r.Method, r.URL.Path, got)
	}
	asGet := r.Clone(context.Background())
	asGet.URL.Scheme, asGet.URL.Host = "", ""
	if r.Method == http.MethodHead {
		return // its answer is GET's, without a body: net/http sees to that
	}
	route, params, err := c.router.FindRoute(asGet)
	if err != nil || (r.Method == http.MethodOptions && a.status == http.StatusNoContent) {
		c.checkUnrouted(t, r, a)
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asGet, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		t.Errorf("%s %s: the response with status %d is not as the document says: %v\n%.2000s", r.Method, r.URL.Path, a.status, err, a.body)
	}
}

func (c *contract) checkUnrouted(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	if a.status == http.StatusNoContent && r.Method == http.MethodOptions && a.header.Get("Allow") != "" {
		return
	}
	if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed && a.status != http.StatusForbidden {
		t.Errorf("%s %s, which the document does not have, was answered with %d", r.Method, r.URL.Path, a.status)
	}
	if got := a.header.Get("Content-Type"); got != problemType {
		t.Errorf("%s %s: Content-Type is %q", r.Method, r.URL.Path, got)
	}
	var value any
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return
	}
	schema := c.doc.Components.Schemas["Problem"].Value
	if err := schema.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
}

// logged keeps what a server logs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) option() option {
	return func(c *Config, _ *bounds) {
		c.Log = slog.New(logcontext.NewHandler(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}
}

// within fails the test where nothing comes in time; the time is far more than is needed.
func within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: nothing after 20 s", what)
		panic("not reached")
	}
}
