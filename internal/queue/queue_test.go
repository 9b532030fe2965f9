package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// check holds a queue to what must be true of it between any two calls.
func check(t *testing.T, q *Queue) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	running, waiting, beyond := 0, 0, 0
	for id, who := range q.parties {
		running += who.running
		waiting += who.waiting
		if who.share.ID != id {
			t.Fatalf("%q stands as %q", who.share.ID, id)
		}
		ready := who.waiting > 0 && who.mayRun()
		idle := who.waiting == 0 && who.running == 0
		if ready != (who.in == &q.ready) || idle != (who.in == &q.owing) {
			t.Fatalf("%q: %d run and %d wait, and it stands in the wrong place", id, who.running, who.waiting)
		}
		if who.in != nil && (*who.in)[who.index] != who {
			t.Fatalf("%q is not where its index says", id)
		}
		if idle && who.turn <= q.clock {
			t.Fatalf("%q is remembered for nothing", id)
		}
		if ready && who.turn < q.clock {
			t.Fatalf("the turn of %q was before the clock: others were served first", id)
		}
		n, last := 0, uint64(0)
		for p := who.line; p != nil; p = p.next {
			n++
			if p.since <= last || p.state != stateWaiting {
				t.Fatalf("the line of %q is out of order", id)
			}
			if p.beyond {
				beyond++
			}
			if last = p.since; p.next == who.line {
				break
			}
		}
		if n != who.waiting {
			t.Fatalf("%q: %d stand in the line and %d are counted", id, n, who.waiting)
		}
	}
	if running != q.places-q.free || running > q.places || waiting != q.waiting || beyond != q.beyond || waiting-beyond > q.room {
		t.Fatalf("%d run, %d wait, %d of them beyond; counted are %d of %d and %d of %d, %d of them beyond", running, waiting, beyond,
			q.places-q.free, q.places, q.waiting, q.room, q.beyond)
	}
	if q.free > 0 && len(q.ready) > 0 {
		t.Fatal("a place is free, and somebody waits for nothing else")
	}
}

func isGranted(p *Place) bool {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return p.state == stateTaken
}

// Whatever comes, ends and gives up, in whatever order: no request is lost, none has two places, the bounds hold, and each
// party's requests are served in their order.
func TestAnyOrderOfEvents(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		places, room := 1+random.IntN(4), random.IntN(30)
		q := New(places, room)
		shares := make([]Share, 1+random.IntN(6))
		for i := range shares {
			shares[i] = Share{ID: fmt.Sprint("t", i), Weight: random.IntN(20), Running: random.IntN(3), Waiting: random.IntN(8), Beyond: random.IntN(8) == 0}
		}
		if random.IntN(2) == 0 {
			shares[0].ID = ""
		}
		var open []*Place
		served := map[string]uint64{}
		note := func() {
			for _, p := range open {
				if isGranted(p) && p.since != 0 && p.since > served[p.party.share.ID] {
					for _, other := range open {
						if other.party == p.party && other.since != 0 && other.since < p.since && !isGranted(other) {
							t.Fatalf("seed %d: %d of %q was served before %d", seed, p.since, p.party.share.ID, other.since)
						}
					}
					served[p.party.share.ID] = p.since
				}
			}
		}
		for range 400 {
			if random.IntN(5) < 3 {
				share := shares[random.IntN(len(shares))]
				if random.IntN(20) == 0 { // what a party may have changes
					share.Running, share.Weight = random.IntN(4), random.IntN(20)
				}
				p, err := q.join(share)
				var full *FullError
				switch {
				case err == nil:
					open = append(open, p)
				case !errors.As(err, &full):
					t.Fatal(err)
				case full.Bound == BoundWaiting && full.Waiting < share.Waiting:
					t.Fatalf("seed %d: refused with %d of %d waiting", seed, full.Waiting, share.Waiting)
				}
				if share.Waiting > 0 && q.parties[share.ID] != nil && err == nil && q.parties[share.ID].waiting > share.Waiting {
					t.Fatalf("seed %d: more wait than may", seed)
				}
			} else if len(open) > 0 {
				i := random.IntN(len(open))
				open[i].Leave()
				open[i].Leave() // the second does nothing
				open = append(open[:i], open[i+1:]...)
			}
			check(t, q)
			note()
		}
		for len(open) > 0 { // everybody who waits gets a place once those before have left
			granted := -1
			for i, p := range open {
				if isGranted(p) {
					granted = i
				}
			}
			if granted < 0 {
				t.Fatalf("seed %d: %d wait for ever", seed, len(open))
			}
			open[granted].Leave()
			open = append(open[:granted], open[granted+1:]...)
			check(t, q)
			note()
		}
		if len(q.parties) != 0 || len(q.owing) != 0 || q.clock != 0 {
			t.Fatalf("seed %d: an empty queue remembers %d parties", seed, len(q.parties))
		}
	}
}

