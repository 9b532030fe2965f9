// Package controller is Glovebox over HTTP: it reads a request, judges it, hands it to whoever runs
// it, and tells how it ended. It knows nothing of containers. Every byte that comes in is checked
// before anything runs, and no text of a script or of its data is ever logged.
//
// It is built on echo, which no exported name shows.
package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"glovebox/api"
	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/queue"
	"glovebox/internal/quota"
	"glovebox/internal/tenant"
	"glovebox/internal/trace"
)

// An Executor runs requests. It is safe for concurrent use.
type Executor interface {
	// Execute runs a request that has passed its checks in a box of its own, which is destroyed whatever
	// happens, a panic included. A script that fails is a Result. onLog, where it is not nil, gets each
	// log entry as it comes. When ctx ends, so does the run.
	//
	// An error is never the script's. A *quota.Error says that the tenant in ctx may not (429, 403). One that has a method RetryAfter() time.Duration says that there
	// is no place now, and sandbox.ErrClosed that there will be none (503); any other is ours (500).
	Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error)
}

// Quotas are what tenants may have; see [quota.Guard]. They are safe for concurrent use.
type Quotas interface {
	// Admit holds requests that are accepted now and run later against the quotas of the tenant in ctx, and counts them: all, or
	// none. The error is a *quota.Error, or ours.
	Admit(ctx context.Context, requests ...api.Request) error
	// Read counts a request that has nothing run, or refuses it with a *quota.Error.
	Read(t tenant.Tenant) error
	// MayAsk refuses one that would have something run, with a *quota.Error, where too much was asked for in vain; Refused counts it where it was.
	MayAsk(t tenant.Tenant) error
	Refused(t tenant.Tenant)
	// Rates tells how many requests a tenant may make now, of each kind that has a quota.
	Rates(t tenant.Tenant) []quota.Rate
}

var _ Quotas = (*quota.Guard)(nil)

// Build says which Glovebox this is.
type Build = api.Build

// Library is one that scripts may require.
type Library = api.Library

// Config is all that a Server depends on. Executor, Executions and HostCPUs must be set.
type Config struct {
	Executor Executor
	// HostCPUs is how many processors the host has: more cannot be asked for.
	HostCPUs  int
	Build     Build
	Libraries []Library
	// Executions makes what keeps executions as resources, of an executor that counts what it runs. Whoever
	// makes it closes it, behind Serve.
	Executions func(Executor) (*execution.Service, error)
	// Actions makes the actions that can be run by name, of an executor that counts what it runs; nil means
	// that there are none.
	Actions func(Executor) ([]Action, error)
	// Agents makes the agents that work on tasks, likewise; nil means that there are none.
	Agents func(Executor) ([]Agent, error)
	// AgentRuns makes what keeps their runs as resources, likewise; it must be set where Agents is. Whoever makes it closes it, behind Serve.
	AgentRuns func(Executor) (*agentrun.Service, error)
	// ModelContext makes what answers at /mcp, of the same executor; nil means that nothing does.
	ModelContext func(Executor) (http.Handler, error)
	// Ready reports whether a box could be made now; nil means that nobody knows better than yes. It
	// must be cheap: anyone who reaches the server may ask.
	Ready func(ctx context.Context) error
	// Load tells how many boxes there are and how many requests wait, for /metrics; nil means that it is
	// not shown.
	Load func() (boxes, waiting int)
	// Parties tells the same of each tenant, of whom it has any; nil means that nobody knows.
	Parties func() []queue.PartyLoad
	// Runtime names the OCI runtime of every box, for metrics.
	Runtime string
	// Quotas are those that the Executor holds tenants to; nil means that it holds nobody to any.
	Quotas Quotas
	// Keys tells who may enter; nil means everybody who reaches the server, which then listens on loopback alone.
	Keys Keys
	// Watch ends requests of tenants that may have nothing run any more; nil ends none.
	Watch *kept.Watch
	// TLS, where it is not nil, has [Server.Serve] speak TLS with the certificate that it gives. Its protocol is HTTP/1.1.
	TLS *tls.Config
	// InsecureHTTP lets a server that asks for keys listen beyond loopback without TLS: keys, code and data cross the network for all
	// to read, unless something in front sees to that.
	InsecureHTTP bool
	// AllowedHosts are names that the Host header may hold beside loopback's own, and the address itself that the
	// listener has, with the listener's port: "name" for any port, or "name:port". They are for a proxy or a tunnel in front.
	AllowedHosts []string
	// DrainLimit is how long Serve lets running scripts go on once it has been told to stop; 0 means
	// 30 seconds. What runs longer is cancelled.
	DrainLimit time.Duration
	// Log gets one line a request and what goes wrong; nil means nowhere. Its handler is to be one of [logcontext.NewHandler]: lines tell
	// by it on whose behalf they are.
	Log *slog.Logger
	// Traces begins the spans of requests and of what they have run; nil begins none.
	Traces *trace.Source
	// Collectors are metrics of others, shown at /metrics beside the server's own.
	Collectors []prometheus.Collector
}

// bounds are the bounds of a conversation, apart from those of a request.
type bounds struct {
	header, body, write, idle time.Duration // the longest that each part may take
	drain, cleanup            time.Duration // how long Serve waits for scripts, and for their boxes' end
	ready                     time.Duration // how long Config.Ready may take
	keepAlive                 time.Duration // how long a stream of events may be silent
	headerBytes               int
	heldBytes                 int64 // of bodies and of answers that are being taken, at once
	open                      int64 // requests of tenants at once
	connections               int64 // at once, whoever's they are
}

