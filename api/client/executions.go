package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"glovebox/api"
)

const executionsPath = "/v1/executions"

// Executions are executions as resources: accepted, followed, ended. They are safe for concurrent use. Their errors are as
// [Client.Execute]'s.
type Executions struct{ all resources[api.Execution] }

// Executions returns the executions of whoever the client's key belongs to.
func (c *Client) Executions() Executions {
	return Executions{resources[api.Execution]{
		client: c, path: executionsPath, decode: decodeExecution, attested: true,
		id: func(e api.Execution) string { return e.ID }, state: func(e api.Execution) api.ExecutionState { return e.State },
	}}
}

// ExecutionOptions say how an execution is accepted.
type ExecutionOptions struct {
	SubmitOptions
	// SafeToRepeat says that the script may be run again where the server ended while it ran, and nobody knows how far it came.
	SafeToRepeat bool
}

// Submit has a script accepted. It runs whatever becomes of this client: the end of ctx does not end it.
func (e Executions) Submit(ctx context.Context, request api.Request, o ExecutionOptions) (api.Execution, error) {
	body, err := encode(request)
	if err != nil {
		return api.Execution{}, err
	}
	answer, err := e.accept(ctx, body, o, maxResultBytes)
	if err != nil {
		return api.Execution{}, err
	}
	return decodeExecution(answer)
}

// SubmitBatch has up to [api.MaxBatch] scripts accepted, all or none. The executions are in the requests' order.
func (e Executions) SubmitBatch(ctx context.Context, requests []api.Request, o ExecutionOptions) ([]api.Execution, error) {
	for i, request := range requests {
		if err := sendable(request); err != nil {
			return nil, api.InBatch(err, i, true)
		}
	}
	if requests == nil {
		requests = []api.Request{} // the server says what is wrong with it
	}
	body, err := encodeAny(requests)
	if err != nil {
		return nil, err
	}
	answer, err := e.accept(ctx, body, o, maxPageBytes)
	if err != nil {
		return nil, err
	}
	page, err := decodePage(answer)
	if err == nil && len(page.Executions) != len(requests) {
		err = &AnswerError{http.StatusOK, "there are more or fewer executions than requests"}
	}
	return page.Executions, err
}

func (e Executions) accept(ctx context.Context, body []byte, o ExecutionOptions, most int64) ([]byte, error) {
	query := url.Values{}
	e.all.client.attested(query)
	if o.SafeToRepeat {
		query.Set("safeToRepeat", "true")
	}
	return e.all.client.askPatiently(ctx, call{method: http.MethodPost, path: executionsPath, query: query, header: o.header(), body: body, most: most})
}

// Get tells how far an execution is, at once.
func (e Executions) Get(ctx context.Context, id string) (api.Execution, error) {
	return e.all.get(ctx, id, 0)
}

// Wait returns an execution once it has ended. It asks for as long as ctx goes on.
func (e Executions) Wait(ctx context.Context, id string) (api.Execution, error) {
	return e.all.wait(ctx, id)
}

// Cancel ends an execution, and returns it once its box is dead. One that has ended stays as it is.
func (e Executions) Cancel(ctx context.Context, id string) (api.Execution, error) {
	return e.all.end(ctx, id, false)
}

// Forget ends an execution that has not ended, and takes its code, data and result away at once.
func (e Executions) Forget(ctx context.Context, id string) (api.Execution, error) {
	return e.all.end(ctx, id, true)
}

// ExecutionFilter picks executions; the zero value is each.
type ExecutionFilter = Filter[api.ResultCode]

// List returns a page of executions, newest first, without their results. While it has a Next there may be more, however
// short it is.
func (e Executions) List(ctx context.Context, f ExecutionFilter) (api.Page, error) {
	answer, err := e.all.client.ask(ctx, call{path: executionsPath, query: f.query(), most: maxPageBytes})
	if err != nil {
		return api.Page{}, err
	}
	return decodePage(answer)
}

// An ExecutionEvent is one thing that happened to an execution: an entry of its logs, that it is run again, or its end.
type ExecutionEvent struct {
	// ID says where to go on. It grows, and has gaps.
	ID  int
	Log *api.Log
	// Repeat voids every log that came before it: they are those of a run in which the server ended.
	Repeat *api.Repeat
	End    *api.Execution
}

// Events tells the logs of an execution as they come, that it is run again, and its end, from the event behind after on; 0 is from the first. Where the stream breaks
// off before the end, the last error is a *[ConnectionError]: go on behind the last event that came. There is none where all were told.
func (e Executions) Events(ctx context.Context, id string, after int) iter.Seq2[ExecutionEvent, error] {
	return func(yield func(ExecutionEvent, error) bool) {
		for event, err := range e.all.client.follow(ctx, executionsPath, id, after) {
			told := ExecutionEvent{ID: event.id}
			switch {
			case err != nil:
			case event.name == "log":
				told.Log = &api.Log{}
				if err = decode(event.data, told.Log); err == nil && !told.Log.Level.Known() {
					err = &AnswerError{http.StatusOK, "a log has a level that there is not"}
				}
			case event.name == "repeat":
				told.Repeat = &api.Repeat{}
				if err = decode(event.data, told.Repeat); err == nil && told.Repeat.Run < 2 {
					err = &AnswerError{http.StatusOK, "a repeat is of no run"}
				}
			case event.name == endEvent:
				var end api.Execution
				end, err = decodeExecution(event.data)
				told.End = &end
			default:
				continue // a later server's
			}
			if err != nil {
				yield(ExecutionEvent{}, err)
				return
			}
			if !yield(told, nil) {
				return
			}
		}
	}
}
