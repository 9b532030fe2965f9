package recorder_test

import (
	"errors"
	"testing"
	"time"

	"glovebox/internal/ledger"
	"glovebox/internal/recorder"
)

// What tenants have used of their day is known to a server that starts.
func TestUsed(t *testing.T) {
	k := newKeeper(t)
	write := func(tenant string, n int, ms float64) {
		t.Helper()
		drafts := make([]ledger.Draft, n)
		for i := range drafts {
			drafts[i] = ledger.Ended(ledger.Actor{Tenant: tenant}, ledger.Outcome{ID: "e", ResultCode: "SUCCESS", CPUMs: ms})
		}
		if _, err := k.Append(t.Context(), drafts...); err != nil {
			t.Fatal(err)
		}
	}
	write("acme", 1500, 2) // more than is looked at together
	write("", 3, 5)
	write("other", 1, 1.5)
	started := time.Now().Add(-time.Hour)
	of := func(since time.Time) map[string]time.Duration {
		t.Helper()
		used := map[string]time.Duration{}
		err := recorder.Used(t.Context(), k, since, func(tenant string, at time.Time, cpu time.Duration) error {
			if at.Before(since) {
				t.Errorf("an entry of %v", at)
			}
			used[tenant] += cpu
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return used
	}
	if got := of(started); len(got) != 2 || got["acme"] != 3*time.Second || got["other"] != 1500*time.Microsecond {
		t.Errorf("%v", got)
	}
	if got := of(time.Now().Add(time.Hour)); len(got) != 0 {
		t.Errorf("before their time: %v", got)
	}
	broken := errors.New("broken")
	if err := recorder.Used(t.Context(), k, started, func(string, time.Time, time.Duration) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
