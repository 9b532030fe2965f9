package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"glovebox/api"
)

const (
	queuedRun = `{"id":"` + someID + `","agent":"codesmith","state":"queued","createdAt":"2026-11-29T12:00:00Z"}`
	endedRun  = `{"id":"` + someID + `","agent":"codesmith","state":"ended","createdAt":"2026-11-29T12:00:00Z","resultCode":"COMPLETE","outcome":{"code":"COMPLETE",` +
		`"success":true,"message":"m","payload":{"task":"t","code":"c","failed":false,"results":3,"iterations":1,"errors":[],"logs":[]},"spent":{},"warnings":[]}}`
)

func TestRuns(t *testing.T) {
	r := record(t, Config{}, gives(202, queuedRun), gives(200, endedRun), gives(200, queuedRun), gives(200, endedRun), gives(200, endedRun), gives(200, endedRun),
		gives(200, `{"runs":[`+queuedRun+`],"next":"c"}`))
	runs := r.all.client.Runs("codesmith")
	task := api.AgentTask{Task: "<t>", InputData: json.RawMessage(`{"a":1}`), MaxIterations: new(3)}
	got, err := runs.Submit(t.Context(), task, SubmitOptions{})
	if err != nil || got.State != api.ExecutionQueued {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = runs.Submit(t.Context(), api.AgentTask{Task: "t"}, SubmitOptions{IdempotencyKey: "k", Wait: time.Second})
	if err != nil || got.Outcome == nil || string(got.Outcome.Payload.Results) != "3" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := runs.Get(t.Context(), someID); err != nil || got.State != api.ExecutionQueued {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := runs.Wait(t.Context(), someID); err != nil || got.ResultCode != api.AgentComplete {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := runs.Cancel(t.Context(), someID); err != nil || got.ResultCode != api.AgentComplete {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := runs.Forget(t.Context(), someID); err != nil || got.ResultCode != api.AgentComplete {
		t.Errorf("%+v, %v", got, err)
	}
	if page, err := runs.List(t.Context(), RunFilter{ResultCode: api.AgentCancelled}); err != nil || len(page.Runs) != 1 || page.Next != "c" {
		t.Errorf("%+v, %v", page, err)
	}
	const path = "/v1/agents/codesmith/runs"
	r.want(t,
		"POST "+path+` Prefer=respond-async {"task":"<t>","inputData":{"a":1},"maxIterations":3}`,
		"POST "+path+` Prefer=respond-async, wait=1 Idempotency-Key=k {"task":"t"}`,
		"GET "+path+"/"+someID,
		"GET "+path+"/"+someID+"?wait=1m0s",
		"DELETE "+path+"/"+someID,
		"DELETE "+path+"/"+someID+"?forget=true",
		"GET "+path+"?resultCode=CANCELLED")
	var unsent *api.Error
	if _, err := runs.Submit(t.Context(), api.AgentTask{Task: "t", InputData: json.RawMessage(`{"a":1,"a":2}`)}, SubmitOptions{}); !errors.As(err, &unsent) || unsent.Field != "inputData" {
		t.Errorf("%v", err)
	}
}

func TestEventsOfARun(t *testing.T) {
	text := "id: 1\nevent: thinking\ndata: {\"seq\":1}\n\nid: 5\nevent: later\ndata: {}\n\nid: 1000000\nevent: end\ndata: " + endedRun + "\n\n"
	r := record(t, Config{}, func(w http.ResponseWriter) { answer(w, 200, eventsType, text) })
	var all []string
	for event, err := range r.all.client.Runs("codesmith").Events(t.Context(), someID, 3) {
		if err != nil {
			t.Fatal(err)
		}
		if event.End != nil {
			event.Type = string(event.End.ResultCode)
		}
		all = append(all, fmt.Sprint(event.ID, " ", event.Type, " ", string(event.Data)))
	}
	if fmt.Sprint(all) != `[1 thinking {"seq":1} 5 later {} 1000000 COMPLETE ]` {
		t.Errorf("%q", all)
	}
	r.want(t, "GET /v1/agents/codesmith/runs/"+someID+"/events Last-Event-ID=3")
}

func TestWhatIsNoRun(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": `{}`, "an unknown state": strings.Replace(queuedRun, "queued", "gone", 1), "another": strings.Replace(queuedRun, someID, "1", 1),
		"of no agent":           strings.Replace(queuedRun, "codesmith", "", 1),
		"a code before the end": strings.Replace(queuedRun, `"state"`, `"resultCode":"COMPLETE","state"`, 1),
		"no code at the end":    strings.Replace(endedRun, `"resultCode":"COMPLETE",`, "", 1),
		"another's outcome":     strings.Replace(endedRun, `"code":"COMPLETE"`, `"code":"CANCELLED"`, 1),
		"no success":            strings.Replace(endedRun, `"success":true`, `"success":false`, 1),
		"no solution":           strings.Replace(endedRun, `"failed":false`, `"failed":true`, 1),
	} {
		r := record(t, Config{}, gives(200, body))
		if got, err := r.all.client.Runs("codesmith").Get(t.Context(), someID); !isAnswerError(err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, body := range []string{`{}`, `{"runs":[` + endedRun + `,{}]}`} {
		r := record(t, Config{}, gives(200, body))
		if got, err := r.all.client.Runs("codesmith").List(t.Context(), RunFilter{}); !isAnswerError(err) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}
