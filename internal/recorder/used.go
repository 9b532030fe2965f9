package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"glovebox/internal/ledger"
)

// usedPage is how many entries are looked at together, from the log's end on.
const usedPage = 1024

// Used tells charge of the processor time of every tenant's execution that the log says has ended since a moment, in no
// order: so a server that starts knows what its predecessors counted, and nothing is kept twice. The error is the log's, or charge's.
func Used(ctx context.Context, log ledger.Log, since time.Time, charge func(tenantID string, at time.Time, used time.Duration) error) error {
	head, err := log.Head(ctx)
	if err != nil {
		return err
	}
	for end := head.Size; end > 0; {
		from := max(end, usedPage) - usedPage + 1
		recent, err := usedWithin(ctx, log, from, end, since, charge)
		if err != nil {
			return err
		}
		if !recent { // a clock that jumped a little back leaves older entries among the recent ones
			return nil
		}
		end = from - 1
	}
	return nil
}

// usedWithin does it for the entries from one number to another, and reports whether any of them is recent.
func usedWithin(ctx context.Context, log ledger.Log, from, to uint64, since time.Time, charge func(string, time.Time, time.Duration) error) (recent bool, err error) {
	for row, err := range log.Read(ctx, from) {
		if err != nil {
			return false, err
		}
		if row.Seq > to {
			break
		}
		var e ledger.Entry
		if err := json.Unmarshal(row.Entry, &e); err != nil {
			return false, fmt.Errorf("ledger: entry %d: %w", row.Seq, err)
		}
		if e.Time.Before(since) {
			continue
		}
		recent = true
		if e.Outcome == nil || e.Actor.Tenant == "" {
			continue
		}
		if err := charge(e.Actor.Tenant, e.Time.Time, time.Duration(e.Outcome.CPUMs*float64(time.Millisecond))); err != nil {
			return false, err
		}
	}
	return recent, nil
}
