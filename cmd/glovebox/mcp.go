package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/spf13/cobra"

	"glovebox/api"
	"glovebox/api/client"
	"glovebox/controller"
	"glovebox/internal/action"
	"glovebox/internal/kept"
	"glovebox/internal/mcp"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/metadata"
)

type mcpFlags struct {
	boxes       boxFlags
	remote      remoteFlags
	agent       agentServerFlags
	concurrency int
}

func newMCPCommand() *cobra.Command {
	var f mcpFlags
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Be a tool server for a model's host, by the Model Context Protocol",
		Long: `Speaks the Model Context Protocol on standard input and output, for a host that starts it. Tools:

  execute_code          run a script in a sealed container of its own
  describe_environment  what scripts may use, and what bounds them
  codesmith             have a model write the code for a task, and run it; with --agent-model

Without --server, scripts run here; with it, on a server that glovebox serve is. What goes wrong is told on standard
error. It ends when its input does.`,
		Example: `  glovebox mcp
  glovebox mcp --server http://127.0.0.1:8080
  # in a host's configuration: {"mcpServers": {"glovebox": {"command": "glovebox", "args": ["mcp"]}}}`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveMCP(cmd, &f) },
	}
	flags := cmd.Flags()
	f.remote.register(flags)
	registerConcurrency(flags, &f.concurrency, "how many scripts run at once here, from 1 to 1024")
	f.agent.register(flags)
	f.boxes.register(flags)
	registerLog(flags)
	return cmd
}

func serveMCP(cmd *cobra.Command, f *mcpFlags) error {
	there, err := f.remote.server(cmd.Flags(), false)
	if err != nil {
		return err
	}
	if err := checkConcurrency(f.concurrency); err != nil {
		return err
	}
	if err := f.agent.check(cmd.Flags()); err != nil {
		return err
	}
	if err := f.boxes.check(); err != nil {
		return err
	}
	s := speaker{cmd: cmd, log: openLog(cmd)}
	if s.catalogue, err = metadata.Load(metadata.Files()); err != nil {
		return sandboxError(err)
	}
	smiths, err := f.agent.kind(s.catalogue, s.log)
	if err != nil {
		return err
	}
	s.smith = smiths.under(smithRules{})
	if there != nil {
		return s.there(there)
	}
	return s.here(f)
}

// A speaker speaks with the host that started us.
type speaker struct {
	cmd       *cobra.Command
	catalogue *metadata.Catalogue
	smith     smithMaker // nil where there is no agent
	log       *slog.Logger
}

// there runs scripts on a server, whose limits and libraries are told.
func (s speaker) there(there *server) error {
	defer there.client.CloseIdleConnections()
	info, err := there.client.Info(s.cmd.Context())
	if err != nil {
		return sandboxError(fmt.Errorf("%s: %w", there.url, err))
	}
	return s.speak(remoteExecutor{there.client}, info)
}

func (s speaker) here(f *mcpFlags) error {
	boxes, err := f.boxes.open(s.cmd.Context(), s.log, func(warning string) { s.log.Warn(warning) })
	if err != nil {
		return noBox(err)
	}
	const each = 8 // calls that wait, for each that runs
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: boxes.driver, Spec: boxes.spec, Concurrency: f.concurrency, Queue: each * f.concurrency, Log: s.log,
	})
	if err != nil {
		return sandboxError(err)
	}
	speakErr := s.speak(executor, readAbout().info())
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(s.cmd.Context()), closeLimit)
	defer cancel()
	if err := executor.Close(closeCtx); err != nil {
		return sandboxError(errors.Join(speakErr, err))
	}
	return speakErr
}

func (s speaker) speak(executor action.Executor, info api.Info) error {
	server, err := newMCPServer(s.catalogue, s.smith, executor, info, s.log)
	if err != nil {
		return sandboxError(err)
	}
	if err := server.Serve(s.cmd.Context(), io.NopCloser(s.cmd.InOrStdin()), nopWriteCloser{s.cmd.OutOrStdout()}); err != nil {
		return sandboxError(err)
	}
	return nil
}

func newMCPServer(catalogue *metadata.Catalogue, smith smithMaker, executor action.Executor, info api.Info, log *slog.Logger) (*mcp.Server, error) {
	code, err := action.NewExecuteCode(catalogue, executor, int(info.Limits.CPUs.Max))
	if err != nil {
		return nil, err
	}
	config := mcp.Config{Code: code, Info: info, Log: log}
	if smith != nil {
		codesmith, err := smith(executor)
		if err != nil {
			return nil, err
		}
		tool, err := codesmithTool(codesmith)
		if err != nil {
			return nil, err
		}
		config.Tools = append(config.Tools, tool)
	}
	return mcp.NewServer(config)
}

// modelContextOf returns what makes the handler of /mcp.
func modelContextOf(catalogue *metadata.Catalogue, smith smithMaker, info api.Info, log *slog.Logger) func(controller.Executor) (http.Handler, error) {
	return func(executor controller.Executor) (http.Handler, error) {
		server, err := newMCPServer(catalogue, smith, executor, info, log)
		if err != nil {
			return nil, err
		}
		return server.Handler(), nil
	}
}

// A remoteExecutor runs requests on a server. Logs come with the result.
type remoteExecutor struct{ client *client.Client }

var _ action.Executor = remoteExecutor{}

func (e remoteExecutor) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	result, err := e.client.Execute(ctx, request)
	var over *client.QuotaError
	if errors.As(err, &over) { // the server's tenant is ours
		return result, &quota.Error{Quota: over.Quota, Field: over.Field, Limit: over.Limit, Used: over.Used, Allowed: over.Allowed,
			Forbidden: over.Status == http.StatusForbidden, After: over.RetryAfter}
	}
	var refused *client.ProblemError
	if errors.As(err, &refused) && refused.Type == controller.ProblemUnrecorded && refused.Retryable() {
		return result, &kept.NotBegunError{Err: err}
	}
	if err == nil && onLog != nil {
		for _, entry := range result.Logs {
			onLog(entry)
		}
	}
	return result, err
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
