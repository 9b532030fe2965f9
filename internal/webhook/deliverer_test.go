package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"glovebox/internal/tenant"
	"glovebox/internal/webhook"
	"glovebox/internal/webhook/webhooktest"
)

// A post is an attempt that was seen.
type post struct {
	at     time.Duration // since the bubble began
	id     string
	header http.Header
	body   string
}

// bench is a Deliverer in a bubble of time, and what its receivers saw.
type bench struct {
	*webhook.Deliverer
	t     *testing.T
	store *webhooktest.Memory
	began time.Time
	log   bytes.Buffer

	mu       sync.Mutex
	posts    map[string][]post // by host
	answers  map[string]func(n int, request *http.Request) (*http.Response, error)
	now      map[string]int // attempts that are going on, by host
	outcomes map[webhook.Outcome]int
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, store: &webhooktest.Memory{}, began: time.Now(), posts: map[string][]post{}, now: map[string]int{},
		answers: map[string]func(int, *http.Request) (*http.Response, error){}, outcomes: map[webhook.Outcome]int{}}
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	b.Deliverer, err = webhook.OpenThrough(b.t.Context(), webhook.Config{Store: b.store, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		Observe: func(o webhook.Outcome) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.outcomes[o]++
		}}, b)
	if err != nil {
		b.t.Fatal(err)
	}
}

// hook gives a tenant a webhook at a host of its name; answer says what comes of the n-th attempt there, from 0 on.
func (b *bench) hook(tenantID string, answer func(n int, request *http.Request) (*http.Response, error)) tenant.Webhook {
	w := tenant.Webhook{Tenant: tenantID, URL: "https://" + tenantID + "/hook?token=t0k3n", CreatedAt: time.Now(), Secret: tenant.NewWebhookSecret()}
	b.answer(tenantID, answer)
	b.store.Set(w)
	return w
}

func (b *bench) answer(host string, answer func(n int, request *http.Request) (*http.Response, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[host] = answer
}

// ends has n things of a tenant end.
func (b *bench) ends(tenantID string, n int) {
	for i := range n {
		b.store.Add(tenantID, fmt.Sprintf("evt_%s_%d", tenantID, i), []byte(`{"a":1}`), time.Now())
		if b.Deliverer != nil {
			b.Wake(tenantID)
		}
	}
}

func (b *bench) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	host := request.URL.Host
	b.mu.Lock()
	n := len(b.posts[host])
	b.posts[host] = append(b.posts[host], post{time.Since(b.began), request.Header.Get("webhook-id"), request.Header, string(body)})
	b.now[host]++
	answer := b.answers[host]
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.now[host]--
		b.mu.Unlock()
	}()
	return answer(n, request)
}

func (b *bench) seen(host string) []post {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.posts[host]
}

func (b *bench) pending(want int) {
	b.t.Helper()
	if n, err := b.Pending(b.t.Context()); err != nil || n != want {
		b.t.Errorf("%d are pending, %v; want %d", n, err, want)
	}
}

func (b *bench) outcome(o webhook.Outcome, want int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.outcomes[o] != want {
		b.t.Errorf("%s: %d, want %d", o, b.outcomes[o], want)
	}
}

func status(code int, headers ...string) (*http.Response, error) {
	header := http.Header{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Set(name, value)
	}
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader("hello"))}, nil
}

func always(code int, headers ...string) func(int, *http.Request) (*http.Response, error) {
	return func(int, *http.Request) (*http.Response, error) { return status(code, headers...) }
}

// hangs never answers.
func hangs(_ int, request *http.Request) (*http.Response, error) {
	<-request.Context().Done()
	return nil, request.Context().Err()
}

func inBubble(t *testing.T, test func(*bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() {
			if b.Deliverer != nil {
				b.Close()
			}
		}()
		test(b)
		if strings.Contains(b.log.String(), "t0k3n") || strings.Contains(b.log.String(), "whsec_") {
			t.Errorf("the log tells what is secret: %s", &b.log)
		}
	})
}

