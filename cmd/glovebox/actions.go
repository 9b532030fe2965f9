package main

import (
	"bytes"
	"context"

	"glovebox/controller"
	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/mcp"
	"glovebox/metadata"
)

// actionsOf returns what makes the actions that a server has. smith may be nil.
func actionsOf(catalogue *metadata.Catalogue, smith smithMaker) func(controller.Executor) ([]controller.Action, error) {
	return func(executor controller.Executor) ([]controller.Action, error) {
		code, err := action.NewExecuteCode(catalogue, executor, hostCPUs())
		if err != nil {
			return nil, err
		}
		actions := []controller.Action{{About: code.About(), Run: func(ctx context.Context, params []byte) (any, string, error) {
			result, err := code.Run(ctx, params, nil)
			return result, string(result.ResultCode), err
		}}}
		if smith == nil {
			return actions, nil
		}
		codesmith, err := smith(executor)
		if err != nil {
			return nil, err
		}
		return append(actions, controller.Action{About: codesmith.About(), Run: func(ctx context.Context, params []byte) (any, string, error) {
			result, err := codesmith.Run(ctx, params, nil)
			return result, string(result.ResultCode), err
		}}), nil
	}
}

// agentsOf returns what makes the agents that a server has. smith may be nil.
func agentsOf(smith smithMaker) func(controller.Executor) ([]controller.Agent, error) {
	if smith == nil {
		return nil
	}
	return func(executor controller.Executor) ([]controller.Agent, error) {
		codesmith, err := smith(executor)
		if err != nil {
			return nil, err
		}
		return []controller.Agent{{Name: codesmith.About().Name, Run: func(ctx context.Context, task []byte, onStep func(controller.Step)) (any, string, error) {
			outcome, err := codesmith.Work(ctx, task, asSteps(onStep))
			return outcome, string(outcome.Code), err
		}}}, nil
	}
}

// workersOf returns the agents that work on what is accepted. smith may be nil.
func workersOf(smith smithMaker, executor controller.Executor) (map[string]agentrun.Worker, error) {
	if smith == nil {
		return nil, nil
	}
	codesmith, err := smith(executor)
	if err != nil {
		return nil, err
	}
	return map[string]agentrun.Worker{codesmith.About().Name: codesmith}, nil
}

func asSteps(onStep func(controller.Step)) func(agent.Event) {
	if onStep == nil {
		return nil
	}
	return func(e agent.Event) {
		line, err := agent.EncodeLine(e)
		if err != nil {
			return // an event is made of what has been JSON already
		}
		onStep(controller.Step{ID: e.Seq, Type: string(e.Type), Data: bytes.TrimSuffix(line, []byte("\n"))})
	}
}

// codesmithTool makes a tool of the agent.
func codesmithTool(smith *action.Codesmith) (mcp.Tool, error) {
	schema, err := mcp.SchemaOf[action.CodesmithResult]()
	return mcp.Tool{
		About: smith.About(), OutputSchema: schema,
		Run: func(ctx context.Context, arguments []byte, progress func(string)) (any, string, bool, error) {
			var told agentProgress
			result, err := smith.Run(ctx, arguments, func(e agent.Event) {
				if note := told.text(e); note != "" {
					progress(note)
				}
			})
			return result, result.InWords(), !result.Success, err
		},
	}, err
}
