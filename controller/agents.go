package controller

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/internal/agentrun"
)

// An Agent is one that works on tasks.
type Agent struct {
	// Name is the name in paths.
	Name string
	// Run works on a task, whose parameters are JSON, until it has an outcome: the document. onStep, which may be
	// nil, gets every step on the way, one at a time and in order. The error is as an [Action]'s; there was no step
	// then.
	Run func(ctx context.Context, task []byte, onStep func(Step)) (document any, code string, err error)
}

// A Step is one of an agent's, as it is told to a client.
type Step = agentrun.Step

// agent returns the one of a name, without regard to case, or nil.
func (s *Server) agent(name string) *Agent {
	i := slices.IndexFunc(s.agents, func(a Agent) bool { return strings.EqualFold(a.Name, name) })
	if i < 0 {
		return nil
	}
	return &s.agents[i]
}

// runAgent has an agent work on a task. A client that accepts text/event-stream is told each step as it happens; any
// other gets the outcome when there is one. A client that leaves ends the run. Where it is preferred, or there is an idempotency key, the run
// is accepted instead: it goes on.
func (s *Server) runAgent(c echo.Context) error {
	found := s.agent(c.Param("name"))
	if found == nil {
		return refuse(kindNotFound, "There is no agent of this name here. A server has agents where it was started with a model (--agent-model).")
	}
	body, release, err := s.admit(c)
	defer release()
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c.Request().Header)
	if err != nil {
		return err
	}
	if prefer := preferencesOf(c.Request().Header); prefer.async || key != "" {
		return s.acceptRun(c, found.Name, body, prefer, key)
	}
	if acceptsEvents(c.Request().Header) {
		return s.streamAgent(c, *found, body)
	}
	document, code, err := found.Run(c.Request().Context(), body, nil)
	if err != nil {
		s.metrics.refused(c.Request().Context(), err)
		return s.executorRefusal(c.Request().Context(), err)
	}
	c.Set(keyResultCode, code)
	return s.writeJSON(c, http.StatusOK, jsonType, document)
}

const eventsType = "text/event-stream"

// acceptsEvents reports whether a client asks for a stream of events by name: whoever accepts anything gets JSON.
func acceptsEvents(header http.Header) bool {
	for _, line := range header.Values("Accept") {
		for one := range strings.SplitSeq(line, ",") {
			mediaType, params, err := mime.ParseMediaType(one)
			if err != nil || mediaType != eventsType {
				continue
			}
			quality, err := strconv.ParseFloat(params["q"], 64)
			if params["q"] == "" || err == nil && quality > 0 {
				return true
			}
		}
	}
	return false
}

// streamAgent tells each step as a Server-Sent Event. The last one holds the outcome.
func (s *Server) streamAgent(c echo.Context, a Agent, body []byte) error {
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	stream := &eventStream{w: s.boundedWriter(c)}
	keptAlive := make(chan struct{})
	go func() {
		defer close(keptAlive)
		stream.keepAlive(ctx, s.bounds.keepAlive)
	}()
	_, code, err := a.Run(ctx, body, func(step Step) {
		if stream.tell(step) != nil {
			cancel() // nobody reads it any more
		}
	})
	cancel()
	<-keptAlive
	if err != nil {
		s.metrics.refused(c.Request().Context(), err)
		return s.executorRefusal(c.Request().Context(), err) // nothing was told: see Agent.Run
	}
	c.Set(keyResultCode, code)
	return nil
}

// An eventStream is the body of a stream of events. It begins with the first event.
type eventStream struct {
	mu    sync.Mutex
	w     boundedWriter
	begun bool
	over  bool  // the end has been told
	err   error // of the first write that failed
}

func (e *eventStream) tell(step Step) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin()
	e.over = step.Type == endEvent
	return e.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", step.ID, step.Type, step.Data))
}

// begin must be called with mu held.
func (e *eventStream) begin() {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", eventsType)
		e.w.WriteHeader(http.StatusOK)
	}
}

// open begins the stream before there is an event.
func (e *eventStream) open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begin()
	return e.write(": events follow\n\n")
}

func (e *eventStream) opened() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.begun
}

// keepAlive writes a comment now and then, so that what stands between does not take a long thought for a dead
// connection. It returns when ctx ends, or once the end has been told: nothing is at work then.
func (e *eventStream) keepAlive(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !e.sayAlive() {
				return
			}
		}
	}
}

// sayAlive writes a comment once the stream has begun, and reports whether another will be needed.
func (e *eventStream) sayAlive() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun && !e.over {
		_ = e.write(": still at work\n\n") // the next event tells of a failure
	}
	return !e.over
}

// write must be called with mu held.
func (e *eventStream) write(text string) error {
	if e.err != nil {
		return e.err
	}
	if _, e.err = e.w.Write([]byte(text)); e.err == nil {
		e.err = e.w.FlushError()
	}
	return e.err
}
