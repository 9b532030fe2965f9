package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"glovebox/api"
	"glovebox/api/client"
	"glovebox/internal/sandbox"
)

const success = api.Success

func trivial() api.Request { return api.Request{Code: trivialScript} }

// askWarm asks in blocks, each of a pool that is full, with a block of MemberJunction's before it: whatever else the machine
// does, it does to both. Making the boxes that replace those taken falls into our own blocks, and into nobody else's; only the
// first of a block has none of it beside it.
func askWarm(ctx context.Context, b *bench, t target) (a answer, err error) {
	var ours, theirs, first sample
	var before, after int // cold starts
	pool := b.pool(8)
	block := pool / 2 // of one that is taken whole, the last would wait for its box
	err = b.with(ctx, t, poolOf(pool), func(s *server) error {
		for round := range b.rounds(25, 2) + 1 { // the first is for warming up
			if err := b.atRest(ctx, s, pool, false); err != nil {
				return err
			}
			if round == 1 {
				ours, theirs, first = nil, nil, nil
				if before, err = s.coldStarts(ctx); err != nil {
					return err
				}
			}
			for range block {
				if err := b.askTheirs(ctx, &theirs, theirRequest{Code: trivialScript}, ""); err != nil {
					return err
				}
			}
			for i := range block {
				_, took, err := s.ask(ctx, trivial(), success)
				if err != nil {
					return err
				}
				if ours = append(ours, took); i == 0 {
					first = append(first, took)
				}
			}
		}
		after, err = s.coldStarts(ctx)
		return err
	})
	if after > before {
		a.notes = append(a.notes, fmt.Sprintf("%d of %d found no box waiting", after-before, len(ours)))
	}
	var g *goal
	switch t.String() {
	case "oci+runc":
		g = ratioAtMost(0.35)
	case "oci+runsc", "docker+runc":
		g = ratioAtMost(1)
	}
	a.figures = []figure{
		beside("p50", "ms", ours.percentile(50), theirName, theirs.percentile(50), len(ours), g),
		beside("p95", "ms", ours.percentile(95), theirName, theirs.percentile(95), len(ours), g),
		beside("p50 of those with no box being made beside them", "ms", first.percentile(50), theirName, theirs.percentile(50), len(first), nil),
	}
	return a, err
}

// askCold takes turns with the peer, each from its start to its result, and each begun when the other's box has gone.
func askCold(ctx context.Context, b *bench, t target) (a answer, err error) {
	var ours, peers, whole sample
	var name string
	err = b.with(ctx, t, poolOff, func(s *server) error {
		peerName, peer, err := b.peers(ctx, s, t, 1)
		if err != nil {
			return err
		}
		name = peerName
		theirTurn := func() error {
			turn, err := peer[0].turn(ctx)
			peers, whole = append(peers, turn.result), append(whole, turn.whole)
			return err
		}
		ourTurn := func() error {
			_, took, err := s.ask(ctx, trivial(), success)
			ours = append(ours, took)
			return err
		}
		turns := []func() error{theirTurn, ourTurn}
		for range b.rounds(30, 2) {
			for _, turn := range turns {
				if err := s.quiet(ctx); err != nil {
					return err
				}
				if err := turn(); err != nil {
					return err
				}
			}
			// The kernel takes a box apart behind the back of whoever comes next: each has it in every second round.
			slices.Reverse(turns)
		}
		return nil
	})
	g := ratioAtMost(1.15)
	if t.driver == driverDocker {
		g = ratioAtMost(0.4)
	}
	a.figures = []figure{
		beside("p50", "ms", ours.percentile(50), name, peers.percentile(50), len(ours), g),
		beside("p95", "ms", ours.percentile(95), name, peers.percentile(95), len(ours), nil),
		beside("p50", "ms", ours.percentile(50), name+", to its end", whole.percentile(50), len(ours), nil),
	}
	return a, err
}

// endless never ends by itself.
const endless = "for (;;) {}"

// askKill measures how long after its limit a script's answer comes, from a box that waits for it: where a box has to be started its time
// would have to be taken off, and ends by the controller's clock, which on a busy machine hears late that the script has begun.
func askKill(ctx context.Context, b *bench, t target) (a answer, err error) {
	const limit = 1.0
	const boxes = 1
	var ours, theirs sample
	err = b.with(ctx, t, poolOf(boxes), func(s *server) error {
		for range b.rounds(15, 2) {
			if err := b.atRest(ctx, s, boxes, false); err != nil {
				return err
			}
			_, took, err := s.ask(ctx, api.Request{Code: endless, TimeoutSeconds: new(limit), CPUs: new(1.0)}, api.Timeout)
			if err != nil {
				return err
			}
			ours = append(ours, took-limit*1000)
			var their sample
			if err := b.askTheirs(ctx, &their, theirRequest{Code: endless, TimeoutSeconds: limit}, "TIMEOUT"); err != nil {
				return err
			}
			for _, took := range their {
				theirs = append(theirs, took-limit*1000)
			}
		}
		return nil
	})
	a.figures = []figure{
		beside("past the limit, p50", "ms", ours.percentile(50), theirName, theirs.percentile(50), len(ours), nil),
		beside("past the limit, worst", "ms", ours.percentile(100), theirName, theirs.percentile(100), len(ours), atMost(50)),
	}
	return a, err
}

// askCancel measures how long an endless loop goes on once it is to be cancelled, as its client sees it: until the answer, which tells its end,
// and until its box is gone. There is no pool, so that no other box is made beside it.
func askCancel(ctx context.Context, b *bench, t target) (a answer, err error) {
	var answered, gone sample
	err = b.with(ctx, t, poolOff, func(s *server) error {
		for range b.rounds(15, 2) {
			if err := s.quiet(ctx); err != nil {
				return err
			}
			id, err := s.begin(ctx, api.Request{Code: "console.log('here'); " + endless, TimeoutSeconds: new(60.0), CPUs: new(1.0)})
			if err != nil {
				return err
			}
			began := time.Now()
			ended, err := s.client.Executions().Cancel(ctx, id)
			if err != nil {
				return err
			}
			if answered = append(answered, ms(time.Since(began))); ended.ResultCode != api.Cancelled {
				return fmt.Errorf("a script that was cancelled ended with %s", ended.ResultCode)
			}
			if err := s.quiet(ctx); err != nil {
				return err
			}
			gone = append(gone, ms(time.Since(began)))
		}
		return nil
	})
	most := atMost(100)
	if t.driver == driverDocker {
		most = atMost(250)
	}
	a.figures = []figure{
		own("to its answer, p50", "ms", answered.percentile(50), len(answered), nil),
		own("to its answer, worst", "ms", answered.percentile(100), len(answered), most),
		own("to its box's end, p50", "ms", gone.percentile(50), len(gone), nil),
		own("to its box's end, worst", "ms", gone.percentile(100), len(gone), most),
	}
	return a, err
}

// begin has a script accepted that prints something first, and returns its id once that is heard.
func (s *server) begin(ctx context.Context, request api.Request) (id string, err error) {
	accepted, err := s.client.Executions().Submit(ctx, request, client.ExecutionOptions{})
	if err != nil {
		return "", err
	}
	for event, err := range s.client.Executions().Events(ctx, accepted.ID, 0) {
		if err != nil {
			return "", err
		}
		if event.Log != nil {
			return accepted.ID, nil
		}
	}
	return "", fmt.Errorf("execution %s ended by itself, and printed nothing", accepted.ID)
}

// isRunc tells the targets that the goals on memory are for.
func isRunc(t target) bool { return t.kind == sandbox.KindRunc || t.kind == sandbox.KindCrun }