// Many goroutines at once, half of which give up: nobody is lost, and never are there more than may be.
func TestManyAtOnce(t *testing.T) {
	const places, parties, each = 3, 8, 60
	q := New(places, parties*each*2)
	var running, most, served, gaveUp atomic.Int64
	own := make([]atomic.Int64, parties)
	var all sync.WaitGroup
	for party := range parties {
		for n := range each {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if n%2 == 0 {
					all.Go(cancel)
				}
				p, err := q.Enter(ctx, Share{ID: fmt.Sprint(party), Running: 2})
				if err != nil {
					if !errors.Is(err, context.Canceled) || n%2 == 1 {
						t.Error(err)
					}
					gaveUp.Add(1)
					return
				}
				if now := running.Add(1); now > most.Load() {
					most.Store(now)
				}
				if own[party].Add(1) > 2 {
					t.Error("a party has more places than it may")
				}
				served.Add(1)
				own[party].Add(-1)
				running.Add(-1)
				p.Leave()
			})
		}
	}
	all.Wait()
	if served.Load()+gaveUp.Load() != parties*each || served.Load() < parties*each/2 || most.Load() > places {
		t.Errorf("%d were served and %d gave up of %d; up to %d at once", served.Load(), gaveUp.Load(), parties*each, most.Load())
	}
	if running, waiting := q.Load(); running != 0 || waiting != 0 || len(q.parties) != 0 {
		t.Errorf("%d run, %d wait and %d parties are left", running, waiting, len(q.parties))
	}
}

// next gives the one place of a queue back, and tells whose turn it is then.
func next(t *testing.T, open map[*Place]string, holder *Place) *Place {
	t.Helper()
	delete(open, holder)
	holder.Leave()
	for p := range open {
		if isGranted(p) {
			return p
		}
	}
	t.Fatal("nobody has the place")
	return nil
}

// fill has so many of a party's requests wait.
func fill(t *testing.T, q *Queue, open map[*Place]string, share Share, n int) (first *Place) {
	t.Helper()
	for range n {
		p, err := q.join(share)
		if err != nil {
			t.Fatal(err)
		}
		if open[p] = share.ID; first == nil {
			first = p
		}
	}
	return first
}

// Parties that always have something waiting get places by their weights: none is ever more than one turn of its own ahead of
// another, by virtual time.
func TestSharesFollowWeights(t *testing.T) {
	weights := map[string]int{"a": 1, "b": 2, "c": 10, "d": 37}
	const total, rounds = 50, 40
	q, open := New(1, 1_000_000), map[*Place]string{}
	holder := fill(t, q, open, Share{ID: "first"}, 1)
	for id, weight := range weights {
		fill(t, q, open, Share{ID: id, Weight: weight}, weight*rounds+5)
	}
	got := map[string]int{}
	for n := 1; n <= total*rounds; n++ {
		holder = next(t, open, holder)
		got[open[holder]]++
		for a := range weights {
			for b := range weights {
				ahead := float64(got[a])/float64(weights[a]) - float64(got[b])/float64(weights[b])
				if limit := 1/float64(weights[a]) + 1/float64(weights[b]); ahead > limit+1e-9 {
					t.Fatalf("after %d turns %s is ahead of %s by %.3f, more than %.3f: %v", n, a, b, ahead, limit, got)
				}
			}
		}
	}
	for id, weight := range weights {
		if math.Abs(float64(got[id]-weight*rounds)) > 1 {
			t.Errorf("%s of weight %d got %d of %d turns", id, weight, got[id], total*rounds)
		}
	}
}

