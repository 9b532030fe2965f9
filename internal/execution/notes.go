package execution

import (
	"context"
	"slices"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
)

// A Note is an execution that was run for a caller who waited, and has been told its result.
type Note struct {
	Submission
	ID               string
	CreatedAt, Began time.Time
	Result           api.Result
}

// Note keeps what is left of it, soon, and behind the caller's back: its codes and digests alone, unless its tenant keeps data. What
// the process holds when it is killed is lost: nobody was promised it.
func (s *Service) Note(n Note) {
	r := n.record()
	r.ID, r.CreatedAt, r.BeganAt = n.ID, n.CreatedAt.UTC().Truncate(time.Microsecond), n.Began.UTC().Truncate(time.Microsecond)
	r.end(n.Result, kept.Now())
	r.ReadAt = r.EndedAt
	if !r.KeepData {
		r.Result = nil
	}
	s.mu.Lock()
	s.notes = append(s.notes, r)
	s.mu.Unlock()
	select {
	case s.noted <- struct{}{}:
	default:
	}
	if s.base.Err() != nil { // nobody else looks after it any more
		s.flush()
	}
}

// noteEvery is how long notes are gathered, so that many of them are one transaction.
const noteEvery = 100 * time.Millisecond

func (s *Service) keepNotes() {
	for {
		select {
		case <-s.noted:
		case <-s.base.Done():
			s.flush()
			return
		}
		timer := time.NewTimer(noteEvery)
		select {
		case <-timer.C:
		case <-s.base.Done():
			timer.Stop()
		}
		s.flush()
	}
}

// withTenants leaves out what was a tenant's that is not there any more: it would be the next one's of that id.
func (s *Service) withTenants(notes []Record) []Record {
	gone := map[string]bool{}
	return slices.DeleteFunc(notes, func(r Record) bool {
		if _, asked := gone[r.Tenant]; !asked {
			_, there, err := s.tenantOf(context.WithoutCancel(s.base), r)
			gone[r.Tenant] = err == nil && !there
		}
		return gone[r.Tenant]
	})
}

func (s *Service) flush() {
	s.mu.Lock()
	notes := s.notes
	s.notes = nil
	s.mu.Unlock()
	notes = s.withTenants(notes)
	if len(notes) == 0 {
		return
	}
	if err := s.config.Store.Note(context.WithoutCancel(s.base), notes); err != nil {
		s.config.Log.Error("executions that have ended could not be noted", "executions", len(notes), "error", err)
	}
}
