package controller

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oklog/ulid/v2"

	"glovebox/api"
	"glovebox/internal/execution"
	"glovebox/internal/kept"
	"glovebox/internal/tenant"
)

// tenantOf names who asks; "" is whoever reaches an open server.
func tenantOf(ctx context.Context) string {
	t, _ := tenant.FromContext(ctx)
	return t.ID
}

// The bounds of a wait for an execution's end, and of a page of a list.
const (
	maxWait      = time.Minute
	defaultLimit = 50
	maxLimit     = 200
)

// showExecution tells of one execution, at once or when it has ended.
func (s *Server) showExecution(c echo.Context) error {
	query, err := queryOf(c, "wait", "attestation")
	if err != nil {
		return err
	}
	full, err := api.ParseAttestation(query["attestation"])
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	wait, err := waitOf(query)
	if err != nil {
		return err
	}
	waiting, cancel := s.within(ctx, wait)
	defer cancel()
	r, err := s.executions.Wait(waiting, tenantOf(ctx), c.Param("id"))
	if err != nil {
		return executionRefusal(err)
	}
	return s.writeExecution(c, http.StatusOK, r, full)
}

// waitOf reads for how long a client wants to wait for an end; 0 is not at all.
func waitOf(query url.Values) (time.Duration, error) {
	text := query.Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, invalidQuery("wait", "must be a duration from 0s to "+maxWait.String()+", as in 10s")
	}
	return wait, nil
}

// whileServing returns a context that ends when the server begins to stop.
func (s *Server) whileServing(ctx context.Context) (context.Context, context.CancelFunc) {
	waiting, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(s.drainStart, cancel)
	return waiting, func() { unhook(); cancel() }
}

// within returns one that ends after a time too.
func (s *Server) within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	serving, stop := s.whileServing(ctx)
	waiting, cancel := context.WithTimeout(serving, most)
	return waiting, func() { cancel(); stop() }
}

// writeExecution answers with an execution. A result that goes out has been told.
func (s *Server) writeExecution(c echo.Context, status int, r execution.Record, full bool) error {
	document := s.document(c.Request().Context(), r, full)
	return s.writeJSON(c, status, jsonType, document)
}

func (s *Server) document(ctx context.Context, r execution.Record, full bool) api.Execution {
	document := r.Document()
	if document.Result == nil {
		return document
	}
	if full {
		told := *document.Result
		told.Isolation.Attestation = told.Isolation.Attestation.InFull()
		document.Result = &told
	}
	if r.ReadAt.IsZero() {
		if err := s.executions.Told(context.WithoutCancel(ctx), r.ID); err != nil {
			s.config.Log.ErrorContext(ctx, "that a result was told could not be kept", "execution", r.ID, "error", err)
		}
	}
	return document
}

// cancelExecution ends an execution, or has one that has ended forgotten.
func (s *Server) cancelExecution(c echo.Context) error {
	query, err := queryOf(c, "forget")
	if err != nil {
		return err
	}
	ctx, id := c.Request().Context(), c.Param("id")
	forget, err := flag(query, "forget")
	if err != nil {
		return err
	}
	r, err := s.executions.Cancel(ctx, tenantOf(ctx), id)
	if err == nil && forget {
		if err = s.executions.Forget(ctx, tenantOf(ctx), id); err == nil {
			r, err = s.executions.Get(ctx, tenantOf(ctx), id)
		}
	}
	if err != nil {
		return executionRefusal(err)
	}
	return s.writeExecution(c, http.StatusOK, r, false)
}

// listExecutions tells of a tenant's executions, newest first.
func (s *Server) listExecutions(c echo.Context) error {
	query, err := queryOf(c, "state", "resultCode", "since", "until", "limit", "cursor")
	if err != nil {
		return err
	}
	filter, err := filterOf(query, func(code api.ResultCode) bool {
		_, known := code.Info()
		return known
	})
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	found, err := s.executions.List(ctx, tenantOf(ctx), filter)
	if err != nil {
		return failed(err)
	}
	page := api.Page{Executions: []api.Execution{}, Next: cursorOf(found.Next)}
	for _, r := range found.Records {
		listed := r.Document()
		listed.Forgotten = false // a list tells of no result
		page.Executions = append(page.Executions, listed)
	}
	return s.writeJSON(c, http.StatusOK, jsonType, page)
}

