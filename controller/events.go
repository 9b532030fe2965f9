package controller

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"glovebox/api"
	"glovebox/internal/execution"
)

// followExecution tells each log of an execution as it comes, and its end, as Server-Sent Events. Whoever names the last event that it
// has gets what came behind it.
func (s *Server) followExecution(c echo.Context) error {
	if _, err := queryOf(c); err != nil {
		return err
	}
	after := 0
	if text := c.Request().Header.Get("Last-Event-ID"); text != "" {
		var err error
		if after, err = strconv.Atoi(text); err != nil || after < 0 {
			return &api.Error{Kind: api.KindInvalid, Field: "Last-Event-ID", Detail: "must be the id of an event of this stream"}
		}
	}
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	defer context.AfterFunc(s.drainStart, cancel)()
	r, err := s.executions.Get(ctx, tenantOf(ctx), c.Param("id"))
	if err != nil {
		return executionRefusal(err)
	}
	stream := &eventStream{w: boundedWriter{c.Response(), s.bounds.write}}
	if r.State != api.ExecutionEnded {
		if stream.open() != nil {
			return nil // nobody is there
		}
	}
	keptAlive := make(chan struct{})
	go func() {
		defer close(keptAlive)
		stream.keepAlive(ctx, s.bounds.keepAlive)
	}()
	err = s.executions.Events(ctx, r.Tenant, r.ID, after, func(e execution.Event) error {
		step, err := s.stepOf(ctx, e)
		if err != nil {
			return err
		}
		return stream.tell(step)
	})
	cancel()
	<-keptAlive
	switch {
	case stream.opened(): // the answer has begun: what goes wrong now ends it, and the client comes again
	case err != nil:
		return executionRefusal(err)
	default:
		return c.NoContent(http.StatusNoContent) // everything was told before: a client need not come again
	}
	return nil
}

func (s *Server) stepOf(ctx context.Context, e execution.Event) (step Step, err error) {
	step = Step{ID: e.N, Type: "log"}
	if e.Log != nil {
		step.Data, err = json.Marshal(e.Log)
		return step, err
	}
	step.Type = "end"
	step.Data, err = json.Marshal(s.document(ctx, *e.End, false))
	return step, err
}
