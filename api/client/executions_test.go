package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
)

const (
	someID = "01JZ8Q6V9T3YB5C2N7K4M1XH0D"
	queued = `{"id":"` + someID + `","state":"queued","createdAt":"2026-11-29T12:00:00Z"}`
)

// ended is an execution that has ended with a result.
func ended(t *testing.T) string {
	return `{"id":"` + someID + `","state":"ended","createdAt":"2026-11-29T12:00:00Z","endedAt":"2026-11-29T12:00:01Z","resultCode":"SUCCESS","result":` +
		with(`"id":"1"`, `"id":"`+someID+`"`) + `}`
}

// A recorded server keeps what it was asked, and gives its answers in turn.
type recorded struct {
	Executions
	asked []string // method, path and query, the headers that matter, body
}

func record(t *testing.T, config Config, answers ...reply) *recorded {
	r := &recorded{}
	config.BaseURL = serve(t, func(w http.ResponseWriter, asked *http.Request) {
		body, _ := io.ReadAll(asked.Body)
		line := asked.Method + " " + asked.URL.RequestURI()
		for _, name := range []string{"Prefer", "Idempotency-Key", "Last-Event-ID"} {
			if value := asked.Header.Get(name); value != "" {
				line += fmt.Sprintf(" %s=%s", name, value)
			}
		}
		r.asked = append(r.asked, strings.TrimSpace(line+" "+strings.TrimSpace(string(body))))
		answers[min(len(r.asked), len(answers))-1](w)
	})
	r.Executions = newClient(t, config).Executions()
	return r
}

func gives(status int, body string) reply {
	return func(w http.ResponseWriter) { answer(w, status, jsonType, body) }
}

func (r *recorded) want(t *testing.T, lines ...string) {
	t.Helper()
	if strings.Join(r.asked, "\n") != strings.Join(lines, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(r.asked, "\n"), strings.Join(lines, "\n"))
	}
}

