package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	body, release, err := s.admit(c)
	defer release()
	if err != nil {
		return err
	}
	full, err := wantsStatement(c.Request().URL.RawQuery)
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
	result, err := s.executor.Execute(c.Request().Context(), request, nil)
	if err != nil {
		return s.executorRefusal(c.Request().Context(), err)
	}
	c.Set(keyResultCode, string(result.ResultCode))
	if full {
		result.Isolation.Attestation = result.Isolation.Attestation.InFull()
	}
	return s.writeJSON(c, http.StatusOK, jsonType, result)
}

// wantsStatement reads the query: whether the result is to come with the whole of its attestation.
func wantsStatement(query string) (bool, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return false, &api.Error{Kind: api.KindInvalid, Detail: "the query does not parse"}
	}
	return api.ParseAttestation(values["attestation"])
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
	return failed(fmt.Errorf("execute: %w", err))
}

func stopping() *refusal {
	return &refusal{kind: kindUnavailable, detail: "The server is stopping.", retryAfter: 5 * time.Second}
}
