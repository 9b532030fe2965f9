package main

import (
	"strings"
	"testing"
)

// What the ledger has twice, or otherwise than it was told, or not at all, is found.
func TestBooksAreReconciled(t *testing.T) {
	const (
		id    = "01M8KQM4NKX5WXXMKGR4HWC31N"
		began = `{"entry":{"kind":"execution.began","execution":{"id":"` + id + `"}}}`
		ended = `{"entry":{"kind":"execution.ended","outcome":{"id":"` + id + `","resultCode":"SUCCESS"}}}`

		taskBegan = `{"entry":{"kind":"task.began","task":{"id":"` + id + `"}}}`
		taskEnded = `{"entry":{"kind":"task.ended","work":{"id":"` + id + `","resultCode":"COMPLETE","runs":1}}}`
		of        = `{"entry":{"kind":"execution.began","execution":{"id":"a","task":"` + id + `"}}}`
		alsoOf    = `{"entry":{"kind":"execution.began","execution":{"id":"b","task":"` + id + `"}}}`

		set  = `{"entry":{"kind":"webhook.set","act":{"subject":"t0"}}}`
		lost = `{"entry":{"kind":"store.lost","act":{"details":{"firstEntry":"3","lastEntry":"3"}}}}`
	)
	execution := func(told string) memories {
		return memories{accepted: []*accepted{{sort: executions, id: id, told: told}}}
	}
	run := func(told string) memories {
		return memories{accepted: []*accepted{{sort: agentRuns, id: id, told: told}}}
	}
	killed := func(m memories) memories { m.killed = true; return m }
	named := func(m memories) memories { m.named = map[string]bool{id: true}; return m }
	sets := func(n int) memories { return memories{acts: map[string]int{entryHookSet: n}} }
	for name, test := range map[string]struct {
		lines string
		seen  memories
		wrong bool
	}{
		"as told":               {began + "\n" + ended, execution("SUCCESS"), false},
		"told otherwise":        {began + "\n" + ended, execution("TIMEOUT"), true},
		"never began":           {ended, memories{}, true},
		"ended twice":           {began + "\n" + ended + "\n" + ended, memories{}, true},
		"no end":                {began, execution("SUCCESS"), true},
		"nothing":               {"", execution("SUCCESS"), true},
		"nothing, and named":    {"", named(execution("SUCCESS")), false},
		"failed unbegun":        {"", execution("EXECUTION_FAILED"), false},
		"failed amid":           {began, execution("EXECUTION_FAILED"), true},
		"failed by a kill":      {began, killed(execution("EXECUTION_FAILED")), false},
		"ended, and killed":     {began + "\n" + ended, killed(execution("EXECUTION_FAILED")), false},
		"heard":                 {began + "\n" + ended, memories{heard: map[string]string{id: "SUCCESS"}}, false},
		"heard otherwise":       {began + "\n" + ended, memories{heard: map[string]string{id: "TIMEOUT"}}, true},
		"a task":                {taskBegan + "\n" + of + "\n" + taskEnded, run("COMPLETE"), false},
		"a task told otherwise": {taskBegan + "\n" + taskEnded, run("NO_SOLUTION"), true},
		"a task without an end": {taskBegan, run("COMPLETE"), true},
		"a task by a kill":      {taskBegan, killed(run("SANDBOX_FAILED")), false},
		"an execution too many": {taskBegan + "\n" + of + "\n" + alsoOf + "\n" + taskEnded, run("COMPLETE"), true},
		"of no task":            {of, memories{}, true},
		"webhooks":              {set + "\n" + set, sets(2), false},
		"a webhook too few":     {set, sets(2), true},
		"a webhook lost":        {set + "\n" + lost, sets(2), false},
		"a webhook too many":    {set + "\n" + set, sets(1), true},
	} {
		b := newBooks()
		for line := range strings.Lines(test.lines) {
			if err := b.enter([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.reconcile(test.seen); (len(got) > 0) != test.wrong {
			t.Errorf("%s: %v", name, got)
		}
	}
	b := newBooks()
	for range 2 {
		if err := b.enter([]byte(taskBegan)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.twice(); len(got) != 1 {
		t.Errorf("a task that began twice: %v", got)
	}
}
