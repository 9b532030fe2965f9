package quota

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// A Day is one of UTC, as 2006-01-02.
type Day string

// DayOf returns the day of a time, by the clock on the wall, since a day is: a clock that jumps to another day counts there, and one
// that comes back finds what it had counted.
func DayOf(t time.Time) Day { return Day(t.UTC().Format(time.DateOnly)) }

// A CPUMeter keeps how much processor time each tenant has used on a day. It is safe for concurrent use. What is older than two
// days may be forgotten.
type CPUMeter interface {
	// Used tells what was charged to a tenant on a day, 0 where nothing was.
	Used(ctx context.Context, tenantID string, day Day) (time.Duration, error)
	// Charge adds to it.
	Charge(ctx context.Context, tenantID string, day Day, used time.Duration) error
}

// A laterError is returned for what was admitted, and may not run before the next day.
type laterError struct{ over *Error }

func (e *laterError) Error() string { return e.over.Error() }

// RetryAfter is when to try again: to ask takes next to nothing, and the day may have ended.
func (*laterError) RetryAfter() time.Duration { return time.Second }

// later makes of a quota's error one that has what was admitted wait.
func later(err error) error {
	var over *Error
	if errors.As(err, &over) {
		return &laterError{over}
	}
	return err
}

// checkCPU refuses a tenant that has used up its day's processor time. What runs then may still add to it: as much as may run at
// once, for as long as it may.
func (g *Guard) checkCPU(ctx context.Context, t tenant.Tenant) error {
	t = g.config.Now(t)
	if t.Quota.CPUSecondsPerDay <= 0 {
		return nil
	}
	now := time.Now()
	used, err := g.config.CPU.Used(ctx, t.ID, DayOf(now))
	if err != nil {
		return fmt.Errorf("quota: the processor time of tenant %s is not known: %w", t.ID, err)
	}
	if used.Seconds() < t.Quota.CPUSecondsPerDay {
		return nil
	}
	return &Error{Quota: "cpuSecondsPerDay", Limit: new(t.Quota.CPUSecondsPerDay), Used: new(used.Seconds()), After: untilTomorrow(now)}
}

func untilTomorrow(now time.Time) time.Duration {
	year, month, day := now.UTC().Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC).Sub(now)
}

// charge adds what a result says that its box used. The result is out, whatever becomes of it.
func (g *Guard) charge(ctx context.Context, t tenant.Tenant, result api.Result) {
	used := time.Duration(result.Usage.CPUMs * float64(time.Millisecond))
	if used <= 0 {
		return
	}
	// The client may have gone: what was used was used.
	if err := g.config.CPU.Charge(context.WithoutCancel(ctx), t.ID, DayOf(time.Now()), used); err != nil {
		g.config.Log.ErrorContext(ctx, "an execution's processor time could not be charged", "execution", result.ID, "tenant", t.ID, "error", err)
	}
}

// Memory is a CPUMeter that forgets with its process. The zero value is ready.
type Memory struct {
	mu   sync.Mutex
	days map[Day]map[string]time.Duration
}

var _ CPUMeter = (*Memory)(nil)

// keptDays is how many days are kept: today, and those that a clock which jumps may come back to.
const keptDays = 3

// Used implements [CPUMeter].
func (m *Memory) Used(_ context.Context, tenantID string, day Day) (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.days[day][tenantID], nil
}

// Charge implements [CPUMeter].
func (m *Memory) Charge(_ context.Context, tenantID string, day Day, used time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.days == nil {
		m.days = map[Day]map[string]time.Duration{}
	}
	if m.days[day] == nil {
		m.days[day] = map[string]time.Duration{}
		for len(m.days) > keptDays {
			delete(m.days, m.furthest(day))
		}
	}
	m.days[day][tenantID] += used
	return nil
}

// furthest is the day kept that is furthest from another. mu is held.
func (m *Memory) furthest(from Day) (furthest Day) {
	distance := time.Duration(-1)
	for day := range m.days {
		if d := between(day, from); d > distance {
			furthest, distance = day, d
		}
	}
	return furthest
}

func between(a, b Day) time.Duration {
	x, _ := time.Parse(time.DateOnly, string(a)) // both are of dayOf
	y, _ := time.Parse(time.DateOnly, string(b))
	return x.Sub(y).Abs()
}
