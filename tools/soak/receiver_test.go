package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	firstSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secondSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// post posts an end as a server does, and returns the status; 0 is that there was no answer.
func post(t *testing.T, r *receiver, tenant int, secret, id, event, code string) int {
	t.Helper()
	body := fmt.Sprintf(`{"type":%q,"data":{"id":%q,"state":"ended","resultCode":%q}}`, event, id, code)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url(tenant), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	by, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := by.Sign("evt_"+id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Webhook-Id", "evt_"+id)
	request.Header.Set("Webhook-Timestamp", fmt.Sprint(now.Unix()))
	request.Header.Set("Webhook-Signature", signature)
	response, err := r.http.Client().Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func newTestReceiver(t *testing.T) *receiver {
	r := newReceiver()
	t.Cleanup(r.http.Close)
	for tenant := range 2 {
		if err := r.sign(tenant, firstSecret); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// What is not as it must be is found: an end that never came, one that was told otherwise or to somebody else, one that came again
// unasked, and one that is not signed.
func TestDeliveriesAreReconciled(t *testing.T) {
	for name, test := range map[string]struct {
		do    func(t *testing.T, r *receiver)
		named map[string]bool
		again bool
		lost  int
		wrong string // "" is nothing
	}{
		"told":    {do: func(t *testing.T, r *receiver) { post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS") }},
		"nothing": {do: func(*testing.T, *receiver) {}, lost: 1},
		"unsigned": {do: func(t *testing.T, r *receiver) {
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
			post(t, r, 1, secondSecret, "A", executions.event, "SUCCESS")
		}, wrong: "not signed"},
		"rotated": {do: func(t *testing.T, r *receiver) {
			if err := r.sign(1, secondSecret); err != nil {
				t.Fatal(err)
			}
			post(t, r, 1, firstSecret, "B", executions.event, "SUCCESS")
			post(t, r, 1, secondSecret, "A", executions.event, "SUCCESS")
		}},
		"to another tenant": {do: func(t *testing.T, r *receiver) { post(t, r, 0, firstSecret, "A", executions.event, "SUCCESS") }, wrong: "was told to tenant 0"},
		"as another thing":  {do: func(t *testing.T, r *receiver) { post(t, r, 1, firstSecret, "A", agentRuns.event, "SUCCESS") }, wrong: agentRuns.event},
		"otherwise":         {do: func(t *testing.T, r *receiver) { post(t, r, 1, firstSecret, "A", executions.event, "TIMEOUT") }, wrong: "TIMEOUT"},
		"both": {do: func(t *testing.T, r *receiver) {
			post(t, r, 1, firstSecret, "A", executions.event, "TIMEOUT")
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
		}, again: true, wrong: "TIMEOUT"},
		"both, and named": {do: func(t *testing.T, r *receiver) {
			post(t, r, 1, firstSecret, "A", executions.event, "TIMEOUT")
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
		}, again: true, named: map[string]bool{"A": true}},
		"again": {do: func(t *testing.T, r *receiver) {
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
		}, wrong: "came again"},
		"again, after a kill": {do: func(t *testing.T, r *receiver) {
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
			post(t, r, 1, firstSecret, "A", executions.event, "SUCCESS")
		}, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestReceiver(t)
			test.do(t, r)
			d := r.reconcile([]*accepted{{sort: executions, tenant: 1, id: "A", told: "SUCCESS"}}, test.named, test.again)
			if len(d.lost) != test.lost {
				t.Errorf("lost: %v", d.lost)
			}
			if (len(d.wrong) > 0) != (test.wrong != "") || !strings.Contains(fmt.Sprint(d.wrong), test.wrong) {
				t.Errorf("wrong: %v", d.wrong)
			}
		})
	}
}

// Whoever is refused, kept waiting or hung up on has delivered nothing before it comes again.
func TestTheReceiverIsUnreliable(t *testing.T) {
	r := newTestReceiver(t)
	var answers []int
	for n := range 30 {
		answers = append(answers, post(t, r, 0, firstSecret, fmt.Sprint(n), executions.event, "SUCCESS"))
	}
	if got := r.counts; got.refused != 1 || got.slow != 1 || got.hungUp != 1 || got.again != 0 || got.all != 30 {
		t.Errorf("%+v", got)
	}
	for _, bad := range []int{0, http.StatusInternalServerError} {
		at := slices.Index(answers, bad)
		if at < 0 {
			t.Fatalf("none was answered with %d: %v", bad, answers)
		}
		all := []*accepted{{sort: executions, id: fmt.Sprint(at), told: "SUCCESS"}}
		if d := r.reconcile(all, nil, false); len(d.lost) != 1 {
			t.Errorf("%d: %+v", bad, d)
		}
		post(t, r, 0, firstSecret, fmt.Sprint(at), executions.event, "SUCCESS")
		if d := r.reconcile(all, nil, false); len(d.lost) != 0 || d.again != 0 {
			t.Errorf("%d: %+v", bad, d)
		}
	}
}
