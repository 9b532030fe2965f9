package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// retrier is an error that says when to come back: there is no place now. The method's name is
// the contract; see [Executor].
type retrier interface {
	error
	RetryAfter() time.Duration
}

// execute runs a script and waits for it.
func (s *Server) execute(c echo.Context) error {
	if s.draining.Load() {
		return stopping()
	}
	if err := checkMedia(c.Request().Header); err != nil {
		return err
	}
	body, release, err := s.readBody(c.Response(), c.Request())
	defer release()
	if err != nil {
		return err
	}
	request, err := api.DecodeRequest(body)
	if err != nil {
		return err
	}
	request = request.WithDefaults()
	if err := request.Validate(s.config.HostCPUs); err != nil {
		return err
	}
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	result, err := s.config.Executor.Execute(c.Request().Context(), request, nil)
	if err != nil {
		return s.executorRefusal(c.Request().Context(), err)
	}
	return s.answerResult(c, result)
}

func (s *Server) executorRefusal(ctx context.Context, err error) error {
	var busy retrier
	if errors.As(err, &busy) {
		return &refusal{kind: kindBusy, detail: "Every place is taken, and so is every place in the queue.", retryAfter: busy.RetryAfter()}
	}
	if errors.Is(err, sandbox.ErrClosed) {
		return stopping()
	}
	if ctx.Err() != nil {
		// The client has gone, or the server stops: a run that is cut short then is nobody's failure.
		if s.draining.Load() {
			return stopping()
		}
		return &refusal{kind: kindUnavailable, detail: "The execution was cancelled.", resultCode: api.Cancelled, retryAfter: time.Second}
	}
	s.metrics.failed()
	return failed(fmt.Errorf("execute: %w", err))
}

func stopping() *refusal {
	return &refusal{kind: kindUnavailable, detail: "The server is stopping.", retryAfter: 5 * time.Second}
}

// answerResult tells how a script ended. The executor's word is checked against the table: a code
// that is not a script's must not pass for one.
func (s *Server) answerResult(c echo.Context, result api.Result) error {
	info, known := result.ResultCode.Info()
	if !known || info.HTTPStatus != http.StatusOK {
		s.metrics.failed()
		return failed(fmt.Errorf("execution %s ended with code %q and no error", result.ID, result.ResultCode))
	}
	if err := s.writeJSON(c, http.StatusOK, jsonType, complete(result)); err != nil {
		s.metrics.failed()
		return err
	}
	s.metrics.executed(result)
	c.Set(keyResultCode, string(result.ResultCode))
	return nil
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
