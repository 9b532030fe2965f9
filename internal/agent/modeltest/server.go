// Package modeltest is a model server that plays a script, for tests: it speaks the wire protocols of OpenAI's
// chat completions and of Anthropic's messages, streaming or whole, to whichever client comes. Beside it is
// the suite that every client must pass.
//
// As a real server would, it refuses a conversation that breaks its protocol's rules.
package modeltest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// maxRequestBytes bounds the request that the server reads.
const maxRequestBytes = 64 << 20

// A Server answers each request by the next step of its script, under either protocol. It is safe for
// concurrent use, though requests at the same time get their steps in whatever order they come.
type Server struct {
	http    *httptest.Server
	closing chan struct{}
	forgets bool // what it was asked

	mu       sync.Mutex
	steps    []Step
	requests []Request
	problems []string
}

// New starts a server on 127.0.0.1 for a test, and ends it with the test, which fails where the script
// was not followed to its end or beyond it.
func New(tb testing.TB, steps ...Step) *Server {
	s := Start(steps...)
	tb.Cleanup(func() {
		for _, problem := range s.Close() {
			tb.Errorf("model server: %s", problem)
		}
	})
	return s
}

// Start starts a server on 127.0.0.1, whose caller must close it.
func Start(steps ...Step) *Server {
	s := &Server{closing: make(chan struct{}), steps: steps}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/chat/completions", s.speak(openAI{}))
	mux.Handle("POST /v1/messages", s.speak(anthropic{}))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.problem("%s %s is no route of a model server", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	s.http = httptest.NewServer(mux)
	return s
}

// StartForever starts one that answers every request by the same step, for as long as one likes: it remembers none of them.
func StartForever(step Step) *Server {
	s := Start(Forever{step})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets = true
	return s
}

// OpenAI is the base URL for clients of chat completions.
func (s *Server) OpenAI() string { return s.http.URL + "/v1" }

// Anthropic is the base URL for clients of messages.
func (s *Server) Anthropic() string { return s.http.URL }

// Requests returns what was asked so far, in order. Tries that were answered by an error count too.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Close ends the server, with what still waits in it, and returns in what the script was not followed.
func (s *Server) Close() (problems []string) {
	close(s.closing)
	s.http.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	left := 0
	for _, step := range s.steps {
		if _, forever := step.(Forever); !forever {
			left++
		}
	}
	if left > 0 {
		s.problems = append(s.problems, fmt.Sprintf("%d steps of the script were not asked for", left))
	}
	return s.problems
}

func (s *Server) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// next notes a request and returns its step.
func (s *Server) next(request Request) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forgets {
		s.requests = append(s.requests, request)
	}
	if len(s.steps) == 0 {
		s.problems = append(s.problems, fmt.Sprintf("request %d is more than the script has", len(s.requests)))
		return Fail{Status: http.StatusNotImplemented, Message: "the script has no more steps"}
	}
	step := s.steps[0]
	if forever, ok := step.(Forever); ok {
		return forever.Step
	}
	s.steps = s.steps[1:]
	return step
}

// A dialect is how a protocol writes what a script says.
type dialect interface {
	// read takes a request apart, or says in which way it breaks the rules.
	read(body []byte, header http.Header) (Request, error)
	// events writes an answer as a stream, each with the bytes of one event.
	events(reply Reply, usage Usage) [][]byte
	// whole writes an answer in one piece.
	whole(reply Reply, usage Usage) []byte
	// text is one event with a piece of text.
	text(text string) []byte
	// fault is an error's body, and faultEvent the same within a stream.
	fault(kind, message string) []byte
	faultEvent(kind, message string) []byte
	// kind is what the protocol calls the error of a status.
	kind(status int) string
}

func (s *Server) speak(d dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
		if err != nil {
			s.problem("a request broke off: %v", err)
			return
		}
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if r.Header.Get(name) != "" {
				s.problem("a request tells of a trace: %s", name)
			}
		}
		request, err := d.read(body, r.Header)
		if err != nil {
			s.problem("a request breaks the rules: %v", err)
			p := player{server: s, w: w, r: r, dialect: d}
			p.fail(Fail{Status: http.StatusBadRequest, Message: err.Error()})
			return
		}
		step := s.next(request)
		for {
			computed, ok := step.(Func)
			if !ok {
				break
			}
			step = computed(request)
		}
		p := player{server: s, w: w, r: r, dialect: d, request: request}
		p.play(step)
	}
}