func TestADeliveryIsMadeOnceAndSigned(t *testing.T) {
	inBubble(t, func(b *bench) {
		w := b.hook("acme", always(204))
		b.open()
		b.ends("acme", 1)
		synctest.Wait()
		posts := b.seen("acme")
		if len(posts) != 1 || posts[0].body != `{"a":1}` || posts[0].id != "evt_acme_0" || posts[0].header.Get("Content-Type") != "application/json" {
			t.Fatalf("%+v", posts)
		}
		verifier, err := standardwebhooks.NewWebhook(w.Secret.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify([]byte(posts[0].body), posts[0].header); err != nil {
			t.Error(err)
		}
		b.pending(0)
		b.outcome(webhook.Delivered, 1)
		b.Wake("acme") // for nothing
		b.Wake("nobody")
		time.Sleep(time.Hour)
		if n := len(b.seen("acme")); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

// within fails the test where an attempt was not made in its time: after the delay, and at most a fifth of it later.
func within(t *testing.T, posts []post, delays ...time.Duration) {
	t.Helper()
	if len(posts) != len(delays)+1 {
		t.Fatalf("%d attempts, want %d", len(posts), len(delays)+1)
	}
	for i, delay := range delays {
		if took := posts[i+1].at - posts[i].at; took < delay || took > delay+delay/5+time.Millisecond {
			t.Errorf("the attempt after number %d came %v later, want %v", i+1, took, delay)
		}
		if posts[i+1].id != posts[i].id || posts[i+1].body != posts[i].body {
			t.Errorf("another attempt is another delivery: %+v", posts[i+1])
		}
	}
}

func TestWhatFailsIsTriedForADayAndThenGivenUp(t *testing.T) {
	for name, answer := range map[string]func(int, *http.Request) (*http.Response, error){
		"500":        always(500),
		"a redirect": always(302, "Location: https://acme/elsewhere"),
		"404":        always(404),
		"no network": func(int, *http.Request) (*http.Response, error) { return nil, errors.New("refused") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.hook("acme", answer)
				b.open()
				b.ends("acme", 1)
				time.Sleep(48 * time.Hour)
				within(t, b.seen("acme"), 5*time.Second, 30*time.Second, 2*time.Minute, 10*time.Minute, time.Hour, 4*time.Hour, 12*time.Hour)
				b.pending(0)
				b.outcome(webhook.Postponed, 7)
				b.outcome(webhook.GivenUp, 1)
				if !strings.Contains(b.log.String(), `level=WARN msg="a delivery to a webhook is given up" tenant=acme delivery=evt_acme_0 to=https://acme attempt=8`) {
					t.Errorf("%s", &b.log)
				}
			})
		})
	}
}

func TestWhatComesBackIsDelivered(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", func(n int, _ *http.Request) (*http.Response, error) {
			if n < 2 {
				return status(503)
			}
			return status(200)
		})
		b.open()
		b.ends("acme", 1)
		time.Sleep(time.Hour)
		within(t, b.seen("acme"), 5*time.Second, 30*time.Second)
		if a, b := b.seen("acme")[0].header, b.seen("acme")[2].header; a.Get("webhook-timestamp") == b.Get("webhook-timestamp") || a.Get("webhook-signature") == b.Get("webhook-signature") {
			t.Error("an attempt is signed with another's time")
		}
		b.outcome(webhook.Delivered, 1)
	})
}

func TestGoneIsGivenUpAtOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", always(410))
		b.open()
		b.ends("acme", 1)
		time.Sleep(time.Hour)
		within(t, b.seen("acme"))
		b.pending(0)
		b.outcome(webhook.GivenUp, 1)
	})
}

func TestRetryAfterIsHeededWithinABound(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3600": time.Hour, "1": 5 * time.Second, "99999999": webhook.MaxRetryAfter, "99999999999999999999": 5 * time.Second, "-5": 5 * time.Second,
		"Sat, 01 Jan 2000 02:00:00 GMT": 2 * time.Hour, "Fri, 31 Dec 1999 23:00:00 GMT": 5 * time.Second, "soon": 5 * time.Second,
	} { // a bubble begins when the year 2000 does
		t.Run(text, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.hook("acme", func(n int, _ *http.Request) (*http.Response, error) {
					if n == 0 {
						return status(429, "Retry-After: "+text)
					}
					return status(200)
				})
				b.open()
				b.ends("acme", 1)
				time.Sleep(24 * time.Hour)
				within(t, b.seen("acme"), want)
			})
		})
	}
}

func TestAnAttemptHasATime(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", func(n int, request *http.Request) (*http.Response, error) {
			if n == 0 {
				return hangs(n, request)
			}
			return status(200)
		})
		b.open()
		b.ends("acme", 1)
		time.Sleep(time.Minute)
		posts := b.seen("acme")
		if len(posts) != 2 || posts[1].at < webhook.AttemptLimit+5*time.Second || posts[1].at > webhook.AttemptLimit+6*time.Second {
			t.Errorf("%+v", posts)
		}
	})
}

