package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
)

const success = `{"id":"1","success":true,"resultCode":"SUCCESS","output":42,"logs":[],"executionTimeMs":1,"queueTimeMs":2,` +
	`"usage":{"cpuMs":0,"peakMemoryBytes":0},"truncated":{"logs":false,"output":false},"warnings":[],"isolation":{"driver":"oci","runtime":"runc","userNamespace":true,"layers":[]}}`

func newClient(t *testing.T, config Config) *Client {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func answer(w http.ResponseWriter, status int, mediaType, body string) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func problem(w http.ResponseWriter, status int, kind, rest string) {
	answer(w, status, problemType, fmt.Sprintf(`{"type":"urn:glovebox:problem:%s","title":"T","status":%d,"detail":"D","requestId":"R"%s}`, kind, status, rest))
}

func TestNewRefusesAddresses(t *testing.T) {
	for _, base := range []string{
		"", "127.0.0.1:8080", "localhost", "ftp://localhost", "unix:///run/glovebox", "http://", "http://:8080", "http://localhost/?a=1", "http://localhost?",
		"http://localhost/#a", "http://user:hunter2@localhost", "http://local host", "http://user:hunter2@[::1",
	} {
		_, err := New(Config{BaseURL: base})
		if err == nil {
			t.Errorf("%q is taken", base)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error tells a password: %v", base, err)
		}
	}
	if _, err := New(Config{BaseURL: "http://localhost", RetryFor: -1}); err == nil {
		t.Error("a negative RetryFor is taken")
	}
}

// What is asked arrives byte for byte, at the path behind the base's own, with what Authorize adds.
func TestExecuteSendsTheRequest(t *testing.T) {
	var got struct {
		path, body string
		header     http.Header
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.path, got.body, got.header = r.Method+" "+r.URL.Path, string(body), r.Header
		answer(w, 200, "application/json; charset=utf-8", success)
	})
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, base := range []string{url + "/behind", url + "/behind/"} {
		c := newClient(t, Config{BaseURL: base, Authorize: func(h http.Header) { h.Set("Authorization", "Bearer so") }})
		result, err := c.Execute(t.Context(), api.Request{
			Code: "return '<b>&\u2028'", InputData: json.RawMessage(`{"a":"<\ud800>"}`), Seed: new(int64(7)), Now: &now,
		})
		if err != nil || string(result.Output) != "42" || result.Isolation.Driver != "oci" {
			t.Fatalf("%+v, %v", result, err)
		}
		want := `{"code":"return '<b>&\u2028'","inputData":{"a":"<\ud800>"},"seed":7,"now":"2026-01-31T12:00:00Z"}` + "\n"
		if got.path != "POST /behind/v1/executions" || got.body != want {
			t.Errorf("%s %q, want %q", got.path, got.body, want)
		}
		if got.header.Get("Authorization") != "Bearer so" || got.header.Get("Content-Type") != "application/json" || got.header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%v", got.header)
		}
	}
}

// What JSON could hold only changed never leaves.
func TestExecuteRefusesWhatItCannotSend(t *testing.T) {
	c := newClient(t, Config{BaseURL: serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })})
	for _, request := range []api.Request{
		{Code: "return '\xff'"},
		{Code: "1", InputData: json.RawMessage(`{"a":1,"a":2}`)},
		{Code: "1", InputData: json.RawMessage(``)},
		{Code: "1", InputData: json.RawMessage("\"\xff\"")},
		{Code: "1", Now: new(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))},
	} {
		_, err := c.Execute(t.Context(), request)
		var refused *api.Error
		if !errors.As(err, &refused) {
			t.Errorf("%+v: %v", request, err)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		status     int
		kind, rest string
		header     string
		want       ProblemError
	}{
		{400, "invalid-request", `,"field":"code","resultCode":"MISSING_CODE"`, "", ProblemError{Problem: api.Problem{Field: "code", ResultCode: api.MissingCode}}},
		{403, "forbidden-origin", "", "", ProblemError{}},
		{413, "too-large", `,"field":"inputData"`, "", ProblemError{Problem: api.Problem{Field: "inputData"}}},
		{500, "internal", `,"resultCode":"EXECUTION_FAILED"`, "", ProblemError{Problem: api.Problem{ResultCode: api.ExecutionFailed}}},
		{503, "busy", `,"new":{"member":1}`, "7", ProblemError{RetryAfter: 7 * time.Second}},
		{503, "busy", "", "Wed, 21 Oct 2015 07:28:00 GMT", ProblemError{}},
		{503, "busy", "", "-1", ProblemError{}},
		{503, "busy", "", "4000000000", ProblemError{RetryAfter: maxRetryAfter}},
		{429, "quota-exceeded", `,"quota":"requestsPerMinute","limit":60,"used":60`, "1",
			ProblemError{Problem: api.Problem{Quota: "requestsPerMinute", Limit: new(60.0), Used: new(60.0)}, RetryAfter: time.Second}},
		{403, "quota-forbidden", `,"quota":"languages","field":"language","allowed":[]`, "",
			ProblemError{Problem: api.Problem{Quota: "languages", Field: "language", Allowed: []string{}}}},
		{429, "some-later-kind", "", "1", ProblemError{RetryAfter: time.Second}},
	} {
		asked := 0
		client := newClient(t, Config{BaseURL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			problem(w, c.status, c.kind, c.rest)
		})})
		_, err := client.Execute(t.Context(), api.Request{Code: "1"})
		var got *ProblemError
		if !errors.As(err, &got) {
			t.Fatalf("%d %s: %v", c.status, c.kind, err)
		}
		c.want.Type, c.want.Title, c.want.Status, c.want.Detail, c.want.RequestID = "urn:glovebox:problem:"+c.kind, "T", c.status, "D", "R"
		var quota *QuotaError
		if errors.As(err, &quota) != (c.want.Quota != "") {
			t.Errorf("%d %s: %T", c.status, c.kind, err)
		}
		if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%+v, want %+v", *got, c.want)
		}
		if asked != 1 {
			t.Errorf("%d %s: asked %d times", c.status, c.kind, asked)
		}
	}
}

