package controller

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"glovebox/api"
	"glovebox/internal/agentrun"
	"glovebox/internal/kept"
	"glovebox/internal/logcontext"
)

// runRefusal makes an answer of a service's error.
func runRefusal(err error) error {
	if errors.Is(err, agentrun.ErrClosed) {
		return stopping()
	}
	return keptRefusal(err, "run")
}

// acceptRun accepts a run, which goes on without its client. Whoever does not prefer to be told of that waits for its outcome, or follows it.
func (s *Server) acceptRun(c echo.Context, name string, body []byte, prefer preferences, key string) error {
	ctx := c.Request().Context()
	sub := agentrun.Submission{Agent: name, Task: body}
	if key != "" {
		sub.Idempotency = kept.IdempotencyKey{Key: key, Body: bodyDigest(body, name+"?"+c.Request().URL.RawQuery)}
	}
	r, err := s.runs.Submit(ctx, sub)
	if err != nil {
		s.metrics.refused(ctx, err)
		return s.executorRefusal(ctx, runRefusal(err))
	}
	noteLog(c, logcontext.Run, r.ID)
	location := "/v1/agents/" + r.Agent + "/runs/" + r.ID
	c.Response().Header().Set("Location", location)
	switch {
	case prefer.async:
		c.Response().Header().Set("Preference-Applied", "respond-async")
	case acceptsEvents(c.Request().Header):
		return s.followRun(c, r)
	}
	waiting, cancel := s.whileServing(ctx)
	defer cancel()
	if prefer.async {
		waiting, cancel = s.within(ctx, prefer.wait)
		defer cancel()
	}
	if !prefer.async || prefer.wait > 0 { // who does not wait is told how it was accepted, however far it is by now
		if r, err = s.runs.Wait(waiting, r.Tenant, r.ID); err != nil {
			return runRefusal(err)
		}
	}
	switch {
	case prefer.async && r.State != api.ExecutionEnded:
		return s.writeRun(c, http.StatusAccepted, r)
	case prefer.async:
		return s.writeRun(c, http.StatusOK, r)
	case r.State != api.ExecutionEnded: // the server stops, or the client has gone
		return stopping()
	case r.Outcome == nil:
		return refuse(kindGone, "The run "+r.ID+" of this key ended as "+string(r.ResultCode)+", and its outcome is not kept any more.")
	}
	c.Set(keyResultCode, string(r.ResultCode))
	return s.writeJSON(c, http.StatusOK, jsonType, s.runDocument(ctx, r).Outcome)
}

// run returns the run that a path names, of whoever asks.
func (s *Server) run(c echo.Context, find func(ctx context.Context, tenant, id string) (agentrun.Record, error)) (agentrun.Record, error) {
	if s.runs == nil {
		return agentrun.Record{}, runRefusal(kept.ErrNotFound)
	}
	ctx := c.Request().Context()
	r, err := s.runs.Get(ctx, tenantOf(ctx), c.Param("id"))
	if err == nil && !strings.EqualFold(r.Agent, c.Param("name")) {
		err = kept.ErrNotFound
	}
	if err == nil {
		r, err = find(ctx, r.Tenant, r.ID)
	}
	return r, runRefusal(err)
}

// showRun tells of one run, at once or when it has ended.
func (s *Server) showRun(c echo.Context) error {
	query, err := queryOf(c, "wait")
	if err != nil {
		return err
	}
	wait, err := waitOf(query)
	if err != nil {
		return err
	}
	r, err := s.run(c, func(ctx context.Context, tenant, id string) (agentrun.Record, error) {
		waiting, cancel := s.within(ctx, wait)
		defer cancel()
		return s.runs.Wait(waiting, tenant, id)
	})
	if err != nil {
		return err
	}
	return s.writeRun(c, http.StatusOK, r)
}

func (s *Server) writeRun(c echo.Context, status int, r agentrun.Record) error {
	return s.writeJSON(c, status, jsonType, s.runDocument(c.Request().Context(), r))
}

// runDocument is a run as its tenant sees it. An outcome that goes out has been told.
func (s *Server) runDocument(ctx context.Context, r agentrun.Record) api.AgentRun {
	if r.Outcome != nil && r.ReadAt.IsZero() {
		if err := s.runs.Told(context.WithoutCancel(ctx), r.ID); err != nil {
			s.config.Log.ErrorContext(ctx, "that an outcome was told could not be kept", "run", r.ID, "error", err)
		}
	}
	return r.Document()
}

// cancelRun ends a run, or has one that has ended forgotten.
func (s *Server) cancelRun(c echo.Context) error {
	query, err := queryOf(c, "forget")
	if err != nil {
		return err
	}
	forget, err := flag(query, "forget")
	if err != nil {
		return err
	}
	r, err := s.run(c, func(ctx context.Context, tenant, id string) (agentrun.Record, error) {
		r, err := s.runs.Cancel(ctx, tenant, id)
		if err == nil && forget {
			if err = s.runs.Forget(ctx, tenant, id); err == nil {
				r, err = s.runs.Get(ctx, tenant, id)
			}
		}
		return r, err
	})
	if err != nil {
		return err
	}
	return s.writeRun(c, http.StatusOK, r)
}

// listRuns tells of a tenant's runs of an agent, newest first.
func (s *Server) listRuns(c echo.Context) error {
	query, err := queryOf(c, "state", "resultCode", "since", "until", "limit", "cursor")
	if err != nil {
		return err
	}
	common, err := filterOf(query, func(code api.AgentOutcomeCode) bool {
		_, known := code.Info()
		return known
	})
	if err != nil {
		return err
	}
	page := api.AgentRunPage{Runs: []api.AgentRun{}}
	if s.runs == nil {
		return s.writeJSON(c, http.StatusOK, jsonType, page)
	}
	filter := agentrun.Filter{Filter: common, Agent: c.Param("name")}
	if a := s.agent(filter.Agent); a != nil {
		filter.Agent = a.Name
	}
	ctx := c.Request().Context()
	found, err := s.runs.List(ctx, tenantOf(ctx), filter)
	if err != nil {
		return failed(err)
	}
	page.Next = cursorOf(found.Next)
	for _, r := range found.Records {
		listed := r.Document()
		listed.Forgotten = false // a list tells of no outcome
		page.Runs = append(page.Runs, listed)
	}
	return s.writeJSON(c, http.StatusOK, jsonType, page)
}

// runEvents tells each step of a run as it comes, and its end.
func (s *Server) runEvents(c echo.Context) error {
	r, err := s.run(c, func(ctx context.Context, tenant, id string) (agentrun.Record, error) {
		return s.runs.Get(ctx, tenant, id)
	})
	if err != nil {
		return err
	}
	return s.followRun(c, r)
}

func (s *Server) followRun(c echo.Context, r agentrun.Record) error {
	err := s.follow(c, r.State, func(ctx context.Context, after int, tell func(Step) error) error {
		return s.runs.Events(ctx, r.Tenant, r.ID, after, func(e agentrun.Event) error {
			if e.Step != nil {
				return tell(*e.Step)
			}
			return tellJSON(tell, e.N, endEvent, s.runDocument(ctx, *e.End))
		})
	})
	return runRefusal(err)
}
