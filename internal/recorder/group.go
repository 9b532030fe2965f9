package recorder

import (
	"context"
	"errors"
	"sync"
	"time"

	"glovebox/internal/ledger"
)

const (
	// groupMost bounds how many entries are written together.
	groupMost = 256
	// writeLimit bounds how long that may take: another process may keep the log locked.
	writeLimit = 15 * time.Second
)

// A group writes together what comes while something is being written: the disk takes as long for one entry as for many. Who comes
// alone does not wait.
type group struct {
	log     ledger.Log
	waiting chan pending
	done    sync.WaitGroup
}

// A pending draft is one that somebody waits for.
type pending struct {
	draft  ledger.Draft
	result chan<- error
}

func newGroup(log ledger.Log) *group {
	g := &group{log: log, waiting: make(chan pending, groupMost)}
	g.done.Go(g.write)
	return g
}

// append returns once the draft is an entry on the disk, or will not become one. It waits whatever becomes of its caller: what has
// begun is recorded, whoever is left to hear of it. It is bounded by [writeLimit], twice where something is being written.
func (g *group) append(draft ledger.Draft) error {
	result := make(chan error, 1)
	g.waiting <- pending{draft, result}
	return <-result
}

func (g *group) close() {
	close(g.waiting)
	g.done.Wait()
}

func (g *group) write() {
	for first := range g.waiting {
		together := []pending{first}
	gather:
		for len(together) < groupMost {
			select {
			case next, open := <-g.waiting:
				if !open {
					break gather
				}
				together = append(together, next)
			default:
				break gather
			}
		}
		g.commit(together)
	}
}

// commit writes all, or, where one of them is at fault, each by itself.
func (g *group) commit(together []pending) {
	drafts := make([]ledger.Draft, len(together))
	for n, p := range together {
		drafts[n] = p.draft
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	_, err := g.log.Append(ctx, drafts...)
	var invalid *ledger.InvalidError
	if len(together) > 1 && errors.As(err, &invalid) {
		for _, p := range together {
			g.commit([]pending{p})
		}
		return
	}
	for _, p := range together {
		p.result <- err
	}
}
