package execution

import (
	"context"

	"glovebox/api"
	"glovebox/internal/kept"
)

// EndEvent is the number of the event that tells of an end.
const EndEvent = kept.EndEvent

// No execution has as many logs.
var _ [EndEvent - api.MaxLogEntries - 1]struct{}

// An Event is one thing that happened to an execution: an entry of its logs, or its end.
type Event struct {
	// N counts from 1: the n-th entry is event n. The end is [EndEvent].
	N   int
	Log *api.Log
	End *Record
}

// Events tells what happens to an execution from the event behind after on, until it has ended, tell returns an error, or ctx ends. What was
// told is told in the same order with the same numbers to whoever asks again, for as long as its result is kept. The end is told to whoever
// has not been told of it, also where fewer entries are left than were told: those are lost of what a killed server had begun, and let go of with what is
// forgotten. An execution that this server left before its end stops without an End.
func (s *Service) Events(ctx context.Context, tenant, id string, after int, tell func(Event) error) error {
	r, err := s.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	n := max(after, 0)
	if r.State != api.ExecutionEnded {
		if l := s.board.LookUp(id); l != nil {
			if n, err = l.Follow(ctx, n, func(n int, log api.Log) error { return tell(Event{N: n, Log: &log}) }); err != nil {
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
	var logs []api.Log
	if r.Result != nil {
		logs = r.Result.Logs
	}
	for ; n < len(logs); n++ {
		if err := tell(Event{N: n + 1, Log: &logs[n]}); err != nil {
			return err
		}
	}
	if after >= EndEvent {
		return nil // the end was told already
	}
	return tell(Event{N: EndEvent, End: &r})
}
