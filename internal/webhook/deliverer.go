package webhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"glovebox/internal/queue"
)

// Config is what a Deliverer needs; Store must be set.
type Config struct {
	Store Store
	// AllowPrivate lets deliveries go to any address, and over plain http.
	AllowPrivate bool
	// Observe is told how each attempt came out; nil means nobody.
	Observe func(Outcome)
	// Log is told of attempts that failed; nil means nowhere. It is told no more of a URL than scheme and host.
	Log *slog.Logger
}

// An Outcome is how an attempt came out.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Postponed Outcome = "postponed" // it failed, and there will be another
	GivenUp   Outcome = "given_up"  // it failed, and there will be none
)

// Outcomes lists every outcome.
func Outcomes() []Outcome { return []Outcome{Delivered, Postponed, GivenUp} }

const (
	// mostOfOne is how many attempts are made at once for one tenant whose receiver has answered; another has one.
	mostOfOne = 4
	// lookAgain is how often a tenant's deliveries are looked at though nothing is due: another process may have changed its webhook.
	lookAgain = time.Minute
	// storeRetry is how long a store that fails is left alone.
	storeRetry = 5 * time.Second
)

// A Deliverer makes deliveries. Tenants take turns for places, and those whose receivers are slow or dead have others than the rest, so that
// these delay nobody: see seat. It is safe for concurrent use. It is begun by [Open], and must be closed.
type Deliverer struct {
	config  Config
	began   time.Time
	through http.RoundTripper
	idle    func() // closes the connections that are kept
	quick   *queue.Queue
	slow    *queue.Queue
	base    context.Context
	cancel  context.CancelFunc
	runs    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	lines  map[string]chan struct{} // by tenant that has something to be told; has a token when there may be something new
}

// Open begins to make deliveries: those first that an earlier Deliverer has left.
func Open(ctx context.Context, config Config) (*Deliverer, error) {
	allowed := public
	if config.AllowPrivate {
		allowed = func(netip.Addr) error { return nil }
	}
	through := newTransport(allowed, net.DefaultResolver)
	return open(ctx, config, through, through.CloseIdleConnections)
}

func open(ctx context.Context, config Config, through http.RoundTripper, idle func()) (*Deliverer, error) {
	if config.Store == nil {
		return nil, errors.New("webhook: a Store is needed")
	}
	if config.Observe == nil {
		config.Observe = func(Outcome) {}
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	backlogs, err := config.Store.Backlogs(ctx)
	if err != nil {
		return nil, err
	}
	d := &Deliverer{config: config, began: time.Now(), through: through, idle: idle, lines: map[string]chan struct{}{},
		quick: queue.New(places, 1<<20), slow: queue.New(slowPlaces, 1<<20)}
	d.base, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, b := range backlogs {
		d.Wake(b.Tenant)
	}
	return d, nil
}

// now is by a clock that nobody turns, as the machine's may be: else what is postponed while that is ahead would wait for hours once it is right.
func (d *Deliverer) now() time.Time { return d.began.Add(time.Since(d.began)) }

// Wake says that there may be something new to tell a tenant. It does not wait, and does nothing once the Deliverer is closed.
func (d *Deliverer) Wake(tenantID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	news, there := d.lines[tenantID]
	if !there {
		news = make(chan struct{}, 1)
		d.lines[tenantID] = news
		d.runs.Go(func() { d.follow(tenantID, news) })
		return
	}
	select {
	case news <- struct{}{}:
	default:
	}
}

// Pending is how many deliveries have been neither made nor given up.
func (d *Deliverer) Pending(ctx context.Context) (int, error) {
	backlogs, err := d.config.Store.Backlogs(ctx)
	sum := 0
	for _, b := range backlogs {
		sum += b.Deliveries
	}
	return sum, err
}

// Close ends attempts where they are, and returns when nothing goes on any more. What was not delivered is left in the store; what
// was on its way may be delivered again by the next.
func (d *Deliverer) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.runs.Wait()
	d.idle()
}

// retire ends a tenant's line, unless there is news.
func (d *Deliverer) retire(tenantID string, news chan struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(news) > 0 {
		return false
	}
	delete(d.lines, tenantID)
	return true
}

// A landing says how an attempt came out.
type landing struct {
	id           string
	failed, slow bool
}

// follow makes a tenant's deliveries, until there are none.
func (d *Deliverer) follow(tenantID string, news chan struct{}) {
	flying := map[string]bool{}
	landed := make(chan landing, mostOfOne)
	trusted, slow := false, false // by the last attempt
	var place *queue.Place        // for the next attempt
	leave := func() {
		if place != nil {
			place.Leave()
			place = nil
		}
	}
	defer leave()
	for d.base.Err() == nil {
		next, err := d.next(tenantID, flying)
		most, line := 1, d.quick
		if trusted {
			most = mostOfOne
		}
		if slow {
			line = d.slow
		}
		var wait time.Duration
		switch {
		case d.base.Err() != nil:
			return
		case err != nil:
			d.config.Log.Error("deliveries to a webhook could not be looked for", "tenant", tenantID, "error", err)
			wait = storeRetry
		case next == nil && len(flying) == 0:
			if d.retire(tenantID, news) {
				return
			}
		case next == nil || len(flying) >= most:
			wait = lookAgain
		case next.DueAt.After(d.now()):
			wait = min(next.DueAt.Sub(d.now()), lookAgain)
		case place == nil:
			// What is to be told, and where, is read again once there is a place: that may take a while.
			if place, err = line.Enter(d.base, queue.Share{ID: tenantID}); err != nil {
				wait = storeRetry
				break
			}
			continue
		default:
			flying[next.ID] = true
			taken := &seat{place: place, slow: slow}
			place = nil
			d.runs.Go(func() { landed <- d.attempt(*next, taken) })
			continue
		}
		leave()
		timer := time.NewTimer(wait)
		select {
		case l := <-landed:
			delete(flying, l.id)
			trusted, slow = !l.failed, l.slow
		case <-news:
		case <-timer.C:
		case <-d.base.Done():
		}
		timer.Stop()
	}
}

