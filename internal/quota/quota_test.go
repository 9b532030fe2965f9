package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/queue"
	"glovebox/internal/tenant"
)

// asked is an executor that notes what it is asked, and answers as it was told.
type asked struct {
	shares   []queue.Share
	requests []api.Request
	result   api.Result
	err      error
}

func (a *asked) ExecuteAs(_ context.Context, share queue.Share, request api.Request, _ func(api.Log)) (api.Result, error) {
	a.shares, a.requests = append(a.shares, share), append(a.requests, request)
	return a.result, a.err
}

func newGuard(executor Executor) *Guard {
	return NewGuard(Config{Executor: executor, Isolation: tenant.IsolationStandard, CPU: &Memory{}, Log: slog.New(slog.DiscardHandler)})
}

func as(t *testing.T, id string, q tenant.Quota) context.Context {
	t.Helper()
	whose := tenant.Tenant{ID: id, Quota: q}
	if err := whose.Validate(); err != nil {
		t.Fatal(err)
	}
	return tenant.NewContext(t.Context(), whose)
}

func execute(ctx context.Context, g *Guard, r api.Request) error {
	_, err := g.Execute(ctx, WithDefaults(ctx, r), nil)
	return err
}

// over is the quota error that an error is.
func over(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no quota's", err)
	}
	return e
}

var plain = api.Request{Code: "return 1"}

func TestCeilings(t *testing.T) {
	for _, c := range []struct {
		quota  tenant.Quota
		beyond api.Request
		name   string
		field  string
		says   string
	}{
		{tenant.Quota{MemoryLimitMB: 64}, api.Request{Code: "1", MemoryLimitMB: new(65)}, "memoryLimitMB", "memoryLimitMB", "at most 64 is allowed, and 65 is asked for"},
		{tenant.Quota{CPUs: 0.5}, api.Request{Code: "1", CPUs: new(0.6)}, "cpus", "cpus", "at most 0.5"},
		{tenant.Quota{TimeoutSeconds: 5}, api.Request{Code: "1", TimeoutSeconds: new(5.1)}, "timeoutSeconds", "timeoutSeconds", "5.1"},
		{tenant.Quota{CodeBytes: 8}, api.Request{Code: "return 12"}, "codeBytes", "code", "9"},
		{tenant.Quota{InputBytes: 4}, api.Request{Code: "1", InputData: []byte("12345")}, "inputBytes", "inputData", "5"},
		{tenant.Quota{Languages: []api.Language{api.TypeScript}}, plain, "languages", "language", "allowed is typescript; and not javascript"},
		{tenant.Quota{Languages: []api.Language{}}, plain, "languages", "language", "none is allowed"},
		{tenant.Quota{Isolation: tenant.IsolationGVisor}, plain, "isolation", "", "gvisor; the boxes of this server have standard"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := &asked{}
			g, ctx := newGuard(inner), as(t, "a", c.quota)
			e := over(t, execute(ctx, g, c.beyond))
			if e.Quota != c.name || e.Field != c.field || !e.Forbidden || e.After != 0 || !strings.Contains(e.Error(), c.says) {
				t.Errorf("%+v: %v", e, e)
			}
			if (e.Limit == nil) != (e.Used == nil) || (e.Limit == nil) == (e.Allowed == nil) {
				t.Errorf("%+v tells neither a number nor a list, or half of one", e)
			}
			if len(inner.requests) != 0 {
				t.Error("it ran")
			}
			if err := Check(ctx, WithDefaults(ctx, c.beyond)); c.name != "isolation" && err == nil {
				t.Error("Check lets it by")
			}
			if err := execute(t.Context(), g, c.beyond); err != nil {
				t.Errorf("without a tenant: %v", err)
			}
		})
	}
}

