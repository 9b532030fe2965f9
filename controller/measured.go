package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/logcontext"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/trace"
)

// measured is an Executor that counts what another runs, for whoever asked for it.
type measured struct {
	inner   Executor
	metrics *metrics
	log     *slog.Logger
}

var _ Executor = measured{}

// Execute runs a request. The inner executor's word is checked against the table: a code that is not a
// script's must not pass for one.
func (m measured) Execute(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	m.metrics.inFlight.Inc()
	defer m.metrics.inFlight.Dec()
	result, err := m.inner.Execute(ctx, request, onLog)
	if err != nil {
		m.metrics.refused(ctx, err)
		if refusalKind(ctx, err) == "" && ctx.Err() == nil {
			m.metrics.failed(ctx)
		}
		return api.Result{}, err
	}
	if info, known := result.ResultCode.Info(); !known || info.HTTPStatus != http.StatusOK {
		m.metrics.failed(ctx)
		return api.Result{}, fmt.Errorf("execution %s ended with code %q and no error", result.ID, result.ResultCode)
	}
	m.metrics.executed(ctx, result)
	m.log.DebugContext(ctx, "executed", logcontext.Execution, result.ID, "code", result.ResultCode)
	return complete(result), nil
}

// toldCode is how an execution with a result is said to have ended: where this server stops, and has cut off what it had accepted, that is not what its result
// says; "" is that the next server goes on with it.
func toldCode(ctx context.Context, result api.Result) api.ResultCode {
	if result.ResultCode != api.Cancelled {
		return result.ResultCode
	}
	told, _ := kept.CutOff(ctx, result.ResultCode)
	return told
}

// stoppingKind is the refusal of a server that stops.
const stoppingKind = "stopping"

// refusalKind names why an executor's error says that nothing has run: there is no place, now, any more, or for this tenant, or it cannot be recorded that it
// begins. "" is any other error. What is accepted and cannot be kept as begun is tried again, as where there is no place.
func refusalKind(ctx context.Context, err error) string {
	var busy retrier
	var over *quota.Error
	_, patient := ledger.Patience(ctx)
	switch {
	case errors.As(err, &over):
		return "quota"
	case errors.As(err, &busy), patient && kept.NotBegun(err):
		return trace.Busy
	case kept.NotBegun(err):
		return "unrecorded"
	case errors.Is(err, sandbox.ErrClosed):
		return stoppingKind
	}
	return ""
}

// complete makes null lists empty ones: the contract has no null there.
func complete(r api.Result) api.Result {
	if r.Logs == nil {
		r.Logs = []api.Log{}
	}
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	if r.Isolation.Layers == nil {
		r.Isolation.Layers = []string{}
	}
	return r
}