// next is the first of a tenant's deliveries that is not on its way; nil where there is none. What is on its way was due before all others,
// and so is among the first.
func (d *Deliverer) next(tenantID string, flying map[string]bool) (*Delivery, error) {
	first, err := d.config.Store.Next(d.base, tenantID, mostOfOne+1)
	if err != nil {
		return nil, err
	}
	for _, delivery := range first {
		if !flying[delivery.ID] {
			return &delivery, nil
		}
	}
	return nil, nil
}

// attempt makes an attempt, gives its seat back, and keeps how it came out.
func (d *Deliverer) attempt(delivery Delivery, at *seat) landing {
	l := landing{id: delivery.ID}
	var err error
	stale := time.Since(delivery.CreatedAt) > staleAfter
	if !stale {
		began := time.Now()
		err = d.postFrom(at, delivery)
		l.slow = time.Since(began) >= patience
	}
	at.leave()
	if err != nil && (d.base.Err() != nil || errors.Is(err, errNoSeat)) { // cut off by us, it counts for nothing
		l.failed = true
		return l
	}
	l.failed = !d.told(delivery, stale, err)
	return l
}

// postFrom makes one attempt, which goes on for longer than others would wait only where there is a place for that.
func (d *Deliverer) postFrom(at *seat, delivery Delivery) error {
	ctx, cancel := context.WithCancelCause(d.base)
	defer cancel(nil)
	if !at.slow {
		timer := time.AfterFunc(patience, func() {
			if !at.move(d.slow, delivery.To.Tenant) {
				cancel(errNoSeat)
			}
		})
		defer timer.Stop()
	}
	err := d.post(ctx, delivery)
	if err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// told keeps how an attempt came out, and reports whether the receiver was told.
func (d *Deliverer) told(delivery Delivery, stale bool, err error) bool {
	log := d.config.Log.With("tenant", delivery.To.Tenant, "delivery", delivery.ID, "to", delivery.To.Origin(), "attempt", delivery.Attempts+1)
	after, again := backoff(delivery, err)
	switch {
	case stale:
		log.Warn("a delivery to a webhook is given up: it is too old")
		d.config.Observe(GivenUp)
	case err == nil:
		d.config.Observe(Delivered)
	case !again:
		log.Warn("a delivery to a webhook is given up", "error", brief(err))
		d.config.Observe(GivenUp)
	default:
		log.Info("a delivery to a webhook failed", "error", brief(err), "next", after.Round(time.Second))
		d.config.Observe(Postponed)
		d.keep(log, func(ctx context.Context) error {
			return d.config.Store.Postpone(ctx, delivery.ID, d.now().Add(after))
		})
		return false
	}
	d.keep(log, func(ctx context.Context) error { return d.config.Store.Remove(ctx, delivery.ID) })
	return !stale && err == nil
}

// brief is an error's text, of which a receiver may have had its certificate or its answer make much.
func brief(err error) string {
	const most = 300
	text := err.Error()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// keep has the store keep how an attempt came out, however often that takes: what it does not know would be delivered again at once.
func (d *Deliverer) keep(log *slog.Logger, f func(context.Context) error) {
	for {
		err := f(context.WithoutCancel(d.base))
		if err == nil {
			return
		}
		log.Error("how a delivery to a webhook came out could not be kept", "error", err)
		timer := time.NewTimer(storeRetry)
		select {
		case <-timer.C:
		case <-d.base.Done():
			timer.Stop()
			return
		}
	}
}

// delays are those after each attempt that failed; after the last there is no other.
var delays = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour}

const (
	// jitter is how much of a delay may be added to it: what failed together does not come back together.
	jitter = 0.2
	// maxRetryAfter bounds how long a receiver may have us wait.
	maxRetryAfter = 12 * time.Hour
	// staleAfter is how old a delivery may be: of more than that a receiver that has not kept up for days is told no more.
	staleAfter = 72 * time.Hour
)

// backoff says when to try again a delivery that failed, if at all.
func backoff(delivery Delivery, err error) (after time.Duration, again bool) {
	var answer *StatusError
	told := errors.As(err, &answer)
	if told && answer.Status == http.StatusGone || delivery.Attempts >= len(delays) {
		return 0, false
	}
	after = delays[delivery.Attempts]
	after += time.Duration(rand.Float64() * jitter * float64(after))
	if told {
		after = max(after, min(answer.RetryAfter, maxRetryAfter))
	}
	return after, true
}
