package execution

import (
	"context"
	"time"

	"glovebox/internal/logcontext"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
	"glovebox/internal/tenant"
)

// held is what one tenant has accepted, and not ended.
type held struct {
	accepted int
	waiting  int // of them, those that have not begun
	bytes    int64
}

// size is what a record's request holds in memory.
func (r Record) size() int64 { return int64(len(r.Request.Code) + len(r.Request.InputData)) }

// queueRetry is when to come again for a place among what waits, at a guess.
const queueRetry = time.Second

// reserve takes places among what is accepted: all or none. A tenant may hold no more than is left for others.
func (s *Service) reserve(records []Record, whose tenant.Tenant) ([]*live, error) {
	var bytes int64
	for _, r := range records {
		bytes += r.size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, sandbox.ErrClosed
	}
	var own held
	if h := s.held[whose.ID]; h != nil {
		own = *h
	}
	n := len(records)
	if most := whose.Quota.Queue; most > 0 && own.waiting+n > most {
		over := &quota.Error{Quota: "queue", Limit: new(float64(most)), Used: new(float64(own.waiting)), After: queueRetry}
		if n > most {
			over.Used, over.After, over.Forbidden = new(float64(n)), 0, true
		}
		return nil, over
	}
	left, leftBytes := s.config.Accepted-len(s.live), s.config.AcceptedBytes-s.bytes
	if n > left || bytes > leftBytes {
		return nil, ErrFull
	}
	if whose.ID != "" && (own.accepted+n > left || own.bytes+bytes > leftBytes) {
		return nil, ErrFull
	}
	lives := make([]*live, n)
	for i, r := range records {
		lives[i] = newLive()
		s.hold(r, lives[i])
	}
	return lives, nil
}

// hold counts what is accepted. mu is held.
func (s *Service) hold(r Record, l *live) {
	s.live[r.ID] = l
	s.bytes += r.size()
	h := s.held[r.Tenant]
	if h == nil {
		h = &held{}
		s.held[r.Tenant] = h
	}
	l.waiting = true
	h.accepted++
	h.waiting++
	h.bytes += r.size()
}

// begun says that it does not wait any more.
func (s *Service) begun(r Record, l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noMoreWaiting(r, l)
}

// noMoreWaiting must be called with mu held.
func (s *Service) noMoreWaiting(r Record, l *live) {
	if l.waiting {
		l.waiting = false
		s.held[r.Tenant].waiting--
	}
}

// release gives its place back.
func (s *Service) release(r Record, l *live) {
	s.mu.Lock()
	delete(s.live, r.ID)
	s.bytes -= r.size()
	s.noMoreWaiting(r, l)
	h := s.held[r.Tenant]
	h.accepted--
	h.bytes -= r.size()
	if h.accepted == 0 {
		delete(s.held, r.Tenant)
	}
	s.mu.Unlock()
	l.end()
}

// start runs what an earlier server has accepted: bounds do not count.
func (s *Service) start(r Record, whose tenant.Tenant) {
	l := newLive()
	s.mu.Lock()
	s.hold(r, l)
	s.mu.Unlock()
	ctx := s.base
	if r.Tenant != "" {
		ctx = logcontext.With(ctx, logcontext.Tenant, r.Tenant)
	}
	s.runs.Go(func() { s.run(ctx, r, whose, l) })
}

// tenantOf returns the tenant of an execution that an earlier server has accepted; ok is false where there is none of that id any
// more, so that nobody knows what its script may have.
func (s *Service) tenantOf(ctx context.Context, r Record) (t tenant.Tenant, ok bool, err error) {
	if r.Tenant == "" || s.config.Tenant == nil {
		return tenant.Tenant{ID: r.Tenant}, true, nil
	}
	return s.config.Tenant(ctx, r.Tenant)
}
