package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"glovebox/internal/sandbox"
)

const loadConcurrency = 8

// askSustained loads the server as it is by default for a minute, between two halves of a minute in which its peer runs in a
// loop on every core. The server is loaded for a while before its minute begins, so that no box that waited before it counts.
func askSustained(ctx context.Context, b *bench, t target) (a answer, err error) {
	least := 2.0
	if t.driver == driverDocker {
		least = 12 // docker run takes a second and more, and each half must see some
	}
	const minute = 60.0
	length := time.Duration(max(minute*b.options.scale, least) * float64(time.Second))
	lead := min(length/10, 3*time.Second)
	var ours, peers int
	var name string
	err = b.with(ctx, t, "", func(s *server) error {
		peerName, peer, err := b.peers(ctx, s, t, runtime.NumCPU())
		if err != nil {
			return err
		}
		name = peerName
		turns := func() error {
			n, err := count(ctx, length/2, len(peer), func(ctx context.Context, worker int) error {
				_, err := peer[worker].turn(ctx)
				return err
			})
			peers += n
			return err
		}
		ask := func(ctx context.Context, _ int) error {
			_, _, err := s.ask(ctx, trivial(), success)
			return err
		}
		if err := turns(); err != nil {
			return err
		}
		if _, err := count(ctx, lead, loadConcurrency, ask); err != nil {
			return err
		}
		if ours, err = count(ctx, length, loadConcurrency, ask); err != nil {
			return err
		}
		if err := b.atRest(ctx, s, 0, false); err != nil {
			return err
		}
		return turns()
	})
	g := ratioAtLeast(0.85)
	if t.driver == driverDocker {
		g = ratioAtLeast(2)
	}
	rate := func(n int) float64 { return float64(n) / length.Seconds() }
	a.figures = []figure{beside("boxes a second", "/s", rate(ours), name+", looped on all cores", rate(peers), ours, g)}
	if t.driver == driverOCI && t.kind != sandbox.KindRunsc {
		each := 30.0 // 60 a second on 2 cores
		a.figures = append(a.figures, own("boxes a second, moonshot", "/s", rate(ours), ours, atLeast(each*float64(runtime.NumCPU()))))
	}
	return a, err
}

// count has workers do a thing again and again for so long, and tells how often it was done within that time. The first error
// ends it.
func count(ctx context.Context, length time.Duration, workers int, do func(ctx context.Context, worker int) error) (done int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.Now().Add(length)
	var mu sync.Mutex // guards done
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				if err := do(ctx, worker); err != nil {
					cancel(err)
					return
				}
				if time.Now().Before(end) {
					mu.Lock()
					done++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return done, context.Cause(ctx)
}

// askBurst sends three times as many requests at once as boxes wait, and the same to a server without a pool, in turns.
func askBurst(ctx context.Context, b *bench, t target) (a answer, err error) {
	const times = 3
	pool := b.pool(4)
	var on, off sample
	var failed []error
	burst := func(s *server, into *sample) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range times * pool {
			all.Go(func() {
				_, took, err := s.ask(ctx, trivial(), success)
				mu.Lock()
				defer mu.Unlock()
				if *into = append(*into, took); err != nil {
					failed = append(failed, err)
				}
			})
		}
		all.Wait()
	}
	err = b.with(ctx, t, poolOf(pool), func(pooled *server) error {
		return b.with(ctx, t, poolOff, func(bare *server) error {
			for range b.rounds(10, 1) {
				if err := b.atRest(ctx, pooled, pool, false); err != nil {
					return err
				}
				burst(pooled, &on)
				if err := b.atRest(ctx, pooled, pool, false); err != nil {
					return err
				}
				if err := bare.quiet(ctx); err != nil {
					return err
				}
				burst(bare, &off)
			}
			return nil
		})
	})
	const name = "pool off"
	a.figures = []figure{
		own("errors", "", float64(len(failed)), len(on)+len(off), atMost(0)),
		beside("p95", "ms", on.percentile(95), name, off.percentile(95), len(on), ratioAtMost(1)),
		beside("p50", "ms", on.percentile(50), name, off.percentile(50), len(on), nil),
	}
	for _, err := range failed[:min(len(failed), 3)] {
		a.notes = append(a.notes, fmt.Sprintf("an error: %v", err))
	}
	return a, err
}
