package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A kind is what is asked for, and what it must come to.
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

// script asks for one script, in one of two ways, and reports whether it is to be asked for later.
func (l *load) script(ctx context.Context) (later bool) {
	n := l.next.Add(1)
	k, tenant := kindOf(n), int(n%uint64(len(l.keys)))
	behind := n/uint64(len(l.keys))%2 == 1
	header := http.Header{}
	if behind {
		header.Set("Prefer", "respond-async")
	}
	began := time.Now()
	a, err := l.ask(ctx, http.MethodPost, executions.path, l.keys[tenant], k.body, header)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.round.scripts
	switch {
	case t.putOff(a.status, err):
		return true
	case behind && a.status == http.StatusAccepted:
		var e struct{ ID string }
		_ = json.Unmarshal(a.body, &e) // no id is wrong too
		t.queued++
		l.accept(executions, tenant, e.ID, k)
	default:
		t.answer(took)
		l.judge(t, executions, k, a)
	}
	return false
}

// A result is what of an answer is looked at: an execution's, an action's, or the outcome of a run of the agent.
type result struct {
	ID         string
	ResultCode string
	Code       string // a run's
	Output     json.RawMessage
	Payload    struct{ Results json.RawMessage } // of a run
}

// ended is how it ended, and with what.
func (r result) ended(s *sort) (code, output string) {
	if s == agentRuns {
		return r.Code, string(r.Payload.Results)
	}
	return r.ResultCode, string(r.Output)
}

// judge looks at an answer to whoever waited. mu is held.
func (l *load) judge(t *tally, s *sort, k kind, a answer) {
	var r result
	if err := json.Unmarshal(a.body, &r); err != nil {
		l.wrong("%s %s: status %d: %.200s", s.name, k.name, a.status, a.body)
		return
	}
	code, output := r.ended(s)
	if a.status >= http.StatusInternalServerError && code == "" {
		t.others["HTTP "+strconv.Itoa(a.status)]++
		return
	}
	if s == executions {
		l.heard[r.ID] = code
	}
	l.compare(t, s.name, k, code, output)
}

// failures are what a fault, and nothing else, may make of what was asked for.
var failures = []string{executions.failed, agentRuns.failed, "CANCELLED"}

// compare holds what came against what must come. mu is held.
func (l *load) compare(t *tally, what string, k kind, code, output string) {
	switch {
	case code == k.code && (k.output == "" || output == k.output):
	case code != k.code && l.round.name != calm && slices.Contains(failures, code):
		t.others[code]++
	default:
		l.wrong("%s %s: %s %.60s in place of %s %s", what, k.name, code, output, k.code, k.output)
	}
}
