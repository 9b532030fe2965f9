package mcp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// sender sends messages of tenants to a handler, as a controller does that has let them in.
type sender struct {
	t       *testing.T
	handler http.Handler
}

func (s sender) send(method, whose, session, message string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, "/mcp", strings.NewReader(message)).WithContext(tenant.NewContext(s.t.Context(), tenant.Tenant{ID: whose}))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
		r.Header.Set("MCP-Protocol-Version", "2025-03-26")
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, r)
	return recorder
}

func (s sender) begin(whose string) (session string) {
	s.t.Helper()
	got := s.send(http.MethodPost, whose, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`)
	if session = got.Header().Get("Mcp-Session-Id"); got.Code != http.StatusOK || session == "" {
		s.t.Fatalf("%d %s", got.Code, got.Body)
	}
	return session
}

const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`

func nothing(context.Context, api.Request, func(api.Log)) (api.Result, error) {
	return api.Result{}, nil
}

// A tenant could begin a thousand sessions a second, each of which stayed for half an hour.
func TestATenantHasSoManySessions(t *testing.T) {
	s := sender{t, newServer(t, nothing).Handler()}
	other := s.begin("other")
	used, idle := s.begin("acme"), s.begin("acme")
	all := []string{used, idle}
	for range 97 {
		all = append(all, s.begin("acme"))
	}
	ended := s.begin("acme")
	if got := s.send(http.MethodDelete, "acme", ended, ""); got.Code != http.StatusNoContent {
		t.Fatalf("%d", got.Code)
	}
	all = append(all, s.begin("acme")) // the hundredth
	wants := func(whose, session string, want int) {
		t.Helper()
		if got := s.send(http.MethodPost, whose, session, ping); got.Code != want {
			t.Errorf("%d %s, want %d", got.Code, got.Body, want)
		}
	}
	wants("acme", idle, http.StatusOK)
	wants("acme", used, http.StatusOK)
	oldest := all[2]
	all = append(all, s.begin("acme")) // which ends the one that has not been used for longest
	wants("acme", oldest, http.StatusNotFound)
	wants("acme", used, http.StatusOK)
	wants("other", other, http.StatusOK)
	for _, session := range append(all, other) {
		whose := "acme"
		if session == other {
			whose = "other"
		}
		s.send(http.MethodDelete, whose, session, "")
	}
}

// One body could hold half a million calls of an older version of the protocol: fifty thousand took a minute, and 350 MB were the answer.
func TestABatchHasSoManyMessages(t *testing.T) {
	s := sender{t, newServer(t, nothing).Handler()}
	session := s.begin("acme")
	defer s.send(http.MethodDelete, "acme", session, "")
	batch := func(n int) string {
		var messages []string
		for i := range n {
			messages = append(messages, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i+10))
		}
		return " \r\n\t[" + strings.Join(messages, ",") + "]"
	}
	if got := s.send(http.MethodPost, "acme", session, batch(api.MaxBatch)); got.Code != http.StatusOK || strings.Count(got.Body.String(), `"result"`) != api.MaxBatch {
		t.Errorf("%d %.200s", got.Code, got.Body)
	}
	if got := s.send(http.MethodPost, "acme", session, batch(api.MaxBatch+1)); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "at most 100 messages") {
		t.Errorf("%d %.200s", got.Code, got.Body)
	}
	for name, body := range map[string]string{"nothing": "", "no JSON": "[{", "no end": "[" + ping, "spaces": strings.Repeat(" ", 1000)} {
		if got := s.send(http.MethodPost, "acme", session, body); got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %.200s", name, got.Code, got.Body)
		}
	}
}
