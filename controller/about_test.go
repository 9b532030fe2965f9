package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"

	"glovebox/api"
	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/queue"
	"glovebox/internal/tenant"
)

// TestRoutesAreTheDocuments holds the routes of the server and the paths of the document together, both
// ways.
func TestRoutesAreTheDocuments(t *testing.T) {
	var documented, routed []string
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	s := testServer(t, succeeds)
	for _, r := range s.echo.Routes() {
		if r.Method == http.MethodHead && slices.ContainsFunc(s.table, func(row route) bool { return row.path == r.Path && row.method == http.MethodGet }) {
			continue // the document says it of all GETs at once
		}
		routed = append(routed, r.Method+" "+strings.NewReplacer(":name", "{name}", ":id", "{id}").Replace(r.Path))
	}
	slices.Sort(documented)
	slices.Sort(routed)
	if !slices.Equal(documented, routed) {
		t.Errorf("the document has\n%v\nand the server\n%v", documented, routed)
	}
}

// TestTypesAreTheDocuments holds the types of this package and the document's schemas together.
func TestTypesAreTheDocuments(t *testing.T) {
	schemas := theContract(t).doc.Components.Schemas
	for name, value := range map[string]any{
		"Problem": api.Problem{}, "Health": Health{}, "Info": api.Info{}, "Build": Build{}, "Library": Library{},
		"Limits": api.Limits{}, "Range": api.Range{}, "ResultMeaning": api.ResultMeaning{},
		"AgentOutcome": agent.Outcome{}, "AgentPayload": agent.Payload{}, "AgentRunError": agent.RunError{}, "AgentSpent": agent.Spent{},
		"AgentTask": api.AgentTask{}, "AgentRun": api.AgentRun{}, "AgentRunPage": api.AgentRunPage{}, "TokenUsage": agent.Usage{}, "AgentEvent": agent.Event{}, "CodesmithResult": action.CodesmithResult{},
	} {
		var in, out, required, must []string
		for field := range reflect.TypeOf(value).Fields() {
			member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			in = append(in, member)
			if options == "" {
				must = append(must, member)
			}
		}
		for member := range schemas[name].Value.Properties {
			out = append(out, member)
		}
		required = slices.Clone(schemas[name].Value.Required)
		for _, list := range [][]string{in, out, required, must} {
			slices.Sort(list)
		}
		if !slices.Equal(in, out) || !slices.Equal(must, required) {
			t.Errorf("%s: Go has %v (always %v), the document %v (always %v)", name, in, must, out, required)
		}
	}
}

// TestOutcomesAreTheDocuments holds the table of an agent's outcomes and the document's list together.
func TestOutcomesAreTheDocuments(t *testing.T) {
	var table []any
	for _, row := range agent.Outcomes() {
		table = append(table, string(row.Code))
	}
	if listed := theContract(t).doc.Components.Schemas["AgentOutcomeCode"].Value.Enum; !slices.Equal(table, listed) {
		t.Errorf("the document has %v, and the table %v", listed, table)
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	a := ask(t, testServer(t, succeeds), request("GET", "/openapi.yaml", nil))
	if a.status != http.StatusOK || !bytes.Equal(a.body, api.OpenAPI()) || a.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("status %d, %v", a.status, a.header)
	}
}

func TestInfo(t *testing.T) {
	a := ask(t, testServer(t, succeeds), request("GET", "/v1/info", nil))
	var info api.Info
	if err := json.Unmarshal(a.body, &info); err != nil {
		t.Fatal(err)
	}
	if info.Limits.CPUs.Max != 4 || info.Limits.TimeoutSeconds != (api.Range{Min: 0.1, Max: 300, Default: 30}) || len(info.ResultCodes) != len(api.Codes()) ||
		info.Build.Commit != "0123abc" || info.Libraries[0].Name != "lodash" {
		t.Errorf("got %+v", info)
	}
	bare := testServer(t, succeeds, func(c *Config, _ *bounds) { c.Libraries = nil })
	ask(t, bare, request("GET", "/v1/info", nil)) // the contract has no null
}

