package controller

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"glovebox/api"
	"glovebox/internal/queue"
	"glovebox/internal/quota"
	"glovebox/internal/tenant"
)

// inTurn makes an executor of one that knows no turns.
type inTurn struct{ inner Executor }

func (e inTurn) ExecuteAs(ctx context.Context, _ queue.Share, request api.Request, onLog func(api.Log)) (api.Result, error) {
	return e.inner.Execute(ctx, request, onLog)
}

// quotaServer returns a server whose every request is the tenant's.
func quotaServer(t *testing.T, inner Executor, whose tenant.Tenant) http.Handler {
	t.Helper()
	if err := whose.Validate(); err != nil {
		t.Fatal(err)
	}
	guard := quota.NewGuard(quota.Config{Executor: inTurn{inner}, Isolation: tenant.IsolationStandard, CPU: &quota.Memory{}, Log: slog.New(slog.DiscardHandler)})
	s := testServer(t, guard, func(c *Config, _ *bounds) { c.Quotas = guard })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(tenant.NewContext(r.Context(), whose)))
	})
}

func TestQuotaForbids(t *testing.T) {
	s := quotaServer(t, succeeds, tenant.Tenant{ID: "a", Quota: tenant.Quota{MemoryLimitMB: 64, Languages: []api.Language{api.TypeScript}}})
	a := ask(t, s, post(`{"code":"1","language":"typescript","memoryLimitMB":65}`))
	p := a.problem(t)
	if a.status != http.StatusForbidden || p.Type != problemPrefix+"quota-forbidden" || p.Quota != "memoryLimitMB" || p.Field != "memoryLimitMB" ||
		p.Limit == nil || *p.Limit != 64 || p.Used == nil || *p.Used != 65 || a.header.Get("Retry-After") != "" || strings.Contains(a.header.Get(headerRate), "requestsPerMinute") {
		t.Errorf("%d %+v %v", a.status, p, a.header)
	}
	a = ask(t, s, post(`{"code":"1"}`))
	if p := a.problem(t); a.status != http.StatusForbidden || p.Quota != "languages" || len(p.Allowed) != 1 || p.Limit != nil || p.Field != "language" {
		t.Errorf("%d %+v", a.status, p)
	}
	ask(t, s, post(`{"code":"1","language":"typescript"}`)).result(t)
	if a := ask(t, s, post(`{"code":"1","language":"typescript","memoryLimitMB":1}`)); a.status != http.StatusBadRequest {
		t.Errorf("what nobody may ask for: %d", a.status)
	}
	metrics := string(ask(t, s, request("GET", "/metrics", nil)).body)
	for _, line := range []string{
		`glovebox_quota_refusals_total{quota="languages",tenant="a"} 1`, `glovebox_executions_total{code="SUCCESS",runtime="",tenant="a"} 1`,
		`glovebox_queue_seconds_count{tenant="a"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if strings.Contains(metrics, `code="EXECUTION_FAILED",runtime="",tenant="a"`) {
		t.Error("a refusal is counted as a failure of ours")
	}
}

// What is accepted is held against the quotas when it is, as a whole, and each answer says where its tenant stands.
func TestQuotaIsExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where no second goes by unasked
		s := quotaServer(t, succeeds, tenant.Tenant{ID: "a", Quota: tenant.Quota{RequestsPerMinute: 4}})
		at := func(a answer, rate string) {
			t.Helper()
			if got := a.header.Get(headerRate); !strings.HasPrefix(got, rate) || a.header.Get(headerRatePolicy) != `"requestsPerMinute";q=4;w=60, "readsPerMinute";q=6000;w=60` {
				t.Errorf("status %d: %s %q, %s %q; want %q", a.status, headerRate, got, headerRatePolicy, a.header.Get(headerRatePolicy), rate)
			}
		}
		at(ask(t, s, request("GET", "/v1/info", nil)), `"requestsPerMinute";r=4`)
		at(ask(t, s, post(`{"code":"1"}`)), `"requestsPerMinute";r=3;t=15`)
		async := post(`[{"code":"1"},{"code":"2"}]`)
		async.Header.Set("Prefer", "respond-async")
		a := ask(t, s, async)
		if at(a, `"requestsPerMinute";r=1;t=45`); a.status != http.StatusAccepted && a.status != http.StatusOK {
			t.Errorf("a batch: %d %s", a.status, a.body)
		}
		batch := ask(t, s, post(`[{"code":"1"},{"code":"2"}]`))
		p := batch.problem(t)
		if at(batch, `"requestsPerMinute";r=1`); batch.status != http.StatusTooManyRequests || p.Type != problemPrefix+"quota-exceeded" || p.Quota != "requestsPerMinute" ||
			*p.Limit != 4 || *p.Used != 4 || batch.header.Get("Retry-After") == "" || p.Field != "" {
			t.Errorf("%d %+v", batch.status, p)
		}
		if a := ask(t, s, post(`[{"code":"1"},{"code":"2"},{"code":"1"},{"code":"2"},{"code":"1"}]`)); a.status != http.StatusForbidden || a.header.Get("Retry-After") != "" {
			t.Errorf("more than can ever pass: %d %s", a.status, a.body)
		}
		ask(t, s, post(`{"code":"1"}`)).result(t)
		if a := ask(t, s, post(`{"code":"1"}`)); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %v", a.status, a.header)
		}
		if a := ask(t, s, request("GET", "/nowhere", nil)); a.header.Get(headerRate) == "" {
			t.Error("an answer to a tenant does not say where it stands")
		}
	})
}

// A quota that is not of requests, and is used up, stands in the same fields.
func TestQuotaOfAnotherKindIsExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			quota        tenant.Quota
			policy, rate string
		}{
			"alone":            {tenant.Quota{CPUSecondsPerDay: 0.5, ReadsPerMinute: 9}, `"readsPerMinute";q=9;w=60, "cpuSecondsPerDay";q=0;w=86400;qu="cpu-seconds"`, `"readsPerMinute";r=8;t=7, "cpuSecondsPerDay";r=0;t=86400`},
			"beside requests'": {tenant.Quota{CPUSecondsPerDay: 0.5, RequestsPerMinute: 4, ReadsPerMinute: 9}, `"requestsPerMinute";q=4;w=60, "readsPerMinute";q=9;w=60, "cpuSecondsPerDay";q=0;w=86400;qu="cpu-seconds"`, `"requestsPerMinute";r=3;t=15, "readsPerMinute";r=8;t=7, "cpuSecondsPerDay";r=0;t=86400`},
		} {
			s := quotaServer(t, succeeds, tenant.Tenant{ID: "a", Quota: c.quota})
			if a := ask(t, s, post(`{"code":"1"}`)); a.status != http.StatusOK || strings.Contains(a.header.Get(headerRate), "cpuSecondsPerDay") {
				t.Errorf("%s: %d %v", name, a.status, a.header)
			}
			a := ask(t, s, post(`{"code":"1"}`))
			if p := a.problem(t); p.Quota != "cpuSecondsPerDay" || a.header.Get(headerRatePolicy) != c.policy || a.header.Get(headerRate) != c.rate || a.header.Get("Retry-After") != "86400" {
				t.Errorf("%s: %+v %v", name, p, a.header)
			}
		}
	})
}

// What reads and what is refused was in no quota: one tenant's storm took the machine from others, whatever they were allowed.
func TestReadsAndRefusedRequestsAreCounted(t *testing.T) {
	const left = `"readsPerMinute";r=`
	for name, refused := range map[string]struct {
		request func() *http.Request
		status  int
	}{
		"a list":                {func() *http.Request { return request("GET", "/v1/executions", nil) }, 200},
		"what is not there":     {func() *http.Request { return request("GET", "/v1/executions/x", nil) }, 404},
		"a stream":              {func() *http.Request { return request("GET", "/v1/executions/x/events", nil) }, 404},
		"a cancellation":        {func() *http.Request { return request("DELETE", "/v1/executions/x", nil) }, 404},
		"a query of no sense":   {func() *http.Request { return request("GET", "/v1/executions?limit=x", nil) }, 400},
		"what is about":         {func() *http.Request { return request("GET", "/v1/info", nil) }, 200},
		"no JSON":               {func() *http.Request { return post("{") }, 400},
		"another media type":    {func() *http.Request { r := post("1"); r.Header.Set("Content-Type", "text/plain"); return r }, 415},
		"more than is allowed":  {func() *http.Request { return post(`{"code":"1","memoryLimitMB":128}`) }, 403},
		"an action's bad input": {func() *http.Request { return postTo("/v1/actions/nothing/runs", `{}`) }, 404},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := quotaServer(t, succeeds, tenant.Tenant{ID: "a", Quota: tenant.Quota{ReadsPerMinute: 2, MemoryLimitMB: 64}})
			for n := range 2 {
				a := ask(t, s, refused.request())
				if a.status != refused.status {
					t.Errorf("%s: %d %s", name, a.status, a.body)
				}
				if n == 0 { // which is not counted
					ask(t, s, post(`{"code":"1"}`)).result(t)
				}
			}
			for what, r := range map[string]*http.Request{"again": refused.request(), "a read": request("GET", "/v1/info", nil), "a script": post(`{"code":"1"}`)} {
				a := ask(t, s, r)
				if a.status != http.StatusTooManyRequests {
					t.Errorf("%s, %s: %d %s", name, what, a.status, a.body)
					continue
				}
				if p := a.problem(t); p.Quota != "readsPerMinute" || *p.Limit != 2 || a.header.Get("Retry-After") != "30" ||
					!strings.HasPrefix(a.header.Get(headerRate), left+"0;t=") || a.header.Get(headerRatePolicy) != `"readsPerMinute";q=2;w=60` {
					t.Errorf("%s, %s: %+v %v", name, what, p, a.header)
				}
			}
			for _, path := range []string{"/healthz", "/openapi.yaml"} { // which are nobody's
				if a := ask(t, s, request("GET", path, nil)); a.status != http.StatusOK {
					t.Errorf("%s: %d", path, a.status)
				}
			}
		})
	}
}

// Without a tenant nothing changes.
func TestNoTenantNoQuota(t *testing.T) {
	guard := quota.NewGuard(quota.Config{Executor: inTurn{succeeds}, Isolation: tenant.IsolationStandard, CPU: &quota.Memory{}, Log: slog.New(slog.DiscardHandler)})
	s := testServer(t, guard, func(c *Config, _ *bounds) { c.Quotas = guard })
	a := ask(t, s, post(`{"code":"1"}`))
	if a.result(t); a.header.Get(headerRate) != "" || a.header.Get(headerRatePolicy) != "" {
		t.Errorf("%v", a.header)
	}
}