func TestSubmit(t *testing.T) {
	r := record(t, Config{}, gives(202, queued), gives(200, ended(t)), gives(202, `{"executions":[`+queued+`,`+ended(t)+`]}`))
	got, err := r.Submit(t.Context(), api.Request{Code: "1"}, ExecutionOptions{})
	if err != nil || got.State != api.ExecutionQueued || got.ID != someID {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = r.Submit(t.Context(), api.Request{Code: "1"}, ExecutionOptions{SafeToRepeat: true, SubmitOptions: SubmitOptions{IdempotencyKey: "k", Wait: 9500 * time.Millisecond}})
	if err != nil || got.Result == nil || string(got.Result.Output) != "42" {
		t.Errorf("%+v, %v", got, err)
	}
	all, err := r.SubmitBatch(t.Context(), []api.Request{{Code: "1"}, {Code: "2"}}, ExecutionOptions{})
	if err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	r.want(t,
		`POST /v1/executions Prefer=respond-async {"code":"1"}`,
		`POST /v1/executions?safeToRepeat=true Prefer=respond-async, wait=10 Idempotency-Key=k {"code":"1"}`,
		`POST /v1/executions Prefer=respond-async [{"code":"1"},{"code":"2"}]`)
	if _, err := r.SubmitBatch(t.Context(), []api.Request{{Code: "1"}}, ExecutionOptions{}); !isAnswerError(err) {
		t.Errorf("two executions for one request: %v", err)
	}
	var unsent *api.Error
	if _, err := r.SubmitBatch(t.Context(), []api.Request{{Code: "1"}, {Code: "\xff"}}, ExecutionOptions{}); !errors.As(err, &unsent) || unsent.Field != "[1].code" {
		t.Errorf("%v", err)
	}
}

func isAnswerError(err error) bool {
	var wrong *AnswerError
	return errors.As(err, &wrong)
}

func TestGetListCancelForget(t *testing.T) {
	r := record(t, Config{FullAttestation: true}, gives(200, queued), gives(200, ended(t)), gives(200, ended(t)), gives(200, `{"executions":[`+queued+`],"next":"c"}`))
	if got, err := r.Get(t.Context(), someID); err != nil || got.State != api.ExecutionQueued {
		t.Errorf("%+v, %v", got, err)
	}
	for _, do := range []func(context.Context, string) (api.Execution, error){r.Cancel, r.Forget} {
		if got, err := do(t.Context(), someID); err != nil || got.ResultCode != api.Success {
			t.Errorf("%+v, %v", got, err)
		}
	}
	page, err := r.List(t.Context(), ExecutionFilter{State: api.ExecutionQueued, ResultCode: api.Timeout, Since: time.Unix(0, 0), Limit: 1, Cursor: "b"})
	if err != nil || len(page.Executions) != 1 || page.Next != "c" {
		t.Errorf("%+v, %v", page, err)
	}
	r.want(t,
		"GET /v1/executions/"+someID+"?attestation=full",
		"DELETE /v1/executions/"+someID,
		"DELETE /v1/executions/"+someID+"?forget=true",
		"GET /v1/executions?cursor=b&limit=1&resultCode=TIMEOUT&since=1970-01-01T00%3A00%3A00Z&state=queued")
	for _, wrong := range []string{"", "../info", "a/b", "a?b", "ä"} {
		var unsent *api.Error
		if _, err := r.Get(t.Context(), wrong); !errors.As(err, &unsent) {
			t.Errorf("%q: %v", wrong, err)
		}
		for _, err := range r.Events(t.Context(), wrong, 0) {
			if !errors.As(err, &unsent) {
				t.Errorf("%q: %v", wrong, err)
			}
		}
	}
	if len(r.asked) != 4 {
		t.Errorf("what is no id was asked for: %q", r.asked[4:])
	}
}

// Whoever waits asks again, and not at once where the server does not wait.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), []string{}
		transport := transportFunc(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, fmt.Sprint(r.URL.RawQuery, " at ", time.Since(began)))
			w := httptest.NewRecorder()
			if len(asked) == 1 {
				time.Sleep(MaxWait) // of the bubble's clock
			}
			switch {
			case len(asked) == 2: // which is no end of the wait
				w.Header().Set("Retry-After", "30")
				answer(w, 429, problemType, `{"type":"urn:glovebox:problem:quota-exceeded","title":"T","status":429,"detail":"D","quota":"readsPerMinute","requestId":"R"}`)
			case len(asked) < 4:
				answer(w, 200, jsonType, queued)
			default:
				answer(w, 200, jsonType, ended(t))
			}
			return w.Result(), nil
		})
		c := newClient(t, Config{BaseURL: "http://localhost", Transport: transport})
		got, err := c.Executions().Wait(t.Context(), someID)
		want := "[wait=1m0s at 0s wait=1m0s at 1m0s wait=1m0s at 1m30s wait=1m0s at 1m31s]"
		if err != nil || got.State != api.ExecutionEnded || fmt.Sprint(asked) != want {
			t.Errorf("%+v, %v: %v", got, err, asked)
		}
		asked = asked[:1]
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := c.Executions().Wait(ctx, someID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatIsNoExecution(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": `{}`, "a list": `[]`, "an unknown state": strings.Replace(queued, "queued", "gone", 1), "another": strings.Replace(queued, someID, "1", 1),
		"a code before the end": strings.Replace(queued, `"state"`, `"resultCode":"SUCCESS","state"`, 1),
		"no code at the end":    strings.Replace(ended(t), `"resultCode":"SUCCESS",`, "", 1),
		"another's result":      strings.Replace(ended(t), `"result":{"id":"`+someID, `"result":{"id":"1`, 1),
		"a broken result":       strings.Replace(ended(t), `"output":42,`, "", 1),
	} {
		if got, err := record(t, Config{}, gives(200, body)).Get(t.Context(), someID); !isAnswerError(err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, body := range []string{`{}`, `{"executions":[{}]}`, `[]`} {
		if got, err := record(t, Config{}, gives(200, body)).List(t.Context(), ExecutionFilter{}); !isAnswerError(err) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	// What Glovebox itself failed at is an end too.
	failed := strings.Replace(strings.ReplaceAll(ended(t), `"SUCCESS"`, `"EXECUTION_FAILED"`), `"success":true`, `"success":false`, 1)
	failed = strings.Replace(failed, `"output":42`, `"error":{"name":"E","message":"M"}`, 1)
	if got, err := record(t, Config{}, gives(200, failed)).Get(t.Context(), someID); err != nil || got.Result.Error == nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// told are events as one text each.
func told(t *testing.T, r *recorded, after int) (all []string, err error) {
	for event, failed := range r.Events(t.Context(), someID, after) {
		switch {
		case failed != nil:
			return all, failed
		case event.Log != nil:
			all = append(all, fmt.Sprint(event.ID, " ", event.Log.Message))
		case event.Repeat != nil:
			all = append(all, fmt.Sprint(event.ID, " run ", event.Repeat.Run))
		default:
			all = append(all, fmt.Sprint(event.ID, " ", event.End.ResultCode))
		}
	}
	return all, nil
}

func TestEvents(t *testing.T) {
	log := "id: 1\nevent: log\ndata: " + `{"level":"log","message":"hé","atMs":1}` + "\n\n"
	stream := func(text string) reply {
		return func(w http.ResponseWriter) { answer(w, 200, eventsType, text) }
	}
	whole := ": events follow\n\n" + log + "id: 2\nevent: later\ndata: {}\n\nid: 100000\nevent: repeat\ndata: {\"run\":2}\n\n: still at work\n\nid: 1000000\nevent: end\ndata: " + ended(t) + "\n\nid: 3\nevent: log\ndata: {}\n\n"
	for _, text := range []string{whole, strings.ReplaceAll(whole, "\n", "\r\n")} {
		r := record(t, Config{}, stream(text))
		if all, err := told(t, r, 0); err != nil || fmt.Sprint(all) != "[1 hé 100000 run 2 1000000 SUCCESS]" {
			t.Errorf("%q, %v", all, err)
		}
		if all, err := told(t, r, 7); err != nil || len(all) != 3 {
			t.Errorf("%q, %v", all, err)
		}
		r.want(t, "GET /v1/executions/"+someID+"/events", "GET /v1/executions/"+someID+"/events Last-Event-ID=7")
	}
	if all, err := told(t, record(t, Config{}, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }), 2); err != nil || all != nil {
		t.Errorf("%q, %v", all, err)
	}
	var lost *ConnectionError
	if all, err := told(t, record(t, Config{}, stream(log)), 0); !errors.As(err, &lost) || len(all) != 1 {
		t.Errorf("a stream that breaks off: %q, %v", all, err)
	}
	var refused *ProblemError
	if _, err := told(t, record(t, Config{}, func(w http.ResponseWriter) { problem(w, 404, "not-found", "") }), 0); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	for name, reply := range map[string]reply{
		"no stream": gives(200, queued), "no JSON": stream("id: 1\nevent: log\ndata: {\n\n"), "no id": stream("event: log\ndata: {}\n\n"),
		"no level": stream("id: 1\nevent: log\ndata: {}\n\n"), "no run": stream("id: 100000\nevent: repeat\ndata: {\"run\":1}\n\n"), "no execution": stream("id: 1\nevent: end\ndata: {}\n\n"),
		"an endless line": stream("id: 1\nevent: log\ndata: " + strings.Repeat(" ", maxResultBytes) + "\n\n"),
	} {
		if all, err := told(t, record(t, Config{}, reply), 0); !isAnswerError(err) {
			t.Errorf("%s: %q, %v", name, all, err)
		}
	}
}

// Whatever bytes a stream has, each event has an id and a document, or there is an error, and it ends.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("id: 1\nevent: log\ndata: {\"level\":\"log\",\"message\":\"\",\"atMs\":0}\n\n"))
	f.Add([]byte(": c\r\n\r\nid:2\r\nevent:end\r\ndata:{}\r\n\r\n"))
	f.Add([]byte("data\ndata:\n\nid\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := newClient(t, Config{BaseURL: "http://localhost", Transport: transportFunc(func(*http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			answer(w, 200, eventsType, string(body))
			return w.Result(), nil
		})})
		var last error
		for event, err := range c.follow(t.Context(), executionsPath, someID, 0) {
			if last != nil {
				t.Error("something comes behind an error")
			}
			if last = err; err == nil && (event.id < 1 || api.CheckJSON(event.data, answerDepth) != nil) {
				t.Errorf("%+v", event)
			}
		}
	})
}
