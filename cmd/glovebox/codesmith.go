package main

import (
	"fmt"
	"io/fs"
	"log/slog"

	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/runnerimage"
	"glovebox/metadata"
)

// codesmithName is the agent's, in paths and in the catalogue.
const codesmithName = "codesmith"

// codesmithParts is the file of what the agent's template takes from elsewhere.
const codesmithParts = "prompts/templates/agents/codesmith.glovebox.template.md"

// codesmith makes the agent of what the metadata says of it. Limits that are not given are the metadata's, or the
// agent's own.
func codesmith(catalogue *metadata.Catalogue, model agent.Model, executor agent.Executor, limits agent.Limits, log *slog.Logger) (*agent.Agent, error) {
	row, ok := catalogue.Agent(codesmithName)
	if !ok || len(row.Prompts) == 0 {
		return nil, fmt.Errorf("the metadata has no agent %s with a prompt", codesmithName)
	}
	prompt, err := codesmithPrompt(catalogue, row.Prompts[0])
	if err != nil {
		return nil, err
	}
	code, err := action.NewExecuteCode(catalogue, executor, hostCPUs())
	if err != nil {
		return nil, err
	}
	if limits.Iterations == 0 {
		limits.Iterations = row.MaxIterationsPerRun
	}
	about := code.About()
	return agent.New(agent.Config{
		Model: model, Executor: executor, Params: code.Request, Prompt: prompt, HostCPUs: hostCPUs(), Limits: limits,
		ExecuteCode: agent.Tool{Description: about.Description, Schema: about.InputSchema}, Log: log,
	})
}

func codesmithPrompt(catalogue *metadata.Catalogue, name string) (*agent.Prompt, error) {
	prompt, ok := catalogue.Prompt(name)
	if !ok {
		return nil, fmt.Errorf("the metadata has no prompt %q", name)
	}
	parts, err := fs.ReadFile(metadata.Files(), codesmithParts)
	if err != nil {
		return nil, err
	}
	var libraries []agent.Library
	for _, l := range runnerimage.Libraries() {
		libraries = append(libraries, agent.Library{Name: l.Name, Version: l.Version})
	}
	return agent.ParsePrompt(prompt.Template, string(parts), libraries)
}
