package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"glovebox/controller"
	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/quota"
	"glovebox/internal/recorder"
	"glovebox/internal/sandbox"
	"glovebox/internal/store"
	"glovebox/internal/store/sqlite"
	"glovebox/internal/tenant"
)

// recorded has all that an executor runs entered in the store's ledger, and that this server has started. Nothing may be executed
// once it is closed.
func recorded(ctx context.Context, executor *sandbox.Executor, s store.Store, in boxes, build controller.Build) (*recorder.Recorder, error) {
	_, err := s.Ledger().Append(ctx, ledger.Did(ledger.KindServerStarted, operator(), ledger.Act{
		Subject: build.Version,
		Details: map[string]string{"commit": build.Commit, "driver": in.name, "runtime": in.spec.Runtime, "image": in.spec.ImageID},
	}))
	if err != nil {
		return nil, fmt.Errorf("record that the server starts: %w", err)
	}
	return recorder.New(executor, s.Ledger()), nil
}

// checkedAtBegin has a check made once, when a box is there; where that is not fit, another gets what has begun. A beginning that is kept
// ([ledger.WithBeginning]) is what a recorder calls first, in the place of the hook.
func checkedAtBegin(ctx context.Context, check func() error) context.Context {
	checked := false
	once := func() error {
		if checked {
			return nil
		}
		err := check()
		checked = err == nil
		return err
	}
	if begin, keeps := ledger.BeginningFrom(ctx); keeps {
		ctx = ledger.WithBeginning(ctx, func(entry ledger.Draft) error {
			if err := once(); err != nil {
				return err
			}
			return begin(entry)
		})
	}
	hooks := sandbox.HooksOf(ctx)
	outer := hooks.Begin
	hooks.Begin = func() error {
		if err := once(); err != nil || outer == nil {
			return err
		}
		return outer()
	}
	return sandbox.WithHooks(ctx, hooks)
}

// accepting says where executions that were accepted are kept: in the store, or, where there is none, for as long as this process lives.
func accepting(e execution.Executor, store *sqlite.Store, hooks webhooks, watch *kept.Watch, policy kept.Policy, log *slog.Logger) execution.Config {
	config := execution.Config{Executor: e, Store: execution.NewMemory(), Watch: watch, Policy: policy, Log: log}
	if store != nil {
		config.Store, config.Ended, config.Tenant = store.Executions(), hooks.ended, tenantIn(store)
	}
	return config
}

// acceptingRuns says the same of runs of agents. smith may be nil: then what is kept is told, and nothing accepted.
func acceptingRuns(e controller.Executor, smith smithMaker, store *sqlite.Store, watch *kept.Watch, policy kept.Policy, log *slog.Logger) (agentrun.Config, error) {
	agents, err := workersOf(smith, e)
	config := agentrun.Config{Agents: agents, Store: agentrun.NewMemory(), Watch: watch, Policy: policy, Log: log}
	if store != nil {
		config.Store, config.Tenant = store.AgentRuns(), tenantIn(store)
	}
	return config, err
}

// tenantIn looks tenants up for what an earlier server has accepted.
func tenantIn(tenants store.Tenants) kept.Lookup {
	return func(ctx context.Context, id string) (tenant.Tenant, bool, error) {
		t, err := tenants.Tenant(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return tenant.Tenant{}, false, nil
		}
		return t, err == nil, err
	}
}

// watching looks after tenants that are suspended or deleted while something goes on for them, until stop is called. Where nobody keeps tenants,
// there is nothing to look after.
func watching(ctx context.Context, store *sqlite.Store, log *slog.Logger) (watch *kept.Watch, stop func()) {
	if store == nil {
		return nil, func() {}
	}
	watch = kept.NewWatch(tenantIn(store), log)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // also while the server drains
	var looks sync.WaitGroup
	looks.Go(func() { watch.Until(ctx) })
	return watch, func() { cancel(); looks.Wait() }
}

// An acceptance is all that this server has accepted, of either kind.
type acceptance struct {
	executions *execution.Service
	runs       *agentrun.Service
}

// close closes what was opened of it, side by side. Runs of agents have scripts run until they are closed, and those are none of the executions.
func (a acceptance) close(ctx context.Context) error {
	var all sync.WaitGroup
	var executions, runs error
	if a.executions != nil {
		all.Go(func() { executions = a.executions.Close(ctx) })
	}
	if a.runs != nil {
		all.Go(func() { runs = a.runs.Close(ctx) })
	}
	all.Wait()
	return errors.Join(executions, runs)
}

// executionBytes and runBytes are what is kept of each now.
func (a *acceptance) executionBytes(ctx context.Context) (int64, error) {
	return a.executions.Bytes(ctx)
}
func (a *acceptance) runBytes(ctx context.Context) (int64, error) { return a.runs.Bytes(ctx) }

// executionsWaiting and runsWaiting are how many of each have not begun.
func (a *acceptance) executionsWaiting() int { return a.executions.Waiting() }
func (a *acceptance) runsWaiting() int       { return a.runs.Waiting() }

// tellLost says what the database had and has not any more.
func tellLost(log *slog.Logger, l sqlite.Loss) {
	switch {
	case l.Any():
		log.Error("the end of the database is lost: its log was damaged, or it is an older copy; what was accepted and is gone stands as EXECUTION_FAILED, a run of an agent as SANDBOX_FAILED",
			"pages", l.Pages, "firstLedgerEntry", l.From, "lastLedgerEntry", l.To, "ofEntries", l.Subjects, "executions", l.Executions,
			"results", l.Results, "beginnings", l.Beginnings)
	case l.Pages > 0:
		log.Warn("the end of the database's log did not check, and is dropped: no ledger entry, no execution and no run is missed", "pages", l.Pages)
	}
}

// usedToday counts what the ledger says that tenants have used of this day's processor time.
func usedToday(ctx context.Context, s store.Store, meter quota.CPUMeter) error {
	err := recorder.Used(ctx, s.Ledger(), time.Now().UTC().Truncate(24*time.Hour), func(tenantID string, at time.Time, used time.Duration) error {
		return meter.Charge(ctx, tenantID, quota.DayOf(at), used)
	})
	if err != nil {
		return fmt.Errorf("count what tenants have used today: %w", err)
	}
	return nil
}