// What was not given is lowered to the ceiling, and what was given within it is as it was.
func TestDefaults(t *testing.T) {
	inner := &asked{}
	g := newGuard(inner)
	ctx := as(t, "a", tenant.Quota{MemoryLimitMB: 64, CPUs: 0.5, TimeoutSeconds: 5, CodeBytes: 8, InputBytes: 4, Weight: 7, Concurrency: 2, Queue: 3,
		Languages: []api.Language{api.JavaScript}, Libraries: []string{"lodash"}})
	given := api.Request{Code: "return 1", InputData: []byte("1234"), MemoryLimitMB: new(32), CPUs: new(0.2), TimeoutSeconds: new(1.0)}
	for _, r := range []api.Request{plain, given} {
		if err := execute(ctx, g, r); err != nil {
			t.Fatal(err)
		}
	}
	if r := inner.requests[0]; *r.MemoryLimitMB != 64 || *r.CPUs != 0.5 || *r.TimeoutSeconds != 5 || len(r.Libraries) != 1 {
		t.Errorf("%d MB, %v cpus, %v s, %q", *r.MemoryLimitMB, *r.CPUs, *r.TimeoutSeconds, r.Libraries)
	}
	if r := inner.requests[1]; *r.MemoryLimitMB != 32 || *r.CPUs != 0.2 || *r.TimeoutSeconds != 1 {
		t.Errorf("%d MB, %v cpus, %v s", *r.MemoryLimitMB, *r.CPUs, *r.TimeoutSeconds)
	}
	if want := (queue.Share{ID: "a", Weight: 7, Running: 2, Waiting: 3}); inner.shares[0] != want {
		t.Errorf("%+v", inner.shares[0])
	}
	// A ceiling above the default raises nothing.
	ctx = as(t, "b", tenant.Quota{MemoryLimitMB: 1024})
	if r := WithDefaults(ctx, plain); *r.MemoryLimitMB != api.DefaultMemoryLimitMB || *r.CPUs != api.DefaultCPUs {
		t.Errorf("%d MB, %v cpus", *r.MemoryLimitMB, *r.CPUs)
	}
}

func TestWithoutATenant(t *testing.T) {
	inner := &asked{}
	if err := execute(t.Context(), newGuard(inner), plain); err != nil || inner.shares[0] != (queue.Share{}) || inner.requests[0].Libraries != nil {
		t.Errorf("%v, %+v", err, inner)
	}
}

func TestRequestsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &asked{}
		g := newGuard(inner)
		ctx, other := as(t, "a", tenant.Quota{RequestsPerMinute: 6}), as(t, "b", tenant.Quota{RequestsPerMinute: 1})
		whose, _ := tenant.FromContext(ctx)
		for n := range 6 {
			if rate := g.Rates(whose)[0]; rate != (Rate{"requestsPerMinute", 6, 6 - n, time.Duration(n) * 10 * time.Second}) {
				t.Errorf("after %d: %+v", n, rate)
			}
			if err := execute(ctx, g, plain); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 { // a refusal costs nothing
			if e := over(t, execute(ctx, g, plain)); e.Quota != "requestsPerMinute" || e.After != 10*time.Second || e.Forbidden || *e.Limit != 6 || *e.Used != 6 {
				t.Errorf("%+v", e)
			}
		}
		if err := execute(other, g, plain); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		time.Sleep(10 * time.Second)
		if err := execute(ctx, g, plain); err != nil {
			t.Errorf("when it was told to come: %v", err)
		}
		if e := over(t, execute(ctx, g, plain)); e.After != 10*time.Second {
			t.Errorf("%+v", e)
		}
		if len(inner.requests) != 8 {
			t.Errorf("%d ran", len(inner.requests))
		}
		// A quota that is changed holds at once, and one that is taken away does not.
		if err := execute(as(t, "a", tenant.Quota{}), g, plain); err != nil {
			t.Error(err)
		}
		if rates := g.Rates(tenant.Tenant{ID: "a"}); len(rates) != 1 || rates[0].Quota != "readsPerMinute" {
			t.Errorf("without a quota there is %+v", rates)
		}
		raised := as(t, "b", tenant.Quota{RequestsPerMinute: 60})
		if e := over(t, execute(raised, g, plain)); e.After >= time.Second {
			t.Errorf("with sixty times the quota: %+v", e)
		}
		time.Sleep(time.Second)
		if err := execute(raised, g, plain); err != nil {
			t.Errorf("a second after the quota was raised: %v", err)
		}
	})
}

