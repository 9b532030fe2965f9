package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A receiver is where every tenant's webhook is. Now and then it refuses, is slow, or hangs up. It is safe for concurrent use.
type receiver struct {
	http *httptest.Server

	mu      sync.Mutex
	secrets map[int][]*standardwebhooks.Webhook // by tenant, the newest first: that and the one before sign
	ends    map[string]*told                    // by webhook-id
	counts  posts
	wrong   []string
}

// posts are counts of what came, by how they were answered.
type posts struct {
	all, refused, slow, hungUp int
	again                      int // of what was answered with 200 before
}

// A told end is what came under one webhook-id.
type told struct {
	tenant    int
	event     string
	codes     []string // each once
	posts     int
	delivered bool // it was answered with 200
}

func newReceiver() *receiver {
	r := &receiver{secrets: map[int][]*standardwebhooks.Webhook{}, ends: map[string]*told{}}
	r.http = httptest.NewServer(http.HandlerFunc(r.receive))
	return r
}

func (r *receiver) url(tenant int) string { return r.http.URL + "/" + strconv.Itoa(tenant) }

// sign says by what secret a tenant's webhook signs from now on; the one before does too.
func (r *receiver) sign(tenant int, secret string) error {
	by, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return fmt.Errorf("the secret of tenant %d's webhook: %w", tenant, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	const most = 2
	all := append([]*standardwebhooks.Webhook{by}, r.secrets[tenant]...)
	r.secrets[tenant] = all[:min(len(all), most)]
	return nil
}

// slowness is how long an answer takes that is slow: less than what the server waits for.
const slowness = time.Second

// A manner is how a post is answered.
type manner int

const (
	accepting manner = iota
	refusing
	slow
	hangingUp
)

// mannerOf is that of the first post of the n-th end.
func mannerOf(n int) manner {
	const every, refuses, isSlow, hangsUp = 30, 7, 17, 23
	switch n % every {
	case refuses:
		return refusing
	case isSlow:
		return slow
	case hangsUp:
		return hangingUp
	}
	return accepting
}

func (r *receiver) receive(w http.ResponseWriter, request *http.Request) {
	const most = 1 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, most))
	if err != nil {
		return // whoever posts was killed
	}
	how := r.note(request, body)
	switch how {
	case hangingUp:
		panic(http.ErrAbortHandler) // which net/http takes for just this
	case refusing:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case slow:
		select {
		case <-time.After(slowness):
		case <-request.Context().Done(): // it will be posted again
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if end := r.ends[request.Header.Get("Webhook-Id")]; end != nil {
		end.delivered = true
	}
	w.WriteHeader(http.StatusOK)
}

// note reads one post, and says how it is to be answered.
func (r *receiver) note(request *http.Request, body []byte) manner {
	id := request.Header.Get("Webhook-Id")
	var event struct {
		Type string
		Data struct {
			ID, State, ResultCode string
		}
	}
	decodeErr := json.Unmarshal(body, &event)
	tenant, tenantErr := strconv.Atoi(request.URL.Path[1:])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.all++
	signed := slices.ContainsFunc(r.secrets[tenant], func(by *standardwebhooks.Webhook) bool {
		return by.VerifyIgnoringTimestamp(body, request.Header) == nil // the server's clock may have been turned
	})
	switch {
	case request.Method != http.MethodPost || tenantErr != nil || decodeErr != nil || event.Data.State != "ended" || id != "evt_"+event.Data.ID:
		r.wrong = append(r.wrong, fmt.Sprintf("a webhook got what is no end of anything: %s %s %s %.200s", request.Method, request.URL.Path, id, body))
		return accepting
	case !signed:
		r.wrong = append(r.wrong, fmt.Sprintf("a post of %s is not signed with the secret of tenant %d", id, tenant))
		return accepting
	}
	end := r.ends[id]
	if end == nil {
		end = &told{tenant: tenant, event: event.Type}
		r.ends[id] = end
	}
	if end.tenant != tenant || end.event != event.Type {
		r.wrong = append(r.wrong, fmt.Sprintf("%s was told to tenant %d as %s, and to tenant %d as %s", id, end.tenant, end.event, tenant, event.Type))
	}
	if !slices.Contains(end.codes, event.Data.ResultCode) {
		end.codes = append(end.codes, event.Data.ResultCode)
	}
	end.posts++
	return r.answer(end)
}

// answer says how a post of an end is to be answered, and counts that. mu is held.
func (r *receiver) answer(end *told) manner {
	if end.delivered {
		r.counts.again++
	}
	if end.posts > 1 {
		return accepting
	}
	how := mannerOf(len(r.ends))
	switch how {
	case refusing:
		r.counts.refused++
	case slow:
		r.counts.slow++
	case hangingUp:
		r.counts.hungUp++
	}
	return how
}

// A deliveries report says what webhooks were told of what was accepted.
type deliveries struct {
	posts
	ends        int // that were told, of whatever
	lost, wrong []string
}

// reconcile holds what came against what was accepted, of which it is known how it ended. named are those of which the server has said
// that their ends were lost; again says that some may have been delivered twice.
func (r *receiver) reconcile(all []*accepted, named map[string]bool, again bool) deliveries {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := deliveries{posts: r.counts, ends: len(r.ends), wrong: slices.Clone(r.wrong)}
	for _, a := range all {
		end := r.ends["evt_"+a.id]
		switch {
		case end == nil || !end.delivered:
			d.lost = append(d.lost, fmt.Sprintf("the end of %s %s, %s, was not delivered", a.sort.name, a.id, a.told))
		case end.tenant != a.tenant || end.event != a.sort.event:
			d.wrong = append(d.wrong, fmt.Sprintf("the end of %s %s was told to tenant %d as %s", a.sort.name, a.id, end.tenant, end.event))
		case !slices.Contains(end.codes, a.told) || len(end.codes) > 1 && !named[a.id]:
			d.wrong = append(d.wrong, fmt.Sprintf("the end of %s %s was told as %v, and is %s", a.sort.name, a.id, end.codes, a.told))
		}
	}
	if d.again > 0 && !again {
		d.wrong = append(d.wrong, fmt.Sprintf("%d posts came again though they had been answered, and nothing had happened to the server", d.again))
	}
	return d
}
