package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"glovebox/api"
	"glovebox/controller"
	"glovebox/internal/agentrun"
	"glovebox/internal/config"
	"glovebox/internal/execution"
	"glovebox/internal/ledger"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/store/sqlite"
	"glovebox/internal/tenant"
	"glovebox/metadata"
)

type serveFlags struct {
	boxes       boxFlags
	pool        poolFlags
	entry       entryFlags
	admin       string
	concurrency int
	queue       int
	agent       agentServerFlags
	data        dataFlags
	trace       traceFlags
	webhook     webhookFlags
	retention   retentionFlags
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run scripts for others, over HTTP",
		Long: `Serves POST /v1/executions: one script a request, each in a sealed container of its own; the same as an action, POST
/v1/actions/execute-code/runs, and as a tool of the Model Context Protocol, at /mcp. GET /openapi.yaml is its contract.

With --data-dir it asks everybody for a key (glovebox key) as soon as there is a tenant (glovebox tenant). Without one, whoever
reaches it may use it, so that it listens on loopback alone. Beyond loopback it listens with keys, over TLS.

SIGTERM and SIGINT drain it: nothing new is taken, what runs may end, and every box is destroyed.`,
		Example: `  glovebox serve
  curl -s http://127.0.0.1:8080/v1/executions -H 'Content-Type: application/json' \
    -d '{"code": "return input.a + 1", "inputData": {"a": 41}}'
  glovebox serve --data-dir /var/lib/glovebox --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd, &f) },
	}
	f.register(cmd.Flags())
	return cmd
}

// register adds the flags, each of which is a setting: see addSettings.
func (f *serveFlags) register(flags *pflag.FlagSet) {
	f.entry.register(flags)
	flags.StringVar(&f.admin, "admin-listen", "", "a loopback `ADDRESS` at which net/http/pprof tells of this process, and nothing else is served; without it nothing is")
	registerConcurrency(flags, &f.concurrency, "how many scripts run at once, from 1 to 1024")
	flags.IntVar(&f.queue, "queue", 0, "how many requests may wait for a box before others get 503, half of them at most of one tenant alone (default 8 for each that may run)")
	f.trace.register(flags)
	f.pool.register(flags)
	f.agent.register(flags)
	f.webhook.register(flags)
	f.retention.register(flags)
	f.boxes.register(flags)
	flags.StringVar(&f.data.dir, "data-dir", "", "`DIR`ectory, of mode 0700, with tenants and their keys, what was accepted and has not ended, and the ledger in which every execution and task is recorded; without it there is none of these")
	registerLog(flags)
}

func registerConcurrency(flags *pflag.FlagSet, concurrency *int, usage string) {
	flags.IntVar(concurrency, "concurrency", 2*hostCPUs(), usage)
	config.Mark(flags, "concurrency")
}

func checkConcurrency(concurrency int) error {
	if concurrency < api.MinConcurrency || concurrency > api.MaxConcurrency {
		return badSetting(fmt.Errorf("--concurrency is %d; from %d to %d is allowed", concurrency, api.MinConcurrency, api.MaxConcurrency), "concurrency")
	}
	return nil
}

// check refuses what cannot be right, before any file or port is looked at, and fills in what depends on other flags.
func (f *serveFlags) check(flags *pflag.FlagSet) error {
	if err := f.entry.check(flags.Changed("data-dir")); err != nil {
		return err
	}
	if flags.Changed("admin-listen") {
		if err := controller.CheckAdminAddress(f.admin); err != nil {
			return badSetting(err, "admin-listen")
		}
	}
	if err := checkConcurrency(f.concurrency); err != nil {
		return err
	}
	if f.queue < 0 {
		return badSetting(fmt.Errorf("--queue is %d; 0 and more are allowed", f.queue), "queue")
	}
	if !flags.Changed("queue") {
		const each = 8
		f.queue = each * f.concurrency
	}
	if flags.Changed("data-dir") {
		var err error
		if f.data.dir, err = f.data.path(flags); err != nil {
			return err
		}
	}
	if _, err := f.pool.config(f.concurrency); err != nil {
		return err
	}
	if err := f.agent.check(flags); err != nil {
		return err
	}
	if err := f.webhook.check(flags.Changed("data-dir")); err != nil {
		return err
	}
	if err := f.retention.check(); err != nil {
		return err
	}
	if err := f.trace.check(); err != nil {
		return err
	}
	return f.boxes.check()
}

func serve(cmd *cobra.Command, f *serveFlags) (err error) {
	ctx := cmd.Context()
	log := openLog(cmd)
	if err := f.check(cmd.Flags()); err != nil {
		return err
	}
	log = slog.New(f.trace.handler(log.Handler()))
	log.Info("settings", "file", configFile(cmd.Flags()), "given", givenBy(cmd))
	manager := openServiceManager(ctx, log)
	defer manager.close()
	listens := false
	defer func() {
		if !listens && ctx.Err() != nil && errors.Is(err, context.Canceled) { // as a long migration may be: it goes on with the next start
			log.Info("told to stop before it listened", "error", err)
			err = nil
		}
	}()
	if err := f.entry.open(log); err != nil {
		return err
	}
	pool, err := f.pool.config(f.concurrency)
	if err != nil {
		return err
	}
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		return sandboxError(err)
	}
	smiths, err := f.agent.kind(catalogue, log)
	if err != nil {
		return err
	}
	boxes, err := f.boxes.open(ctx, log, func(warning string) { log.Warn(warning) })
	if err != nil {
		return noBox(err)
	}
	var kept *sqlite.Store
	if f.data.dir != "" {
		if kept, err = sqlite.Open(ledger.WithActor(ctx, operator()), f.data.dir, sqlite.Server, func(p sqlite.Progress) {
			logProgress(log, p)
			manager.starts(progressText(p))
		}); err != nil {
			return storeError(err)
		}
		defer func() { err = errors.Join(err, kept.Close()) }()
		tellLost(log, kept.Lost())
	}
	if err := f.entry.tell(ctx, log, kept, defaultDataDir(os.Geteuid(), os.Getenv)); err != nil {
		return err
	}
	// The port is taken before boxes start to wait behind it.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.entry.listen)
	if err != nil {
		return sandboxError(err)
	}
	defer func() { _ = listener.Close() }()
	stopAdmin, err := startAdmin(ctx, f.admin, log)
	if err != nil {
		return sandboxError(err)
	}
	defer stopAdmin()
	about := readAbout()
	traces, flush, err := f.trace.start(ctx, about.Version, log)
	if err != nil {
		return sandboxError(err)
	}
	defer flush() // behind everything else that ends
	metrics := controller.NewPoolMetrics(boxes.name, boxes.spec.Runtime)
	pool.Warm.Libraries, pool.Observe = about.libraryNames(), metrics.Observer()
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
		Driver: boxes.driver, Spec: boxes.spec, Concurrency: f.concurrency, Queue: f.queue, Pool: pool, Log: log,
	})
	if err != nil {
		return sandboxError(err)
	}
	build := controller.Build{Version: about.Version, Commit: about.Commit}
	var runs quota.Executor = executor
	var rules smithRules
	meter := &quota.Memory{}
	if kept != nil {
		recorder, err := recorded(ctx, executor, kept, boxes, build)
		if err != nil {
			return sandboxError(errors.Join(err, executor.Close(ctx)))
		}
		defer recorder.Close()
		runs, rules.record = recorder, recorder
		if err := usedToday(ctx, kept, meter); err != nil {
			return sandboxError(errors.Join(err, executor.Close(ctx)))
		}
	}
	watch, unwatch := watching(ctx, kept, log)
	defer unwatch()
	watch.Tell(func(now tenant.Tenant) { executor.Reshare(quota.ShareOf(now)) })
	guard := quota.NewGuard(quota.Config{
		Executor: runs, Isolation: string(sandbox.IsolationOf(boxes.spec.Runtime)), CPU: meter, Log: log, AtBegin: checkedAtBegin, Now: watch.Now,
	})
	hooks, err := f.webhook.open(ctx, kept, log)
	if err != nil {
		return sandboxError(errors.Join(err, executor.Close(ctx)))
	}
	defer hooks.close()
	tasks := controller.NewAgentMetrics(smiths.names()...)
	rules.admit, rules.observe, rules.watch = guard.AdmitTask, tasks.Observe, watch
	smith := smiths.under(rules)
	var accepted acceptance
	ready := readiness(boxes, executor.Pool, kept)
	server, err := controller.New(controller.Config{
		Executions: func(e controller.Executor) (_ *execution.Service, err error) {
			accepted.executions, err = execution.Open(ctx, accepting(e, kept, hooks, watch, f.retention.policy, log))
			return accepted.executions, err
		},
		AgentRuns: func(e controller.Executor) (*agentrun.Service, error) {
			config, err := acceptingRuns(e, smith, kept, watch, f.retention.policy, log)
			if err == nil {
				config.Ended = hooks.ended
				accepted.runs, err = agentrun.Open(ctx, config)
			}
			return accepted.runs, err
		},
		DrainLimit: drainLimit, Executor: guard, Quotas: guard, HostCPUs: hostCPUs(), Build: build,
		Libraries: about.controllerLibraries(), Actions: actionsOf(catalogue, smith), Agents: agentsOf(smith),
		ModelContext: modelContextOf(catalogue, smith, about.info(), log), Ready: ready, Load: executor.Load, Parties: executor.Parties, Runtime: boxes.spec.Runtime,
		AllowedHosts: f.entry.allowHosts, Log: log, Keys: keys(kept), Watch: watch, TLS: f.entry.tls(), InsecureHTTP: f.entry.insecureHTTP, Traces: traces,
		Collectors: slices.Concat(metrics.Collectors(executor.Pool), hooks.metrics.Collectors(hooks.pending), tasks.Collectors(),
			controller.KeptCollectors(accepted.executionBytes, accepted.runBytes), controller.WaitingCollectors(accepted.executionsWaiting, accepted.runsWaiting)),
	})
	if err == nil {
		listens = true
		// Whoever started us on port 0, or waits for us, reads the address here.
		fmt.Fprintf(cmd.OutOrStdout(), "listening on %s://%s\n", f.entry.scheme(), listener.Addr())
		log.Info("serving", "driver", boxes.name, "runtime", boxes.spec.Runtime, "concurrency", f.concurrency, "queue", f.queue,
			"pool", poolText(pool))
		manager.ready(served{
			about: fmt.Sprintf("serving at %s://%s, boxes by %s with %s", f.entry.scheme(), listener.Addr(), boxes.name, boxes.spec.Runtime),
			works: func() { executor.Load(); executor.Pool() }, ready: ready, // each script needs their locks
		})
		err = serveUntil(ctx, server, accepted, listener)
	} else { // what it has taken up is left again
		stopped, stop := context.WithCancel(ctx)
		stop()
		err = errors.Join(err, accepted.close(stopped))
	}
	// Every box is gone before the process is.
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	if err := errors.Join(err, executor.Close(closeCtx)); err != nil {
		return sandboxError(err)
	}
	return nil
}

// serveUntil serves until ctx ends; then requests and what was accepted are let end side by side, within one limit.
func serveUntil(ctx context.Context, server *controller.Server, accepted acceptance, listener net.Listener) error {
	stop, stopNow := context.WithCancel(ctx)
	closed := make(chan error, 1)
	go func() {
		<-stop.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		closed <- accepted.close(limit)
	}()
	err := server.Serve(ctx, listener)
	stopNow()
	return errors.Join(err, <-closed)
}

// drainLimit is how long scripts may go on once the server has been told to stop.
const drainLimit = 30 * time.Second

// closeLimit bounds the wait for the last boxes to be destroyed.
const closeLimit = 30 * time.Second