func TestReadiness(t *testing.T) {
	var log logged
	var err error
	s := testServer(t, succeeds, log.option(), func(c *Config, _ *bounds) {
		c.Ready = func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the check may take for ever")
			}
			return err
		}
	})
	if a := ask(t, s, request("GET", "/readyz", nil)); a.status != http.StatusOK {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	err = errors.New("no daemon at /run/some.sock")
	a := ask(t, s, request("GET", "/readyz", nil))
	if a.status != http.StatusServiceUnavailable || strings.Contains(string(a.body), "some.sock") || !strings.Contains(log.String(), "some.sock") {
		t.Errorf("status %d: %s\n%s", a.status, a.body, log.String())
	}
	if a := ask(t, s, request("GET", "/healthz", nil)); a.status != http.StatusOK {
		t.Errorf("not healthy: status %d", a.status)
	}
	err = nil
	s.draining.Store(true)
	if a := ask(t, s, request("GET", "/readyz", nil)); a.status != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: status %d", a.status)
	}
	if a := ask(t, s, post(`{"code":"1"}`)); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("runs while draining: status %d", a.status)
	}
}

func TestMetrics(t *testing.T) {
	other := prometheus.NewCounter(prometheus.CounterOpts{Name: "other_total", Help: "Of others."})
	s := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.Collectors = []prometheus.Collector{other}
		c.Load, c.Runtime = func() (int, int) { return 3, 7 }, "runc"
		c.Parties = func() []queue.PartyLoad { return []queue.PartyLoad{{ID: "acme", Waiting: 5}, {ID: "", Waiting: 2}} }
	})
	ask(t, s, post(`{"code":"1"}`))
	ask(t, s, post(`{`))
	ask(t, s, request("GET", "/some/made/up/path", nil))
	failing := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return api.Result{}, errors.New("x") }))
	ask(t, failing, post(`{"code":"1"}`))

	a := ask(t, s, request("GET", "/metrics", nil))
	for _, line := range []string{
		`glovebox_executions_total{code="SUCCESS",runtime="runc",tenant=""} 1`,
		`glovebox_executions_total{code="TIMEOUT",runtime="runc",tenant=""} 0`,
		`glovebox_execution_seconds_count 1`,
		`glovebox_execution_seconds_sum 0.0015`,
		`glovebox_queue_seconds_sum{tenant=""} 0.0025`,
		`glovebox_execution_cpu_seconds_total{tenant=""} 0.75`,
		`glovebox_execution_peak_memory_bytes_bucket{le="8.388608e+06"} 0`,
		`glovebox_execution_peak_memory_bytes_bucket{le="1.6777216e+07"} 1`,
		`glovebox_execution_peak_memory_bytes_bucket{le="2.147483648e+09"} 1`,
		`glovebox_execution_peak_memory_bytes_sum 9e+06`,
		`glovebox_executions_in_flight 0`,
		`glovebox_http_requests_total{route="POST /v1/executions",status="200"} 1`,
		`glovebox_http_requests_total{route="POST /v1/executions",status="400"} 1`,
		`glovebox_http_requests_total{route="none",status="404"} 1`,
		`glovebox_build_info{commit="0123abc",version="test"} 1`,
		`glovebox_boxes 3`,
		`glovebox_queue_length{tenant=""} 2`,
		`glovebox_queue_length{tenant="acme"} 5`,
		`other_total 0`,
	} {
		if !strings.Contains(string(a.body), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(string(a.body), "made/up") {
		t.Error("a client's path became a label")
	}
	if a := ask(t, failing, request("GET", "/metrics", nil)); !strings.Contains(string(a.body), `glovebox_executions_total{code="EXECUTION_FAILED",runtime="",tenant=""} 1`) {
		t.Error("our failure was not counted")
	}
}

// What cannot be read on a host is no peak of zero bytes, and takes nothing from what was counted.
func TestMetricsOfUsageThatIsNotKnown(t *testing.T) {
	m, err := newMetrics(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, usage := range []api.Usage{{CPUMs: 500, PeakMemoryBytes: api.MiB}, {}, {CPUMs: -1, PeakMemoryBytes: -1}} {
		m.executed(t.Context(), api.Result{ResultCode: api.Success, Usage: usage})
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "glovebox_execution_cpu") && family.GetMetric()[0].GetCounter().GetValue() != 0.5 ||
			strings.HasPrefix(family.GetName(), "glovebox_execution_peak") && family.GetMetric()[0].GetHistogram().GetSampleCount() != 1 {
			t.Errorf("%s", family)
		}
	}
}

// However many tenants there are, so many series there are at most.
func TestTenantLabels(t *testing.T) {
	var labels tenantLabels
	for n := range 2 * maxTenantLabels {
		id := fmt.Sprint("t", n)
		want := id
		if n >= maxTenantLabels {
			want = otherTenants
		}
		for range 2 {
			if got := labels.label(id); got != want {
				t.Fatalf("%s is told as %s", id, got)
			}
		}
	}
	if got := labels.of(t.Context()); got != noTenant || (tenant.Tenant{ID: otherTenants}).Validate() == nil {
		t.Errorf("without a tenant %q; %s could be one", got, otherTenants)
	}
}

func TestPlayground(t *testing.T) {
	a := ask(t, testServer(t, succeeds), request("GET", "/", nil))
	html, policy := string(a.body), a.header.Get("Content-Security-Policy")
	if a.status != http.StatusOK || strings.Count(html, "<script>") != 1 || strings.Count(html, "<style>") != 1 {
		t.Fatalf("status %d; or not one script and one style", a.status)
	}
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'sha256-") || strings.Contains(policy, "unsafe") ||
		strings.Contains(policy, sourceHash("<script></script>", "script")) {
		t.Errorf("policy %s", policy)
	}
	for _, banned := range []string{"http://", "https://", "innerHTML", "eval(", " style=", " onclick="} {
		if strings.Contains(html, banned) {
			t.Errorf("the page has %s", banned)
		}
	}
}

// A request has the id that its client gave it, where that is a good one, and else one of its own.
func TestRequestIDs(t *testing.T) {
	s := testServer(t, succeeds)
	for _, good := range []string{"mine", "0", "6f1c6a0e-5a0f-4d53-8f5f-0d8b2f0f5a11", "Root_1.67891233-abcdef", strings.Repeat("x", 128)} {
		r := request("GET", "/nothing", nil)
		r.Header.Set(headerRequestID, good)
		a := ask(t, s, r)
		var problem api.Problem
		if err := json.Unmarshal(a.body, &problem); err != nil || a.header.Get(headerRequestID) != good || problem.RequestID != good {
			t.Errorf("%s: header %s, problem %s, %v", good, a.header.Get(headerRequestID), problem.RequestID, err)
		}
	}
	seen := map[string]bool{}
	bad := []http.Header{
		nil, {headerRequestID: {""}}, {headerRequestID: {strings.Repeat("x", 129)}}, {headerRequestID: {"a b"}}, {headerRequestID: {"a\"b"}},
		{headerRequestID: {"a=b"}}, {headerRequestID: {"\u00fc"}}, {headerRequestID: {"a\n"}}, {headerRequestID: {"one", "two"}},
	}
	for _, header := range bad {
		r := request("GET", "/healthz", nil)
		for name, values := range header {
			r.Header[name] = values
		}
		id := ask(t, s, r).header.Get(headerRequestID)
		if _, err := ulid.ParseStrict(id); err != nil {
			t.Errorf("%v: %s", header, id)
		}
		seen[id] = true
	}
	if len(seen) != len(bad) {
		t.Errorf("ids %v", seen)
	}
}

// Every line that is written on behalf of a request says which, what it ran, and whose it was.
func TestLinesOfARequest(t *testing.T) {
	var log logged
	s := testServer(t, succeeds, log.option())
	r := post(`{"code": "return 1"}`)
	r.Header.Set(headerRequestID, "mine-1")
	a := ask(t, s, r)
	var result api.Result
	if err := json.Unmarshal(a.body, &result); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?s)msg=executed execution=[^\n]* code=SUCCESS request=mine-1\n.*msg=request route="POST /v1/executions" status=200 .* request=mine-1 execution=[0-9A-Z]{26}\n`)
	if text := log.String(); !want.MatchString(text) {
		t.Errorf("%s", text)
	}

	smiths := testServer(t, succeeds, withSmith(t, nil), log.option())
	accepted := ask(t, smiths, with(postTo(runsPath, `{"task":"t"}`), headerRequestID, "mine-3", "Prefer", async)).run(t, http.StatusAccepted)
	if text := log.String(); !strings.Contains(text, " request=mine-3 run="+accepted.ID+"\n") {
		t.Errorf("%s", text)
	}

	failing := testServer(t, executorFunc(func(context.Context, api.Request) (api.Result, error) { return api.Result{}, errors.New("no box") }), log.option())
	r = post(`{"code": "return 1"}`)
	r.Header.Set(headerRequestID, "mine-2")
	ask(t, failing, r)
	want = regexp.MustCompile(`level=ERROR msg="request failed" problem=internal error=.*no box.* request=mine-2 execution=[0-9A-Z]{26}\n`)
	if text := log.String(); !want.MatchString(text) {
		t.Errorf("%s", text)
	}
}
