package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/logcontext"
	"glovebox/metadata"
)

// noModel fails at once.
type noModel struct{}

func (noModel) Name() string      { return "none" }
func (noModel) NativeTools() bool { return true }
func (noModel) Answer(context.Context, agent.Turn) (agent.Answer, error) {
	return agent.Answer{}, &agent.ModelError{Message: "there is none"}
}

type noExecutor struct{}

func (noExecutor) Execute(context.Context, api.Request, func(api.Log)) (api.Result, error) {
	return api.Result{}, nil
}

// What the metadata says of the agent is what the agent does.
func TestCodesmithIsWhatTheMetadataSays(t *testing.T) {
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	row, ok := catalogue.Agent(codesmithName)
	if !ok {
		t.Fatal("there is no agent")
	}
	smith, err := codesmith(catalogue, noModel{}, noExecutor{}, agent.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := smith.Run(t.Context(), agent.Task{Text: "t"}, func(e agent.Event) {
		if e.Started != nil && e.Started.Limits.Iterations != row.MaxIterationsPerRun {
			t.Errorf("it has %d iterations, and the metadata says %d", e.Started.Limits.Iterations, row.MaxIterationsPerRun)
		}
	})
	if err != nil || outcome.Code != agent.ModelFailed {
		t.Errorf("%+v, %v", outcome, err)
	}
	// These rules are the agent's own: a final answer is held to them, whatever the mode.
	if want := `{"code": "string:!empty", "results": "any", "iterations": "number:[1+]"}`; row.FinalPayloadValidation != want {
		t.Errorf("the metadata's rules are %s, and the agent's %s", row.FinalPayloadValidation, want)
	}
	// Every part of the payload that the metadata lets the agent write is one that it has; the data is the task's.
	body, err := json.Marshal(agent.Payload{Requirements: "r", Results: json.RawMessage("1")})
	if err != nil {
		t.Fatal(err)
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(body, &has); err != nil {
		t.Fatal(err)
	}
	var paths []string
	if err := json.Unmarshal([]byte(row.PayloadSelfWritePaths), &paths); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if _, ok := has[path]; !ok && path != "inputData" {
			t.Errorf("the metadata's payload has %s, and the agent's has not", path)
		}
	}
}

// brokenExecutor fails as Glovebox itself does.
type brokenExecutor struct{}

func (brokenExecutor) Execute(context.Context, api.Request, func(api.Log)) (api.Result, error) {
	return api.Result{}, errors.New("the disk is full")
}

// An outcome says that boxes failed, and the log of whoever has the agent says why: for a while nobody was told.
func TestCodesmithTellsWhyBoxesFail(t *testing.T) {
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	smith, err := codesmith(catalogue, oneProgram{"return 1"}, brokenExecutor{}, agent.Limits{}, newLog(&log, logJSON, "info"))
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := smith.Run(logcontext.With(t.Context(), logcontext.Request, "asked-1"), agent.Task{Text: "a task"}, func(agent.Event) {})
	if err != nil || outcome.Code != agent.SandboxFailed {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if !strings.Contains(log.String(), `"error":"the disk is full","request":"asked-1"}`) {
		t.Errorf("the log says %s", &log)
	}
}