// What has nothing run has an allowance of its own: what reads is counted at once, and what was to run when it turns out to be refused, though it is more
// than is left.
func TestReadsPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(&asked{})
		ctx := as(t, "a", tenant.Quota{ReadsPerMinute: 6, RequestsPerMinute: 1})
		whose, _ := tenant.FromContext(ctx)
		stands := func(want Rate) {
			t.Helper()
			if got := g.Rates(whose)[1]; got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		for n := range 4 {
			if err := g.Read(whose); err != nil {
				t.Fatal(n, err)
			}
		}
		stands(Rate{"readsPerMinute", 6, 2, 40 * time.Second})
		if err := execute(ctx, g, plain); err != nil {
			t.Error("what runs is not for reads to stop:", err)
		}
		for range 4 { // which all were let in before any was refused
			if err := g.MayAsk(whose); err != nil {
				t.Error(err)
			}
		}
		for range 4 {
			g.Refused(whose)
		}
		stands(Rate{"readsPerMinute", 6, 0, 80 * time.Second})
		for name, err := range map[string]error{"a read": g.Read(whose), "what would run": g.MayAsk(whose)} {
			if e := over(t, err); e.Quota != "readsPerMinute" || e.After != 30*time.Second || e.Forbidden || *e.Limit != 6 {
				t.Errorf("%s: %+v", name, e)
			}
		}
		time.Sleep(30 * time.Second)
		if err := g.MayAsk(whose); err != nil {
			t.Error(err)
		}
		if err := g.Read(whose); err != nil {
			t.Error(err)
		}
		_ = over(t, g.Read(whose))
		if err := g.Read(tenant.Tenant{ID: "b"}); err != nil {
			t.Error("another tenant:", err)
		}
	})
}

// Forgotten are those whose allowance is full, and only those.
func TestRatesAreForgotten(t *testing.T) {
	r := newRequests()
	start := time.Now()
	busy := tenant.Tenant{ID: "busy", Quota: tenant.Quota{RequestsPerMinute: 1}}
	for n := range 10 * leastSwept {
		now := start.Add(time.Duration(n) * time.Second)
		if err := r.take(tenant.Tenant{ID: fmt.Sprint("t", n), Quota: tenant.Quota{RequestsPerMinute: 60}}, 1, now); err != nil {
			t.Fatal(err)
		}
		if n%30 == 0 {
			if err := r.take(busy, 1, now); (err == nil) != (n%60 == 0) {
				t.Fatalf("at second %d: %v", n, err)
			}
		}
		if len(r.of) > leastSwept+1 {
			t.Fatalf("%d are remembered, of whom 2 have asked in the last minute", len(r.of))
		}
	}
}

func TestCPUSecondsPerDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it begins at midnight of UTC
		inner := &asked{result: api.Result{Usage: api.Usage{CPUMs: 600}}}
		g := newGuard(inner)
		ctx := as(t, "a", tenant.Quota{CPUSecondsPerDay: 1})
		for range 2 {
			if err := execute(ctx, g, plain); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(6 * time.Hour)
		e := over(t, execute(ctx, g, plain))
		if e.Quota != "cpuSecondsPerDay" || e.Forbidden || e.After != 18*time.Hour || *e.Limit != 1 || *e.Used != 1.2 {
			t.Errorf("%+v", e)
		}
		if err := execute(as(t, "b", tenant.Quota{CPUSecondsPerDay: 1}), g, plain); err != nil {
			t.Errorf("another tenant: %v", err)
		}
		time.Sleep(e.After)
		if err := execute(ctx, g, plain); err != nil {
			t.Errorf("the next day: %v", err)
		}
	})
}

var errMeter = errors.New("the meter fails, as told by the test")

type brokenMeter struct{ used, charge error }

func (b brokenMeter) Used(context.Context, string, Day) (time.Duration, error) { return 0, b.used }
func (b brokenMeter) Charge(context.Context, string, Day, time.Duration) error { return b.charge }

// Where it is not known what a tenant has used, nothing runs; a result that could not be charged is out all the same.
func TestABrokenMeter(t *testing.T) {
	for _, meter := range []brokenMeter{{used: errMeter}, {charge: errMeter}} {
		inner := &asked{result: api.Result{Usage: api.Usage{CPUMs: 1}}}
		var log strings.Builder
		g := NewGuard(Config{Executor: inner, Isolation: tenant.IsolationGVisor, CPU: meter, Log: slog.New(slog.NewTextHandler(&log, nil))})
		err := execute(as(t, "a", tenant.Quota{CPUSecondsPerDay: 1, Isolation: tenant.IsolationGVisor}), g, plain)
		if meter.used != nil && (!errors.Is(err, errMeter) || len(inner.requests) != 0) {
			t.Errorf("it ran, with %v", err)
		}
		if meter.charge != nil && (err != nil || !strings.Contains(log.String(), errMeter.Error())) {
			t.Errorf("%v; the log says %q", err, log.String())
		}
	}
}

