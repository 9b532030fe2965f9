package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"glovebox/api"
	"glovebox/api/client"
	"glovebox/internal/config"
	"glovebox/internal/terminal"
)

// envServer names the variable that stands for --server where that is not given.
const envServer = "GLOVEBOX_SERVER"

// envKey names the variable with the key that a server asks for. There is no flag for it: others on this machine see those.
const envKey = "GLOVEBOX_API_KEY"

// remoteFlags choose a server to run on, in place of this machine.
type remoteFlags struct {
	url       string
	plainHTTP bool
}

func (f *remoteFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "server", "", "run on the Glovebox server at this `URL`, and not here (default $"+envServer+", where it is set; '' runs here all the same); $"+envKey+" is the key that it may ask for")
	flags.BoolVar(&f.plainHTTP, "allow-plain-http", false, "let that key travel over http to another machine, where anyone on the way can read it")
	config.Mark(flags, "server", "allow-plain-http")
}

// A server runs requests elsewhere.
type server struct {
	url    string
	client *client.Client
}

// server returns the server that was asked for, or nil for this machine. Flags that say how a box is made here
// are refused beside one, and so are variables beside a variable: to leave them out in silence would be to weaken what was asked for. attested has it tell every check of a
// box.
func (f *remoteFlags) server(flags *pflag.FlagSet, attested bool) (*server, error) {
	if f.url == "" {
		return nil, nil
	}
	source := config.SourceOf(flags.Lookup("server"))
	for _, name := range append(slices.Clone(boxSettings), "state-dir") {
		if !conflicts(config.SourceOf(flags.Lookup(name)), source) {
			continue
		}
		if source.Kind == config.FromFlag {
			return nil, usageError("--%s is for boxes of this machine: the server that --server names decides for itself", name)
		}
		return nil, badSetting(fmt.Errorf("--%s is for boxes of this machine, and %s names a server to run on: leave it out, or add --server '' to run here", name, source), name)
	}
	c, err := client.New(client.Config{BaseURL: f.url, FullAttestation: attested, Key: os.Getenv(envKey), AllowPlainHTTP: f.plainHTTP})
	if err != nil {
		return nil, usageError("%s: %s", source, strings.TrimPrefix(err.Error(), "client: "))
	}
	return &server{url: f.url, client: c}, nil
}

// conflicts reports whether a flag about boxes of this machine was given for this command, or where all are, as deliberately as the
// server was. What a file says is about boxes that are made here, if any are.
func conflicts(box, server config.Source) bool {
	return box.Kind >= config.FromEnvironment && box.Kind >= server.Kind
}

// runThere runs a request on a server, and tells of it as if it had run here. Logs come with the result.
func runThere(ctx context.Context, server *server, request api.Request, report reporter) error {
	defer server.client.CloseIdleConnections()
	result, err := server.client.Execute(ctx, request)
	if err != nil {
		return thereError(ctx, err, report)
	}
	for _, entry := range result.Logs {
		if err := report.log(entry); err != nil {
			return outputError(err)
		}
	}
	if report.verbose && !report.asJSON {
		fmt.Fprintln(report.stderr, "ran on", terminal.Text(report.stderr, server.url))
	}
	return report.result(result)
}

// thereError tells of an execution that has no result.
func thereError(ctx context.Context, err error, report reporter) error {
	if ctx.Err() != nil {
		return report.cancelled("the execution was cancelled")
	}
	var unsent *api.Error
	if errors.As(err, &unsent) {
		return flagError(err)
	}
	var refused *client.ProblemError
	if errors.As(err, &refused) && refused.Field != "" && refused.Status < 500 {
		detail := strings.TrimPrefix(refused.Detail, refused.Field+": ")
		return flagError(&api.Error{Field: refused.Field, Detail: detail, ResultCode: refused.ResultCode})
	}
	return report.failed(err, sandboxError)
}
