package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A kind is a script, what it must come to, and what may also come of it where boxes are killed.
type kind struct {
	name, body, code string
	output           string // "" is any
}

var friendly = []kind{
	{"trivial", `{"code":"return 1+1"}`, "SUCCESS", "2"},
	{"input", `{"code":"return input.n * 2","inputData":{"n":21}}`, "SUCCESS", "42"},
	{"lodash", `{"code":"output = require('lodash').sum([1, 2])"}`, "SUCCESS", "3"},
	{"throws", `{"code":"throw new Error('x')"}`, "RUNTIME_ERROR", ""},
}

var hostile = []kind{
	{"endless", `{"code":"for(;;);","timeoutSeconds":0.3}`, "TIMEOUT", ""},
	{"bomb", `{"code":"const a = []; for (;;) a.push(new Array(1e5).fill(a.length))","memoryLimitMB":32}`, "MEMORY_LIMIT", ""},
	{"eval", `{"code":"(() => 1).constructor('return 1')()"}`, "SECURITY_ERROR", ""},
	{"flood", `{"code":"for (let i = 0; i < 20000; i++) console.log('line'); output = 1"}`, "SUCCESS", "1"},
}

// kindOf is one in twenty hostile.
func kindOf(n uint64) kind {
	const every = 20
	if n%every == every-1 {
		return hostile[n/every%uint64(len(hostile))]
	}
	return friendly[n%uint64(len(friendly))]
}

// An accepted execution is one that the server has answered for.
type accepted struct {
	key, id string
	kind    kind
}

// A round is what came of a while.
type round struct {
	name     string
	took     time.Duration
	answered []float64      // latencies of scripts whose client waited, in milliseconds
	queued   int            // accepted, to run behind the answer
	refused  map[int]int    // statuses that say: later
	broken   int            // connections that ended without an answer
	others   map[string]int // codes that the fault brought about
	wrong    []string       // answers that no fault explains
	recovery time.Duration  // from the fault until the server was ready again; 0 where it was all along
	told     string         // what else the fault has to say

	descriptors, goroutines int // of the server, at rest behind it
}

// A load asks for scripts on behalf of tenants. It is safe for concurrent use.
type load struct {
	server *server
	keys   []string
	admin  string // a key
	client *http.Client
	next   atomic.Uint64

	mu       sync.Mutex
	round    *round
	accepted []accepted
	ids      map[string]bool
}

func newLoad(s *server, keys []string, admin string) *load {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.options.concurrency
	return &load{server: s, keys: keys, admin: admin, client: &http.Client{Transport: transport, Timeout: time.Minute}, ids: map[string]bool{}}
}

// through has so many clients ask for a while, in which the fault comes.
func (l *load) through(ctx context.Context, name string, while time.Duration, clients int) (*round, error) {
	l.mu.Lock()
	l.round = &round{name: name, refused: map[int]int{}, others: map[string]int{}}
	l.mu.Unlock()
	began := time.Now()
	asking, stop := context.WithTimeout(ctx, while)
	defer stop()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for asking.Err() == nil {
				l.one(ctx, asking)
			}
		})
	}
	err := faults[name](asking, l)
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

// one asks once, in one of two ways. Who is refused, or has lost its server, waits before it asks again.
func (l *load) one(ctx, asking context.Context) {
	n := l.next.Add(1)
	k, key := kindOf(n), l.keys[n%uint64(len(l.keys))]
	behind := n/uint64(len(l.keys))%2 == 1
	began := time.Now()
	status, body, err := l.ask(ctx, http.MethodPost, "/v1/executions", key, k.body, behind)
	took := time.Since(began)
	const pause = 100 * time.Millisecond
	l.mu.Lock()
	defer func() {
		l.mu.Unlock()
		if err != nil || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			select {
			case <-time.After(pause): // as a client does that heeds Retry-After, if a hasty one
			case <-asking.Done():
			}
		}
	}()
	switch {
	case err != nil:
		l.round.broken++
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		l.round.refused[status]++
	case behind && status == http.StatusAccepted:
		var e struct{ ID string }
		if json.Unmarshal(body, &e) != nil || e.ID == "" || l.ids[e.ID] {
			l.wrong("%s: accepted without an id of its own: %.200s", k.name, body)
			return
		}
		l.ids[e.ID] = true
		l.round.queued++
		l.accepted = append(l.accepted, accepted{key, e.ID, k})
	default:
		l.round.answered = append(l.round.answered, float64(took)/float64(time.Millisecond))
		l.judge(k, status, body)
	}
}