// However much one party has waiting, and whatever its weight, another that comes has the next place that is given back.
func TestOneAmongManyIsNext(t *testing.T) {
	q, open := New(1, 1_000_000), map[*Place]string{}
	holder := fill(t, q, open, Share{ID: "many", Weight: 1000}, 10_001)
	for range 100 {
		holder = next(t, open, holder)
	}
	fill(t, q, open, Share{ID: "one", Weight: 1}, 1)
	if holder = next(t, open, holder); open[holder] != "one" {
		t.Errorf("the place went to %s", open[holder])
	}
}

// What a party could not use for its own bound is not owed to it afterwards.
func TestAnOwnBoundEarnsNothing(t *testing.T) {
	q, open := New(2, 1000), map[*Place]string{}
	bound := fill(t, q, open, Share{ID: "bound", Running: 1}, 50)
	holder := fill(t, q, open, Share{ID: "other"}, 50)
	for range 30 { // others have their turns while its one place is in use
		holder = func() *Place {
			delete(open, holder)
			holder.Leave()
			for p, id := range open {
				if id == "other" && isGranted(p) {
					return p
				}
			}
			t.Fatal("the other does not go on")
			return nil
		}()
	}
	turns := map[string]int{}
	for p := range open {
		if isGranted(p) && p != bound {
			turns[open[p]]++
		}
	}
	if turns["bound"] != 0 || turns["other"] != 1 {
		t.Errorf("%v run beside", turns)
	}
	delete(open, bound)
	bound.Leave() // its next is due now, and no earlier
	if q.parties["bound"].turn < q.clock {
		t.Error("it is owed what it could not have used")
	}
}

// One party does not fill the queue for all others, and is told which bound it has met.
func TestRoomIsLeftForOthers(t *testing.T) {
	q, open := New(1, 16), map[*Place]string{}
	fill(t, q, open, Share{ID: "greedy"}, 1+8)
	refused := func(share Share) Bound {
		t.Helper()
		_, err := q.join(share)
		var full *FullError
		if !errors.As(err, &full) || full.RetryAfter() <= 0 {
			t.Fatal(err)
		}
		return full.Bound
	}
	if got := refused(Share{ID: "greedy"}); got != BoundRoom {
		t.Error(got)
	}
	for i := range 4 {
		fill(t, q, open, Share{ID: fmt.Sprint("other", i)}, 1)
	}
	if got := refused(Share{ID: "greedy", Running: 1}); got != BoundRunning {
		t.Error(got)
	}
	if got := refused(Share{ID: "greedy", Waiting: 8}); got != BoundWaiting {
		t.Error(got)
	}
	// A queue of nobody's in particular is all theirs.
	q = New(1, 3)
	fill(t, q, open, Share{}, 1+3)
	if got := refused(Share{}); got != BoundRoom {
		t.Error(got)
	}
	check(t, q)
}

// What waits beyond the queue's room does so in its party's turn, takes no room from others, and is held to its party's own bound.
func TestBeyondTheRoom(t *testing.T) {
	q, open := New(1, 2), map[*Place]string{}
	fill(t, q, open, Share{ID: "a"}, 1+1)
	fill(t, q, open, Share{ID: "b"}, 1)
	for _, id := range []string{"a", "b", "c"} {
		if _, err := q.join(Share{ID: id}); err == nil {
			t.Fatalf("%s found room", id)
		}
	}
	beyond, err := q.join(Share{ID: "c", Beyond: true})
	if err != nil || isGranted(beyond) {
		t.Fatal(err)
	}
	if _, err := q.join(Share{ID: "c", Beyond: true, Waiting: 1}); err == nil {
		t.Error("a party had more waiting than it may")
	}
	for p := range open { // the one that has its place, and one that waits
		if isGranted(p) {
			p.Leave()
			break
		}
	}
	check(t, q)
	if _, err := q.join(Share{ID: "d"}); err != nil {
		t.Errorf("what waits beyond the room took some: %v", err)
	}
	for p := range open {
		p.Leave()
	}
	check(t, q)
	if !isGranted(beyond) {
		t.Error("it did not get its turn")
	}
}

