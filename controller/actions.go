package controller

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"glovebox/api"
)

// An Action is one that can be run by its name.
type Action struct {
	About api.Action
	// Run runs it with its parameters as JSON. The document is the answer to a run that ended, however it
	// ended; code is the result code in it. The error is an *api.Error for parameters that are refused, or
	// as an [Executor]'s.
	Run func(ctx context.Context, params []byte) (document any, code string, err error)
}

// action finds the action that a path names: by its name, or by its title, without regard to case.
func (s *Server) action(c echo.Context) (Action, error) {
	name := c.Param("name")
	for _, a := range s.actions {
		if strings.EqualFold(name, a.About.Name) || strings.EqualFold(name, a.About.Title) {
			return a, nil
		}
	}
	return Action{}, refuse(kindNotFound, "There is no action of this name. GET /v1/actions lists them.")
}

func (s *Server) listActions(c echo.Context) error {
	list := api.ActionList{Actions: []api.Action{}}
	for _, a := range s.actions {
		list.Actions = append(list.Actions, a.About)
	}
	return s.writeJSON(c, http.StatusOK, jsonType, list)
}

func (s *Server) showAction(c echo.Context) error {
	a, err := s.action(c)
	if err != nil {
		return err
	}
	return s.writeJSON(c, http.StatusOK, jsonType, a.About)
}

// runAction runs an action and waits for it. Every run that has a result code is answered with 200, also where
// nothing could be run for want of code.
func (s *Server) runAction(c echo.Context) error {
	a, err := s.action(c)
	if err != nil {
		return err
	}
	if len(c.Request().Header.Values("Idempotency-Key")) > 0 {
		return invalidQuery("Idempotency-Key", "is not heeded here, where each request is another run; /v1/executions and /v1/agents/{name}/runs heed it")
	}
	body, release, err := s.admit(c)
	defer release()
	if err != nil {
		return err
	}
	document, code, err := a.Run(c.Request().Context(), body)
	if err != nil {
		if a.About.Kind == api.KindAgent { // what an action is refused, its executor has counted
			s.metrics.refused(c.Request().Context(), err)
		}
		return s.executorRefusal(c.Request().Context(), err)
	}
	c.Set(keyResultCode, code)
	return s.writeJSON(c, http.StatusOK, jsonType, document)
}
