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
