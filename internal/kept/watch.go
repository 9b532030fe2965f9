package kept

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"glovebox/internal/tenant"
)

// watchEvery is how often a Watch looks.
const watchEvery = time.Second

// A Watch ends what goes on for tenants that are suspended, or not there any more: another process may have done that, which tells nobody. It is
// safe for concurrent use. A nil Watch ends nothing.
type Watch struct {
	tenant Lookup
	log    *slog.Logger

	mu sync.Mutex
	of map[string]map[*watched]struct{} // by tenant
}

// watched is something that goes on for a tenant, as it was when that began.
type watched struct {
	whose tenant.Tenant
	end   func()
}

// NewWatch returns a Watch of tenants as a lookup has them; nothing is looked at until [Watch.Until].
func NewWatch(lookup Lookup, log *slog.Logger) *Watch {
	return &Watch{tenant: lookup, log: log, of: map[string]map[*watched]struct{}{}}
}

// Add has end called, once, when a tenant is suspended or gone, also where another of the same id has come, until the function that is returned
// is called. end must not wait, and may be called for as long as that function runs.
func (w *Watch) Add(whose tenant.Tenant, end func()) (done func()) {
	if w == nil || whose.ID == "" {
		return func() {}
	}
	one := &watched{whose, end}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of[whose.ID] == nil {
		w.of[whose.ID] = map[*watched]struct{}{}
	}
	w.of[whose.ID][one] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.drop(one)
	}
}

// drop must be called with mu held.
func (w *Watch) drop(one *watched) {
	its := w.of[one.whose.ID]
	if delete(its, one); len(its) == 0 {
		delete(w.of, one.whose.ID)
	}
}

// Until looks once a second, until ctx ends.
func (w *Watch) Until(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (w *Watch) look(ctx context.Context) {
	w.mu.Lock()
	var ids []string
	for id := range w.of {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	for _, id := range ids {
		now, there, err := w.tenant(ctx, id)
		if err != nil { // nobody knows better than that it may go on; the next look tells
			if ctx.Err() == nil {
				w.log.Warn("whether a tenant is still there could not be looked up", "tenant", id, "error", err)
			}
			continue
		}
		if n := w.end(id, now, there); n > 0 {
			w.log.Warn("what went on for a tenant is ended: it is suspended, or not there any more", "tenant", id, "ended", n)
		}
	}
}

// end ends what goes on for tenants of an id that are not as one is now, and returns how much that is.
func (w *Watch) end(id string, now tenant.Tenant, there bool) int {
	w.mu.Lock()
	var over []*watched
	for one := range w.of[id] {
		if !there || now.Suspended || !now.CreatedAt.Equal(one.whose.CreatedAt) {
			over = append(over, one)
			w.drop(one)
		}
	}
	w.mu.Unlock()
	for _, one := range over {
		one.end()
	}
	return len(over)
}
