package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"glovebox/api"
)

const executionsPath = "/v1/executions"

// Executions are executions as resources: accepted, followed, ended. They are safe for concurrent use. Their errors are as
// [Client.Execute]'s.
type Executions struct{ client *Client }

// Executions returns the executions of whoever the client's key belongs to.
func (c *Client) Executions() Executions { return Executions{c} }

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
	e.client.attested(query)
	if o.SafeToRepeat {
		query.Set("safeToRepeat", "true")
	}
	return e.client.askPatiently(ctx, call{method: http.MethodPost, path: executionsPath, query: query, header: o.header(), body: body, most: most})
}

// Get tells how far an execution is, at once.
func (e Executions) Get(ctx context.Context, id string) (api.Execution, error) {
	return e.get(ctx, id, 0)
}

// Wait returns an execution once it has ended. It asks for as long as ctx goes on.
func (e Executions) Wait(ctx context.Context, id string) (api.Execution, error) {
	return untilEnded(ctx, func() (api.Execution, bool, error) {
		got, err := e.get(ctx, id, MaxWait)
		return got, got.State == api.ExecutionEnded, err
	})
}

func (e Executions) get(ctx context.Context, id string, wait time.Duration) (api.Execution, error) {
	query := waitQuery(wait)
	e.client.attested(query)
	return e.one(ctx, call{query: query}, id)
}

// Cancel ends an execution, and returns it once its box is dead. One that has ended stays as it is.
func (e Executions) Cancel(ctx context.Context, id string) (api.Execution, error) {
	return e.one(ctx, call{method: http.MethodDelete}, id)
}

// Forget ends an execution that has not ended, and takes its code, data and result away at once.
func (e Executions) Forget(ctx context.Context, id string) (api.Execution, error) {
	return e.one(ctx, call{method: http.MethodDelete, query: url.Values{"forget": {strconv.FormatBool(true)}}}, id)
}

func (e Executions) one(ctx context.Context, what call, id string) (api.Execution, error) {
	what.path, what.most = executionsPath, maxResultBytes
	answer, err := e.client.askOf(ctx, what, id)
	if err != nil {
		return api.Execution{}, err
	}
	got, err := decodeExecution(answer)
	if err == nil && got.ID != id {
		err = &AnswerError{http.StatusOK, "it is another execution"}
	}
	return got, err
}

// ExecutionFilter picks executions; the zero value is each.
type ExecutionFilter struct {
	State      api.ExecutionState
	ResultCode api.ResultCode
	// Since and Until bound when they were accepted: from Since on, before Until.
	Since, Until time.Time
	// Limit is how many a page holds, from 1 to 200; 0 leaves it to the server.
	Limit int
	// Cursor is the Next of an earlier page.
	Cursor string
}

// List returns a page of executions, newest first, without their results.
func (e Executions) List(ctx context.Context, f ExecutionFilter) (api.Page, error) {
	query := pageQuery(f.Since, f.Until, f.Limit, f.Cursor)
	set(query, "state", string(f.State))
	set(query, "resultCode", string(f.ResultCode))
	answer, err := e.client.ask(ctx, call{path: executionsPath, query: query, most: maxPageBytes})
	if err != nil {
		return api.Page{}, err
	}
	return decodePage(answer)
}

// An ExecutionEvent is one thing that happened to an execution: an entry of its logs, or its end.
type ExecutionEvent struct {
	// ID says where to go on.
	ID  int
	Log *api.Log
	End *api.Execution
}

// Events tells the logs of an execution as they come, and its end, from the event behind after on; 0 is from the first. Where the stream breaks
// off before the end, the last error is a *[ConnectionError]: go on behind the last event that came. There is none where all were told.
func (e Executions) Events(ctx context.Context, id string, after int) iter.Seq2[ExecutionEvent, error] {
	return func(yield func(ExecutionEvent, error) bool) {
		for event, err := range e.client.follow(ctx, executionsPath, id, after, "end") {
			told := ExecutionEvent{ID: event.id}
			switch {
			case err != nil:
			case event.name == "log":
				told.Log = &api.Log{}
				if err = decode(event.data, told.Log); err == nil && !told.Log.Level.Known() {
					err = &AnswerError{http.StatusOK, "a log has a level that there is not"}
				}
			case event.name == "end":
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