// A result is what of an answer is looked at.
type result struct {
	ResultCode string
	Output     json.RawMessage
}

// failures are what a fault, and nothing else, may make of a script.
var failures = []string{"EXECUTION_FAILED", "CANCELLED"}

// judge looks at an answer to whoever waited. mu is held.
func (l *load) judge(k kind, status int, body []byte) {
	var r result
	if err := json.Unmarshal(body, &r); err != nil {
		l.wrong("%s: status %d: %.200s", k.name, status, body)
		return
	}
	if status >= http.StatusInternalServerError && r.ResultCode == "" {
		l.round.others["HTTP "+strconv.Itoa(status)]++
		return
	}
	l.compare(k, r)
}

// compare holds a result against what it must be. mu is held.
func (l *load) compare(k kind, r result) {
	switch {
	case r.ResultCode == k.code && (k.output == "" || string(r.Output) == k.output):
	case r.ResultCode != k.code && l.round.name != calm && (slices.Contains(failures, r.ResultCode) || l.round.name == faultBoxes):
		l.round.others[r.ResultCode]++
	default:
		l.wrong("%s: %s %.60s in place of %s %s", k.name, r.ResultCode, r.Output, k.code, k.output)
	}
}

func (l *load) wrong(format string, args ...any) {
	l.round.wrong = append(l.round.wrong, fmt.Sprintf(format, args...))
}

// ask makes one request. The body is that of the answer.
func (l *load) ask(ctx context.Context, method, path, key, body string, behind bool) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, l.server.url(path), bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	if behind {
		request.Header.Set("Prefer", "respond-async")
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	const most = 32 << 20
	answer, err := io.ReadAll(io.LimitReader(response.Body, most))
	return response.StatusCode, answer, err
}

// A settlement is what came of what was accepted.
type settlement struct {
	accepted, asExpected int
	retryable            int // that say that they failed, and may be asked for again
	killed               int // whose box was killed
	lost, wrong          []string
}

// settleLimit bounds how long what was accepted may take to end.
const settleLimit = 10 * time.Minute

// settle waits for the end of everything that was accepted.
func (l *load) settle(ctx context.Context) (s settlement, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	s.accepted = len(l.accepted)
	for _, a := range l.accepted {
		if err := l.look(ctx, a, &s); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (l *load) look(ctx context.Context, a accepted, s *settlement) error {
	for {
		status, body, err := l.ask(ctx, http.MethodGet, "/v1/executions/"+a.id+"?wait=10s", a.key, "", false)
		if err != nil {
			return err
		}
		var e struct {
			State                string
			Result               *result
			ResultCode           string
			Retryable, Forgotten bool
		}
		if status != http.StatusOK {
			s.lost = append(s.lost, fmt.Sprintf("%s %s: status %d: %.200s", a.kind.name, a.id, status, body))
			return nil
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		switch {
		case e.State != "ended":
			continue
		case e.ResultCode == a.kind.code && (e.Forgotten || a.kind.output == "" || e.Result != nil && string(e.Result.Output) == a.kind.output):
			s.asExpected++
		case e.ResultCode == "EXECUTION_FAILED" && e.Retryable:
			s.retryable++
		case slices.Contains(l.server.options.faults, faultBoxes) && e.ResultCode != "SUCCESS":
			s.killed++
		default:
			s.wrong = append(s.wrong, fmt.Sprintf("%s %s: %s in place of %s: %.200s", a.kind.name, a.id, e.ResultCode, a.kind.code, body))
		}
		return nil
	}
}