var defaultBounds = bounds{
	header: 10 * time.Second, body: time.Minute, write: time.Minute, idle: 2 * time.Minute,
	drain: 30 * time.Second, cleanup: 10 * time.Second, ready: 5 * time.Second, keepAlive: 15 * time.Second,
	headerBytes: 16 << 10,
	heldBytes:   512 << 20,
	open:        4096,
	connections: 8192,
}

// A Server answers HTTP requests. It is safe for concurrent use.
type Server struct {
	config Config
	// executor is the configured one, counted.
	executor   Executor
	executions *execution.Service
	actions    []Action
	agents     []Agent
	runs       *agentrun.Service // nil where there are none
	mcp        http.Handler      // nil where there is none
	hosts      hostRule
	entry      *entry
	bounds     bounds
	table      []route
	echo       *echo.Echo
	metrics    *metrics
	page       page
	thin       *thinLog
	held       budget // bytes of bodies and answers in memory
	open       budget // requests of tenants
	conns      budget // connections, by the address that they come from

	draining atomic.Bool
	// drainStart ends when draining begins.
	drainStart context.Context
	drainNow   context.CancelFunc
}

var _ http.Handler = (*Server)(nil)

// New returns a server that answers, but listens nowhere yet: see [Server.Serve].
func New(config Config) (*Server, error) { return newServer(config, defaultBounds) }

func newServer(config Config, b bounds) (*Server, error) {
	if config.Executor == nil {
		return nil, errors.New("controller: an Executor is needed")
	}
	if config.Executions == nil {
		return nil, errors.New("controller: Executions are needed")
	}
	if config.HostCPUs < 1 {
		return nil, fmt.Errorf("controller: HostCPUs is %d; at least 1 is needed", config.HostCPUs)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.DrainLimit > 0 {
		b.drain = config.DrainLimit
	}
	hosts, err := newHostRule(config.AllowedHosts)
	if err != nil {
		return nil, err
	}
	counted, err := newMetrics(config)
	if err != nil {
		return nil, fmt.Errorf("controller: register metrics: %w", err)
	}
	s := &Server{config: config, hosts: hosts, bounds: b, metrics: counted, page: newPage(), thin: &thinLog{log: config.Log}}
	s.entry = &entry{keys: config.Keys, log: s.thin}
	s.held.most, s.open.most, s.conns.most = b.heldBytes, b.open, mostConnections(b.connections)
	s.executor = traced{measured{config.Executor, counted, config.Log}, config.Traces, config.Runtime}
	if s.executions, err = config.Executions(s.executor); err != nil {
		return nil, err
	}
	if config.Actions != nil {
		if s.actions, err = config.Actions(s.executor); err != nil {
			return nil, err
		}
	}
	if config.Agents != nil {
		if s.agents, err = config.Agents(s.executor); err != nil {
			return nil, err
		}
	}
	if config.AgentRuns != nil {
		if s.runs, err = config.AgentRuns(s.executor); err != nil {
			return nil, err
		}
	} else if config.Agents != nil {
		return nil, errors.New("controller: AgentRuns are needed beside Agents")
	}
	if config.ModelContext != nil {
		if s.mcp, err = config.ModelContext(s.executor); err != nil {
			return nil, err
		}
	}
	s.drainStart, s.drainNow = context.WithCancel(context.Background())
	s.echo = echo.New()
	s.echo.Logger.SetOutput(io.Discard)
	s.echo.HTTPErrorHandler = s.answerError
	s.echo.Pre(s.observe, s.recover, s.guard)
	s.table = s.routes()
	for _, r := range s.table {
		handler := s.enter(r.access, r.handler)
		s.echo.Add(r.method, r.path, handler)
		if r.method == http.MethodGet {
			s.echo.Add(http.MethodHead, r.path, handler)
		}
	}
	return s, nil
}

// A route is one row of the server's table; HEAD goes where GET goes.
type route struct {
	method, path string
	access       access
	handler      echo.HandlerFunc
}

func (s *Server) routes() []route {
	return []route{
		{http.MethodPost, "/v1/executions", toExecute, s.execute},
		{http.MethodGet, "/v1/executions", toRead, s.listExecutions},
		{http.MethodGet, "/v1/executions/:id", toRead, s.showExecution},
		{http.MethodDelete, "/v1/executions/:id", toCancel, s.cancelExecution},
		{http.MethodGet, "/v1/executions/:id/events", toRead, s.followExecution},
		{http.MethodGet, "/v1/actions", toLook, s.listActions},
		{http.MethodGet, "/v1/actions/:name", toLook, s.showAction},
		{http.MethodPost, "/v1/actions/:name/runs", toExecute, s.runAction},
		{http.MethodPost, "/v1/agents/:name/runs", toExecute, s.runAgent},
		{http.MethodGet, "/v1/agents/:name/runs", toRead, s.listRuns},
		{http.MethodGet, "/v1/agents/:name/runs/:id", toRead, s.showRun},
		{http.MethodDelete, "/v1/agents/:name/runs/:id", toCancel, s.cancelRun},
		{http.MethodGet, "/v1/agents/:name/runs/:id/events", toRead, s.runEvents},
		{http.MethodPost, "/mcp", toConverse, s.modelContext},
		{http.MethodGet, "/mcp", toConverse, s.modelContext},
		{http.MethodDelete, "/mcp", toConverse, s.modelContext},
		{http.MethodGet, "/v1/info", toLook, s.info},
		{http.MethodGet, "/openapi.yaml", forEverybody, s.openAPI},
		{http.MethodGet, "/healthz", forEverybody, s.healthy},
		{http.MethodGet, "/readyz", forEverybody, s.ready},
		{http.MethodGet, "/metrics", toAdminister, s.showMetrics},
		{http.MethodGet, "/", forEverybody, s.playground},
	}
}

// ServeHTTP answers one request. What embeds the server in another http.Server has to bound reading
// itself, as [Server.Serve] does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }
