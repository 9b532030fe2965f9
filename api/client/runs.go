package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"

	"glovebox/api"
)

// Runs are those of one agent as resources: accepted, followed, ended. They are safe for concurrent use. Their errors are as
// [Client.Execute]'s.
type Runs struct{ all resources[api.AgentRun] }

// Runs returns the runs of an agent, such as codesmith, of whoever the client's key belongs to.
func (c *Client) Runs(agent string) Runs {
	return Runs{resources[api.AgentRun]{
		client: c, path: "/v1/agents/" + url.PathEscape(agent) + "/runs", decode: decodeRun,
		id: func(r api.AgentRun) string { return r.ID }, state: func(r api.AgentRun) api.ExecutionState { return r.State },
	}}
}

// Submit has a task accepted. The agent works on it whatever becomes of this client: the end of ctx does not end it.
func (r Runs) Submit(ctx context.Context, task api.AgentTask, o SubmitOptions) (api.AgentRun, error) {
	if task.InputData != nil {
		if err := api.CheckJSON(task.InputData, api.MaxDepth); err != nil {
			return api.AgentRun{}, &api.Error{Kind: api.KindInvalid, Field: "inputData", Detail: err.Error()}
		}
	}
	body, err := encodeAny(task)
	if err != nil {
		return api.AgentRun{}, err
	}
	answer, err := r.all.client.askPatiently(ctx, call{method: http.MethodPost, path: r.all.path, header: o.header(), body: body, most: maxResultBytes})
	if err != nil {
		return api.AgentRun{}, err
	}
	return decodeRun(answer)
}

// Get tells how far a run is, at once.
func (r Runs) Get(ctx context.Context, id string) (api.AgentRun, error) { return r.all.get(ctx, id, 0) }

// Wait returns a run once it has ended. It asks for as long as ctx goes on.
func (r Runs) Wait(ctx context.Context, id string) (api.AgentRun, error) { return r.all.wait(ctx, id) }

// Cancel ends a run, and returns it once the agent has stopped. One that has ended stays as it is.
func (r Runs) Cancel(ctx context.Context, id string) (api.AgentRun, error) {
	return r.all.end(ctx, id, false)
}

// Forget ends a run that has not ended, and takes its task, steps and outcome away at once.
func (r Runs) Forget(ctx context.Context, id string) (api.AgentRun, error) {
	return r.all.end(ctx, id, true)
}

// RunFilter picks runs; the zero value is each.
type RunFilter = Filter[api.AgentOutcomeCode]

// List returns a page of runs, newest first, without their outcomes. While it has a Next there may be more, however
// short it is.
func (r Runs) List(ctx context.Context, f RunFilter) (api.AgentRunPage, error) {
	answer, err := r.all.client.ask(ctx, call{path: r.all.path, query: f.query(), most: maxPageBytes})
	if err != nil {
		return api.AgentRunPage{}, err
	}
	var page api.AgentRunPage
	if err := decode(answer, &page); err != nil {
		return api.AgentRunPage{}, err
	}
	reason := ""
	if page.Runs == nil {
		reason = "it is no list of runs"
	}
	for _, run := range page.Runs {
		reason = max(reason, runFault(run))
	}
	if reason != "" {
		return api.AgentRunPage{}, &AnswerError{http.StatusOK, reason}
	}
	return page, nil
}

// A RunEvent is one thing that happened to a run: a step, or its end.
type RunEvent struct {
	// ID says where to go on. Ids grow, and have gaps.
	ID int
	// Type is the step's, such as thinking, code or run, and Data all of it: the contract's AgentEvent.
	Type string
	Data json.RawMessage
	// End is the run, which has ended; Type and Data are none then.
	End *api.AgentRun
}

// Events tells the steps of a run as they come, and its end, from the event behind after on; 0 is from the first. Pieces of answers are told while they come
// alone. Where the stream breaks off before the end, the last error is a *[ConnectionError]: go on behind the last event that came. There is
// none where all were told.
func (r Runs) Events(ctx context.Context, id string, after int) iter.Seq2[RunEvent, error] {
	return func(yield func(RunEvent, error) bool) {
		for event, err := range r.all.client.follow(ctx, r.all.path, id, after) {
			told := RunEvent{ID: event.id, Type: event.name, Data: event.data}
			if err == nil && event.name == endEvent {
				var end api.AgentRun
				end, err = decodeRun(event.data)
				told = RunEvent{ID: event.id, End: &end}
			}
			if err != nil {
				yield(RunEvent{}, err)
				return
			}
			if !yield(told, nil) {
				return
			}
		}
	}
}

// decodeRun reads a run, and holds it against what the contract says of runs.
func decodeRun(body []byte) (api.AgentRun, error) {
	var run api.AgentRun
	if err := decode(body, &run); err != nil {
		return api.AgentRun{}, err
	}
	if reason := runFault(run); reason != "" {
		return api.AgentRun{}, &AnswerError{http.StatusOK, reason}
	}
	return run, nil
}

// runFault says what of the contract a run breaks, or "".
func runFault(run api.AgentRun) string {
	info, known := run.ResultCode.Info()
	switch {
	case run.ID == "" || run.Agent == "" || run.CreatedAt.IsZero():
		return "the run has no id, no agent, or no time"
	case !run.State.Known():
		return "the state is none that this client knows"
	case (run.State == api.ExecutionEnded) != known:
		return "a run has a result code that there is once it has ended, and not before"
	case run.Outcome == nil:
		return ""
	case run.Outcome.Code != run.ResultCode || run.Outcome.Success != info.Success:
		return "the outcome and the result code contradict each other"
	case run.Outcome.Success == run.Outcome.Payload.Failed:
		return "the outcome and its payload contradict each other"
	}
	return ""
}