func TestTheNextServerDeliversWhatIsLeft(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", hangs)
		b.hook("other", always(503))
		b.open()
		b.ends("acme", 2)
		b.ends("other", 1)
		synctest.Wait()
		b.Close() // while one is on its way
		b.Wake("acme")
		b.pending(3)
		b.outcome(webhook.Postponed, 1) // what we have cut off counts for nothing
		closed := time.Now()
		b.answer("acme", always(200))
		b.answer("other", always(200))
		b.open()
		synctest.Wait()
		if n := len(b.seen("acme")); n != 3 || !time.Now().Equal(closed) {
			t.Errorf("%d attempts", n)
		}
		time.Sleep(10 * time.Second) // other's is due by and by
		b.pending(0)
		within(t, b.seen("other"), 5*time.Second)
	})
}

func TestAnotherURLIsUsedAndARemovedOneIsNot(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", always(500))
		b.hook("gone", always(500))
		b.open()
		b.ends("acme", 1)
		b.ends("gone", 1)
		time.Sleep(3 * time.Minute) // then the next attempt is ten minutes away
		before := len(b.seen("gone"))
		b.answer("elsewhere", always(200))
		b.store.Set(tenant.Webhook{Tenant: "acme", URL: "https://elsewhere/", CreatedAt: time.Now(), Secret: tenant.NewWebhookSecret()})
		b.store.Unset("gone")
		time.Sleep(webhook.LookAgain) // nobody tells us
		synctest.Wait()
		if len(b.seen("elsewhere")) != 1 || len(b.seen("gone")) != before {
			t.Errorf("%d and %d attempts", len(b.seen("elsewhere")), len(b.seen("gone")))
		}
		b.pending(0)
	})
}

// A receiver that is days behind is told no more of what is that old.
func TestWhatIsStaleIsGivenUp(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", always(200))
		b.ends("acme", 1)
		time.Sleep(webhook.StaleAfter + time.Second)
		b.open()
		synctest.Wait()
		b.pending(0)
		b.outcome(webhook.GivenUp, 1)
		if len(b.seen("acme")) != 0 {
			t.Error("it was delivered")
		}
	})
}

// broken is a store that fails so many times, or at the worst moment.
type broken struct {
	webhook.Store
	mu    sync.Mutex
	fails int
	// empty is called when there was nothing, and nobody has heard of that yet.
	empty func()
}

func (s *broken) fail() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails--; s.fails >= 0 {
		return errors.New("the disk is full")
	}
	return nil
}

func (s *broken) Next(ctx context.Context, tenantID string, most int) ([]webhook.Delivery, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	next, err := s.Store.Next(ctx, tenantID, most)
	if len(next) == 0 && s.empty != nil {
		s.empty()
	}
	return next, err
}

func (s *broken) Remove(ctx context.Context, id string) error {
	if err := s.fail(); err != nil {
		return err
	}
	return s.Store.Remove(ctx, id)
}

// What was delivered, and cannot be kept as such, is not delivered again and again.
func TestAStoreThatFailsIsAskedAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		s := &broken{Store: b.store}
		b.hook("acme", func(int, *http.Request) (*http.Response, error) {
			s.mu.Lock()
			s.fails = 3
			s.mu.Unlock()
			return status(200)
		})
		s.fails = 2
		d, err := webhook.OpenThrough(t.Context(), webhook.Config{Store: s, Log: slog.New(slog.NewTextHandler(&b.log, nil))}, b)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		b.Deliverer = nil
		b.ends("acme", 1)
		d.Wake("acme")
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(b.seen("acme")); n != 1 {
			t.Errorf("%d attempts", n)
		}
		if left, err := b.store.Backlogs(t.Context()); err != nil || len(left) != 0 {
			t.Errorf("%v are left; %v", left, err)
		}
	})
}

// What ends while a tenant's deliveries are found to be at their end is delivered all the same.
func TestNewsAtTheLastMomentIsHeard(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.hook("acme", always(200))
		s := &broken{Store: b.store}
		left := 3
		s.empty = func() {
			if left--; left >= 0 {
				b.store.Add("acme", fmt.Sprint("evt_", left), []byte("{}"), time.Now())
				b.Wake("acme")
			}
		}
		var err error
		if b.Deliverer, err = webhook.OpenThrough(t.Context(), webhook.Config{Store: s}, b); err != nil {
			t.Fatal(err)
		}
		b.Wake("acme")
		synctest.Wait()
		if n := len(b.seen("acme")); n != 3 {
			t.Errorf("%d of 3 were delivered", n)
		}
		b.pending(0)
	})
}
