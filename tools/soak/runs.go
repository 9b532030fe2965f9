package main

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"time"
)

// taskText begins each task that the agent is given: its kind, and its number.
const taskText = "soak-%s-%d"

// The kinds of tasks. The model server knows them by their names.
const (
	taskSums  = "sums"  // a program that works
	taskMends = "mends" // one that throws, and another that works
	taskFails = "fails" // the model's server refuses it
	taskBusy  = "busy"  // the model's server does so once, for now
)

// taskOf is one in ten that fails.
func taskOf(n uint64) kind {
	name, code, output := taskSums, "COMPLETE", "6"
	const every, mends, fails, busy = 10, 3, 6, 8
	switch n % every {
	case mends:
		name = taskMends
	case fails:
		name, code, output = taskFails, "MODEL_FAILED", ""
	case busy:
		name = taskBusy
	}
	return kind{name, fmt.Sprintf(`{"task":"`+taskText+`","inputData":[1,2,3]}`, name, n), code, output}
}

// work has the agent work on a task, in one of three ways, and reports whether it is to be asked for later. Of one that has an idempotency key
// it asks again, until there is an answer.
func (l *load) work(ctx, asking context.Context) (later bool) {
	n := l.tasks.Add(1)
	k, tenant := taskOf(n), int(n%uint64(len(l.keys)))
	const ways, behind, byKey = 3, 0, 1
	way, header := n/uint64(len(l.keys))%ways, http.Header{}
	switch way {
	case behind:
		header.Set("Prefer", "respond-async")
	case byKey:
		header.Set("Idempotency-Key", fmt.Sprint(n))
	}
	for {
		began := time.Now()
		a, err := l.ask(ctx, http.MethodPost, agentRuns.path, l.keys[tenant], k.body, header)
		later = l.worked(a, err, time.Since(began), tenant, k, way == behind, way == byKey)
		if !later || way != byKey || !pause(asking) {
			return later
		}
	}
}

// worked notes an answer.
func (l *load) worked(a answer, err error, took time.Duration, tenant int, k kind, behind, byKey bool) (later bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.round.runs
	if t.putOff(a.status, err) {
		return true
	}
	if behind && a.status == http.StatusAccepted {
		t.queued++
	} else {
		t.answer(took)
		l.judge(t, agentRuns, k, a)
	}
	if behind && a.status == http.StatusAccepted || byKey && a.status == http.StatusOK {
		l.accept(agentRuns, tenant, path.Base(a.header.Get("Location")), k)
	}
	return false
}
