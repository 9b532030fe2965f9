// Package queue shares a number of places among parties that want more of them than there are: by weight, and first come
// first served within each party. It knows nothing of what is done in a place.
//
// It is start-time fair queueing (Goyal, Vin and Cheng, 1996) with each place taken at the same price: a party's next turn is due
// at a virtual time that moves on by 1/weight with each place it gets, the earliest turn is served, and the clock is the
// turn that was served last. A party that comes anew is due now, before all those that have been served since: whatever
// others have waiting, it waits for one place to be given back.
package queue

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Share is on whose behalf a place is wanted, and what that party may have.
type Share struct {
	// ID is the party's. Requests with the same ID are one party's; "" is a party like others, for whom alone there is no
	// part of the queue that is kept from it: see [Queue.Enter].
	ID string
	// Weight is its share of the places against others'; less than 1 is 1.
	Weight int
	// Running is how many places it may have at once, Waiting how many of its requests may wait; 0 is no bound beside the
	// queue's own. The last request's word counts.
	Running, Waiting int
	// Beyond says that this request waits even where the queue has no room, and takes none from others: there are few such, by a bound of
	// whoever wants the place.
	Beyond bool
}

// A Queue gives out places. It is safe for concurrent use.
type Queue struct {
	places, room int

	mu      sync.Mutex
	free    int
	waiting int
	beyond  int     // of those that wait, those that take no room
	clock   float64 // virtual time: when the turn was due that was served last
	arrived uint64  // requests that had to wait, for their order
	parties map[string]*party
	ready   turns // parties that wait for nothing but a place
	owing   turns // parties that have nothing here but the places they have had, until the clock has come to their turn
	spare   map[*Place]chan struct{}
}

// New returns a queue of so many places, in which at most room requests wait. There must be a place, and room must not be
// negative.
func New(places, room int) *Queue {
	if places < 1 || room < 0 {
		panic(fmt.Sprintf("queue: %d places and room for %d", places, room))
	}
	return &Queue{places: places, room: room, free: places, parties: map[string]*party{}, spare: map[*Place]chan struct{}{}}
}

// A Bound is one that keeps a request from waiting.
type Bound int

// The bounds.
const (
	BoundRoom    Bound = iota // of all: the queue is full, or as full as one party may make it
	BoundRunning              // the party's own number of places, for which it has as much waiting as it may
	BoundWaiting              // the party's own number of waiting requests
)

// A FullError is returned where a request can neither have a place nor wait for one.
type FullError struct {
	Bound Bound
	// Running and Waiting are what the party has now.
	Running, Waiting int
}

func (e *FullError) Error() string {
	if e.Bound == BoundRoom {
		return "every place is taken, and the queue is full"
	}
	return fmt.Sprintf("%d run and %d wait already: no more may", e.Running, e.Waiting)
}

// retryAfter is a guess: how long scripts will take nobody knows.
const retryAfter = time.Second

// RetryAfter is when to try again, at a guess.
func (*FullError) RetryAfter() time.Duration { return retryAfter }

// A Place is one that was given out.
type Place struct {
	queue *Queue
	party *party

	granted chan struct{} // closed with mu held; nil where there was nothing to wait for
	since   uint64        // its number among those that had to wait
	prev    *Place        // in the party's line
	next    *Place
	beyond  bool
	state   state // guarded by the queue's mu
}

type state int

const (
	stateWaiting state = iota
	stateTaken
	stateLeft
)

// Enter takes a place, and waits for one where none is free. The error is a *[FullError], at once, where nothing more may wait,
// or else the cause of ctx's end. The place must be given back by [Place.Leave].
//
// A party with an ID may have no more waiting than there is room left: so whoever comes next finds some, whatever others do.
func (q *Queue) Enter(ctx context.Context, share Share) (*Place, error) {
	p, err := q.join(share)
	if err != nil {
		return nil, err
	}
	if p.granted == nil {
		return p, nil
	}
	select {
	case <-p.granted:
		return p, nil
	case <-ctx.Done():
		p.Leave()
		return nil, context.Cause(ctx)
	}
}

// TryEnter takes a place where one is free. The error is a *[FullError].
func (q *Queue) TryEnter(share Share) (*Place, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	who := q.of(share)
	defer q.settle(who)
	if q.free == 0 || !who.mayRun() {
		return nil, &FullError{Running: who.running, Waiting: who.waiting}
	}
	p := &Place{queue: q, party: who}
	q.grant(p)
	return p, nil
}

