package quota

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"glovebox/internal/tenant"
)

// A Rate is where a tenant stands with its requests per minute of some kind: as many may come at once, and the allowance fills up again
// evenly.
type Rate struct {
	// Quota is the quota's name in JSON.
	Quota string
	// Limit is the quota, Remaining how many requests would pass now.
	Limit, Remaining int
	// Full is how long it takes until Remaining is Limit again, if none comes.
	Full time.Duration
}

// Window is that of [tenant.Quota.RequestsPerMinute] and [tenant.Quota.ReadsPerMinute].
const Window = time.Minute

// leastSwept is how many tenants are remembered before any is looked at again.
const leastSwept = 1024

// rates counts the requests of some kind of each tenant, on the monotonic clock. It remembers those alone that have asked in the last minute,
// or up to as many again: a full allowance is as good as none. It is safe for concurrent use.
type rates struct {
	quota string
	limit func(tenant.Quota) int // 0 is none

	mu    sync.Mutex
	of    map[string]*rate.Limiter
	sweep int // at how many to look for those that can be forgotten
}

// The kinds of requests that are counted.
func newRequests() rates {
	return rates{quota: "requestsPerMinute", limit: func(q tenant.Quota) int { return q.RequestsPerMinute }}
}

func newReads() rates {
	return rates{quota: "readsPerMinute", limit: tenant.Quota.EffectiveReadsPerMinute}
}

// take counts n requests, or refuses all of them. With n 0 it refuses where not even one would pass.
func (r *rates) take(t tenant.Tenant, n int, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.limiter(t, now)
	if limiter == nil || n == 0 && limiter.TokensAt(now) >= 1 || n > 0 && limiter.AllowN(now, n) {
		return nil
	}
	limit := float64(limiter.Burst())
	if n > limiter.Burst() {
		return &Error{Quota: r.quota, Limit: &limit, Used: new(float64(n)), Forbidden: true}
	}
	missing := float64(max(1, n)) - limiter.TokensAt(now)
	return &Error{Quota: r.quota, Limit: &limit, Used: &limit, After: after(missing, limiter)}
}

// owe counts one request that is over already, whether it would have passed or not.
func (r *rates) owe(t tenant.Tenant, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limiter := r.limiter(t, now); limiter != nil {
		limiter.ReserveN(now, 1)
	}
}

// read tells where a tenant stands.
func (r *rates) read(t tenant.Tenant, now time.Time) (Rate, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.limiter(t, now)
	if limiter == nil {
		return Rate{}, false
	}
	tokens := min(limiter.TokensAt(now), float64(limiter.Burst()))
	return Rate{r.quota, limiter.Burst(), max(0, int(tokens)), after(float64(limiter.Burst())-tokens, limiter)}, true
}

func after(tokens float64, limiter *rate.Limiter) time.Duration {
	return time.Duration(math.Ceil(max(0, tokens) / float64(limiter.Limit()) * float64(time.Second)))
}

// limiter returns a tenant's, nil where it has no such quota. mu is held.
func (r *rates) limiter(t tenant.Tenant, now time.Time) *rate.Limiter {
	limit := r.limit(t.Quota)
	if limit <= 0 {
		delete(r.of, t.ID)
		return nil
	}
	perSecond := rate.Limit(float64(limit) / Window.Seconds())
	limiter := r.of[t.ID]
	if limiter == nil {
		r.forget(now)
		limiter = rate.NewLimiter(perSecond, limit)
		r.of[t.ID] = limiter
	} else if limiter.Burst() != limit { // the quota was changed
		limiter.SetLimitAt(now, perSecond)
		limiter.SetBurstAt(now, limit)
	}
	return limiter
}

// forget makes room for one more, where there are many. mu is held.
func (r *rates) forget(now time.Time) {
	if r.of == nil {
		r.of, r.sweep = map[string]*rate.Limiter{}, leastSwept
	}
	if len(r.of) < r.sweep {
		return
	}
	for id, limiter := range r.of {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(r.of, id)
		}
	}
	r.sweep = max(leastSwept, 2*len(r.of))
}
