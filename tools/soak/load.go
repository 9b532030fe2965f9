package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A tally is what came of asking for one sort of thing.
type tally struct {
	answered []float64      // latencies of what its client waited for, in milliseconds
	queued   int            // accepted, to go on behind the answer
	refused  map[int]int    // statuses that say: later
	broken   int            // connections, or calls, that ended without an answer
	others   map[string]int // codes that the fault brought about
}

func newTally() tally { return tally{refused: map[int]int{}, others: map[string]int{}} }

// A round is what came of a while.
type round struct {
	name     string
	took     time.Duration
	scripts  tally // executions
	runs     tally // of the agent
	calls    tally // of /mcp's tool
	wrong    []string
	recovery time.Duration // from the fault until the server was ready again; 0 where it was all along
	told     string        // what else the fault has to say

	descriptors, goroutines int // of the server, at rest behind it
}

// A load asks for things on behalf of tenants. It is safe for concurrent use.
type load struct {
	server *server
	keys   []string // by tenant
	admin  string   // a key
	client *http.Client
	next   atomic.Uint64
	tasks  atomic.Uint64 // that were thought of for the agent

	mu       sync.Mutex
	round    *round
	rotated  int // secrets of webhooks
	accepted []*accepted
	ids      map[string]bool
	heard    map[string]string // by id of an execution, the code that whoever waited was told
}

// An accepted execution, or run of the agent, is one that the server has answered for.
type accepted struct {
	sort   *sort
	tenant int
	id     string
	kind   kind
	told   string // the code it is said to have ended with, when that was asked for
}

// A sort is what can be accepted.
type sort struct {
	name, path, event string
	failed            string // the code that says that the server failed, and that one may ask again
}

var (
	executions = &sort{"execution", "/v1/executions", "execution.ended", "EXECUTION_FAILED"}
	agentRuns  = &sort{"run of the agent", "/v1/agents/codesmith/runs", "agent.run.ended", "SANDBOX_FAILED"}
)

func newLoad(s *server, keys []string, admin string) *load {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.options.concurrency
	const patience = 2 * time.Minute
	return &load{server: s, keys: keys, admin: admin, client: &http.Client{Transport: transport, Timeout: patience}, ids: map[string]bool{}, heard: map[string]string{}}
}

// shares are how many of so many clients have the agent work, and how many are sessions of the Model Context Protocol; the others ask for
// scripts.
func shares(clients int) (agents, sessions int) {
	const oneIn, sessionIn, least = 10, 25, 2
	return max(least, clients/oneIn), max(least, clients/sessionIn)
}

// through has so many clients ask while the fault comes, which has that long. What is done before it takes nothing of its time.
func (l *load) through(ctx context.Context, name string, while time.Duration, clients int) (*round, error) {
	l.mu.Lock()
	l.round = &round{name: name, scripts: newTally(), runs: newTally(), calls: newTally()}
	l.mu.Unlock()
	began := time.Now()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	agents, sessions := shares(clients)
	for range agents {
		all.Go(func() { l.askOnAndOn(asking, func() bool { return l.work(ctx, asking) }) })
	}
	for i := range sessions {
		all.Go(func() { l.converse(ctx, asking, i%len(l.keys)) })
	}
	for range max(1, clients-agents-sessions) {
		all.Go(func() { l.askOnAndOn(asking, func() bool { return l.script(ctx) }) })
	}
	err := l.rotate(ctx)
	if err == nil {
		fault, end := context.WithTimeout(ctx, while)
		defer end()
		if err = faults[name](fault, l); err == nil {
			<-fault.Done()
		}
	}
	stop()
	all.Wait()
	l.client.CloseIdleConnections()
	l.round.took = time.Since(began)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = l.server.ready(ctx)
	}
	return l.round, err
}

// rotate gives the webhook of one tenant another secret.
func (l *load) rotate(ctx context.Context) error {
	if err := l.server.webhook(ctx, l.rotated%len(l.keys), "rotate"); err != nil {
		return err
	}
	l.rotated++
	return nil
}

// askOnAndOn asks again and again. Who is refused, or has lost its server, waits before.
func (l *load) askOnAndOn(asking context.Context, ask func() (later bool)) {
	for asking.Err() == nil {
		if ask() {
			pause(asking)
		}
	}
}

// pause waits as a client does that heeds Retry-After, if a hasty one, and reports whether there is time left.
func pause(asking context.Context) bool {
	const hasty = 100 * time.Millisecond
	select {
	case <-time.After(hasty):
	case <-asking.Done():
	}
	return asking.Err() == nil
}

// putOff counts what was not answered, or refused for now, and reports whether it was. mu is held.
func (t *tally) putOff(status int, err error) bool {
	switch {
	case err != nil:
		t.broken++
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		t.refused[status]++
	default:
		return false
	}
	return true
}

func (t *tally) answer(took time.Duration) {
	t.answered = append(t.answered, float64(took)/float64(time.Millisecond))
}

// accept notes what the server has answered for. mu is held.
func (l *load) accept(s *sort, tenant int, id string, k kind) {
	if !ulidForm.MatchString(id) || l.ids[id] {
		l.wrong("%s %s: accepted without an id of its own: %q", s.name, k.name, id)
		return
	}
	l.ids[id] = true
	l.accepted = append(l.accepted, &accepted{sort: s, tenant: tenant, id: id, kind: k})
}

func (l *load) wrong(format string, args ...any) {
	l.round.wrong = append(l.round.wrong, fmt.Sprintf(format, args...))
}

// An answer is one of the server's.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask makes one request.
func (l *load) ask(ctx context.Context, method, path, key, body string, header http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, l.server.url(path), bytes.NewReader([]byte(body)))
	if err != nil {
		return answer{}, err
	}
	if header != nil {
		request.Header = header.Clone()
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	const most = 32 << 20
	text, err := io.ReadAll(io.LimitReader(response.Body, most))
	return answer{response.StatusCode, response.Header, text}, err
}
