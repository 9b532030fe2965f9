package controller

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/queue"
	"glovebox/internal/sandbox"
)

func TestBadRequests(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, body string
		status     int
		field      string
		code       api.ResultCode
		detail     string // a part of it
	}{
		{"nothing", "", 400, "", "", "unexpected end"},
		{"no JSON", "code=1", 400, "", "", "byte 0"},
		{"no object", `"x"`, 400, "", "", "JSON object"},
		{"an empty batch", "[]", 400, "", "", "holds 0 requests"},
		{"a large batch", "[" + strings.Repeat(`{"code":"1"},`, api.MaxBatch) + `{"code":"1"}]`, 400, "", "", "holds 101 requests"},
		{"half a batch", `[{"code":"1"},`, 400, "", "", "unexpected end"},
		{"a batch with a fault", `[{"code":"1"},{"code":1}]`, 400, "[1].code", "", "string"},
		{"a batch with no code", `[{"code":"1"},{}]`, 400, "[1].code", api.MissingCode, "no code"},
		{"a batch in a batch", `[[{"code":"1"}]]`, 400, "[0]", "", "JSON object"},
		{"null", "null", 400, "", "", "JSON object"},
		{"half of it", `{"code":"1"`, 400, "", "", "byte 11"},
		{"two documents", `{"code":"1"} {"code":"2"}`, 400, "", "", "byte 13"},
		{"bad UTF-8", "{\"code\":\"\xff\"}", 400, "", "", "byte 9"},
		{"a key twice", `{"code":"1","code":"2"}`, 400, "", "", `duplicate key "code"`},
		{"an escaped key twice", `{"code":"1","\u0063ode":"2"}`, 400, "", "", "duplicate key"},
		{"unknown field", `{"code":"1","Code":"2"}`, 400, "Code", "", "is not a field"},
		{"no code", `{}`, 400, "code", api.MissingCode, "no code"},
		{"blank code", `{"code":" \n\t\ufeff"}`, 400, "code", api.MissingCode, "no code"},
		{"null code", `{"code":null}`, 400, "code", "", "string"},
		{"code that is a number", `{"code":1}`, 400, "code", "", "string"},
		{"unknown language", `{"code":"1","language":"python"}`, 400, "language", "", "javascript"},
		{"language of a wrong type", `{"code":"1","language":1}`, 400, "language", "", "string"},
		{"input that does not parse", `{"code":"1","inputData":{"a":}}`, 400, "inputData", api.InvalidInputData, "byte 29"},
		{"input with a key twice", `{"code":"1","inputData":{"a":1,"a":2}}`, 400, "inputData", api.InvalidInputData, `duplicate key "a"`},
		{"input that is too deep", `{"code":"1","inputData":` + deep(api.MaxDepth+1) + `}`, 400, "inputData", api.InvalidInputData, "deep"},
		{"input that is far too deep", `{"code":"1","inputData":` + deep(100_000) + `}`, 400, "inputData", api.InvalidInputData, "deep"},
		{"timeout of 0", `{"code":"1","timeoutSeconds":0}`, 400, "timeoutSeconds", "", "from 0.1 to 300"},
		{"negative timeout", `{"code":"1","timeoutSeconds":-1}`, 400, "timeoutSeconds", "", "-1"},
		{"long timeout", `{"code":"1","timeoutSeconds":300.0001}`, 400, "timeoutSeconds", "", "300.0001"},
		{"huge timeout", `{"code":"1","timeoutSeconds":1e999}`, 400, "timeoutSeconds", "", "number"},
		{"timeout in words", `{"code":"1","timeoutSeconds":"30"}`, 400, "timeoutSeconds", "", "number"},
		{"null timeout", `{"code":"1","timeoutSeconds":null}`, 400, "timeoutSeconds", "", "number"},
		{"little memory", `{"code":"1","memoryLimitMB":15}`, 400, "memoryLimitMB", "", "from 16 to 2048"},
		{"much memory", `{"code":"1","memoryLimitMB":2049}`, 400, "memoryLimitMB", "", "2049"},
		{"broken memory", `{"code":"1","memoryLimitMB":16.5}`, 400, "memoryLimitMB", "", "whole number"},
		{"few cpus", `{"code":"1","cpus":0.05}`, 400, "cpus", "", "from 0.1 to 4"},
		{"more cpus than there are", `{"code":"1","cpus":4.5}`, 400, "cpus", "", "from 0.1 to 4"},
		{"seed that is no whole number", `{"code":"1","seed":0.5}`, 400, "seed", "", "whole number"},
		{"now that is no time", `{"code":"1","now":"yesterday"}`, 400, "now", "", "RFC 3339"},
		{"large code", `{"code":"` + strings.Repeat("a", api.MaxCodeBytes+1) + `"}`, 413, "code", "", "1048577"},
		{"large input", `{"code":"1","inputData":"` + strings.Repeat("a", api.MaxInputBytes-1) + `"}`, 413, "inputData", api.InvalidInputData, "16777217"},
		{"large body", `{"code":"1"` + strings.Repeat(" ", api.MaxBodyBytes) + `}`, 413, "", "", "23134208"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) {
				t.Error("it was run")
				return api.Result{}, nil
			}))
			a := ask(t, s, post(c.body))
			p := a.problem(t)
			if a.status != c.status || p.Status != c.status || p.Field != c.field || p.ResultCode != c.code || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("got %d, %+v", a.status, p)
			}
			if got := a.header.Get("Content-Type"); got != problemType {
				t.Errorf("Content-Type is %q", got)
			}
			if used := s.held.used; used != 0 {
				t.Errorf("%d bytes of bodies are still counted", used)
			}
		})
	}
}