// with changes one text of a good result.
func with(old, now string) string {
	if !strings.Contains(success, old) {
		panic(old)
	}
	return strings.Replace(success, old, now, 1)
}

// What is no answer of a Glovebox is told from what is, whoever gives it.
func TestHostileAnswers(t *testing.T) {
	deep := strings.Repeat("[", 1100) + strings.Repeat("]", 1100)
	for name, handler := range map[string]http.HandlerFunc{
		"a page":          func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "text/html", success) },
		"no type":         func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "", success) },
		"a proxy's page":  func(w http.ResponseWriter, _ *http.Request) { answer(w, 502, "text/html", "<h1>Bad Gateway") },
		"another success": func(w http.ResponseWriter, _ *http.Request) { answer(w, 201, jsonType, success) },
		"nothing":         func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, "") },
		"no content":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"half":            func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, success[:40]) },
		"two":             func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, success+success) },
		"a key twice": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonType, with(`{"id"`, `{"id":"0","id"`))
		},
		"bad UTF-8":    func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`42`, "\"\xff\"")) },
		"too deep":     func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`42`, deep)) },
		"a wrong kind": func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`"logs":[]`, `"logs":{}`)) },
		"no id":        func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`"id":"1"`, `"id":""`)) },
		"no logs":      func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`"logs":[],`, ``)) },
		"no output":    func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`"output":42,`, ``)) },
		"a success with error": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonType, with(`"output":42,`, `"output":42,"error":{"name":"E","message":"m"},`))
		},
		"output of a failure": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonType, with(`true,"resultCode":"SUCCESS"`, `false,"resultCode":"TIMEOUT"`))
		},
		"failed with success": func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`true,`, `false,`)) },
		"an unknown code":     func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonType, with(`SUCCESS`, `FINE`)) },
		"a refusal's code": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonType, with(`true,"resultCode":"SUCCESS","output":42`, `false,"resultCode":"MISSING_CODE"`))
		},
		"an unknown level": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonType, with(`"logs":[]`, `"logs":[{"level":"x","message":"","atMs":0}]`))
		},
		"too many logs": func(w http.ResponseWriter, _ *http.Request) {
			entry := `{"level":"log","message":"","atMs":0}`
			answer(w, 200, jsonType, with(`"logs":[]`, `"logs":[`+entry+strings.Repeat(","+entry, api.MaxLogEntries)+`]`))
		},
		"too large an output": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonType, with(`42`, `"`+strings.Repeat("x", api.MaxOutputBytes)+`"`))
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			for chunk := []byte(strings.Repeat(" ", 64<<10)); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"encoded": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answer(w, 200, jsonType, success)
		},
		"sent elsewhere": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/executions" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"another status":       func(w http.ResponseWriter, _ *http.Request) { answer(w, 500, problemType, `{"type":"a","status":400}`) },
		"a problem of no type": func(w http.ResponseWriter, _ *http.Request) { answer(w, 500, problemType, `{"status":500}`) },
		"an endless problem": func(w http.ResponseWriter, _ *http.Request) {
			problem(w, 500, "internal", strings.Repeat(" ", maxProblemBytes))
		},
		"plain JSON's problem": func(w http.ResponseWriter, _ *http.Request) { answer(w, 500, jsonType, `{"type":"a","status":500}`) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Config{BaseURL: serve(t, handler)})
			result, err := c.Execute(t.Context(), api.Request{Code: "1"})
			var wrong *AnswerError
			if !errors.As(err, &wrong) {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

// A server that is not there, or that breaks off, is told from one that refuses.
func TestConnectionErrors(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + listener.Addr().String()
	listener.Close()
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		answer(w, 200, jsonType, success[:40])
	})
	for _, base := range []string{gone, cut} {
		_, err := newClient(t, Config{BaseURL: base}).Execute(t.Context(), api.Request{Code: "1"})
		var lost *ConnectionError
		if !errors.As(err, &lost) || strings.Count(err.Error(), base) != 1 {
			t.Errorf("%v", err)
		}
	}
}