// cursorOf names the page behind a record; there is none behind "".
func cursorOf(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// filterOf reads what every list can be asked for; known says whether there is such a code.
func filterOf[C ~string](query url.Values, known func(C) bool) (f kept.Filter[C], err error) {
	f = kept.Filter[C]{State: api.ExecutionState(query.Get("state")), ResultCode: C(query.Get("resultCode")), Limit: defaultLimit}
	if f.State != "" && !f.State.Known() {
		return f, invalidQuery("state", "must be queued, running or ended")
	}
	if f.ResultCode != "" && !known(f.ResultCode) {
		return f, invalidQuery("resultCode", "is no result code")
	}
	for name, into := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := query.Get(name); text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return f, invalidQuery(name, "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
			}
		}
	}
	if text := query.Get("limit"); text != "" {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 || f.Limit > maxLimit {
			return f, invalidQuery("limit", "must be a whole number from 1 to "+strconv.Itoa(maxLimit))
		}
	}
	if text := query.Get("cursor"); text != "" {
		before, err := base64.RawURLEncoding.DecodeString(text)
		if err == nil {
			_, err = ulid.ParseStrict(string(before)) // anything else would begin again somewhere
		}
		if err != nil {
			return f, invalidQuery("cursor", "must be what an earlier page gave as next")
		}
		f.Before = string(before)
	}
	return f, nil
}

// queryOf reads a query, and takes no parameter but those that are named, each once at most.
func queryOf(c echo.Context, names ...string) (url.Values, error) {
	values, err := parseQuery(c)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	for name, given := range values {
		if !known[name] {
			return nil, unknownParameter(name, names)
		}
		if len(given) > 1 {
			return nil, invalidQuery(name, "is given more than once")
		}
	}
	return values, nil
}

// unknownParameter names a parameter, where that is the name of one, and those that there are.
func unknownParameter(name string, known []string) error {
	const longest = 32
	there := "where there are " + strings.Join(known, ", ")
	if name == "" || len(name) > longest || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return invalidQuery("", "the query has a parameter that is not known here, "+there)
	}
	return invalidQuery(name, "is no parameter of the query here, "+there)
}

func parseQuery(c echo.Context) (url.Values, error) {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, &api.Error{Kind: api.KindInvalid, Detail: "the query does not parse"}
	}
	return values, nil
}

func invalidQuery(name, why string) error {
	return &api.Error{Kind: api.KindInvalid, Field: name, Detail: why}
}

// flag reads a parameter that is true or false, and false where it is not given.
func flag(query url.Values, name string) (bool, error) {
	switch query.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, invalidQuery(name, "must be true or false")
}

var (
	kindConflict = kind{"idempotency-conflict", http.StatusUnprocessableEntity, "The Idempotency-Key stands for another request"}
	kindGone     = kind{"forgotten", http.StatusGone, "The result is not kept any more"}
)

// executionRefusal makes an answer of a service's error.
func executionRefusal(err error) error { return keptRefusal(err, "execution") }

// keptRefusal makes an answer of an error of what keeps things of a name.
func keptRefusal(err error, what string) error {
	switch {
	case errors.Is(err, kept.ErrNotFound):
		return refuse(kindNotFound, "There is no "+what+" of this id.")
	case errors.Is(err, kept.ErrOtherBody):
		return refuse(kindConflict, "The key was used for another body or other parameters. Use a new key for a new request.")
	case errors.Is(err, kept.ErrFull):
		return &refusal{kind: kindBusy, detail: "Too many " + what + "s are accepted and have not ended.", retryAfter: time.Second}
	}
	return err
}
