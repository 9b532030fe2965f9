package execution

import (
	"context"

	"glovebox/api"
	"glovebox/internal/kept"
)

// EndEvent is the number of the event that tells of an end.
const EndEvent = kept.EndEvent

// A repeat's events are numbered from a multiple of repeatEvents on, by how often the execution has been repeated: so nobody who was told
// logs of one run takes those of another for what follows. maxRepeats is how often that can be.
const (
	repeatEvents = 100_000
	maxRepeats   = EndEvent/repeatEvents - 1
)

// No run has as many logs.
var _ [repeatEvents - api.MaxLogEntries - 2]struct{}

// An Event is one thing that happened to an execution: an entry of its logs, that it is run again, or its end.
type Event struct {
	// N grows: the n-th entry of the first run is event n. That it is repeated for the n-th time is event 100,000 n, and the entries follow. The
	// end is [EndEvent].
	N   int
	Log *api.Log
	// Repeat voids every log before it: they were those of a run of which nobody knows how far it came.
	Repeat *api.Repeat
	End    *Record
}

// repeatEvent tells that an execution is run again, for the n-th time.
func repeatEvent(n int) Event { return Event{N: n * repeatEvents, Repeat: &api.Repeat{Run: n + 1}} }

// Events tells what happens to an execution from the event behind after on, until it has ended, tell returns an error, or ctx ends. What was
// told is told in the same order with the same numbers to whoever asks again, for as long as its result is kept, or until it is run again: what was told
// before is void then, and gone. The end is told to whoever has not been told of it, also where fewer entries are left than were told: those are lost of
// what a killed server had begun, and let go of with what is forgotten. An execution that this server left before its end stops without an End.
func (s *Service) Events(ctx context.Context, tenant, id string, after int, tell func(Event) error) error {
	r, err := s.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	told := max(after, 0)
	next := func(e Event) error {
		if e.N <= told {
			return nil
		}
		told = e.N
		return tell(e)
	}
	if r.State != api.ExecutionEnded {
		if l := s.board.LookUp(id); l != nil {
			if _, err := l.Follow(ctx, 0, func(_ int, e Event) error { return next(e) }); err != nil {
				return err
			}
		}
		// Where it was not on the board it may have ended since we looked.
		if r, err = s.Get(ctx, tenant, id); err != nil {
			return err
		}
	}
	if r.State != api.ExecutionEnded {
		return nil
	}
	for _, e := range r.events() {
		if err := next(e); err != nil {
			return err
		}
	}
	return next(Event{N: EndEvent, End: &r})
}

// events are those of its last run, as far as they are kept.
func (r Record) events() (all []Event) {
	if r.Repeats > 0 {
		all = append(all, repeatEvent(r.Repeats))
	}
	if r.Result != nil {
		for i := range r.Result.Logs {
			all = append(all, Event{N: r.Repeats*repeatEvents + i + 1, Log: &r.Result.Logs[i]})
		}
	}
	return all
}

// A live is an execution on its way, with its events so far.
type live = kept.Live[Event]

// A telling numbers the events of one run as they come.
type telling struct {
	to   *live
	last int
}

// repeated says that the run is a repeat, the n-th.
func (t *telling) repeated(n int) {
	e := repeatEvent(n)
	t.to.Add(e, 0, 1, 0)
	t.last = e.N
}

// log keeps an entry. The box's own bounds are held already: these are for a box that does not keep them.
func (t *telling) log(entry api.Log) {
	if t.to.Add(Event{N: t.last + 1, Log: &entry}, len(entry.Message), api.MaxLogEntries+1, api.MaxLogBytes) {
		t.last++
	}
}
