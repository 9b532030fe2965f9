package kept

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"glovebox/internal/tenant"
)

// watchEvery is how often a Watch looks.
const watchEvery = time.Second

// A Watch ends what goes on for tenants that are suspended, or not there any more, and tells of those that are there as they are now: another
// process may have changed them, which tells nobody. It is safe for concurrent use. A nil Watch ends nothing, and knows nobody.
type Watch struct {
	tenant Lookup
	log    *slog.Logger

	mu   sync.Mutex
	of   map[string]*watchedTenant
	told []func(now tenant.Tenant)
}

// A watchedTenant is one for whom something goes on.
type watchedTenant struct {
	now   tenant.Tenant // as it was last read
	added int           // how often it was read by whoever added something
	on    map[*watched]struct{}
}

// watched is something that goes on for a tenant, as it was when that began.
type watched struct {
	whose tenant.Tenant
	end   func()
}

// NewWatch returns a Watch of tenants as a lookup has them; nothing is looked at until [Watch.Until].
func NewWatch(lookup Lookup, log *slog.Logger) *Watch {
	return &Watch{tenant: lookup, log: log, of: map[string]*watchedTenant{}}
}

// Add has end called, once, when a tenant is suspended or gone, also where another of the same id has come, until the function that is returned
// is called. end must not wait, and may be called for as long as that function runs. The tenant is as it was read just now.
func (w *Watch) Add(whose tenant.Tenant, end func()) (done func()) {
	if w == nil || whose.ID == "" {
		return func() {}
	}
	one := &watched{whose, end}
	w.mu.Lock()
	defer w.mu.Unlock()
	its := w.of[whose.ID]
	if its == nil {
		its = &watchedTenant{on: map[*watched]struct{}{}}
		w.of[whose.ID] = its
	}
	its.now, its.on[one] = whose, struct{}{}
	its.added++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.drop(one)
	}
}

// drop must be called with mu held.
func (w *Watch) drop(one *watched) {
	its := w.of[one.whose.ID]
	if its == nil {
		return
	}
	if delete(its.on, one); len(its.on) == 0 {
		delete(w.of, one.whose.ID)
	}
}

// Tell has f called with each tenant for whom something goes on, as it is then, whenever that is looked at. It must not wait.
func (w *Watch) Tell(f func(now tenant.Tenant)) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, f)
}

// Now returns a tenant as it was last read, while something goes on for it, which is no more than a second ago where it can be read; else as it is given.
func (w *Watch) Now(whose tenant.Tenant) tenant.Tenant {
	if w == nil {
		return whose
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if its := w.of[whose.ID]; its != nil && its.now.CreatedAt.Equal(whose.CreatedAt) {
		return its.now
	}
	return whose
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
	added := map[string]int{}
	for id, its := range w.of {
		added[id] = its.added
	}
	w.mu.Unlock()
	for id, added := range added {
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
		for _, tell := range w.learn(now, added) {
			tell(now)
		}
	}
}

// learn takes over a tenant as it was read, unless others have read it since it was about to be, and returns who is to be told.
func (w *Watch) learn(now tenant.Tenant, added int) []func(tenant.Tenant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	its := w.of[now.ID]
	if its == nil || its.added != added {
		return nil
	}
	its.now = now
	return slices.Clone(w.told)
}

// end ends what goes on for tenants of an id that are not as one is now, and returns how much that is.
func (w *Watch) end(id string, now tenant.Tenant, there bool) int {
	w.mu.Lock()
	var over []*watched
	if its := w.of[id]; its != nil {
		for one := range its.on {
			if !there || now.Suspended || !now.CreatedAt.Equal(one.whose.CreatedAt) {
				over = append(over, one)
				w.drop(one)
			}
		}
	}
	w.mu.Unlock()
	for _, one := range over {
		one.end()
	}
	return len(over)
}
