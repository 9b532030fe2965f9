package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
)

// retrier is an error that says when to come back: there is no place now. The method's name is
// the contract; see [Executor].
type retrier interface {
	error
	RetryAfter() time.Duration
}

// admit reads the body of a request that wants something run, unless the server stops. release is as that of
// readBody.
func (s *Server) admit(c echo.Context) (body []byte, release func(), err error) {
	if s.draining.Load() {
		return nil, func() {}, stopping()
	}
	if err := checkMedia(c.Request().Header); err != nil {
		return nil, func() {}, err
	}
	return s.readBody(c.Response(), c.Request())
}

// executorRefusal makes an answer of an executor's error, or of a refusal of what it was to run.
func (s *Server) executorRefusal(ctx context.Context, err error) error {
	var refused *api.Error
	if errors.As(err, &refused) {
		return refused
	}
	var answered *refusal
	if errors.As(err, &answered) {
		return answered
	}
	var over *quota.Error
	if errors.As(err, &over) {
		return refuseQuota(over)
	}
	var busy retrier
	if errors.As(err, &busy) {
		return &refusal{kind: kindBusy, detail: "Every place is taken, and so is every place in the queue that this request may have.", retryAfter: busy.RetryAfter()}
	}
	if r := unrecorded(err); r != nil {
		return r
	}
	if errors.Is(err, sandbox.ErrClosed) {
		return stopping()
	}
	if errors.Is(err, kept.ErrSuspended) || errors.Is(context.Cause(ctx), kept.ErrSuspended) {
		return unauthorized(keyTrouble, "invalid_token")
	}
	if ctx.Err() != nil {
		// The client has gone, or the server stops: a run that is cut short then is nobody's failure.
		if s.draining.Load() {
			return stopping()
		}
		return &refusal{kind: kindUnavailable, detail: "The execution was cancelled.", resultCode: api.Cancelled, retryAfter: time.Second}
	}
	return failed(fmt.Errorf("execute: %w", err))
}

func stopping() *refusal {
	return &refusal{kind: kindUnavailable, detail: "The server is stopping.", retryAfter: 5 * time.Second}
}
