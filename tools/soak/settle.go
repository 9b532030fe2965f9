package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A settlement is what came of what was accepted of one sort.
type settlement struct {
	sort                 *sort
	accepted, asExpected int
	retryable            int // that say that they failed, and may be asked for again
	lost, wrong          []string
}

// settleLimit bounds how long what was accepted may take to end.
const settleLimit = 10 * time.Minute

// settle waits for the end of everything that was accepted.
func (l *load) settle(ctx context.Context) ([]*settlement, error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	of := map[*sort]*settlement{executions: {sort: executions}, agentRuns: {sort: agentRuns}}
	for _, a := range l.accepted {
		of[a.sort].accepted++
		if err := l.look(ctx, a, of[a.sort]); err != nil {
			return nil, err
		}
	}
	return []*settlement{of[executions], of[agentRuns]}, nil
}

// A document is what is looked at of an execution or a run.
type document struct {
	State, ResultCode    string
	Result, Outcome      *result
	Retryable, Forgotten bool
}

// output is what it gave; "" is nothing, or forgotten.
func (d document) output(s *sort) (output string) {
	if given := d.given(s); given != nil {
		_, output = given.ended(s)
	}
	return output
}

func (d document) given(s *sort) *result {
	if s == agentRuns {
		return d.Outcome
	}
	return d.Result
}

func (l *load) look(ctx context.Context, a *accepted, s *settlement) error {
	for {
		got, err := l.ask(ctx, http.MethodGet, a.sort.path+"/"+a.id+"?wait=10s", l.keys[a.tenant], "", nil)
		if err != nil {
			return err
		}
		if got.status != http.StatusOK {
			s.lost = append(s.lost, fmt.Sprintf("%s %s %s: status %d: %.200s", a.sort.name, a.kind.name, a.id, got.status, got.body))
			return nil
		}
		var d document
		if err := json.Unmarshal(got.body, &d); err != nil {
			return err
		}
		a.told = d.ResultCode
		switch {
		case d.State != "ended":
			continue
		case d.ResultCode == a.kind.code && (d.Forgotten || a.kind.output == "" || d.output(a.sort) == a.kind.output):
			s.asExpected++
		case d.ResultCode == a.sort.failed && d.Retryable:
			s.retryable++
		default:
			s.wrong = append(s.wrong, fmt.Sprintf("%s %s %s: %s in place of %s: %.200s", a.sort.name, a.kind.name, a.id, d.ResultCode, a.kind.code, got.body))
		}
		return nil
	}
}

// delivered waits until the webhooks have been told everything, and tells what they were.
func (l *load) delivered(ctx context.Context) (deliveries, error) {
	err := until(ctx, settleLimit, func(ctx context.Context) (bool, error) {
		metrics, err := l.metrics(ctx)
		return metrics[pendingDeliveries] == 0, err
	}, func() error { return errors.New("the webhooks are not told everything: " + l.server.lastLog()) })
	if err != nil {
		return deliveries{}, err
	}
	named, err := l.server.namedLost()
	if err != nil {
		return deliveries{}, err
	}
	return l.server.receiver.reconcile(l.accepted, named, l.server.kills > 0), nil
}