// A player plays one step to one request.
type player struct {
	server  *Server
	w       http.ResponseWriter
	r       *http.Request
	dialect dialect
	request Request
}

func (p *player) play(step Step) {
	switch step := step.(type) {
	case Reply:
		p.reply(step)
	case RateLimit:
		p.fail(Fail{Status: http.StatusTooManyRequests, Message: "too many requests", RetryAfter: step.RetryAfter})
	case Fail:
		p.fail(step)
	case CutStream:
		stream := p.stream(step.Reply)
		after := step.After
		if after <= 0 {
			after = len(stream) / 2
		}
		p.begin()
		p.send(stream[:min(after, len(stream))])
		if !step.Politely {
			panic(http.ErrAbortHandler) // which net/http takes for just this
		}
	case FailStream:
		stream := p.stream(step.Reply)
		p.begin()
		p.send(stream[:p.half(step.Reply)])
		p.send(p.dialect.faultEvent(step.Kind, step.Message))
	case Slow:
		stream, half := p.stream(step.Reply), p.half(step.Reply)
		p.begin()
		p.send(stream[:half])
		if p.wait(step.Until) {
			p.send(stream[half:])
		}
	case Endless:
		p.begin()
		for p.send(p.dialect.text(strings.Repeat("and on ", 100))) {
		}
	case Raw:
		for name, value := range step.Header {
			p.w.Header().Set(name, value)
		}
		p.w.WriteHeader(step.Status)
		p.send([]byte(step.Body))
	default:
		p.server.problem("a script holds a step of the type %T", step)
		p.fail(Fail{Status: http.StatusNotImplemented})
	}
}

// usage is what the reply says, or what fits the sizes of question and answer.
func (p *player) usage(reply Reply) Usage {
	if reply.Usage != nil {
		return *reply.Usage
	}
	size := len(reply.Text)
	for _, call := range reply.Calls {
		size += len(call.Name) + len(call.Arguments)
	}
	return Usage{Input: int64(len(p.request.Raw)/4) + 1, Output: int64(size/4) + 1}
}

func (p *player) reply(reply Reply) {
	if p.request.Stream {
		p.begin()
		p.send(p.stream(reply))
		return
	}
	p.w.Header().Set("Content-Type", "application/json")
	p.send(p.dialect.whole(reply, p.usage(reply)))
}

func (p *player) stream(reply Reply) []byte {
	reply.NoUsage = reply.NoUsage || !p.request.WantsUsage
	var all []byte
	for _, event := range p.dialect.events(reply, p.usage(reply)) {
		all = append(all, event...)
	}
	return all
}

// half is how many bytes of a reply's stream are its first half, to the end of an event.
func (p *player) half(reply Reply) int {
	reply.NoUsage = reply.NoUsage || !p.request.WantsUsage
	events := p.dialect.events(reply, p.usage(reply))
	size := 0
	for _, event := range events[:len(events)/2] {
		size += len(event)
	}
	return size
}

func (p *player) begin() {
	p.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	p.w.WriteHeader(http.StatusOK)
}

// send reports whether somebody still listens.
func (p *player) send(data []byte) bool {
	select {
	case <-p.server.closing:
		return false
	default:
	}
	if _, err := p.w.Write(data); err != nil {
		return false
	}
	return http.NewResponseController(p.w).Flush() == nil
}

// wait waits for until, and reports whether somebody still listens then.
func (p *player) wait(until <-chan struct{}) bool {
	select {
	case <-until:
		return true
	case <-p.r.Context().Done():
		return false
	case <-p.server.closing:
		return false
	}
}

func (p *player) fail(step Fail) {
	if step.RetryAfter <= 0 {
		step.RetryAfter = time.Millisecond // a test has no half a second to wait, which clients do by themselves
	}
	header := p.w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Retry-After", strconv.FormatFloat(step.RetryAfter.Seconds(), 'f', -1, 64))
	header.Set("Retry-After-Ms", strconv.FormatFloat(float64(step.RetryAfter)/float64(time.Millisecond), 'f', -1, 64))
	p.w.WriteHeader(step.Status)
	p.send(p.dialect.fault(p.dialect.kind(step.Status), step.Message))
}
