package webhook_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/webhook"
)

// each is how much those have to be told whose receivers hang: more than they will be in a test's time.
const each = 6

// hangOn gives n tenants receivers that hang, at once.
func (b *bench) hangOn(n int) {
	for i := range n {
		id := fmt.Sprint("dead-", i)
		b.hook(id, hangs)
		b.ends(id, each)
	}
}

// flying is how many attempts are made now, in all and at one host.
func (b *bench) flying(host string) (all, there int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.now {
		all += n
	}
	return all, b.now[host]
}

func (b *bench) wantSeen(host string, want int) {
	b.t.Helper()
	synctest.Wait()
	if n := len(b.seen(host)); n != want {
		b.t.Errorf("%s has seen %d attempts, want %d", host, n, want)
	}
}

// takes is a receiver that answers after a time.
func takes(time_ time.Duration) func(int, *http.Request) (*http.Response, error) {
	return func(n int, request *http.Request) (*http.Response, error) {
		select {
		case <-time.After(time_):
			return status(200)
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	}
}

// A hundred tenants whose receivers have just begun to hang, all at once: another's delivery comes in no time at all.
func TestAHundredReceiversThatHangDelayNobody(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.open()
		b.hangOn(100)
		synctest.Wait()
		b.hook("acme", always(200))
		b.ends("acme", 3)
		b.wantSeen("acme", 3)
		for range 60 { // and so at any time after
			time.Sleep(1700 * time.Millisecond)
			b.ends("acme", 1) // which begins anew each time: nothing is known of it
			synctest.Wait()
			b.pending(100 * each)
		}
	})
}

// More than there are places at once: another's comes as soon as those have had their first moment, and at once from then on, though every place
// for who is slow is taken.
func TestMoreReceiversThatHangThanPlaces(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.open()
		const many = 600
		b.hangOn(many)
		synctest.Wait()
		b.hook("acme", always(200))
		b.ends("acme", 1)
		time.Sleep(many / webhook.Places * webhook.Patience)
		b.wantSeen("acme", 1)
		time.Sleep(time.Minute)
		for range 20 {
			time.Sleep(1700 * time.Millisecond)
			before := len(b.seen("acme"))
			b.store.Add("acme", fmt.Sprint("evt_", before), []byte("{}"), time.Now())
			b.Wake("acme")
			b.wantSeen("acme", before+1)
			if all, _ := b.flying(""); all > webhook.Places+webhook.SlowPlaces || all < webhook.SlowPlaces {
				t.Errorf("%d attempts are made at once", all)
			}
		}
	})
}

// A receiver that takes its time is no dead one: it is heard out, also where every place for who is slow is taken when it is found to be.
func TestAReceiverThatTakesItsTimeIsHeardOut(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.open()
		b.hangOn(600)
		time.Sleep(time.Minute)
		b.hook("slow", takes(3*time.Second))
		b.ends("slow", 1)
		time.Sleep(webhook.Patience + (600/webhook.SlowPlaces+1)*webhook.AttemptLimit + 3*time.Second) // each has had its turn then
		synctest.Wait()
		b.outcome(webhook.Delivered, 1)
		if n := len(b.seen("slow")); n > 2 {
			t.Errorf("%d attempts", n)
		}
	})
	inBubble(t, func(b *bench) { // nobody else is there
		b.hook("slow", takes(3*time.Second))
		b.open()
		b.ends("slow", 9)
		time.Sleep(9 * time.Second) // the first alone, and then four at once
		synctest.Wait()
		b.outcome(webhook.Delivered, 9)
		b.wantSeen("slow", 9)
	})
}

// A tenant has four attempts once its receiver answers, and one where that is not known, or it does not.
func TestAReceiverThatAnswersIsToldMore(t *testing.T) {
	inBubble(t, func(b *bench) {
		answered := 2
		b.hook("acme", func(n int, request *http.Request) (*http.Response, error) {
			if n < answered {
				return takes(100*time.Millisecond)(n, request)
			}
			return hangs(n, request)
		})
		b.open()
		b.ends("acme", 500)
		atOnce := func(want int) {
			t.Helper()
			synctest.Wait()
			if _, n := b.flying("acme"); n != want {
				t.Errorf("%d attempts are made at once, want %d", n, want)
			}
		}
		atOnce(1)
		time.Sleep(100 * time.Millisecond)
		atOnce(webhook.MostOfOne)
		time.Sleep(webhook.AttemptLimit + time.Second)
		atOnce(1)
	})
}
