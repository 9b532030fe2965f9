package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// callKinds are what is called for over /mcp, in the action's own parameters.
var callKinds = []kind{
	friendly[0], friendly[1], friendly[2], friendly[3],
	{"endless", `{"code":"for(;;);","timeout":0.3}`, "TIMEOUT", ""},
}

// callLimit bounds a call, and whatever else is asked of a session: what takes longer hangs.
const callLimit = 90 * time.Second

// A bearer gives each request a key.
type bearer struct {
	key     string
	through http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.through.RoundTrip(r)
}

// converse is a client of the Model Context Protocol of one tenant's, that calls the tool for code again and again, and begins a session anew
// where it has lost one.
func (l *load) converse(ctx, asking context.Context, tenant int) {
	client := sdk.NewClient(&sdk.Implementation{Name: "soak", Version: "1"}, nil)
	var session *sdk.ClientSession
	leave := func() {
		if session != nil {
			_ = session.Close() // its server may be gone
			session = nil
		}
	}
	defer leave()
	l.askOnAndOn(asking, func() bool {
		limit, cancel := context.WithTimeout(ctx, callLimit)
		defer cancel()
		if session == nil {
			begun, err := client.Connect(ctx, &sdk.StreamableClientTransport{
				Endpoint: l.server.url("/mcp"), HTTPClient: &http.Client{Transport: bearer{l.keys[tenant], l.client.Transport}},
			}, nil)
			if err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.round.calls.putOff(0, err)
			}
			session = begun
		}
		later, lost := l.call(limit, session)
		if lost {
			leave()
		}
		return later
	})
}

// call calls the tool once, and reports whether it is to be called later, and whether the session is of no use any more.
func (l *load) call(ctx context.Context, session *sdk.ClientSession) (later, lost bool) {
	k := callKinds[l.next.Add(1)%uint64(len(callKinds))]
	began := time.Now()
	r, err := session.CallTool(ctx, &sdk.CallToolParams{Name: "execute_code", Arguments: json.RawMessage(k.body)})
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.round.calls
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		l.wrong("call %s: neither an answer nor an error within %v: %v", k.name, callLimit, err)
		return true, true
	case err != nil && l.round.name == calm:
		l.wrong("call %s: %v", k.name, err)
	}
	if t.putOff(0, err) {
		return true, true
	}
	return l.judgeCall(t, k, r, took), false
}

// judgeCall looks at a call's answer, and reports whether it is to be called later. mu is held.
func (l *load) judgeCall(t *tally, k kind, r *sdk.CallToolResult, took time.Duration) (later bool) {
	if r.StructuredContent == nil { // it has not run
		text := ""
		if len(r.Content) == 1 {
			if words, ok := r.Content[0].(*sdk.TextContent); ok {
				text = words.Text
			}
		}
		switch {
		case r.IsError && strings.Contains(text, "Try again in "):
			return t.putOff(http.StatusServiceUnavailable, nil)
		case r.IsError && strings.HasPrefix(text, executions.failed) && l.round.name != calm:
			t.answer(took)
			t.others[executions.failed]++
			return true
		}
		l.wrong("call %s: %.200s", k.name, text)
		return true
	}
	var got result
	body, err := json.Marshal(r.StructuredContent)
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	if err != nil {
		l.wrong("call %s: %.200s", k.name, body)
		return false
	}
	t.answer(took)
	l.compare(t, "call", k, got.ResultCode, string(got.Output))
	return false
}
