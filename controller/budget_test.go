package controller

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// One tenant filled all that bodies may take, and every other's request was refused.
func TestATenantsBodiesLeaveRoomForOthers(t *testing.T) {
	ring := newKeyring("a", "b")
	_, a := ring.add(t, "a", tenant.ScopeExecute)
	_, b := ring.add(t, "b", tenant.ScopeExecute)
	s := testServer(t, succeeds, ring.option(), func(_ *Config, b *bounds) { b.heldBytes = 200 })
	taken := int64(0)
	for s.held.take("a", 10) {
		taken += 10
	}
	if taken != 100 {
		t.Errorf("one tenant alone has %d of 200", taken)
	}
	body := `{"code":"return 1"}` + strings.Repeat(" ", 20)
	if got := ask(t, s, keyed(b, post(body))); got.status != http.StatusOK {
		t.Errorf("b: %d %s", got.status, got.body)
	}
	if got := ask(t, s, keyed(a, post(body))); got.status != http.StatusServiceUnavailable {
		t.Errorf("a: %d %s", got.status, got.body)
	}
	s.held.give("a", taken)
	if got := ask(t, s, keyed(a, post(body))); got.status != http.StatusOK || s.held.used != 0 || len(s.held.of) != 0 {
		t.Errorf("a: %d, %d held of %d", got.status, s.held.used, len(s.held.of))
	}
}

// One tenant could have streams and waits open without end, each of them a connection.
func TestATenantsRequestsLeaveRoomForOthers(t *testing.T) {
	ring := newKeyring("a", "b")
	_, a := ring.add(t, "a", tenant.ScopeExecute, tenant.ScopeRead)
	_, b := ring.add(t, "b", tenant.ScopeExecute, tenant.ScopeRead)
	started, release := make(chan struct{}), make(chan struct{})
	s := testServer(t, executorFunc(func(_ context.Context, request api.Request) (api.Result, error) {
		started <- struct{}{}
		<-release
		return success(request), nil
	}), ring.option(), func(_ *Config, b *bounds) { b.open = 4 })
	done := make(chan int, 2)
	for range 2 {
		go func() {
			recorder := httptest.NewRecorder()
			s.ServeHTTP(recorder, keyed(a, post(`{"code":"1"}`)))
			done <- recorder.Code
		}()
		within(t, "a script", started)
	}
	if got := ask(t, s, keyed(a, get("/v1/executions"))); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("a: %d %s", got.status, got.body)
	}
	if got := ask(t, s, keyed(b, get("/v1/executions"))); got.status != http.StatusOK {
		t.Errorf("b: %d %s", got.status, got.body)
	}
	close(release)
	for range 2 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if got := ask(t, s, keyed(a, get("/v1/executions"))); got.status != http.StatusOK || s.open.used != 0 {
		t.Errorf("a: %d, %d are open", got.status, s.open.used)
	}
}

// A hundred clients that were slow to take an answer of 16 MiB had the server hold 1.6 GiB, and nothing bounded how many they were.
func TestAnswersThatAreSlowlyTakenAreBounded(t *testing.T) {
	s := testServer(t, succeeds, func(_ *Config, b *bounds) { b.heldBytes = 700 << 10 })
	large := `{"code":"return 1","inputData":"` + strings.Repeat("x", 200<<10) + `"}`
	w := &hookedWriter{ResponseRecorder: httptest.NewRecorder(), hook: func() { // the first's body is held, and its answer; the second's body finds room
		if got := ask(t, s, post(large)); got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), "Too much data") {
			t.Errorf("%d %.100s", got.status, got.body)
		}
		if got := ask(t, s, post(`{"code":"return 1"}`)); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
	}}
	s.ServeHTTP(w, post(large))
	if w.Code != http.StatusOK || w.Body.Len() < 200<<10 || s.held.used != 0 {
		t.Errorf("%d, %d bytes, and %d are still held", w.Code, w.Body.Len(), s.held.used)
	}
	if got := ask(t, s, post(large)); got.status != http.StatusOK {
		t.Errorf("%d %.100s", got.status, got.body)
	}
}

type hookedWriter struct {
	*httptest.ResponseRecorder
	hook func()
}

func (w *hookedWriter) Write(p []byte) (int, error) {
	if len(p) > 64<<10 {
		w.hook()
	}
	return w.ResponseRecorder.Write(p)
}
