package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"glovebox/controller"
	"glovebox/internal/action"
	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/execution"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/tenant"
	"glovebox/metadata"
)

// oneProgram is a model that has one program run, and then says that it is done.
type oneProgram struct{ code string }

func (oneProgram) Name() string      { return "one program" }
func (oneProgram) NativeTools() bool { return true }
func (m oneProgram) Answer(_ context.Context, turn agent.Turn) (agent.Answer, error) {
	call := agent.Call{ID: "1", Name: agent.ToolExecute, Arguments: fmt.Sprintf(`{"code":%q}`, m.code)}
	if len(turn.Messages) > 1 {
		call = agent.Call{ID: "2", Name: agent.ToolComplete, Arguments: `{"message":"done"}`}
	}
	return agent.Answer{Calls: []agent.Call{call}}, nil
}

// charges counts what is charged to whom.
type charges struct {
	quota.Memory
	mu sync.Mutex
	of map[string]int
}

func (c *charges) Charge(ctx context.Context, id string, day quota.Day, used time.Duration) error {
	c.mu.Lock()
	c.of[id]++
	c.mu.Unlock()
	return c.Memory.Charge(ctx, id, day, used)
}

// program echoes the libraries that it may require, and uses some processor time.
const program = "libraries"

// tenantServer is what glovebox serve serves, over a fake driver. Every request is of the tenant that its header Tenant names.
func tenantServer(t *testing.T, meter quota.CPUMeter, tenants ...tenant.Tenant) (url string, fake *drivertest.Fake) {
	t.Helper()
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	fake = drivertest.NewFake().Teach(program, drivertest.Burn(time.Millisecond), drivertest.EchoLibraries())
	executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{Driver: fake, Spec: sandbox.Sealed("image", "runc"), Concurrency: 2, Queue: 8, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	guard := quota.NewGuard(quota.Config{Executor: executor, Isolation: tenant.IsolationStandard, CPU: meter, Log: log})
	smith := func(executor action.Executor) (*action.Codesmith, error) {
		return action.NewCodesmith(action.CodesmithConfig{Catalogue: catalogue, Name: codesmithName, Concurrency: 2, Admit: guard.AdmitTask,
			Open: func(limits agent.Limits) (*agent.Agent, error) {
				return codesmith(catalogue, oneProgram{program}, executor, limits, log)
			}})
	}
	var executions *execution.Service
	var runs *agentrun.Service
	server, err := controller.New(controller.Config{
		Executor: guard, Quotas: guard, HostCPUs: 4, Log: log, Actions: actionsOf(catalogue, smith), Agents: agentsOf(smith),
		ModelContext: modelContextOf(catalogue, smith, readAbout().info(), log),
		Executions: func(e controller.Executor) (_ *execution.Service, err error) {
			executions, err = execution.Open(t.Context(), execution.Config{Executor: e, Store: execution.NewMemory(), Log: log})
			return executions, err
		},
		AgentRuns: func(e controller.Executor) (_ *agentrun.Service, err error) {
			workers, err := workersOf(smith, e)
			if err != nil {
				return nil, err
			}
			runs, err = agentrun.Open(t.Context(), agentrun.Config{Agents: workers, Store: agentrun.NewMemory(), Log: log})
			return runs, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, one := range tenants {
			if one.ID == r.Header.Get("Tenant") {
				r = r.WithContext(tenant.NewContext(r.Context(), one))
			}
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		web.Close()
		for _, end := range []func(context.Context) error{executions.Close, runs.Close, executor.Close} {
			if err := end(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	return web.URL, fake
}

// asTenant is a client whose requests are one tenant's.
type asTenant struct{ id string }

func (a asTenant) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Tenant", a.id)
	return http.DefaultTransport.RoundTrip(r)
}

func postAs(t *testing.T, id, url, body string, header ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Client{Transport: asTenant{id}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// roads are all by which a script comes to a box, and how many run on each. The answer holds the output, or names what refused it.
var roads = []struct {
	name string
	runs int
	take func(t *testing.T, id, url string) (answer string)
}{
	{"an execution", 1, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/executions", `{"code":"libraries"}`)
	}},
	{"one that is accepted", 1, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/executions", `{"code":"libraries"}`, "Prefer", "respond-async, wait=30")
	}},
	{"a batch", 2, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/executions", `[{"code":"libraries"},{"code":"libraries"}]`)
	}},
	{"an action", 1, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/actions/execute-code/runs", `{"code":"libraries"}`)
	}},
	{"an agent", 2, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/agents/codesmith/runs", `{"task":"t","inputData":1}`)
	}},
	{"an agent's run that is accepted", 2, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/agents/codesmith/runs", `{"task":"t","inputData":1}`, "Prefer", "respond-async, wait=30")
	}},
	{"an agent as an action", 2, func(t *testing.T, id, url string) string {
		return postAs(t, id, url+"/v1/actions/codesmith/runs", `{"task":"t","inputData":"1"}`)
	}},
	{"a tool", 1, func(t *testing.T, id, url string) string {
		return callAs(t, id, url, "execute_code", map[string]any{"code": program})
	}},
	{"an agent as a tool", 2, func(t *testing.T, id, url string) string {
		return callAs(t, id, url, "codesmith", map[string]any{"task": "t", "inputData": "1"})
	}},
}

func callAs(t *testing.T, id, url, tool string, arguments map[string]any) string {
	t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: url + "/mcp", HTTPClient: &http.Client{Transport: asTenant{id}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// No road to a box goes by the tenant's quotas: on each the script has its tenant's libraries and is charged to it, on each it is
// refused where a quota is used up, and on none does either happen to whoever has no tenant.
func TestEveryRoadIsUnderQuotas(t *testing.T) {
	meter := &charges{of: map[string]int{}}
	spent := tenant.Tenant{ID: "spent", Quota: tenant.Quota{CPUSecondsPerDay: 1}}
	url, fake := tenantServer(t, meter, tenant.Tenant{ID: "acme", Quota: tenant.Quota{Libraries: []string{"lodash"}}}, spent)
	for _, day := range []time.Duration{0, 24 * time.Hour} { // midnight may come
		if err := meter.Memory.Charge(t.Context(), spent.ID, quota.DayOf(time.Now().Add(day)), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for _, road := range roads {
		t.Run(road.name, func(t *testing.T) {
			before := fake.Created()
			if answer := road.take(t, "acme", url); !strings.Contains(answer, `["lodash"]`) && !strings.Contains(answer, `[\"lodash\"]`) {
				t.Errorf("as acme: %s", answer)
			}
			if charged, ran := meter.take("acme"), fake.Created()-before; ran != road.runs || charged != ran {
				t.Errorf("%d ran and %d were charged, want %d", ran, charged, road.runs)
			}
			if answer := road.take(t, "spent", url); !strings.Contains(answer, "cpuSecondsPerDay") {
				t.Errorf("as one whose quota is used up: %s", answer)
			}
			if ran := fake.Created() - before; ran != road.runs || meter.take("spent") != 0 {
				t.Errorf("%d ran after all", ran-road.runs)
			}
			if answer := road.take(t, "", url); strings.Contains(answer, "quota") || strings.Contains(answer, "lodash") {
				t.Errorf("as nobody: %s", answer)
			}
			if meter.take("") != 0 {
				t.Error("nobody is charged")
			}
		})
	}
}

// take returns how many charges there were since it was last asked.
func (c *charges) take(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.of[id]
	delete(c.of, id)
	return n
}
