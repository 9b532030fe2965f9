// Package kept is what is common to whatever is accepted, goes on whatever becomes of its caller, is told, kept for a while, and
// forgotten: executions, and runs of agents.
//
// What was accepted is never silently gone, and never run twice unasked, wherever a server is killed, and whatever a full disk refuses. A record is
// queued, running or ended, and each step from one to the next is one transaction, which is durable before what it allows is done:
//
//   - Before it is kept as queued, nobody was told that it is accepted.
//   - While it is queued, nothing of it has run: the next server runs it. Where the step to running is refused, be it for the record's sake or for
//     that of the ledger's entry, neither is there, and it is queued as before. In the midst of that step the same holds, since a transaction that was not
//     committed is none.
//   - Once it is running, and the ledger says in the same step that it has begun, nobody knows how far it came: the next server does not run
//     it, but says so, unless its caller has said that it may be repeated. That holds also from the commit until the box, or the agent, has it, where nothing
//     has run yet: no order of two steps is without such a moment, and the other order would run it twice. Nothing in it waits
//     for a disk.
//   - Where the commit is done and its caller is told of an error all the same, another try finds it not queued any more, and it ends as failed.
//   - It ends in the ledger before it ends in its record, and before anybody is told: a server that is killed between the two, or stops while
//     the record's end is refused, leaves it running, so that it is not run again. It is ended once: its result is kept by whoever finds it not ended.
package kept

import (
	"context"
	"errors"
	"time"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// A Head is what of a record its keeping goes by.
type Head struct {
	// ID is a ULID: ids sort by the time at which they were given.
	ID string
	// Tenant is who it belongs to; "" is whoever reaches a server that is open.
	Tenant      string
	State       api.ExecutionState
	CreatedAt   time.Time
	EndedAt     time.Time
	ReadAt      time.Time // when its result was first told; zero is not yet
	KeepData    bool
	HasResult   bool
	Idempotency Idempotency
	Code        string // how it ended
}

// Errors that callers tell apart.
var (
	// ErrNotFound: the tenant has none of this id.
	ErrNotFound = errors.New("kept: there is none of this id")
	// ErrOtherBody: the idempotency key stands for another request.
	ErrOtherBody = errors.New("kept: the idempotency key was used for another request")
	// ErrSuspended: its tenant was suspended, or deleted, while it waited.
	ErrSuspended = errors.New("kept: its tenant is suspended, or not there any more")
	// ErrNoLedger: there is no ledger where an entry of what begins could be.
	ErrNoLedger = errors.New("kept: there is no ledger here")
	// ErrFull: no more can be accepted now.
	ErrFull = errors.New("kept: too many are accepted and not ended")
)

// A Filter picks records of one tenant, newest first, by how they ended among others: C is the type of the code that says so.
type Filter[C ~string] struct {
	State      api.ExecutionState // "" is each
	ResultCode C                  // "" is each
	// Since and Until bound CreatedAt: from Since on, before Until; zero is no bound.
	Since, Until time.Time
	// Before is the id behind which a page begins; "" is the newest.
	Before string
	Limit  int // the most records of a page
}

// A Page is a part of a list, newest first. It may be short, and even empty, where another is behind it: a store looks at a bounded number of records for
// one page.
type Page[R any] struct {
	Records []R
	Next    string // what Before is to be for the page behind it; "" where there is none
}

func (f Filter[C]) takes(h Head) bool {
	return (f.State == "" || h.State == f.State) && (f.ResultCode == "" || h.Code == string(f.ResultCode)) &&
		(f.Since.IsZero() || !h.CreatedAt.Before(f.Since)) && (f.Until.IsZero() || h.CreatedAt.Before(f.Until)) &&
		(f.Before == "" || h.ID < f.Before)
}

// A Policy says what is kept, and for how long.
type Policy struct {
	// Result is how long after its end a result stays that nobody has read, unless KeepData; one that was read goes after [ReadGrace].
	Result time.Duration
	// Record is how long after its end anything stays; Records is how many stay at most, of those of whoever has more than is theirs (see [Fair]) the
	// last that ended.
	Record  time.Duration
	Records int
	// Data is how many bytes a store's records hold at most, what has not ended too: their documents, and [RecordBytes] of each. Beyond it the
	// results of those that ended first go, read or not, and KeepData or not, of whoever holds more than is theirs, and where they have no results left
	// their records; see [Policy.Over]. What has not ended stays, and nobody else gives way to it: for that much more can be there. 0 is no bound.
	Data int64
}

// RecordBytes is what a record counts for beside its documents.
const RecordBytes = 1024

// Over is how many bytes are to be let go of where so many are held: once they are more than Data, as many as are above fifteen parts in sixteen of
// it, so that not each end lets go of another.
func (p Policy) Over(held int64) int64 {
	if p.Data == 0 || held <= p.Data {
		return 0
	}
	return held - (p.Data - p.Data/16)
}

// DefaultPolicy is what a server keeps that was told nothing else.
var DefaultPolicy = Policy{Result: time.Hour, Record: 30 * 24 * time.Hour, Records: 1_000_000, Data: 4 << 30}

// ReadGrace is how long a result stays that was told, for an answer that was lost on its way.
const ReadGrace = 5 * time.Minute

// expired reports whether what is left of one that has ended is to be forgotten.
func (p Policy) expired(h Head, now time.Time) bool {
	return !h.KeepData && h.HasResult && (!h.ReadAt.IsZero() && now.Sub(h.ReadAt) >= ReadGrace || now.Sub(h.EndedAt) >= p.Result)
}

// Now is the time as every store can keep it: in whole microseconds, in UTC.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// A Lookup returns a tenant by its id; ok is false where there is none.
type Lookup func(ctx context.Context, id string) (t tenant.Tenant, ok bool, err error)

// Now returns a tenant as it is now, or [ErrSuspended] where what was accepted of it may not begin any more. A nil Lookup is one where nobody keeps tenants.
func (l Lookup) Now(ctx context.Context, whose tenant.Tenant) (tenant.Tenant, error) {
	if l == nil || whose.ID == "" {
		return whose, nil
	}
	now, ok, err := l(ctx, whose.ID)
	switch {
	case err != nil:
		return whose, err
	case !ok || now.Suspended || !whose.CreatedAt.IsZero() && !now.CreatedAt.Equal(whose.CreatedAt): // or another of its id has come
		return whose, ErrSuspended
	}
	return now, nil
}
