package controller

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/tenant"
)

// onFake is a server whose scripts run on a fake driver, one at a time.
func onFake(t *testing.T, options ...option) *Server {
	t.Helper()
	fake := drivertest.NewFake().
		Teach("quick", drivertest.Log(api.LevelLog, "one"), drivertest.Output("1")).
		Teach("hang", drivertest.Log(api.LevelLog, "one"), drivertest.Hang())
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("image", "runc"), Concurrency: 1, Queue: 8, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := executor.Close(context.Background()); err != nil || fake.Living() != 0 {
			t.Errorf("%v, %d boxes are left", err, fake.Living())
		}
	})
	return testServer(t, executor, options...)
}

// by makes it a request of a tenant's.
func by(id string, r *http.Request) *http.Request {
	return r.WithContext(tenant.NewContext(r.Context(), tenant.Tenant{ID: id}))
}

func with(r *http.Request, headers ...string) *http.Request {
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (a answer) execution(t *testing.T, status int) api.Execution {
	t.Helper()
	var e api.Execution
	if err := json.Unmarshal(a.body, &e); err != nil || a.status != status {
		t.Fatalf("status %d, %v: %s", a.status, err, a.body)
	}
	return e
}

func (a answer) page(t *testing.T, status int) api.Page {
	t.Helper()
	var p api.Page
	if err := json.Unmarshal(a.body, &p); err != nil || a.status != status {
		t.Fatalf("status %d, %v: %s", a.status, err, a.body)
	}
	return p
}

const async = "respond-async"

func get(path string) *http.Request { return request(http.MethodGet, path, nil) }

func TestAnAsyncExecution(t *testing.T) {
	s := onFake(t)
	a := ask(t, s, with(post(`{"code":"quick","inputData":[1]}`), "Prefer", "handling=lenient, "+async))
	e := a.execution(t, http.StatusAccepted)
	path := "/v1/executions/" + e.ID
	if a.header.Get("Location") != path || a.header.Get("Preference-Applied") != async || e.State == "" || e.CodeDigest == "" {
		t.Errorf("%+v, %v", e, a.header)
	}
	ended := ask(t, s, get(path+"?wait=20s")).execution(t, http.StatusOK)
	if ended.State != api.ExecutionEnded || ended.Result == nil || string(ended.Result.Output) != "1" || ended.Result.ID != e.ID || ended.BeganAt == nil {
		t.Errorf("%+v", ended)
	}
	if full := ask(t, s, get(path+"?attestation=full")).execution(t, http.StatusOK); full.Result.Isolation.Attestation.Statement == nil {
		t.Error("its attestation is not whole")
	}
	page := ask(t, s, get("/v1/executions?state=ended&resultCode=SUCCESS")).page(t, http.StatusOK)
	if len(page.Executions) != 1 || page.Executions[0].ID != e.ID || page.Executions[0].Result != nil {
		t.Errorf("%+v", page)
	}
	forgotten := ask(t, s, request(http.MethodDelete, path+"?forget=true", nil)).execution(t, http.StatusOK)
	if forgotten.Result != nil || !forgotten.Forgotten || forgotten.ResultCode != api.Success {
		t.Errorf("%+v", forgotten)
	}
}

func TestPreferredToWait(t *testing.T) {
	s := onFake(t)
	a := ask(t, s, with(post(`{"code":"quick"}`), "Prefer", async+", wait=20"))
	if e := a.execution(t, http.StatusOK); e.Result == nil {
		t.Errorf("%+v", e)
	}
}

func TestCancelOverHTTP(t *testing.T) {
	s := onFake(t)
	e := ask(t, s, with(post(`{"code":"hang"}`), "Prefer", async)).execution(t, http.StatusAccepted)
	path := "/v1/executions/" + e.ID
	for _, r := range []*http.Request{get(path), get(path + "/events"), request(http.MethodDelete, path, nil)} {
		if a := ask(t, s, by("other", r)); a.status != http.StatusNotFound {
			t.Errorf("another tenant's %s: %d", r.Method, a.status)
		}
	}
	if e := ask(t, s, request(http.MethodDelete, path, nil)).execution(t, http.StatusOK); e.ResultCode != api.Cancelled {
		t.Errorf("%+v", e)
	}
}

func TestIdempotencyOverHTTP(t *testing.T) {
	s := onFake(t)
	first := ask(t, s, with(post(`{"code":"quick"}`), "Idempotency-Key", "k-1")).result(t)
	for _, key := range []string{"k-1", `"k-1"`} {
		if again := ask(t, s, with(post(`{"code":"quick"}`), "Idempotency-Key", key)).result(t); again.ID != first.ID {
			t.Errorf("%s ran again", key)
		}
	}
	if e := ask(t, s, with(post(`{"code":"quick"}`), "Idempotency-Key", "k-1", "Prefer", async)).execution(t, http.StatusOK); e.ID != first.ID {
		t.Errorf("%+v", e)
	}
	if other := ask(t, s, by("other", with(post(`{"code":"quick"}`), "Idempotency-Key", "k-1"))).result(t); other.ID == first.ID {
		t.Error("another tenant's key is the same")
	}
	for name, r := range map[string]*http.Request{
		"another body":  with(post(`{"code":"quick" }`), "Idempotency-Key", "k-1"),
		"another query": with(postTo("/v1/executions?safeToRepeat=true", `{"code":"quick"}`), "Idempotency-Key", "k-1"),
	} {
		if a := ask(t, s, r); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, key := range []string{"", "a b", "é", strings.Repeat("k", 256), `a"b`, "\x01"} {
		if a := ask(t, s, with(post(`{"code":"quick"}`), "Idempotency-Key", key)); a.status != http.StatusBadRequest || a.problem(t).Field != "Idempotency-Key" {
			t.Errorf("the key %q: %d %s", key, a.status, a.body)
		}
	}
	ask(t, s, request(http.MethodDelete, "/v1/executions/"+first.ID+"?forget=true", nil))
	if a := ask(t, s, with(post(`{"code":"quick"}`), "Idempotency-Key", "k-1")); a.status != http.StatusGone || !strings.Contains(a.problem(t).Detail, first.ID) {
		t.Errorf("once it is forgotten: %d %s", a.status, a.body)
	}
}

func TestABatchOverHTTP(t *testing.T) {
	s := onFake(t)
	batch := `[{"code":"quick"},{"code":"quick","language":"typescript"},{"code":"quick"}]`
	page := ask(t, s, with(post(batch), "Idempotency-Key", "b")).page(t, http.StatusOK)
	if len(page.Executions) != 3 {
		t.Fatalf("%+v", page)
	}
	for _, e := range page.Executions {
		if e.State != api.ExecutionEnded || e.Result == nil || !e.Result.Success {
			t.Errorf("%+v", e)
		}
	}
	again := ask(t, s, with(post(batch), "Idempotency-Key", "b", "Prefer", async)).page(t, http.StatusOK)
	for i, e := range again.Executions {
		if e.ID != page.Executions[i].ID {
			t.Errorf("%d ran again", i)
		}
	}
	ask(t, s, with(post(`{"code":"quick"}`), "Idempotency-Key", "single")).result(t)
	for name, r := range map[string]*http.Request{
		"one script under a batch's key": with(post(`{"code":"quick"}`), "Idempotency-Key", "b"),
		"a batch under a script's key":   with(post(`[{"code":"quick"}]`), "Idempotency-Key", "single"),
		"a longer batch":                 with(post(strings.Replace(batch, "]", `,{"code":"quick"}]`, 1)), "Idempotency-Key", "b"),
		"a shorter batch":                with(post(`[{"code":"quick"}]`), "Idempotency-Key", "b"),
	} {
		if a := ask(t, s, r); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if page := ask(t, s, with(post(batch), "Prefer", async)).page(t, http.StatusAccepted); len(page.Executions) != 3 {
		t.Errorf("%+v", page)
	}
}

func TestPages(t *testing.T) {
	s := onFake(t)
	var ids []string
	for range 5 {
		ids = append([]string{ask(t, s, by("acme", with(post(`{"code":"quick"}`), "Prefer", async+",wait=20"))).execution(t, http.StatusOK).ID}, ids...)
	}
	var seen []string
	for path := "/v1/executions?limit=2"; path != ""; {
		page := ask(t, s, by("acme", get(path))).page(t, http.StatusOK)
		for _, e := range page.Executions {
			seen = append(seen, e.ID)
		}
		path = ""
		if page.Next != "" {
			path = "/v1/executions?limit=2&cursor=" + page.Next
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(ids) {
		t.Errorf("%v, want %v", seen, ids)
	}
	if page := ask(t, s, get("/v1/executions")).page(t, http.StatusOK); len(page.Executions) != 0 {
		t.Errorf("others see %+v", page)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "cursor=%25", "cursor=xxx", "state=gone", "resultCode=X", "since=yesterday", "until=1", "limit=1&limit=2", "x=1", "%zz"} {
		if a := ask(t, s, get("/v1/executions?"+query)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := ask(t, s, get("/v1/executions?limit=1&sort=asc")); a.problem(t).Field != "sort" || !strings.Contains(a.problem(t).Detail, "state, resultCode, since, until, limit, cursor") {
		t.Errorf("an unknown parameter: %s", a.body)
	}
	if a := ask(t, s, get("/v1/executions?"+strings.Repeat("x", 100)+"=1")); a.status != http.StatusBadRequest || a.problem(t).Field != "" {
		t.Errorf("a long unknown parameter: %d %s", a.status, a.body)
	}
	for _, query := range []string{"wait=x", "wait=-1s", "wait=61s", "attestation=all", "y=1"} {
		if a := ask(t, s, by("acme", get("/v1/executions/"+ids[0]+"?"+query))); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

// What was run for a client who waited can be looked up too, as far as anything is kept.
func TestASyncExecutionIsNoted(t *testing.T) {
	s := onFake(t)
	result := ask(t, s, post(`{"code":"quick"}`)).result(t)
	var e api.Execution
	for deadline := time.Now().Add(20 * time.Second); ; {
		if a := ask(t, s, get("/v1/executions/"+result.ID)); a.status == http.StatusOK {
			e = a.execution(t, http.StatusOK)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not noted")
		}
	}
	if e.State != api.ExecutionEnded || !e.Forgotten || e.ResultCode != api.Success || e.BeganAt == nil {
		t.Errorf("%+v", e)
	}
}

func TestEventsOverHTTP(t *testing.T) {
	s := onFake(t)
	served := serve(t, s)
	e := ask(t, s, with(post(`{"code":"hang"}`), "Prefer", async)).execution(t, http.StatusAccepted)
	open := func(last string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, served.url("/v1/executions/"+e.ID+"/events"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		response, err := served.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	lines := bufio.NewScanner(open("").Body)
	next := func() (event string) {
		t.Helper()
		for lines.Scan() && (lines.Text() != "" || event == "") {
			if text := lines.Text(); text != "" && text[0] != ':' {
				event += text + "\n"
			}
		}
		return event
	}
	if event := next(); !strings.HasPrefix(event, "id: 1\nevent: log\ndata: {\"level\":\"log\",\"message\":\"one\"") {
		t.Errorf("%q", event)
	}
	ask(t, s, request(http.MethodDelete, "/v1/executions/"+e.ID, nil))
	if event := next(); !strings.HasPrefix(event, "id: 1000000\nevent: end\n") || !strings.Contains(event, `"resultCode":"CANCELLED"`) {
		t.Errorf("%q", event)
	}
	if lines.Scan() {
		t.Errorf("behind the end: %q", lines.Text())
	}
	for last, status := range map[string]int{"1": 200, "2": 200, "1000000": 204, "x": 400, "-1": 400} {
		if response := open(last); response.StatusCode != status {
			t.Errorf("after %s: %s", last, response.Status)
		}
	}
}

// A server that stops does not wait for those who wait for an end.
func TestWaitingEndsWithTheServer(t *testing.T) {
	s := onFake(t)
	e := ask(t, s, with(post(`{"code":"hang"}`), "Prefer", async)).execution(t, http.StatusAccepted)
	told := make(chan api.Execution, 1)
	go func() { told <- ask(t, s, get("/v1/executions/"+e.ID+"?wait=1m")).execution(t, http.StatusOK) }()
	s.drainNow()
	if e := within(t, "the answer", told); e.State == api.ExecutionEnded {
		t.Errorf("%+v", e)
	}
}

func TestTooManyAreAccepted(t *testing.T) {
	s := onFake(t)
	batch := "[" + strings.Repeat(`{"code":"hang"},`, api.MaxBatch-1) + `{"code":"hang"}]`
	for range 10 {
		ask(t, s, with(post(batch), "Prefer", async)).page(t, http.StatusAccepted)
	}
	a := ask(t, s, with(post(`{"code":"hang"}`), "Prefer", async))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("one more: %d %s", a.status, a.body)
	}
}
