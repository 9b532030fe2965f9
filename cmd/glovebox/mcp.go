package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"glovebox/api"
	"glovebox/api/client"
	"glovebox/controller"
	"glovebox/internal/action"
	"glovebox/internal/mcp"
	"glovebox/internal/sandbox"
	"glovebox/metadata"
)

type mcpFlags struct {
	boxes       boxFlags
	remote      remoteFlags
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
	flags.IntVar(&f.concurrency, "concurrency", 2*hostCPUs(), "how many scripts run at once here, from 1 to 1024")
	f.boxes.register(flags)
	return cmd
}

func serveMCP(cmd *cobra.Command, f *mcpFlags) error {
	there, err := f.remote.server(cmd.Flags())
	if err != nil {
		return err
	}
	if f.concurrency < api.MinConcurrency || f.concurrency > api.MaxConcurrency {
		return usageError("--concurrency is %d; from %d to %d is allowed", f.concurrency, api.MinConcurrency, api.MaxConcurrency)
	}
	if err := f.boxes.check(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	if there != nil {
		return mcpThere(cmd, there, log)
	}
	return mcpHere(cmd, f, log)
}

// mcpThere runs scripts on a server, whose limits and libraries are told.
func mcpThere(cmd *cobra.Command, there *server, log *slog.Logger) error {
	defer there.client.CloseIdleConnections()
	info, err := there.client.Info(cmd.Context())
	if err != nil {
		return sandboxError(fmt.Errorf("%s: %w", there.url, err))
	}
	return speak(cmd, remoteExecutor{there.client}, info, log)
}

func mcpHere(cmd *cobra.Command, f *mcpFlags, log *slog.Logger) error {
	boxes, err := f.boxes.open(cmd.Context(), log, func(warning string) { log.Warn(warning) })
	if err != nil {
		return noBox(err)
	}
	const each = 8 // calls that wait, for each that runs
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: boxes.driver, Spec: boxes.spec, Concurrency: f.concurrency, Queue: each * f.concurrency, Log: log,
	})
	if err != nil {
		return sandboxError(err)
	}
	speakErr := speak(cmd, executor, readAbout().info(), log)
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), closeLimit)
	defer cancel()
	if err := executor.Close(closeCtx); err != nil {
		return sandboxError(errors.Join(speakErr, err))
	}
	return speakErr
}

func speak(cmd *cobra.Command, executor action.Executor, info api.Info, log *slog.Logger) error {
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		return sandboxError(err)
	}
	server, err := newMCPServer(catalogue, executor, info, log)
	if err != nil {
		return sandboxError(err)
	}
	if err := mcp.Serve(cmd.Context(), server, io.NopCloser(cmd.InOrStdin()), nopWriteCloser{cmd.OutOrStdout()}); err != nil {
		return sandboxError(err)
	}
	return nil
}

func newMCPServer(catalogue *metadata.Catalogue, executor action.Executor, info api.Info, log *slog.Logger) (*sdk.Server, error) {
	code, err := action.NewExecuteCode(catalogue, executor, int(info.Limits.CPUs.Max))
	if err != nil {
		return nil, err
	}
	return mcp.NewServer(mcp.Config{Code: code, Info: info, Log: log})
}

// modelContextOf returns what makes the handler of /mcp.
func modelContextOf(catalogue *metadata.Catalogue, info api.Info, log *slog.Logger) func(controller.Executor) (http.Handler, error) {
	return func(executor controller.Executor) (http.Handler, error) {
		server, err := newMCPServer(catalogue, executor, info, log)
		if err != nil {
			return nil, err
		}
		return mcp.Handler(server, slog.New(slog.DiscardHandler)), nil
	}
}

// A remoteExecutor runs requests on a server. Logs come with the result.
type remoteExecutor struct{ client *client.Client }

var _ action.Executor = remoteExecutor{}

func (e remoteExecutor) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	result, err := e.client.Execute(ctx, request)
	if err == nil && onLog != nil {
		for _, entry := range result.Logs {
			onLog(entry)
		}
	}
	return result, err
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
