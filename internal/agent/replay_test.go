package agent_test

import (
	"bytes"
	"strings"
	"testing"

	"glovebox/internal/agent"
)

// replay writes the run as a transcript, reads it back, and runs it again: all must be the same.
func replay(t *testing.T, c conversation, events []agent.Event, executor agent.Executor) {
	t.Helper()
	if slow, ok := executor.(*unsteady); ok {
		slow.n = 0
	}
	transcript := readBack(t, c.task, events)
	task, limits, model := transcript.Replay()
	a, err := agent.New(agent.Config{
		Model: model, Executor: executor, Params: readParams, Prompt: prompt(t), ExecuteCode: executeTool, HostCPUs: 1, Limits: limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	var again []agent.Event
	if _, err := a.Run(t.Context(), task, func(e agent.Event) { again = append(again, e) }); err != nil {
		t.Fatal(err)
	}
	if differences := transcript.Compare(again); differences != nil {
		t.Errorf("replayed, the run differs:\n%s", strings.Join(differences, "\n"))
	}
}

func readBack(t *testing.T, task agent.Task, events []agent.Event) agent.Transcript {
	t.Helper()
	var file bytes.Buffer
	recorder, err := agent.NewRecorder(&file, task)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := recorder.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	transcript, err := agent.ReadTranscript(&file)
	if err != nil {
		t.Fatal(err)
	}
	return transcript
}