// When ctx ends the server sees the connection close, and the error is ctx's own.
func TestCancelClosesTheConnection(t *testing.T) {
	for _, sent := range []string{"", success[:40]} {
		began, closed := make(chan struct{}), make(chan struct{})
		c := newClient(t, Config{BaseURL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if sent != "" {
				answer(w, 200, jsonType, sent)
				w.(http.Flusher).Flush()
			}
			close(began)
			<-r.Context().Done()
			close(closed)
		})})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-began
			cancel()
		}()
		if _, err := c.Execute(ctx, api.Request{Code: "1"}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-closed
	}
}

// answers gives its answers in turn, the last one for ever.
type answers struct {
	t       *testing.T
	given   []reply
	askedAt []time.Duration
	began   time.Time
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.askedAt = append(a.askedAt, time.Since(a.began))
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != "{\"code\":\"1\"}\n" {
		a.t.Errorf("try %d sends %q", len(a.askedAt), body)
	}
	w := httptest.NewRecorder()
	a.given[min(len(a.askedAt), len(a.given))-1](w)
	return w.Result(), nil
}

type reply func(http.ResponseWriter)

func fine(w http.ResponseWriter) { answer(w, 200, jsonType, success) }

func busy(retryAfter, rest string) reply { return unavailable("busy", retryAfter, rest) }

func unavailable(kind, retryAfter, rest string) reply {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", retryAfter)
		problem(w, 503, kind, rest)
	}
}

func TestRetryFor(t *testing.T) {
	for _, c := range []struct {
		name     string
		retryFor time.Duration
		given    []reply
		fails    bool
		asked    []time.Duration
	}{
		{"not asked for", 0, []reply{busy("1", ""), fine}, true, []time.Duration{0}},
		{"until there is a place", time.Minute, []reply{busy("1", ""), busy("5", ""), fine}, false, []time.Duration{0, time.Second, 6 * time.Second}},
		{"no longer than allowed", 5 * time.Second, []reply{busy("2", "")}, true, []time.Duration{0, 2 * time.Second, 4 * time.Second}},
		{"never as long as a server wishes", time.Minute, []reply{busy("61", ""), fine}, true, []time.Duration{0}},
		{"not where it says not when", time.Minute, []reply{busy("", ""), fine}, true, []time.Duration{0}},
		{"until there is a record", time.Minute, []reply{unavailable("unrecorded", "5", ""), fine}, false, []time.Duration{0, 5 * time.Second}},
		{"not what ran and is not recorded", time.Minute, []reply{unavailable("unrecorded", "5", `,"resultCode":"EXECUTION_FAILED"`), fine}, true, []time.Duration{0}},
		{"not what may have run", time.Minute, []reply{busy("1", `,"resultCode":"CANCELLED"`), fine}, true, []time.Duration{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &answers{t: t, given: c.given, began: time.Now()}
				client := newClient(t, Config{BaseURL: "http://localhost", Transport: server, RetryFor: c.retryFor})
				_, err := client.Execute(t.Context(), api.Request{Code: "1"})
				if (err != nil) != c.fails || fmt.Sprint(server.askedAt) != fmt.Sprint(c.asked) {
					t.Errorf("%v; asked at %v, want %v", err, server.askedAt, c.asked)
				}
			})
		})
	}
	t.Run("ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			server := &answers{t: t, given: []reply{busy("30", "")}, began: time.Now()}
			client := newClient(t, Config{BaseURL: "http://localhost", Transport: server, RetryFor: time.Hour})
			if _, err := client.Execute(ctx, api.Request{Code: "1"}); !errors.Is(err, context.DeadlineExceeded) || time.Since(server.began) != time.Second {
				t.Errorf("%v after %v", err, time.Since(server.began))
			}
		})
	})
}