// A place that could be given back is asked for by who could have it, and by nobody else.
func TestSparePlaces(t *testing.T) {
	asked := func(wanted <-chan struct{}) bool {
		select {
		case <-wanted:
			return true
		default:
			return false
		}
	}
	q, open := New(3, 10), map[*Place]string{}
	a := fill(t, q, open, Share{ID: "a", Running: 1}, 1)
	b := fill(t, q, open, Share{ID: "b"}, 1)
	fromA, fromB := a.Wanted(), b.Wanted()
	fill(t, q, open, Share{ID: "b"}, 1)
	if asked(fromA) || asked(fromB) {
		t.Error("a place was free")
	}
	fill(t, q, open, Share{ID: "a", Running: 1}, 1)
	if !asked(fromA) || asked(fromB) {
		t.Error("a's second waits for a's first, and for no other")
	}
	fill(t, q, open, Share{ID: "c"}, 1)
	if !asked(fromB) {
		t.Error("no place is free, and b's was spare")
	}
	if !asked(b.Wanted()) {
		t.Error("somebody waits already")
	}
	check(t, q)
}

func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(1, 2)
		holder, err := q.Enter(t.Context(), Share{ID: "a"})
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("as told by the test")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := q.Enter(ctx, Share{ID: "b"})
			done <- err
		}()
		synctest.Wait()
		if _, waiting := q.Load(); waiting != 1 {
			t.Fatalf("%d wait", waiting)
		}
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Error(err)
		}
		if parties := q.Parties(); len(parties) != 1 || parties[0] != (PartyLoad{"a", 1, 0}) {
			t.Errorf("%v", parties)
		}
		holder.Leave()
		check(t, q)
	})
}

// Who tries does not wait, and takes nothing that others wait for.
func TestTryEnter(t *testing.T) {
	q := New(1, 10)
	p, err := q.TryEnter(Share{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var full *FullError
	if _, err := q.TryEnter(Share{ID: "b"}); !errors.As(err, &full) {
		t.Errorf("%v", err)
	}
	waiting, err := q.join(Share{ID: "c"})
	if err != nil {
		t.Fatal(err)
	}
	p.Leave()
	if _, err := q.TryEnter(Share{ID: "a"}); !errors.As(err, &full) {
		t.Errorf("before one that waits: %v", err)
	}
	waiting.Leave()
	if p, err = q.TryEnter(Share{ID: "a", Running: 1}); err != nil {
		t.Fatal(err)
	}
	p.Leave()
	if running, left := q.Load(); running != 0 || left != 0 {
		t.Errorf("%d run and %d wait", running, left)
	}
}

// A bound that was raised, or lowered, was heeded once the party's next request came.
func TestReshare(t *testing.T) {
	q, open := New(4, 1000), map[*Place]string{}
	fill(t, q, open, Share{ID: "a", Running: 1}, 5)
	granted := func() (n int) {
		for p := range open {
			if isGranted(p) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct{ may, run int }{{1, 1}, {3, 3}, {0, 4}, {2, 4}} {
		q.Reshare(Share{ID: "a", Running: c.may})
		check(t, q)
		if n := granted(); n != c.run {
			t.Fatalf("where %d may, %d run, want %d", c.may, n, c.run)
		}
	}
	for p := range open { // of the four, two have to end before the fifth's turn
		if isGranted(p) {
			delete(open, p)
			p.Leave()
		}
		if n := granted(); len(open) == 3 {
			if n != 2 {
				t.Fatalf("%d run", n)
			}
			break
		}
	}
	q.Reshare(Share{ID: "nobody", Running: 1})
	check(t, q)
	if len(q.parties) != 1 {
		t.Errorf("%d parties", len(q.parties))
	}
}
