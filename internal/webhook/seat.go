package webhook

import (
	"errors"
	"sync"
	"time"

	"glovebox/internal/queue"
)

const (
	// places is how many attempts are made at once that have not taken long yet, and slowPlaces how many that have, or are expected to: each is
	// a connection, and next to nothing else.
	places, slowPlaces = 128, 384
	// patience is how long an attempt may take before it is a slow one. So nobody waits for longer than that for one of the places.
	patience = 500 * time.Millisecond
)

// errNoSeat ends an attempt that has become a slow one while there was no place for those. It is made again when there is.
var errNoSeat = errors.New("it took too long while too many others did")

// A seat is where an attempt is made: at one of the places for all, until it is found to be slow, or at one of those for who is slow.
type seat struct {
	slow bool // it was taken as one of those

	mu    sync.Mutex
	place *queue.Place
	left  bool
}

// move has it take one of the slow places, and give back its own; false says that there is none. It does not wait.
func (s *seat) move(slow *queue.Queue, tenantID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return true
	}
	taken, err := slow.TryEnter(queue.Share{ID: tenantID})
	if err != nil {
		return false
	}
	s.place.Leave()
	s.place = taken
	return true
}

func (s *seat) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	s.place.Leave()
}
