package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"glovebox/internal/agent"
	"glovebox/internal/agent/modeltest"
)

// The model tells a task that is begun twice, and what it says follows from the task and how far that is.
func TestTheModel(t *testing.T) {
	m := newModel()
	defer m.close()
	say := func(texts ...string) modeltest.Step {
		var asked modeltest.Request
		for i, text := range texts {
			asked.Messages = append(asked.Messages, agent.Message{Role: []agent.Role{agent.RoleUser, agent.RoleAssistant}[i%2], Text: text})
		}
		return m.step(asked)
	}
	for _, test := range []struct {
		texts []string
		want  string
	}{
		{[]string{"The task:\nsoak-sums-1"}, "input.reduce"},
		{[]string{"The task:\nsoak-mends-2"}, "once"},
		{[]string{"The task:\nsoak-mends-2", "x", "Run 1 FAILED"}, "input.reduce"},
		{[]string{"The task:\nsoak-mends-2", "x", "Run 1 ended with SUCCESS."}, "taskComplete"},
		{[]string{"The task:\nsoak-fails-3"}, fmt.Sprint(http.StatusBadRequest)},
		{[]string{"The task:\nsoak-busy-4"}, "RetryAfter"},
		{[]string{"The task:\nsoak-busy-4"}, "input.reduce"},
	} {
		if got := fmt.Sprintf("%+v", say(test.texts...)); !strings.Contains(got, test.want) {
			t.Errorf("%q: %s", test.texts, got)
		}
	}
	if got := m.twice(); len(got) != 0 || m.tasks() != 4 {
		t.Errorf("of %d tasks these were begun twice: %v", m.tasks(), got)
	}
	say("The task:\nsoak-sums-1")
	if got := m.twice(); len(got) != 1 || !strings.Contains(got[0], "soak-sums-1") {
		t.Error(got)
	}
	say("The task:\nsomething else")
	if got := m.problems(); len(got) != 1 {
		t.Error(got)
	}
}