// Reshare says what a party may have from now on, where it has anything here: its next request says it again. So whoever waits need not wait for that
// where more may run now.
func (q *Queue) Reshare(share Share) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.parties[share.ID] != nil {
		q.settle(q.of(share))
	}
}

// join takes a place or begins to wait for one.
func (q *Queue) join(share Share) (*Place, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	who := q.of(share)
	defer q.settle(who)
	p := &Place{queue: q, party: who}
	if q.free > 0 && who.mayRun() { // nobody waits who could have it: see dispatch
		q.grant(p)
		return p, nil
	}
	if err := q.full(who); err != nil {
		return nil, err
	}
	q.arrived++
	p.since, p.granted, p.beyond = q.arrived, make(chan struct{}), share.Beyond
	who.push(p)
	q.count(p, 1)
	q.want(who)
	return p, nil
}

// count adds what waits to what does; n is 1 or -1. mu is held.
func (q *Queue) count(p *Place, n int) {
	if q.waiting += n; p.beyond {
		q.beyond += n
	}
}

// full says why one more of a party's requests may not wait; nil where it may. mu is held.
func (q *Queue) full(who *party) error {
	left := q.room - (q.waiting - q.beyond)
	full := &FullError{Running: who.running, Waiting: who.waiting}
	switch {
	case who.share.Waiting > 0 && who.waiting >= who.share.Waiting:
		full.Bound = BoundWaiting
	case who.share.Beyond:
		return nil
	case left <= 0:
		full.Bound = BoundRoom
	case who.share.ID == "" || who.waiting < left:
		return nil
	case !who.mayRun():
		full.Bound = BoundRunning
	}
	return full
}

// grant gives a place out. mu is held, and a place is free.
func (q *Queue) grant(p *Place) {
	q.free--
	who := p.party
	who.running++
	q.clock = max(q.clock, who.turn)
	who.turn = q.clock + 1/float64(max(1, who.share.Weight))
	p.state = stateTaken
	if p.granted != nil {
		close(p.granted)
	}
	// A turn that the clock has come to says nothing any more.
	for len(q.owing) > 0 && q.owing[0].turn <= q.clock {
		done := q.owing[0]
		q.owing.remove(done)
		delete(q.parties, done.share.ID)
	}
}

// dispatch gives out what is free, until nobody waits who may have it. mu is held.
func (q *Queue) dispatch() {
	for q.free > 0 && len(q.ready) > 0 {
		who := q.ready[0]
		p := who.line
		who.unlink(p)
		q.count(p, -1)
		q.grant(p)
		q.settle(who)
	}
}

// Leave gives the place back, or ends the wait for it. What follows the first call does nothing.
func (p *Place) Leave() {
	q, who := p.queue, p.party
	q.mu.Lock()
	defer q.mu.Unlock()
	switch p.state {
	case stateTaken:
		q.free++
		who.running--
		delete(q.spare, p)
	case stateWaiting:
		who.unlink(p)
		q.count(p, -1)
	case stateLeft:
		return
	}
	p.state = stateLeft
	q.settle(who)
	q.dispatch()
	if q.free == q.places && q.waiting == 0 { // nobody owes anything to nobody
		clear(q.parties)
		q.owing, q.clock = nil, 0
	}
}

// Wanted says that the place could be given back at any time, and returns what is closed when somebody waits for it.
func (p *Place) Wanted() <-chan struct{} {
	q := p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	wanted := make(chan struct{})
	if p.state != stateTaken || p.party.waiting > 0 || len(q.ready) > 0 {
		close(wanted)
		return wanted
	}
	q.spare[p] = wanted
	return wanted
}

// want has one spare place given back that a party which begins to wait could have. mu is held.
func (q *Queue) want(who *party) {
	for p, wanted := range q.spare {
		if who.mayRun() || p.party == who {
			delete(q.spare, p)
			close(wanted)
			return
		}
	}
}

// Load tells how many places are taken, and how many requests wait for one.
func (q *Queue) Load() (running, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.places - q.free, q.waiting
}

// Places tells how many there are.
func (q *Queue) Places() int { return q.places }

// A PartyLoad is what one party has.
type PartyLoad struct {
	ID               string
	Running, Waiting int
}

// Parties tells what each party has that has anything, in no order.
func (q *Queue) Parties() []PartyLoad {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []PartyLoad
	for id, who := range q.parties {
		if who.running+who.waiting > 0 {
			all = append(all, PartyLoad{id, who.running, who.waiting})
		}
	}
	return all
}
