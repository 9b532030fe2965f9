package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"glovebox/api"
	"glovebox/internal/ledger"
	"glovebox/internal/ledger/ledgertest"
	"glovebox/internal/queue"
	"glovebox/internal/recorder"
	"glovebox/internal/sandbox"
)

// A runner of scripts has a box, and then another, since the first was not fit.
type twoBoxes struct{}

func (twoBoxes) ExecuteAs(ctx context.Context, _ queue.Share, _ api.Request, _ func(api.Log)) (api.Result, error) {
	begin := sandbox.HooksOf(ctx).Begin
	if err := errors.Join(begin(), begin()); err != nil {
		return api.Result{}, err
	}
	return api.Result{Success: true, ResultCode: api.Success}, nil
}

// With a data directory the recorder calls the beginning that is kept in the place of the hook, and what was accepted was not held against its
// tenant's day: it is, once, before it begins, whoever keeps that.
func TestWhatIsAcceptedIsCheckedOnceAtItsBeginning(t *testing.T) {
	for name, keeps := range map[string]bool{"kept": true, "not kept": false} {
		t.Run(name, func(t *testing.T) {
			log := new(ledgertest.Memory)
			ledgertest.Begun(t, log)
			r := recorder.New(twoBoxes{}, log)
			defer r.Close()
			over := errors.New("the day's quota is used up")
			for _, refuse := range []error{nil, over} {
				var done []string
				ctx := t.Context()
				if keeps {
					ctx = ledger.WithBeginning(ctx, func(ledger.Draft) error { done = append(done, "begun"); return nil })
				} else {
					ctx = sandbox.WithHooks(ctx, sandbox.Hooks{Begin: func() error { done = append(done, "begun"); return nil }})
				}
				ctx = checkedAtBegin(ctx, func() error { done = append(done, "checked"); return refuse })
				_, err := r.ExecuteAs(ctx, queue.Share{}, api.Request{Code: "1"}, nil)
				if !errors.Is(err, refuse) {
					t.Errorf("%v, want %v", err, refuse)
				}
				if refuse != nil {
					if slices.Contains(done, "begun") {
						t.Errorf("it has begun: %q", done)
					}
					continue
				}
				if len(done) < 2 || done[0] != "checked" || slices.Contains(done[1:], "checked") || !slices.Contains(done, "begun") {
					t.Errorf("%q", done)
				}
			}
		})
	}
}
