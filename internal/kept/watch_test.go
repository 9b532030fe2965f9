package kept_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/kept"
	"glovebox/internal/tenant"
)

// A house is where tenants are looked up.
type house struct {
	mu      sync.Mutex
	tenants map[string]tenant.Tenant
	err     error
	looks   int
}

func (h *house) lookUp(_ context.Context, id string) (tenant.Tenant, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looks++
	t, ok := h.tenants[id]
	return t, ok, h.err
}

func (h *house) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func TestAWatchEndsWhatGoesOnForWhoIsSuspendedOrGone(t *testing.T) {
	acme, other := tenant.Tenant{ID: "acme", CreatedAt: time.Unix(1, 0)}, tenant.Tenant{ID: "other", CreatedAt: time.Unix(2, 0)}
	for name, happens := range map[string]func(h *house){
		"suspended": func(h *house) {
			h.tenants["acme"] = tenant.Tenant{ID: "acme", CreatedAt: acme.CreatedAt, Suspended: true}
		},
		"deleted":         func(h *house) { delete(h.tenants, "acme") },
		"another by then": func(h *house) { h.tenants["acme"] = tenant.Tenant{ID: "acme", CreatedAt: time.Unix(3, 0)} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &house{tenants: map[string]tenant.Tenant{"acme": acme, "other": other}}
				w := kept.NewWatch(h.lookUp, slog.New(slog.DiscardHandler))
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go w.Until(ctx)
				ended := map[string]int{}
				add := func(name string, whose tenant.Tenant) func() { return w.Add(whose, func() { ended[name]++ }) }
				add("one", acme)
				add("two", acme)
				add("other", other)
				add("nobody", tenant.Tenant{})
				add("done", acme)()
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(ended) != 0 {
					t.Fatalf("%v", ended)
				}
				h.change(func() { happens(h); h.err = errors.New("the disk is away") })
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(ended) != 0 {
					t.Errorf("of whom nobody knows, it is ended: %v", ended)
				}
				h.change(func() { h.err = nil })
				time.Sleep(time.Second)
				synctest.Wait()
				if len(ended) != 2 || ended["one"] != 1 || ended["two"] != 1 {
					t.Errorf("%v", ended)
				}
				time.Sleep(time.Minute) // once
				synctest.Wait()
				if ended["one"] != 1 {
					t.Errorf("%v", ended)
				}
				h.change(func() { h.looks = 0 })
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if h.looks != 10 {
					t.Errorf("%d looks in 10 s, for one tenant", h.looks)
				}
			})
		})
	}
	var none *kept.Watch
	none.Add(acme, func() { t.Error("nobody watches") })()
}

// Whoever waits with a tenant hears what became of it since, and of nobody else.
func TestAWatchKnowsATenantAsItIsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acme := tenant.Tenant{ID: "acme", CreatedAt: time.Unix(1, 0)}
		raised, again, recreated := acme, acme, acme
		raised.Quota.Concurrency, again.Quota.Concurrency, recreated.CreatedAt = 2, 3, time.Unix(2, 0)
		h := &house{tenants: map[string]tenant.Tenant{"acme": acme, "other": {ID: "other"}}}
		w := kept.NewWatch(h.lookUp, slog.New(slog.DiscardHandler))
		var told []int // by one goroutine
		w.Tell(func(now tenant.Tenant) { told = append(told, now.Quota.Concurrency) })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Until(ctx)
		done := w.Add(acme, func() { t.Error("it is ended") })
		know := func(want int) {
			t.Helper()
			if now := w.Now(acme).Quota.Concurrency; now != want {
				t.Errorf("it is known with %d, want %d", now, want)
			}
		}
		h.change(func() { h.tenants["acme"] = raised })
		know(0)
		time.Sleep(time.Second)
		synctest.Wait()
		know(2)
		w.Add(again, func() {})() // by whoever has read it since
		know(3)
		h.change(func() { h.err = errors.New("the disk is away") })
		time.Sleep(time.Minute)
		synctest.Wait()
		know(3)
		if w.Now(recreated).Quota.Concurrency != 0 {
			t.Error("another of its id has its quota")
		}
		if len(told) != 1 || told[0] != 2 {
			t.Errorf("%v is told", told)
		}
		done()
		know(0)
	})
	var none *kept.Watch
	none.Tell(nil)
	if none.Now(tenant.Tenant{ID: "acme"}).ID != "acme" {
		t.Error("nobody watches")
	}
}

// What was read before somebody else has read it anew is older than that.
func TestAWatchTakesNothingOlderForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := tenant.Tenant{ID: "acme"}
		now := old
		now.Quota.Concurrency = 1
		read := make(chan struct{})
		w := kept.NewWatch(func(context.Context, string) (tenant.Tenant, bool, error) {
			<-read // what was read is slow to come
			return old, true, nil
		}, slog.New(slog.DiscardHandler))
		w.Tell(func(tenant.Tenant) { t.Error("it is told") })
		ctx, stop := context.WithCancel(t.Context())
		go w.Until(ctx)
		w.Add(old, func() {})
		time.Sleep(time.Second)
		synctest.Wait()
		w.Add(now, func() {})
		stop()
		close(read)
		synctest.Wait()
		if w.Now(old).Quota.Concurrency != 1 {
			t.Error("it is known as it was before")
		}
	})
}
