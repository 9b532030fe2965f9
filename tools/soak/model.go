package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"glovebox/internal/agent"
	"glovebox/internal/agent/modeltest"
)

// A model is a server that stands in for one of a model's: what it says follows from the task and how far it is. It is safe for concurrent
// use.
type model struct {
	server *modeltest.Server
	close  func() []string // the server, once

	mu    sync.Mutex
	begun map[string]int // by task, how often it was begun with
	busy  map[string]bool
	wrong []string
}

func newModel() *model {
	m := &model{begun: map[string]int{}, busy: map[string]bool{}}
	m.server = modeltest.StartForever(modeltest.Func(m.step))
	m.close = sync.OnceValue(m.server.Close)
	return m
}

// thought is how long the model thinks, so that faults come amid its answers too.
const thought = 200 * time.Millisecond

var taskForm = regexp.MustCompile(`soak-([a-z]+)-\d+`)

func (m *model) step(asked modeltest.Request) modeltest.Step {
	found := taskForm.FindStringSubmatch(asked.Messages[0].Text)
	if found == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.wrong = append(m.wrong, fmt.Sprintf("the model is asked for something else: %.200s", asked.Messages[0].Text))
		return modeltest.Fail{Status: http.StatusBadRequest, Message: "this is no task of the soak's"}
	}
	task, name := found[0], found[1]
	turn := 0
	for _, message := range asked.Messages {
		if message.Role == agent.RoleAssistant {
			turn++
		}
	}
	if turn == 0 && !m.begin(task, name) {
		return modeltest.RateLimit{}
	}
	last := asked.Messages[len(asked.Messages)-1].Text
	switch {
	case name == taskFails:
		return modeltest.Fail{Status: http.StatusBadRequest, Message: "this task is refused"}
	case turn == 0 && name == taskMends:
		return slowly(program("throw new Error('once')"))
	case turn > 0 && strings.Contains(last, "ended with SUCCESS"):
		return slowly(`{"taskComplete": true, "message": "here it is"}`)
	}
	return slowly(program("return input.reduce((a, b) => a + b, 0)"))
}

// begin notes that a task is begun with, and reports false where the server is to be busy now.
func (m *model) begin(task, name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == taskBusy && !m.busy[task] {
		m.busy[task] = true
		return false
	}
	m.begun[task]++
	return true
}

func slowly(text string) modeltest.Step {
	until := make(chan struct{})
	time.AfterFunc(thought, func() { close(until) })
	return modeltest.Slow{Reply: modeltest.Say(text), Until: until}
}

// program is an answer that has one run.
func program(code string) string {
	text, _ := json.Marshal(code) // a string always can be
	return fmt.Sprintf(`{"nextStep": {"type": "Actions", "actions": [{"name": "Execute Code", "params": {"code": %s}}]}}`, text)
}

// tasks are how many were begun with.
func (m *model) tasks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.begun)
}

// twice are those that were begun with more than once.
func (m *model) twice() (tasks []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for task, n := range m.begun {
		if n > 1 {
			tasks = append(tasks, fmt.Sprintf("the model was asked to begin %s %d times", task, n))
		}
	}
	return tasks
}

// problems tells what the model was asked that it should not have been. It ends the server.
func (m *model) problems() []string {
	ended := m.close()
	m.mu.Lock()
	defer m.mu.Unlock()
	wrong := slices.Clone(m.wrong)
	for _, problem := range ended {
		if !strings.HasPrefix(problem, "a request broke off") { // by whoever was killed
			wrong = append(wrong, "the model's server: "+problem)
		}
	}
	return wrong
}