func TestInfo(t *testing.T) {
	c := newClient(t, Config{BaseURL: serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/v1/info" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		answer(w, 200, jsonType, `{"build":{"version":"v1","commit":"c"},"later":1,"limits":{"cpus":{"min":0.1,"max":2,"default":1}}}`)
	})})
	info, err := c.Info(t.Context())
	if err != nil || info.Build.Version != "v1" || info.Limits.CPUs.Max != 2 {
		t.Errorf("%+v, %v", info, err)
	}
}

// Whatever bytes come, a result is one that the contract allows, or there is an error.
func FuzzResult(f *testing.F) {
	f.Add([]byte(success))
	f.Add([]byte(with(`42`, `null`)))
	f.Add([]byte(with(`true,"resultCode":"SUCCESS","output":42`, `false,"resultCode":"TIMEOUT","error":{"name":"E","message":"m","line":3}`)))
	f.Add([]byte(`{"Success":true,"success":false}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		answer(w, 200, jsonType, string(body))
		c := newClient(t, Config{BaseURL: "http://localhost"})
		read, err := c.read(t.Context(), w.Result(), maxResultBytes)
		if err != nil {
			return
		}
		result, err := decodeResult(read)
		if err != nil {
			return
		}
		if info, known := result.ResultCode.Info(); !known || info.HTTPStatus != 200 || result.Success != (result.Output != nil) || result.Logs == nil {
			t.Errorf("%q gives %+v", body, result)
		}
	})
}

// Whoever wants the whole attestation asks for it, and gets what the server makes.
func TestFullAttestation(t *testing.T) {
	whole := api.Attest(api.Statement{Checks: []api.Check{{Claim: "user", Where: api.Inside, Wanted: "1", Seen: "1"}}})
	var asked string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RequestURI()
		body, err := json.Marshal(api.Result{
			ID: "1", Success: true, ResultCode: api.Success, Output: json.RawMessage("1"), Logs: []api.Log{}, Warnings: []string{},
			Isolation: api.Isolation{Layers: []string{}, Attestation: whole.InFull()},
		})
		if err != nil {
			t.Error(err)
		}
		answer(w, http.StatusOK, "application/json", string(body))
	})
	for full, want := range map[bool]string{false: "/v1/executions", true: "/v1/executions?attestation=full"} {
		result, err := newClient(t, Config{BaseURL: url, FullAttestation: full}).Execute(t.Context(), api.Request{Code: "1"})
		if err != nil || asked != want {
			t.Errorf("%s was asked for, %v; want %s", asked, err, want)
		}
		if got := result.Isolation.Attestation; got == nil || got.Statement == nil || got.Digest != whole.Digest || len(got.InFull().Statement.Checks) != 1 {
			t.Errorf("%+v", got)
		}
	}
}

// A key goes where nobody can read it on the way, and into no error.
func TestKey(t *testing.T) {
	const key = "gbx_id_secret"
	for name, c := range map[string]struct {
		config  Config
		refused string // a part of why; "" is not
	}{
		"this machine":        {Config{BaseURL: "http://127.0.0.1:1", Key: key}, ""},
		"this one, IPv6":      {Config{BaseURL: "http://[::1]:1", Key: key}, ""},
		"this one, by name":   {Config{BaseURL: "http://LocalHost:1", Key: key}, ""},
		"over TLS":            {Config{BaseURL: "https://box.test", Key: key}, ""},
		"without a key":       {Config{BaseURL: "http://box.test"}, ""},
		"in the clear":        {Config{BaseURL: "http://box.test:81", Key: key}, "plain http to box.test:81"},
		"a name that is near": {Config{BaseURL: "http://localhost.test", Key: key}, "plain http"},
		"in the clear, yes":   {Config{BaseURL: "http://box.test", Key: key, AllowPlainHTTP: true}, ""},
		"a line":              {Config{BaseURL: "https://box.test", Key: key + "\n"}, "end of a line"},
		"two words":           {Config{BaseURL: "https://box.test", Key: "Bearer " + key}, "a blank"},
	} {
		_, err := New(c.config)
		if (err == nil) != (c.refused == "") || err != nil && (!strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Values("Authorization")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	if _, err := newClient(t, Config{BaseURL: server.URL, Key: key}).Info(t.Context()); err == nil {
		t.Error("a teapot has told what it is")
	}
	if len(got) != 1 || got[0] != "Bearer "+key {
		t.Errorf("Authorization: %q", got)
	}
}