// TestLargestRequest sends each part as large as it may be, every byte of the code escaped.
func TestLargestRequest(t *testing.T) {
	s := testServer(t, executorFunc(func(_ context.Context, r api.Request) (api.Result, error) {
		if len(r.Code) != api.MaxCodeBytes || len(r.InputData) != api.MaxInputBytes {
			t.Errorf("%d bytes of code and %d of data arrived", len(r.Code), len(r.InputData))
		}
		r.InputData = nil
		return success(r), nil
	}))
	body := `{"code":"` + strings.Repeat(`\u0061`, api.MaxCodeBytes) + `","inputData":"` + strings.Repeat("a", api.MaxInputBytes-2) + `"}`
	ask(t, s, post(body)).result(t)
}

// TestChunkedBodyIsBounded sends a body whose length no header tells.
func TestChunkedBodyIsBounded(t *testing.T) {
	r := request(http.MethodPost, "/v1/executions", io.MultiReader(strings.NewReader(strings.Repeat(" ", api.MaxBodyBytes+1))))
	r.Header.Set("Content-Type", "application/json")
	if r.ContentLength != -1 {
		t.Fatal("the body has a length")
	}
	if a := ask(t, testServer(t, succeeds), r); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", a.status)
	}
}

// TestBodiesAreBoundedTogether fills the memory that all bodies may take.
func TestBodiesAreBoundedTogether(t *testing.T) {
	s := testServer(t, succeeds, func(_ *Config, b *bounds) { b.heldBytes = 100 })
	if !s.held.take("", 90) {
		t.Fatal("no room")
	}
	a := ask(t, s, post(`{"code":"output = 1"}`))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	s.held.give("", 90)
	ask(t, s, post(`{"code":"output = 1"}`)).result(t)
	if s.held.used != 0 {
		t.Errorf("%d bytes are still counted", s.held.used)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	var got api.Request
	s := testServer(t, executorFunc(func(_ context.Context, r api.Request) (api.Result, error) {
		got = r
		return success(r), nil
	}))
	ask(t, s, post(`{"code":"output = 1"}`)).result(t)
	if *got.TimeoutSeconds != 30 || *got.MemoryLimitMB != 128 || *got.CPUs != 1 || got.Language != api.JavaScript ||
		got.InputData != nil || got.Seed != nil || got.Now != nil {
		t.Errorf("got %+v", got)
	}
	ask(t, s, post(`{"code":"output = 1","language":"typescript","inputData":null,"timeoutSeconds":0.1,"memoryLimitMB":2048,"cpus":4,`+
		`"seed":-9223372036854775808,"now":"2026-01-31T12:00:00+01:00"}`)).result(t)
	if *got.TimeoutSeconds != 0.1 || *got.MemoryLimitMB != 2048 || *got.CPUs != 4 || got.Language != api.TypeScript ||
		string(got.InputData) != "null" || *got.Seed != math.MinInt64 || got.Now.UTC().Hour() != 11 {
		t.Errorf("got %+v", got)
	}
}

// TestOutputGoesOutAsItCame proves that nothing decodes the output on its way: numbers keep their
// digits, keys their order, and nothing is escaped that was not.
func TestOutputGoesOutAsItCame(t *testing.T) {
	const data = `{"z":12345678901234567890.10,"a":"<b>&\ud800é\u2028` + "\u2028" + `","e":1E+2}`
	a := ask(t, testServer(t, succeeds), post(`{"code":"output = input","inputData":`+data+`}`))
	if a.status != http.StatusOK || !strings.Contains(string(a.body), `"output":`+data+`,`) {
		t.Errorf("status %d\n%s", a.status, a.body)
	}
}

// TestEveryResultOfAScript sends each code that a script can end with.
func TestEveryResultOfAScript(t *testing.T) {
	for _, row := range api.Codes() {
		t.Run(string(row.Code), func(t *testing.T) {
			result := api.Result{ID: "x", ResultCode: row.Code, Error: &api.ScriptError{Name: "E", Message: "m", Line: 1, Column: 2, Stack: "s"},
				Logs:     []api.Log{{Level: api.LevelWarn, Message: "\x1b[31m<red>", AtMs: 1}},
				Warnings: []string{"output.a was a Map"}, Truncated: api.Truncation{Logs: true},
				Isolation: api.Isolation{Driver: "oci", Runtime: "runsc", Layers: []string{"engine"}}}
			if row.Code == api.Success {
				result.Success, result.Error, result.Output = true, nil, json.RawMessage("null")
			}
			a := ask(t, testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return result, nil })),
				post(`{"code":"1"}`))
			if row.HTTPStatus != http.StatusOK {
				// Not a script's code: an executor that says so is at fault.
				if p := a.problem(t); a.status != http.StatusInternalServerError || p.ResultCode != api.ExecutionFailed {
					t.Errorf("got %d, %+v", a.status, p)
				}
				return
			}
			got := a.result(t)
			if got.ResultCode != row.Code || a.header.Get("Content-Type") != "application/json" || a.header.Get(headerRequestID) == "" {
				t.Errorf("got %+v, %v", got, a.header)
			}
			if row.Code != api.Success && got.Logs[0] != result.Logs[0] {
				t.Errorf("the logs are %+v", got.Logs)
			}
		})
	}
}

