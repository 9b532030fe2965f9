package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// treeCPU is the processor time of a server and everything below it: its own, that of all descendants that have been waited
// for, and that of those that live. A box's processes are the server's own children, whoever started them.
func treeCPU(p process) (float64, error) {
	sum, err := p.cpu()
	if err != nil {
		return 0, err
	}
	living, err := p.descendants()
	for _, d := range living {
		if cpu, err := d.cpu(); err == nil { // else it has ended meanwhile
			sum += cpu
		}
	}
	return sum, err
}

// askCPU counts processor time by process, which nothing else on the machine disturbs: the server's tree for us, and for the
// floor and the bare runtime what the kernel says when it is waited for. Under Docker the daemon, which serves others too, does
// the work: there only the machine's own count tells.
func askCPU(ctx context.Context, b *bench, t target) (a answer, err error) {
	block := 10
	if b.options.short {
		block = 4
	}
	var n int
	var ours, machineOurs, machineFloor float64
	var floors, bares sample
	var peerName string
	err = b.with(ctx, t, poolOff, func(s *server) error {
		name, peers, err := b.peers(ctx, s, t, 1)
		if err != nil {
			return err
		}
		peerName = name
		bottom, err := b.floorOnce()
		if err != nil {
			return err
		}
		for range b.rounds(5, 1) {
			if err := s.quiet(ctx); err != nil {
				return err
			}
			spent, err := busyDuring(func() error {
				return repeat(block, func() error {
					turn, err := bottom.turn(ctx)
					floors = append(floors, turn.cpu)
					return err
				})
			})
			if err != nil {
				return err
			}
			machineFloor += spent
			err = repeat(block, func() error {
				turn, err := peers[0].turn(ctx)
				bares = append(bares, turn.cpu)
				return err
			})
			if err != nil {
				return err
			}
			before, err := treeCPU(s.process())
			if err != nil {
				return err
			}
			spent, err = busyDuring(func() error {
				err := repeat(block, func() error {
					n++
					_, _, err := s.ask(ctx, trivial(), success)
					return err
				})
				// Asked once a block: to be asked is work for the server too.
				return errors.Join(err, s.quiet(ctx))
			})
			if err != nil {
				return err
			}
			machineOurs += spent
			after, err := treeCPU(s.process())
			if err != nil {
				return err
			}
			ours += after - before
		}
		return nil
	})
	if n == 0 {
		return a, err
	}
	if t.driver == driverOCI {
		var g *goal
		switch t.kind {
		case sandbox.KindCrun:
			g = ratioAtMost(3)
		case sandbox.KindRunc:
			g = ratioAtMost(6.5)
		}
		a.figures = append(a.figures, beside("by process", "ms", ours/float64(n), "the floor", floors.mean(), n, g),
			beside("by process", "ms", ours/float64(n), peerName, bares.mean(), n, nil))
		if t.kind == sandbox.KindRunsc {
			a.notes = append(a.notes, "gVisor's own processes for the runner's threads are waited for by nobody: what they spent, only the machine's count has")
		}
	}
	a.figures = append(a.figures, beside("whole machine", "ms", machineOurs/float64(n), "the floor", machineFloor/float64(n), n, nil))
	return a, err
}

func repeat(times int, do func() error) error {
	for range times {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// busyDuring is the whole machine's processor time while something is done.
func busyDuring(do func() error) (float64, error) {
	before, err := machineBusy()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := machineBusy()
	return after - before, err
}

// everyLibrary has the pool learn that all of them are in use.
const everyLibrary = `const names = ["lodash", "date-fns", "mathjs", "papaparse", "uuid", "validator"];
output = names.map((name) => typeof require(name)).concat(require("mathjs").evaluate("1 + 1"))`

// askMemory weighs boxes that wait, before anybody has asked for a library and after the pool has warmed every box for all.
func askMemory(ctx context.Context, b *bench, t target) (a answer, err error) {
	const mb = float64(api.MiB)
	boxes := b.pool(8)
	script, name := everyLibrary, "fully warmed"
	if b.options.short {
		script, name = libraryScripts[0].code, "warmed for "+libraryScripts[0].name
	}
	unwarmedGoal, warmedGoal := atMost(15), atMost(40)
	if !isRunc(t) {
		unwarmedGoal, warmedGoal = nil, nil
	}
	err = b.with(ctx, t, poolOf(boxes), func(s *server) error {
		if err := b.atRest(ctx, s, boxes, false); err != nil {
			return err
		}
		bytes, n, err := s.weigh(ctx, t)
		if err != nil {
			return err
		}
		a.figures = append(a.figures, own(fmt.Sprintf("PSS of each of %d, unwarmed", boxes), "MB", bytes/mb, n, unwarmedGoal))
		for range 3 {
			if _, _, err := s.ask(ctx, api.Request{Code: script}, success); err != nil {
				return err
			}
		}
		if err := b.atRest(ctx, s, boxes, true); err != nil {
			return err
		}
		if bytes, n, err = s.weigh(ctx, t); err != nil {
			return err
		}
		a.figures = append(a.figures, own(fmt.Sprintf("PSS of each of %d, %s", boxes, name), "MB", bytes/mb, n, warmedGoal))
		return nil
	})
	return a, err
}

// weigh returns the mean of what a box's processes hold, in bytes, and how many boxes there were.
func (s *server) weigh(ctx context.Context, t target) (bytes float64, boxes int, err error) {
	claims, err := s.claims(t.driver)
	if err != nil {
		return 0, 0, err
	}
	if len(claims) == 0 {
		return 0, 0, fmt.Errorf("no box waits")
	}
	processes, err := s.boxProcesses(ctx, t)
	if err != nil {
		return 0, 0, err
	}
	var sum int64
	for _, p := range processes {
		pss, err := p.pss()
		if err != nil {
			return 0, 0, err
		}
		sum += pss
	}
	return float64(sum) / float64(len(claims)), len(claims), nil
}

// boxProcesses are those of every box: below the server, or in the containers that are its. A container's shim is Docker's own.
func (s *server) boxProcesses(ctx context.Context, t target) ([]process, error) {
	if t.driver == driverOCI {
		return s.process().descendants()
	}
	containers, err := s.containers(ctx)
	if err != nil {
		return nil, err
	}
	var found []process
	for _, id := range containers {
		out, err := exec.CommandContext(ctx, "docker", "inspect", "--format", "{{.State.Pid}}", id).Output()
		if err != nil {
			return nil, fmt.Errorf("docker inspect: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			return nil, fmt.Errorf("docker inspect: %w", err)
		}
		first := process{pid}
		below, err := first.descendants()
		if err != nil {
			return nil, err
		}
		found = append(append(found, first), below...)
	}
	return found, nil
}
