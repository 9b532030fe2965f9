package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a server that is at rest may have more of than it had at its first rest: connections to its database that are made when they are
// needed, up to a bound.
const (
	moreDescriptors = 16
	moreGoroutines  = 24
)

// A leakWatch compares what a server's process has when it is at rest.
type leakWatch struct {
	load        *load
	pid         int
	descriptors int
	goroutines  int
	leaks       []string
}

// look waits until nothing runs, notes what the process has, and holds it against its first rest.
func (w *leakWatch) look(ctx context.Context, r *round) error {
	if err := w.load.rest(ctx); err != nil {
		return err
	}
	pid := w.load.server.cmd.Process.Pid
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return err
	}
	metrics, err := w.load.metrics(ctx)
	if err != nil {
		return err
	}
	r.descriptors, r.goroutines = len(open), int(metrics["go_goroutines"])
	if pid != w.pid { // it was started anew
		w.pid, w.descriptors, w.goroutines = pid, r.descriptors, r.goroutines
		return nil
	}
	if r.descriptors > w.descriptors+moreDescriptors || r.goroutines > w.goroutines+moreGoroutines {
		w.leaks = append(w.leaks, fmt.Sprintf("after %s: %d descriptors and %d goroutines at rest, where there were %d and %d",
			r.name, r.descriptors, r.goroutines, w.descriptors, w.goroutines))
	}
	return nil
}

// restTime is for how long nothing must run: what was accepted and found no place asks again within a second.
const restTime = 1200 * time.Millisecond

// rest waits until the server runs nothing, and has nothing waiting.
func (l *load) rest(ctx context.Context) error {
	var since time.Time
	return until(ctx, settleLimit, func(ctx context.Context) (bool, error) {
		metrics, err := l.metrics(ctx)
		switch {
		case err != nil:
			return false, err
		case metrics["glovebox_executions_in_flight"]+metrics["glovebox_boxes"] > 0:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
		return !since.IsZero() && time.Since(since) > restTime, nil
	}, func() error { return errors.New("the server does not come to rest") })
}

// metrics are those without labels, by their names.
func (l *load) metrics(ctx context.Context) (map[string]float64, error) {
	status, body, err := l.ask(ctx, http.MethodGet, "/metrics", l.admin, "", false)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("/metrics: status %d: %.200s", status, body)
	}
	found := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil {
			found[name] = number
		}
	}
	return found, lines.Err()
}
