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

// followExecution tells each log of an execution as it comes, that it is run again, and its end, as Server-Sent Events. Whoever names the last event that it
// has gets what came behind it.
func (s *Server) followExecution(c echo.Context) error {
	ctx, id := c.Request().Context(), c.Param("id")
	r, err := s.executions.Get(ctx, tenantOf(ctx), id)
	if err != nil {
		return executionRefusal(err)
	}
	err = s.follow(c, r.State, func(ctx context.Context, after int, tell func(Step) error) error {
		return s.executions.Events(ctx, r.Tenant, id, after, func(e execution.Event) error {
			switch {
			case e.Log != nil:
				return tellJSON(tell, e.N, "log", e.Log)
			case e.Repeat != nil:
				return tellJSON(tell, e.N, "repeat", e.Repeat)
			}
			return tellJSON(tell, e.N, endEvent, s.document(ctx, *e.End, false))
		})
	})
	return executionRefusal(err)
}

// endEvent is the type of the event that tells of an end.
const endEvent = "end"

// tellJSON tells a document as an event.
func tellJSON(tell func(Step) error, id int, name string, document any) error {
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}
	return tell(Step{ID: id, Type: name, Data: data})
}

// follow answers with the events that tell of something, behind the one that its client has. It begins at once where more will come.
func (s *Server) follow(c echo.Context, state api.ExecutionState, events func(ctx context.Context, after int, tell func(Step) error) error) error {
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
	ctx, cancel := s.whileServing(c.Request().Context())
	defer cancel()
	stream := &eventStream{w: s.boundedWriter(c)}
	if state != api.ExecutionEnded {
		if stream.open() != nil {
			return nil // nobody is there
		}
	}
	keptAlive := make(chan struct{})
	go func() {
		defer close(keptAlive)
		stream.keepAlive(ctx, s.bounds.keepAlive)
	}()
	err := events(ctx, after, stream.tell)
	cancel()
	<-keptAlive
	switch {
	case stream.opened(): // the answer has begun: what goes wrong now ends it, and the client comes again
	case err != nil:
		return err
	default:
		return c.NoContent(http.StatusNoContent) // everything was told before: a client need not come again
	}
	return nil
}
