package agentrun_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/agent"
	"glovebox/internal/agentrun"
	"glovebox/internal/kept"
	"glovebox/internal/ledger"
	"glovebox/internal/tenant"
)

// A shutStore keeps for a while not that anything begins.
type shutStore struct {
	agentrun.Store
	until time.Time
}

func (s shutStore) Begin(ctx context.Context, id string, at time.Time, entries ...ledger.Draft) (bool, error) {
	if time.Now().Before(s.until) {
		return false, errors.New("the disk is full")
	}
	return s.Store.Begin(ctx, id, at, entries...)
}

// A run that waited for a disk began though its tenant had been suspended meanwhile.
func TestARunThatWaitsForADiskThatIsFull(t *testing.T) {
	for name, c := range map[string]struct {
		lookUp func(time.Duration) (tenant.Tenant, bool, error) // after so long
		code   agent.OutcomeCode
		says   string
	}{
		"it begins": {func(time.Duration) (tenant.Tenant, bool, error) { return tenant.Tenant{ID: "acme"}, true, nil }, agent.Complete, ""},
		"its tenant is suspended": {func(after time.Duration) (tenant.Tenant, bool, error) {
			return tenant.Tenant{ID: "acme", Suspended: after > 30*time.Second}, true, nil
		}, agent.Cancelled, "suspended"},
		"its tenant cannot be looked up for a while": {func(after time.Duration) (tenant.Tenant, bool, error) {
			if after > 0 && after < 30*time.Second {
				return tenant.Tenant{}, false, errors.New("the disk is full")
			}
			return tenant.Tenant{ID: "acme"}, true, nil
		}, agent.Complete, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			w := newWorker()
			service, err := agentrun.Open(t.Context(), agentrun.Config{
				Agents: map[string]agentrun.Worker{"smith": w}, Store: shutStore{agentrun.NewMemory(), began.Add(time.Minute)},
				Tenant: func(context.Context, string) (tenant.Tenant, bool, error) { return c.lookUp(time.Since(began)) },
			})
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{service, w, tenant.NewContext(t.Context(), tenant.Tenant{ID: "acme"})}
			defer b.close(t, time.Hour)
			if r := b.wait(t, b.submit(t, "quick").ID); r.ResultCode != c.code || !strings.Contains(r.Outcome.Message, c.says) || (w.worked.Load() > 0) != (c.code == agent.Complete) {
				t.Errorf("%s: %+v, %+v", name, r, r.Outcome)
			}
		})
	}
}

// A packedStore has no room.
type packedStore struct{ agentrun.Store }

func (packedStore) AddAll(context.Context, []agentrun.Record, kept.Judge) ([]string, error) {
	return nil, errors.New("the disk is full")
}

// What cannot be kept is not accepted, and may be sent again.
func TestWhatCannotBeKeptIsNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, packedStore{agentrun.NewMemory()})
		defer b.close(t, time.Hour)
		if _, err := b.Submit(b.ctx, submission("quick")); !kept.NotBegun(err) {
			t.Errorf("%v", err)
		}
	})
}