func TestMemoryKeepsFewDays(t *testing.T) {
	var m Memory
	today := Day("2026-03-10")
	for _, day := range []Day{"2026-03-08", "2026-03-09", today, "2031-01-01", today, "2026-03-11", today} {
		if err := m.Charge(t.Context(), "a", day, time.Second); err != nil {
			t.Fatal(err)
		}
		if len(m.days) > keptDays {
			t.Fatalf("%d days are kept", len(m.days))
		}
	}
	if used, _ := m.Used(t.Context(), "a", today); used != 3*time.Second {
		t.Errorf("today %v: the clock's jump and return lost some", used)
	}
}

// The queue's own bounds are told as the quotas that they are, and the whole's is nobody's quota.
func TestAFullQueue(t *testing.T) {
	for bound, name := range map[queue.Bound]string{queue.BoundWaiting: "queue", queue.BoundRunning: "concurrency", queue.BoundRoom: ""} {
		full := &queue.FullError{Bound: bound, Running: 2, Waiting: 3}
		err := execute(as(t, "a", tenant.Quota{Concurrency: 2, Queue: 3}), newGuard(&asked{err: full}), plain)
		if name == "" {
			if !errors.Is(err, full) {
				t.Errorf("%v", err)
			}
			continue
		}
		if e := over(t, err); e.Quota != name || *e.Limit != *e.Used || e.After != full.RetryAfter() || e.Forbidden {
			t.Errorf("%+v", e)
		}
	}
}

// What is few has its turn though others have filled the queue, and is a tenant's all the same.
func TestFew(t *testing.T) {
	inner := &asked{}
	g := newGuard(inner)
	of := tenant.Quota{Queue: 3}
	for _, ctx := range []context.Context{as(t, "a", of), Few(as(t, "a", of)), Few(t.Context())} {
		if _, err := g.Execute(ctx, WithDefaults(ctx, plain), nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []queue.Share{{ID: "a", Weight: tenant.DefaultWeight, Waiting: 3}, {ID: "a", Weight: tenant.DefaultWeight, Waiting: 3, Beyond: true}, {Beyond: true}}
	if !slices.Equal(inner.shares, want) {
		t.Errorf("%+v", inner.shares)
	}
}

// What is accepted as a whole is counted as a whole, and once; when it runs no quota refuses it any more.
func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &asked{}
		g := newGuard(inner)
		ctx := as(t, "a", tenant.Quota{RequestsPerMinute: 6, MemoryLimitMB: 64, Queue: 1, Libraries: []string{}})
		whose, _ := tenant.FromContext(ctx)
		small := WithDefaults(ctx, plain)
		large := WithDefaults(ctx, api.Request{Code: "1", MemoryLimitMB: new(65)})
		if e := over(t, g.Admit(ctx, small, large)); e.Quota != "memoryLimitMB" {
			t.Errorf("%+v", e)
		}
		if e := over(t, g.Admit(ctx, small, small, small, small, small, small, small)); !e.Forbidden || *e.Used != 7 {
			t.Errorf("more than can ever pass: %+v", e)
		}
		if err := g.Admit(ctx, small, small, small, small); err != nil {
			t.Fatal(err)
		}
		if e := over(t, g.Admit(ctx, small, small, small)); e.Forbidden || e.After != 10*time.Second {
			t.Errorf("%+v", e)
		}
		if rate := g.Rates(whose)[0]; rate.Remaining != 2 {
			t.Errorf("%+v", rate)
		}
		for range 4 {
			if _, err := g.Execute(Admitted(t.Context(), whose), small, nil); err != nil {
				t.Fatal(err)
			}
		}
		if rate := g.Rates(whose)[0]; rate.Remaining != 2 || inner.shares[3].ID != "a" || inner.requests[3].Libraries == nil {
			t.Errorf("%+v, %+v", rate, inner.shares)
		}
		inner.err = &queue.FullError{Bound: queue.BoundWaiting}
		if _, err := g.Execute(Admitted(t.Context(), whose), small, nil); !errors.Is(err, inner.err) {
			t.Errorf("%v", err)
		}
		if err := g.Admit(t.Context(), large); err != nil {
			t.Errorf("without a tenant: %v", err)
		}
	})
}