func TestBrokenResultsAreOurFailure(t *testing.T) {
	for name, result := range map[string]api.Result{
		"a code that there is not": {ID: "x", ResultCode: "SURPRISE"},
		"no code":                  {},
		"output that is no JSON":   {ID: "x", ResultCode: api.Success, Success: true, Output: json.RawMessage("{")},
	} {
		t.Run(name, func(t *testing.T) {
			s := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return result, nil }))
			if a := ask(t, s, post(`{"code":"1"}`)); a.status != http.StatusInternalServerError {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
}

// busyError is an error as the executor's is.
type busyError time.Duration

func (b busyError) Error() string             { return "busy" }
func (b busyError) RetryAfter() time.Duration { return time.Duration(b) }

// withheld is an error of what has run, and cannot be recorded.
type withheld struct{}

func (withheld) Error() string  { return "the disk with /run/secret is full" }
func (withheld) Withheld() bool { return true }

func TestExecutorErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		retry  string
		kind   string
	}{
		{"busy", busyError(2100 * time.Millisecond), 503, "3", "busy"},
		{"busy, wrapped, for no time", fmt.Errorf("no: %w", busyError(1)), 503, "1", "busy"},
		{"closed", fmt.Errorf("no: %w", sandbox.ErrClosed), 503, "5", "unavailable"},
		{"not recorded", fmt.Errorf("no: %w", &kept.NotBegunError{Err: errors.New("/run/secret/path: the disk is full")}), 503, "5", "unrecorded"},
		{"not recorded, and ran", withheld{}, 503, "5", "unrecorded"},
		{"ours", errors.New("open /run/secret/path: permission denied"), 500, "", "internal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log logged
			s := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return api.Result{}, c.err }), log.option())
			a := ask(t, s, post(`{"code":"the_code","inputData":"the_data"}`))
			p := a.problem(t)
			if a.status != c.status || a.header.Get("Retry-After") != c.retry || p.Type != problemPrefix+c.kind {
				t.Errorf("got %d, Retry-After %q, %+v", a.status, a.header.Get("Retry-After"), p)
			}
			if strings.Contains(string(a.body), "secret") {
				t.Errorf("the cause is shown: %s", a.body)
			}
			if ran := c.status == 500 || errors.Is(c.err, withheld{}); ran != (p.ResultCode == api.ExecutionFailed) { // which no client asks for again unasked
				t.Errorf("%+v", p)
			}
			if c.status == 500 {
				if p.ResultCode != api.ExecutionFailed || strings.Count(log.String(), "permission denied") != 1 || !strings.Contains(log.String(), p.RequestID) {
					t.Errorf("problem %+v, log\n%s", p, log.String())
				}
			}
			metrics := string(ask(t, s, request("GET", "/metrics", nil)).body)
			for line, counts := range map[string]bool{`glovebox_unrecorded_total 1`: c.kind == "unrecorded", `glovebox_executions_total{code="EXECUTION_FAILED",runtime="",tenant=""} 1`: p.ResultCode != ""} {
				if strings.Contains(metrics, line+"\n") != counts {
					t.Errorf("whether there is %s: %v, want %v", line, !counts, counts)
				}
			}
			if strings.Contains(log.String(), "the_") {
				t.Errorf("code or data are in the log:\n%s", log.String())
			}
		})
	}
}

