package queue

import "container/heap"

// A party is one of those among whom the places are shared. All of it is guarded by the queue's mu.
type party struct {
	share   Share
	turn    float64 // when its next place is due
	running int
	waiting int
	line    *Place // the first that waits; the line is a ring, so that the last is the first's prev

	in    *turns // the one that it stands in, if any
	index int    // there
}

// mayRun reports whether the party's own bound lets it have one more place.
func (p *party) mayRun() bool { return p.share.Running <= 0 || p.running < p.share.Running }

func (p *party) push(w *Place) {
	p.waiting++
	if p.line == nil {
		w.prev, w.next, p.line = w, w, w
		return
	}
	last := p.line.prev
	w.prev, w.next = last, p.line
	last.next, p.line.prev = w, w
}

func (p *party) unlink(w *Place) {
	p.waiting--
	if w.next == w {
		p.line = nil
	} else {
		w.prev.next, w.next.prev = w.next, w.prev
		if p.line == w {
			p.line = w.next
		}
	}
	w.prev, w.next = nil, nil
}

// of returns the party of a share, which is new where it has nothing here; settle has to follow. mu is held.
func (q *Queue) of(share Share) *party {
	who := q.parties[share.ID]
	if who == nil {
		who = &party{}
		q.parties[share.ID] = who
	}
	who.share = share
	if who.in == &q.owing {
		q.owing.remove(who)
	}
	if who.waiting > 0 { // more of them may run now, or fewer
		q.settle(who)
		q.dispatch()
	}
	return who
}

// settle puts a party where it belongs by what it has. mu is held.
func (q *Queue) settle(who *party) {
	var where *turns
	switch {
	case who.waiting > 0 && who.mayRun():
		where = &q.ready
	case who.waiting == 0 && who.running == 0:
		where = &q.owing
	}
	if who.in != where && who.in != nil {
		who.in.remove(who)
	}
	switch where {
	case nil:
		return
	case &q.owing:
		if who.turn <= q.clock {
			if who.in != nil {
				who.in.remove(who)
			}
			delete(q.parties, who.share.ID)
			return
		}
	case &q.ready:
		if who.in == nil {
			who.turn = max(who.turn, q.clock) // what it could not have taken is not owed to it
		}
	}
	if who.in == where {
		heap.Fix(where, who.index)
		return
	}
	who.in = where
	heap.Push(where, who)
}

// turns is a heap of parties, the one whose turn is next first; of two whose turns are the same, the one that has waited longer.
// It implements heap.Interface.
type turns []*party

func (t *turns) remove(who *party) {
	heap.Remove(t, who.index)
	who.in = nil
}

func (t turns) Len() int { return len(t) }

func (t turns) Less(i, j int) bool {
	a, b := t[i], t[j]
	if a.turn != b.turn || a.line == nil || b.line == nil {
		return a.turn < b.turn
	}
	return a.line.since < b.line.since
}

func (t turns) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push implements heap.Interface.
func (t *turns) Push(x any) {
	who := x.(*party)
	who.index = len(*t)
	*t = append(*t, who)
}

// Pop implements heap.Interface.
func (t *turns) Pop() any {
	last := len(*t) - 1
	who := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	return who
}