// beginner is an executor in whose queue others run first.
type beginner struct {
	before func()
	result api.Result
	runs   int
}

type beginKey struct{}

func (b *beginner) ExecuteAs(ctx context.Context, _ queue.Share, _ api.Request, _ func(api.Log)) (api.Result, error) {
	b.before()
	if check, ok := ctx.Value(beginKey{}).(func() error); ok {
		if err := check(); err != nil {
			return api.Result{}, err
		}
	}
	b.runs++
	return b.result, nil
}

// A batch, or as much as could be accepted, ran to its end though the first of it had used up the day's processor time.
func TestWhatIsAcceptedIsHeldAgainstTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &beginner{before: func() {}, result: api.Result{Usage: api.Usage{CPUMs: 1500}}}
		g := newGuard(inner)
		g.config.AtBegin = func(ctx context.Context, check func() error) context.Context {
			return context.WithValue(ctx, beginKey{}, check)
		}
		ctx := as(t, "acme", tenant.Quota{CPUSecondsPerDay: 2})
		whose, _ := tenant.FromContext(ctx)
		r := WithDefaults(ctx, plain)
		if err := g.Admit(ctx, r, r, r, r); err != nil {
			t.Fatal(err)
		}
		run := func() error {
			_, err := g.Execute(Admitted(t.Context(), whose), r, nil)
			return err
		}
		if err := errors.Join(run(), run()); err != nil {
			t.Fatal(err)
		}
		var busy interface{ RetryAfter() time.Duration }
		if err := run(); !errors.As(err, &busy) || inner.runs != 2 {
			t.Errorf("%v after %d", err, inner.runs)
		}
		time.Sleep(24 * time.Hour)
		// What others use while it waits in the queue counts as well, whether it was accepted or somebody waits for it.
		spend := func() { g.charge(ctx, whose, api.Result{Usage: api.Usage{CPUMs: 2000}}) }
		inner.before = spend
		if err := run(); !errors.As(err, &busy) || inner.runs != 2 {
			t.Errorf("%v after %d", err, inner.runs)
		}
		time.Sleep(24 * time.Hour)
		if e := over(t, execute(ctx, g, plain)); e.Quota != "cpuSecondsPerDay" || inner.runs != 2 {
			t.Errorf("%+v after %d", e, inner.runs)
		}
		time.Sleep(24 * time.Hour)
		inner.before = func() {}
		if err := run(); err != nil || inner.runs != 3 {
			t.Errorf("%v after %d", err, inner.runs)
		}
	})
}

// A task is one request, whatever is executed for it, and each execution is one more.
func TestAdmitTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(&asked{})
		ctx := as(t, "acme", tenant.Quota{RequestsPerMinute: 2})
		if err := errors.Join(g.AdmitTask(ctx), execute(ctx, g, plain)); err != nil {
			t.Fatal(err)
		}
		if e := over(t, g.AdmitTask(ctx)); e.Quota != "requestsPerMinute" || e.After <= 0 {
			t.Errorf("%+v", e)
		}
		if err := g.AdmitTask(t.Context()); err != nil {
			t.Error(err)
		}
		if e := over(t, g.AdmitTask(as(t, "apart", tenant.Quota{Isolation: tenant.IsolationGVisor}))); !e.Forbidden {
			t.Errorf("%+v", e)
		}
	})
}

// What is told of a quota is a number that people read, however large it is.
func TestErrorHasNoExponents(t *testing.T) {
	limit, used := 86400.0, 123456.78949
	for _, e := range []Error{{Quota: "cpuSecondsPerDay", Limit: &limit, Used: &used}, {Quota: "inputBytes", Limit: &used, Used: &limit, Forbidden: true}} {
		if text := e.Error(); !strings.Contains(text, "123456.789 ") || !strings.Contains(text, "86400 ") || strings.Contains(text, "e+") {
			t.Error(text)
		}
	}
}