// TestFullErrorOfTheQueue holds the queue's error to the method that is looked for.
func TestFullErrorOfTheQueue(t *testing.T) {
	var _ retrier = (*queue.FullError)(nil)
}

func TestPanicIsOurFailureAndEndsTheRun(t *testing.T) {
	var log logged
	var ctx context.Context
	s := testServer(t, executorFunc(func(c context.Context, r api.Request) (api.Result, error) {
		ctx = c
		panic("panic with " + r.Code)
	}), log.option())
	a := ask(t, s, post(`{"code":"the_code"}`))
	if p := a.problem(t); a.status != http.StatusInternalServerError || p.ResultCode != api.ExecutionFailed {
		t.Errorf("got %d, %+v", a.status, p)
	}
	if ctx.Err() == nil {
		t.Error("the run's context has not ended")
	}
	if !strings.Contains(log.String(), "execute_test.go") || strings.Contains(log.String(), "the_code") {
		t.Errorf("the log has no stack, or the code:\n%s", log.String())
	}
	if used := s.held.used; used != 0 {
		t.Errorf("%d bytes of bodies are still counted", used)
	}
}

func TestMediaTypes(t *testing.T) {
	for _, c := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"plain", http.Header{"Content-Type": {"application/json"}}, 200},
		{"with charset", http.Header{"Content-Type": {`Application/JSON; charset="UTF-8"`}}, 200},
		{"identity", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity"}}, 200},
		{"accepting compression", http.Header{"Content-Type": {"application/json"}, "Accept-Encoding": {"gzip"}}, 200},
		{"none", http.Header{}, 415},
		{"a form's", http.Header{"Content-Type": {"text/plain"}}, 415},
		{"another form's", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415},
		{"a kind of JSON", http.Header{"Content-Type": {"application/problem+json"}}, 415},
		{"two", http.Header{"Content-Type": {"application/json", "text/plain"}}, 415},
		{"two in one", http.Header{"Content-Type": {"application/json, text/plain"}}, 415},
		{"another charset", http.Header{"Content-Type": {"application/json; charset=utf-16"}}, 415},
		{"another parameter", http.Header{"Content-Type": {"application/json; profile=x"}}, 415},
		{"garbage", http.Header{"Content-Type": {";;;"}}, 415},
		{"gzip", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415},
		{"identity and gzip", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "gzip"}}, 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(http.MethodPost, "/v1/executions", strings.NewReader(`{"code":"1"}`))
			r.Header = c.header
			a := ask(t, testServer(t, succeeds), r)
			if a.status != c.status {
				t.Errorf("status %d: %s", a.status, a.body)
			}
			if got := a.header.Get("Content-Encoding"); got != "" {
				t.Errorf("the answer is encoded: %s", got)
			}
			if a.status == 415 && a.header.Get("Accept-Encoding") != "identity" {
				t.Error("the answer does not say what is accepted")
			}
		})
	}
}

