package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a server that is at rest may have more of than it had at its first rest behind a whole round: connections to its database, to webhooks and
// to the model that are made when they are needed, up to a bound.
const (
	moreDescriptors = 16
	moreGoroutines  = 24
)

// A leakWatch compares what a server's process has when it is at rest.
type leakWatch struct {
	load        *load
	pid         int // of the process that was asked for things all through a round
	descriptors int
	goroutines  int
	leaks       []string
}

// look waits until nothing runs, notes what the process has, and holds it against its first rest behind a whole round. before is the process
// that there was when the round began. A connection that has just been closed is not gone yet, and no leak: what is too much must stay.
func (w *leakWatch) look(ctx context.Context, r *round, before int) error {
	if err := w.load.rest(ctx); err != nil {
		return err
	}
	pid := w.load.server.pid()
	whole := pid == before // else it was started anew, and may not have seen much yet
	leaked := false
	err := until(ctx, startLimit, func(ctx context.Context) (done bool, err error) {
		r.descriptors, r.goroutines, err = w.load.holds(ctx, pid)
		leaked = whole && pid == w.pid && (r.descriptors > w.descriptors+moreDescriptors || r.goroutines > w.goroutines+moreGoroutines)
		return !leaked, err
	}, func() error { return nil })
	switch {
	case leaked:
		w.leaks = append(w.leaks, fmt.Sprintf("after %s: %d descriptors and %d goroutines at rest, where there were %d and %d",
			r.name, r.descriptors, r.goroutines, w.descriptors, w.goroutines))
		return context.Cause(ctx)
	case err == nil && whole && pid != w.pid:
		w.pid, w.descriptors, w.goroutines = pid, r.descriptors, r.goroutines
	}
	return err
}

// holds tells what the server's process has.
func (l *load) holds(ctx context.Context, pid int) (descriptors, goroutines int, err error) {
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0, 0, err
	}
	metrics, err := l.metrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	// What a webhook has refused waits to be told again: then its tenant has a goroutine.
	return len(open), int(metrics["go_goroutines"]) - min(int(metrics[pendingDeliveries]), len(l.keys)), nil
}

// restTime is for how long nothing must run: what was accepted and found no place asks again within a second.
const restTime = 1200 * time.Millisecond

// pendingDeliveries is the metric of what webhooks have not been told yet.
const pendingDeliveries = "glovebox_webhook_pending_deliveries"

// rest waits until the server runs nothing, and has nothing waiting but what webhooks are to be told again, in some seconds.
func (l *load) rest(ctx context.Context) error {
	var since time.Time
	pending := 0.0
	return until(ctx, settleLimit, func(ctx context.Context) (bool, error) {
		metrics, err := l.metrics(ctx)
		switch {
		case err != nil:
			return false, err
		case metrics["glovebox_executions_in_flight"]+metrics["glovebox_boxes"] > 0 || metrics[pendingDeliveries] != pending: // or not known
			since, pending = time.Time{}, metrics[pendingDeliveries]
		case since.IsZero():
			since = time.Now()
		}
		if since.IsZero() || time.Since(since) < restTime {
			return false, nil
		}
		busy, err := l.agentWorks(ctx)
		if busy {
			since = time.Time{}
		}
		return !busy, err
	}, func() error { return errors.New("the server does not come to rest") })
}

// agentWorks reports whether a run of the agent has not ended, of any tenant's.
func (l *load) agentWorks(ctx context.Context) (bool, error) {
	for _, key := range l.keys {
		for _, state := range []string{"queued", "running"} {
			a, err := l.ask(ctx, http.MethodGet, agentRuns.path+"?limit=1&state="+state, key, "", nil)
			if err != nil {
				return false, err
			}
			var page struct{ Runs []json.RawMessage }
			if err := json.Unmarshal(a.body, &page); err != nil || a.status != http.StatusOK {
				return false, fmt.Errorf("the list of runs: status %d: %.200s", a.status, a.body)
			}
			if len(page.Runs) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// metrics are those without labels, by their names.
func (l *load) metrics(ctx context.Context) (map[string]float64, error) {
	a, err := l.ask(ctx, http.MethodGet, "/metrics", l.admin, "", nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("/metrics: status %d: %.200s", a.status, a.body)
	}
	found := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(a.body))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil {
			found[name] = number
		}
	}
	return found, lines.Err()
}
