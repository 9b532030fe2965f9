// Package mcp offers the catalogue's actions as tools of the Model Context Protocol, over standard streams and
// over HTTP. It holds no logic of its own: a tool is an action, and its schema is the action's.
package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"glovebox/api"
	"glovebox/internal/action"
)

// Config is what a server offers, and of what it is made. Code must be set.
type Config struct {
	Code *action.ExecuteCode
	Info api.Info
	// Tools are offered beside those of this package.
	Tools []Tool
	// Log is told what goes wrong on our side; nil means nowhere.
	Log *slog.Logger
}

// A Tool is one that is run elsewhere, such as an agent.
type Tool struct {
	About api.Action
	// OutputSchema is the JSON Schema of what Run returns.
	OutputSchema json.RawMessage
	// Run runs it with its arguments as JSON. progress gets what happens on the way, for people. The
	// document is the structured result, and failed says that the tool did not do what it was asked. The
	// error is an *api.Error for arguments that are refused, or our own.
	Run func(ctx context.Context, arguments []byte, progress func(string)) (document any, message string, failed bool, err error)
}

const instructions = "Runs JavaScript and TypeScript, each script in a sealed container of its own, without network or files. " +
	"Call describe_environment once to learn what scripts may use. Prefer execute_code to reckoning by yourself: " +
	"pass data as inputData, and return only what you need."

// A Server offers the tools. It is safe for concurrent use by any number of clients.
type Server struct {
	sdk       *sdk.Server
	exchanges *exchanges
	sessions  sessions
	log       *slog.Logger
}

// NewServer returns a server with every tool.
func NewServer(config Config) (*Server, error) {
	if config.Code == nil {
		return nil, errors.New("mcp: the action that runs scripts is needed")
	}
	log := config.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{exchanges: newExchanges(), log: log}
	s.sdk = sdk.NewServer(
		&sdk.Implementation{Name: "glovebox", Title: "Glovebox", Version: config.Info.Build.Version},
		// No capability is claimed but that of tools, which follows from there being some.
		&sdk.ServerOptions{Instructions: instructions, Capabilities: &sdk.ServerCapabilities{}},
	)
	s.sdk.AddReceivingMiddleware(s.boundSessions)
	code, err := executeCode(config.Code)
	if err != nil {
		return nil, err
	}
	for _, t := range append([]Tool{code}, config.Tools...) {
		s.add(t)
	}
	if err := s.addEnvironment(config.Info); err != nil {
		return nil, err
	}
	return s, nil
}

// maxMessageBytes bounds one message of a client: a request's body over HTTP, escaped once more. It is the same on
// every transport.
const maxMessageBytes = 2*api.MaxBodyBytes + 64<<10

// Serve talks to one client over a pair of streams until it leaves or ctx ends; what runs for it then is cancelled.
func (s *Server) Serve(ctx context.Context, in io.ReadCloser, out io.WriteCloser) error {
	err := s.sdk.Run(ctx, &sdk.IOTransport{Reader: in, Writer: out, MaxLineLength: maxMessageBytes})
	if errors.Is(err, io.EOF) || errors.Is(err, sdk.ErrConnectionClosed) || (err != nil && ctx.Err() != nil) {
		return nil // the client has left, or we were told to
	}
	if err != nil {
		return fmt.Errorf("mcp: %w", err)
	}
	return nil
}

// sessionTimeout ends a session whose client has not been heard of.
const sessionTimeout = 30 * time.Minute

// Handler serves clients over streamable HTTP. A call ends with the request that brought it, and with its session. Who
// may connect, and from where, is for whoever mounts it; a session is its tenant's alone, who has a hundred at most.
func (s *Server) Handler() http.Handler {
	return boundBatches(s.sessions.seen(s.exchanges.handler(owned(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.sdk }, &sdk.StreamableHTTPOptions{
		SessionTimeout: sessionTimeout, MaxRequestBodyBytes: maxMessageBytes,
		// The controller's guard holds Host and Origin to stricter rules, and knows the names that were allowed.
		DisableLocalhostProtection: true,
	})))))
}
