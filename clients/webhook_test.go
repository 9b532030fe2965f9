package clients_test

import (
	"bufio"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The example takes what Standard Webhooks' own library signs, once, and nothing else.
func TestWebhookReceiver(t *testing.T) {
	needNode(t)
	readSources(t, "../examples")
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "../examples/webhook-receiver.mjs")
	cmd.Env = append(cmd.Environ(), "WEBHOOK_SECRET="+secret, "PORT=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	next := func() string {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("it has ended", lines.Err())
		}
		return lines.Text()
	}
	url, ok := strings.CutPrefix(next(), "listening on ")
	if !ok {
		t.Fatal("it does not say where it listens")
	}
	post := func(id string, at time.Time, body string, change func(http.Header, *string)) int {
		t.Helper()
		signature, err := signer.Sign(id, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		header.Set("webhook-id", id)
		header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		header.Set("webhook-signature", signature)
		if change != nil {
			change(header, &body)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		response, err := http.DefaultClient.Do(request)
		if err != nil { // it need not read what is too long
			t.Log(err)
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	now := time.Now()
	event := func(id string) string {
		return `{"type":"execution.ended","timestamp":"2026-11-29T12:00:00Z","data":{"id":"` + id + `","state":"ended","createdAt":"2026-11-29T12:00:00Z","resultCode":"SUCCESS"}}`
	}
	for name, change := range map[string]func(http.Header, *string){
		"another body":        func(_ http.Header, body *string) { *body += " " },
		"another id":          func(h http.Header, _ *string) { h.Set("webhook-id", "evt_2") },
		"another time":        func(h http.Header, _ *string) { h.Set("webhook-timestamp", strconv.FormatInt(now.Unix()+1, 10)) },
		"no time":             func(h http.Header, _ *string) { h.Set("webhook-timestamp", "now") },
		"no signature":        func(h http.Header, _ *string) { h.Del("webhook-signature") },
		"no headers":          func(h http.Header, _ *string) { clear(h) },
		"half a signature":    func(h http.Header, _ *string) { h.Set("webhook-signature", h.Get("webhook-signature")[:20]) },
		"an empty signature":  func(h http.Header, _ *string) { h.Set("webhook-signature", "v1,") },
		"another version":     func(h http.Header, _ *string) { h.Set("webhook-signature", "v2"+h.Get("webhook-signature")[2:]) },
		"megabytes of a body": func(_ http.Header, body *string) { *body = strings.Repeat("x", 1<<20) },
	} {
		want := []int{http.StatusBadRequest}
		if strings.HasPrefix(name, "megabytes") {
			want = []int{http.StatusRequestEntityTooLarge, 0}
		}
		if status := post("evt_1", now, event("1"), change); !slices.Contains(want, status) {
			t.Errorf("%s: %d", name, status)
		}
	}
	for name, at := range map[string]time.Time{"old": now.Add(-10 * time.Minute), "early": now.Add(10 * time.Minute)} {
		if status := post("evt_1", at, event("1"), nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	rotated := func(h http.Header, _ *string) {
		h.Set("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= "+h.Get("webhook-signature"))
	}
	for range 2 { // the second time it is known
		if status := post("evt_1", now, event("1"), nil); status != http.StatusNoContent {
			t.Errorf("as it was signed: %d", status)
		}
	}
	run := `{"type":"agent.run.ended","timestamp":"2026-11-29T12:00:00Z","data":{"id":"3","agent":"codesmith","state":"ended","createdAt":"2026-11-29T12:00:00Z","resultCode":"COMPLETE"}}`
	if status := post("evt_2", now, event("2"), rotated); status != http.StatusNoContent {
		t.Errorf("with another signature before it: %d", status)
	}
	if status := post("evt_3", now, run, nil); status != http.StatusNoContent {
		t.Errorf("a run of an agent: %d", status)
	}
	for _, want := range []string{"execution.ended 1 SUCCESS", "execution.ended 2 SUCCESS", "agent.run.ended 3 COMPLETE"} {
		if got := next(); got != want {
			t.Errorf("it printed %q, want %q", got, want)
		}
	}
}
