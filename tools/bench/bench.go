package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"
)

// A bench asks every question of every target, one after the other: whatever is measured has the machine for itself, and
// whoever is compared is asked in turns.
type bench struct {
	options options
	dir     string // of everything that it makes
	hasPool bool
	// theirs is nil where MemberJunction's service cannot be asked.
	theirs   *memberjunction
	floor    *floor // nil until somebody asks
	progress io.Writer
}

// A question is a row of the table, for each target.
type question struct {
	id, what  string
	needsPool bool
	ask       func(context.Context, *bench, target) (answer, error)
}

// An answer is what a row gets.
type answer struct {
	figures []figure
	notes   []string
}

var questions = []question{
	{"warm", "warm HTTP round trip", true, askWarm},
	{"cold", "cold box, create to result", false, askCold},
	{"sustained", "sustained, concurrency 8", false, askSustained},
	{"cpu", "CPU per execution, unwarmed", false, askCPU},
	{"require", "library in a box warmed for it", true, askRequire},
	{"memory", "memory of a waiting box", true, askMemory},
	{"burst", "burst of 3 times the pool", true, askBurst},
	{"kill", "kill of an endless loop", false, askKill},
	{"cancel", "cancel of an endless loop", false, askCancel},
	{"mixed", "mixed executions, 2 % hostile", false, askMixed},
	{"speed", "script speed", false, askSpeed},
}

// rounds is a number of rounds on this run's scale.
func (b *bench) rounds(whole, least int) int {
	return max(int(math.Ceil(float64(whole)*b.options.scale)), least)
}

// size is how much a script has to do: a short run asks for a hundredth.
func (b *bench) size(whole int) int {
	if b.options.short {
		return whole / 100
	}
	return whole
}

// pool is how many boxes wait: a short run makes do with a quarter.
func (b *bench) pool(whole int) int {
	if b.options.short {
		return max(whole/4, 1)
	}
	return whole
}

// run fills a report. What it does not reach once ctx has ended stands in it as not run.
func (b *bench) run(ctx context.Context, targets []target) []row {
	var rows []row
	for _, q := range questions {
		if !b.options.asks(q.id) {
			continue
		}
		for _, t := range targets {
			if !b.options.takes(t.String()) {
				continue
			}
			rows = append(rows, b.row(ctx, q, t))
		}
	}
	return rows
}

func (b *bench) row(ctx context.Context, q question, t target) row {
	r := row{ID: q.id, What: q.what, Target: t.String()}
	switch {
	case ctx.Err() != nil:
		r.Skipped = "the run was cut short"
	case t.missing != "":
		r.Skipped = t.missing
	case q.needsPool && !b.hasPool:
		r.Skipped = "this glovebox keeps no boxes waiting: serve has no --pool"
	}
	if r.Skipped != "" {
		fmt.Fprintf(b.progress, "bench: %s, %s: not run: %s\n", q.id, t, r.Skipped)
		return r
	}
	fmt.Fprintf(b.progress, "bench: %s, %s ...\n", q.id, t)
	began := time.Now()
	a, err := q.ask(ctx, b, t)
	// Where a question failed at once, there is nothing behind some figures.
	r.Figures, r.Notes = slices.DeleteFunc(a.figures, func(f figure) bool { return f.N == 0 }), a.notes
	if err != nil {
		r.Failed = cut(err.Error(), 400)
	}
	for _, f := range r.Figures {
		fmt.Fprintf(b.progress, "bench:   %s: %s; %s; ratio %s, goal %s: %s\n", f.Name, f.oursText(), f.peerText(), f.ratioText(), f.goalText(), f.metText())
	}
	if r.Failed != "" {
		fmt.Fprintf(b.progress, "bench:   FAILED: %s\n", r.Failed)
	}
	fmt.Fprintf(b.progress, "bench:   %.0f s\n", time.Since(began).Seconds())
	return r
}

// with starts a server for as long as use takes, and fails where it, or what it made, does not go.
func (b *bench) with(ctx context.Context, t target, pool string, use func(*server) error) error {
	s, err := b.serve(ctx, t, pool)
	if err != nil {
		return err
	}
	err = errors.Join(use(s), s.stop())
	left, lookErr := s.leftBehind(context.WithoutCancel(ctx), t)
	if len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("left behind: %q", left))
	}
	return errors.Join(err, lookErr, os.RemoveAll(s.dir))
}

// atRest waits until a server has nothing to do: so many boxes wait, warmed where warm is true or, without a pool, the last box
// has gone.
func (b *bench) atRest(ctx context.Context, s *server, boxes int, warm bool) error {
	if b.hasPool {
		return s.waitPool(ctx, boxes, warm)
	}
	return s.quiet(ctx)
}

// theirName is how MemberJunction's service stands in the tables.
const theirName = "MemberJunction"

// askTheirs runs a script of theirs, where they are here: else it measures nothing.
func (b *bench) askTheirs(ctx context.Context, into *sample, request theirRequest, want string) error {
	if b.theirs == nil {
		return nil
	}
	took, err := b.theirs.ask(ctx, request, want)
	if err == nil && into != nil {
		*into = append(*into, took)
	}
	return err
}

// floorOnce returns the one floor.
func (b *bench) floorOnce() (_ *floor, err error) {
	if b.floor == nil {
		b.floor, err = newFloor(b.dir)
	}
	return b.floor, err
}

// A turner runs the runner by other means than ours.
type turner interface {
	turn(context.Context) (turn, error)
}

// peers returns as many as are asked for of what the target is compared with, by its name.
func (b *bench) peers(ctx context.Context, s *server, t target, n int) (name string, peers []turner, err error) {
	if t.driver == driverDocker {
		result, _, err := s.ask(ctx, trivial(), success)
		if err != nil {
			return "", nil, err
		}
		run, err := newDockerRun(s.dir, t, result.Isolation.Image)
		return "docker run", slices.Repeat([]turner{run}, n), err
	}
	box, err := s.peek(ctx)
	if err != nil {
		return "", nil, err
	}
	for range n {
		run, err := newBare(s.dir, t.runtime, box.config)
		if err != nil {
			return "", nil, err
		}
		peers = append(peers, run)
	}
	return string(t.kind) + " run", peers, nil
}