// A result says in short what its box was seen to be, and in full for those who ask.
func TestAttestationInShortAndInFull(t *testing.T) {
	statement := api.Statement{
		Checks: []api.Check{{Claim: "user", Where: api.Inside, Wanted: "1", Seen: "1"}},
		Untold: []api.Untold{{Claim: "mounts", Where: api.Outside, Why: "a <reason>"}},
	}
	whole := api.Attest(statement)
	s := testServer(t, executorFunc(func(ctx context.Context, r api.Request) (api.Result, error) {
		result, err := succeeds(ctx, r)
		result.Isolation.Attestation = whole
		return result, err
	}))
	askFor := func(query string) answer {
		r := post(`{"code":"1"}`)
		r.URL.RawQuery = strings.TrimPrefix(query, "?")
		return ask(t, s, r)
	}
	for query, full := range map[string]bool{"": false, "?attestation=short": false, "?attestation=full": true} {
		a := askFor(query)
		var got api.Result
		if err := json.Unmarshal(a.body, &got); err != nil || a.status != 200 || got.Isolation.Attestation == nil {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		attestation := got.Isolation.Attestation
		if attestation.Digest != whole.Digest || attestation.Checks != 1 || !attestation.Verified {
			t.Errorf("%s: %+v", query, attestation)
		}
		if (attestation.Statement != nil) != full {
			t.Errorf("%s: the statement is %+v", query, attestation.Statement)
		}
		if !full {
			continue
		}
		// Whoever holds the answer can make the digest anew of its bytes.
		var raw struct {
			Isolation struct {
				Attestation struct{ Statement json.RawMessage }
			}
		}
		if err := json.Unmarshal(a.body, &raw); err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256(raw.Isolation.Attestation.Statement)); sum != attestation.Digest {
			t.Errorf("the statement's bytes have the digest %s, not %s", sum, attestation.Digest)
		}
	}
	for _, query := range []string{"?attestation=all", "?attestation=", "?attestation=FULL", "?attestation=full&attestation=full", "?attestation=%zz", "?attestation=full;", "?other=full", "?safetorepeat=true"} {
		a := askFor(query)
		if p := a.problem(t); a.status != 400 || strings.Contains(query, "=all") && p.Field != "attestation" {
			t.Errorf("%s: %d %+v", query, a.status, p)
		}
	}
}
