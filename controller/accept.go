package controller

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/ledger"
	"glovebox/internal/logcontext"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/tenant"
)

// An order is a request to run something, read and checked.
type order struct {
	full   bool // the whole attestation is wanted
	prefer preferences
	subs   []execution.Submission
	batch  bool
}

// readOrder reads a request to run one script, or several.
func (s *Server) readOrder(c echo.Context, body []byte) (o order, err error) {
	query, err := queryOf(c, "attestation", "safeToRepeat")
	if err != nil {
		return o, err
	}
	if o.full, err = api.ParseAttestation(query["attestation"]); err != nil {
		return o, err
	}
	safe, err := flag(query, "safeToRepeat")
	if err != nil {
		return o, err
	}
	key, err := idempotencyKey(c.Request().Header)
	if err != nil {
		return o, err
	}
	o.prefer = preferencesOf(c.Request().Header)
	var requests []api.Request
	if requests, o.batch, err = api.DecodeRequests(body); err != nil {
		return o, err
	}
	var digest [sha256.Size]byte
	if key != "" {
		digest = bodyDigest(body, c.Request().URL.RawQuery) // once for a whole batch
	}
	t, _ := tenant.FromContext(c.Request().Context())
	for i, r := range requests {
		r = quota.WithDefaults(c.Request().Context(), r)
		if err := r.Validate(s.config.HostCPUs); err != nil {
			return o, api.InBatch(err, i, o.batch)
		}
		sub := execution.Submission{Tenant: t.ID, Request: r, SafeToRepeat: safe, KeepData: t.KeepData}
		if key != "" {
			sub.Idempotency = execution.IdempotencyKey{Key: key, Body: digest}
			if i > 0 { // the first has the key itself: a batch and a single request are two requests under it
				sub.Idempotency.Key += " " + strconv.Itoa(i) // no key of a client's has a space
			}
		}
		o.subs = append(o.subs, sub)
	}
	return o, nil
}

// bodyDigest tells one request from another: by its body, and what its query adds to that.
func bodyDigest(body []byte, query string) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(query))
	h.Write([]byte{0})
	h.Write(body)
	return [sha256.Size]byte(h.Sum(nil))
}

// execute runs a script and waits for it, or accepts it where that is preferred; or several.
func (s *Server) execute(c echo.Context) error {
	body, release, err := s.admit(c)
	defer release()
	if err != nil {
		return err
	}
	o, err := s.readOrder(c, body)
	if err != nil {
		return err
	}
	if !o.batch && !o.prefer.async && o.subs[0].Idempotency.Key == "" {
		return s.runNow(c, o)
	}
	ctx := c.Request().Context()
	if err := s.admitOrder(ctx, o); err != nil {
		return s.executorRefusal(ctx, err)
	}
	accepted, err := s.executions.SubmitAll(ctx, o.subs)
	if err != nil {
		s.metrics.refused(ctx, err)
		return s.executorRefusal(ctx, executionRefusal(err))
	}
	if !o.batch {
		noteLog(c, logcontext.Execution, accepted[0].ID)
	}
	if !o.prefer.async {
		return s.answerWhenEnded(c, o, accepted)
	}
	c.Response().Header().Set("Preference-Applied", "respond-async")
	if o.prefer.wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, o.prefer.wait)
		defer cancel()
		if accepted, err = s.awaitAll(waiting, accepted); err != nil {
			return executionRefusal(err)
		}
	}
	return s.writeAccepted(c, o, accepted)
}

// admitOrder holds what is to be accepted against its tenant's quotas: nothing that was accepted is refused afterwards.
func (s *Server) admitOrder(ctx context.Context, o order) error {
	if s.config.Quotas == nil {
		return nil
	}
	var requests []api.Request
	for _, sub := range o.subs {
		requests = append(requests, sub.Request)
	}
	err := s.config.Quotas.Admit(ctx, requests...)
	s.metrics.refused(ctx, err)
	return err
}

// runNow runs a script for a client who waits: it ends with its client, and is noted afterwards.
func (s *Server) runNow(c echo.Context, o order) error {
	id := ulid.Make().String()
	noteLog(c, logcontext.Execution, id)
	ctx := c.Request().Context()
	note := execution.Note{Submission: o.subs[0], CreatedAt: time.Now().UTC()}
	note.Salt = ledger.NewSalt()
	hooked := sandbox.WithHooks(ledger.WithSalt(ctx, note.Salt), sandbox.Hooks{ID: id, Since: note.CreatedAt, Begin: func() error {
		note.Began = time.Now().UTC()
		return nil
	}})
	result, err := s.executor.Execute(hooked, o.subs[0].Request, nil)
	if err != nil {
		return s.executorRefusal(ctx, err)
	}
	note.ID, note.Result = result.ID, result
	err = s.writeResult(c, result, o.full)
	s.executions.Note(note) // which hashes code and data: the client has its answer
	return err
}

func (s *Server) writeResult(c echo.Context, result api.Result, full bool) error {
	c.Set(keyResultCode, string(result.ResultCode))
	if full {
		result.Isolation.Attestation = result.Isolation.Attestation.InFull()
	}
	return s.writeJSON(c, http.StatusOK, jsonType, result)
}

// awaitAll waits until all have ended, ctx ends, or the server stops, and returns them as they are then.
func (s *Server) awaitAll(ctx context.Context, accepted []execution.Record) ([]execution.Record, error) {
	waiting, cancel := s.whileServing(ctx)
	defer cancel()
	now := make([]execution.Record, len(accepted))
	for i, r := range accepted {
		var err error
		if now[i], err = s.executions.Wait(waiting, r.Tenant, r.ID); err != nil {
			return nil, err
		}
	}
	return now, nil
}

// answerWhenEnded answers a client who waits for what was accepted under a key, or as a batch: it goes on without its client.
func (s *Server) answerWhenEnded(c echo.Context, o order, accepted []execution.Record) error {
	ctx := c.Request().Context()
	ended, err := s.awaitAll(ctx, accepted)
	if err != nil {
		return executionRefusal(err)
	}
	if o.batch {
		return s.writeAccepted(c, o, ended)
	}
	r := ended[0]
	switch {
	case r.State != api.ExecutionEnded: // the server stops, or the client has gone
		return stopping()
	case r.Result == nil:
		return refuse(kindGone, "The execution "+r.ID+" of this key ended as "+string(r.ResultCode)+", and its result is not kept any more.")
	case r.ResultCode == api.ExecutionFailed:
		return &refusal{kind: kindInternal, detail: r.Result.Error.Message, resultCode: api.ExecutionFailed}
	}
	return s.writeResult(c, *s.document(ctx, r, o.full).Result, false)
}

// writeAccepted answers with executions as they are: 200 where all have ended, else 202.
func (s *Server) writeAccepted(c echo.Context, o order, accepted []execution.Record) error {
	status := http.StatusOK
	documents := make([]api.Execution, len(accepted))
	for i, r := range accepted {
		if r.State != api.ExecutionEnded {
			status = http.StatusAccepted
		}
		documents[i] = s.document(c.Request().Context(), r, o.full)
	}
	if o.batch {
		return s.writeJSON(c, status, jsonType, api.Page{Executions: documents})
	}
	c.Response().Header().Set("Location", "/v1/executions/"+accepted[0].ID)
	return s.writeJSON(c, status, jsonType, documents[0])
}
