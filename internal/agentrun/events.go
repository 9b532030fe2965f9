package agentrun

import (
	"context"

	"glovebox/api"
	"glovebox/internal/agent"
	"glovebox/internal/kept"
)

// The bounds of what is held of a run's steps while it goes on; those beyond are not told. Pieces of answers, which come again whole, take half of it
// at most.
const (
	MaxSteps     = 20_000
	MaxStepBytes = 16 << 20
)

// EndEvent is the number of the event that tells of an end.
const EndEvent = kept.EndEvent

// An Event is one thing that happened to a run: a step, or its end.
type Event struct {
	// N is the step's id, or [EndEvent].
	N    int
	Step *Step
	End  *Record
}

// keepStep holds a step for whoever follows. The last one, with the outcome, is told as the end.
func keepStep(l *live, e agent.Event) {
	if e.Type == agent.EventComplete || e.Seq >= EndEvent {
		return
	}
	step, err := stepOf(e)
	if err != nil {
		return // an event is made of what has been JSON already
	}
	most, bytes := MaxSteps, MaxStepBytes
	if e.Type == agent.EventText {
		most, bytes = most/2, bytes/2
	}
	l.Add(step, len(step.Data), most, bytes)
}

// lasting returns the steps that are kept once a run has ended: all but the pieces of answers.
func lasting(steps []Step) (kept []Step) {
	for _, s := range steps {
		if s.Type != string(agent.EventText) {
			kept = append(kept, s)
		}
	}
	return kept
}

// Events tells what happens to a run from the event behind after on, until it has ended, tell returns an error, or ctx ends. A step has the same number
// for whoever asks again, for as long as the outcome is kept, but pieces of answers are told while it goes on alone. A run that this server left
// before its end stops without an End.
func (s *Service) Events(ctx context.Context, tenant, id string, after int, tell func(Event) error) error {
	r, err := s.Get(ctx, tenant, id)
	if err != nil {
		return err
	}
	told := max(after, 0)
	step := func(one Step) error {
		if one.ID <= told {
			return nil
		}
		told = one.ID
		return tell(Event{N: one.ID, Step: &one})
	}
	if r.State != api.ExecutionEnded {
		if l := s.board.LookUp(id); l != nil {
			if _, err := l.Follow(ctx, 0, func(_ int, one Step) error { return step(one) }); err != nil {
				return err
			}
		}
		// Where it was not on the board it may have ended since we looked.
		if r, err = s.Get(ctx, tenant, id); err != nil {
			return err
		}
	}
	if r.State != api.ExecutionEnded || told >= EndEvent {
		return nil
	}
	for _, one := range r.Steps {
		if err := step(one); err != nil {
			return err
		}
	}
	return tell(Event{N: EndEvent, End: &r})
}
