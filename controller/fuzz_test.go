package controller

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"glovebox/api"
)

// FuzzExecutions posts arbitrary bodies. Whatever comes, the server answers with a result or with a
// problem that is the client's, and says either as the document does.
func FuzzExecutions(f *testing.F) {
	for _, body := range []string{
		"", "{", "{}", "[]", "null", `{"code":"output = 1"}`, `{"code":""}`, `{"code":"1","inputData":{"a":[1,2,{"b":null}]}}`,
		`{"code":"1","inputData":{"a":}}`, `{"code":"1","code":"2"}`, `{"code":"1","timeoutSeconds":1e400}`, `{"code":"1","seed":9007199254740993}`,
		`{"code":"1","memoryLimitMB":64.0,"cpus":0.1,"language":"typescript","now":"2026-01-31T12:00:00.5Z"}`, "{\"code\":\"\xff\"}",
		`{"code":"\ud800"}`, `{"code":"1"}{"code":"2"}`, "\ufeff{}", `{"code":"1","inputData":` + strings.Repeat("[", 2000),
		`{"a` + strings.Repeat("b", 200) + `":1}`, `{"\u0000":1}`, `{"code":"1","now":"0000-01-01T00:00:00Z"}`, `{"code":"1","inputData":-0.0e-0}`,
	} {
		f.Add([]byte(body))
	}
	s := testServer(f, succeeds)
	f.Fuzz(func(t *testing.T, body []byte) {
		r := request(http.MethodPost, "/v1/executions", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		a := ask(t, s, r)
		switch a.status {
		case http.StatusOK:
			a.result(t)
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if p := a.problem(t); p.Detail == "" || p.ResultCode == api.ExecutionFailed {
				t.Errorf("problem %+v", p)
			}
		default:
			t.Errorf("status %d: %s", a.status, a.body)
		}
		if s.held.used != 0 {
			t.Errorf("%d bytes are still counted", s.held.used)
		}
	})
}

// FuzzGuard sends arbitrary Host and Origin headers. What passes names loopback at our port, and an
// Origin that passes is the host's own.
func FuzzGuard(f *testing.F) {
	for _, pair := range [][2]string{
		{"localhost:8080", "http://localhost:8080"}, {"127.0.0.1:8080", ""}, {"[::1]:8080", "http://[::1]:8080"}, {"evil.example.com:8080", "null"},
		{"localhost:8080", "http://evil@localhost:8080"}, {"localhost:8080", "http://localhost:8080#"}, {"[::1%25lo]:8080", "x"}, {"127.0.0.1.:8080", ""},
	} {
		f.Add(pair[0], pair[1])
	}
	rule, err := newHostRule(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, host, origin string) {
		r := request(http.MethodGet, "/healthz", nil)
		r.Host = host
		if origin != "" {
			r.Header["Origin"] = []string{origin}
		}
		if rule.check(r) != nil {
			return
		}
		lower := strings.ToLower(host)
		if !strings.HasSuffix(lower, ":8080") || !(strings.HasPrefix(lower, "localhost:") || strings.HasPrefix(lower, "127.") || strings.HasPrefix(lower, "[")) {
			t.Errorf("Host %q passed", host)
		}
		if origin != "" && !strings.EqualFold(origin, "http://"+host) && !strings.EqualFold(origin, "https://"+host) {
			t.Errorf("Host %q passed with Origin %q", host, origin)
		}
	})
}

// TestRecorderIsEnough: the tests above go without a connection; a writer without deadlines must do.
func TestRecorderIsEnough(t *testing.T) {
	recorder := httptest.NewRecorder()
	testServer(t, succeeds).ServeHTTP(recorder, post(`{"code":"1"}`))
	if recorder.Code != http.StatusOK {
		t.Errorf("status %d", recorder.Code)
	}
}
