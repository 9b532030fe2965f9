package main

import (
	"context"

	"glovebox/controller"
	"glovebox/internal/action"
	"glovebox/metadata"
)

// actionsOf returns what makes the actions that a server has.
func actionsOf(catalogue *metadata.Catalogue) func(controller.Executor) ([]controller.Action, error) {
	return func(executor controller.Executor) ([]controller.Action, error) {
		code, err := action.NewExecuteCode(catalogue, executor, hostCPUs())
		if err != nil {
			return nil, err
		}
		return []controller.Action{{About: code.About(), Run: func(ctx context.Context, params []byte) (any, string, error) {
			result, err := code.Run(ctx, params, nil)
			return result, string(result.ResultCode), err
		}}}, nil
	}
}
