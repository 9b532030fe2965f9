package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A stage is a server of one kind, and what comes to it, one after another.
type stage struct {
	name   string // the driver, and what else is peculiar
	driver string
	faults []string
	// prepare makes what the server stands on, and leaves how to take it away in server.undo; nil is nothing.
	prepare func(ctx context.Context, s *server, say func(string, ...any)) error
}

var stages = []stage{
	{"oci", "oci", []string{calm, faultKill, faultTorn, faultBoxes, faultSlow, faultLeave, faultLocked}, nil},
	{"oci, on a small disk", "oci", []string{faultFull}, smallDisk},
	{"oci, by a clock of its own", "oci", []string{faultClock}, ownClock},
	{"docker, with a daemon of its own", "docker", []string{faultDaemon}, ownDaemon},
}

// faultNames are in the order in which they come.
func faultNames() (names []string) {
	for _, st := range stages {
		for _, name := range st.faults {
			if name != calm {
				names = append(names, name)
			}
		}
	}
	return names
}

// rounds are those of the stage that are asked for. Calm comes before others, and alone where no fault is asked for.
func (st stage) rounds(asked []string) (names []string) {
	for _, name := range st.faults {
		if slices.Contains(asked, name) {
			names = append(names, name)
		}
	}
	if slices.Contains(st.faults, calm) && (len(names) > 0 || len(asked) == 0) {
		names = append([]string{calm}, names...)
	}
	return names
}

// A stageReport is what a stage came to.
type stageReport struct {
	name     string
	rounds   []*round
	accepted []*settlement
	told     deliveries
	tasks    int      // that the model was asked to begin
	twice    []string // executions and tasks that began more than once
	entries  int      // of the ledger's export, which was found whole
	books    []string // where it differs from what was seen
	left     []string
	leaks    []string
}

// run makes the tenants, drives the server through each round, and looks at what came of everything.
func (st stage) run(ctx context.Context, o options, each time.Duration, say func(string, ...any)) (r *stageReport, err error) {
	s, err := newServer(ctx, o, st.driver)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if st.prepare != nil {
		if err := st.prepare(ctx, s, say); err != nil {
			return nil, err
		}
	}
	say("%s: %d tenants", st.name, o.tenants)
	keys, admin, err := s.makeTenants(ctx, o.tenants)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	r = &stageReport{name: st.name}
	l := newLoad(s, keys, admin)
	if err := st.drive(ctx, l, each, r, say); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	if race, err := s.logged(0, "DATA RACE"); err != nil || race != "" {
		return nil, errors.Join(err, fmt.Errorf("the race detector has found something: %s", s.lastLog()))
	}
	if err := st.audit(ctx, l, r); err != nil {
		return nil, err
	}
	r.left, err = s.leftBehind(ctx)
	return r, err
}

// audit holds the ledger, and what the model was asked, against what was seen.
func (st stage) audit(ctx context.Context, l *load, r *stageReport) error {
	s := l.server
	if _, err := s.command(ctx, "tenant", "webhook", "remove", tenantID(0)); err != nil {
		return err
	}
	named, err := s.namedLost()
	if err != nil {
		return err
	}
	b, err := s.ledger(ctx)
	if err != nil {
		return err
	}
	r.entries, r.tasks = b.entries, s.model.tasks()
	r.twice = append(b.twice(), s.model.twice()...)
	r.books = append(b.reconcile(memories{
		accepted: l.accepted, heard: l.heard, named: named, killed: s.kills > 0,
		acts: map[string]int{entryHookSet: len(l.keys), entryHookRotated: l.rotated, entryHookRemoved: 1},
	}), s.model.problems()...)
	return nil
}

// drive is what happens while the server is there.
func (st stage) drive(ctx context.Context, l *load, each time.Duration, r *stageReport, say func(string, ...any)) (err error) {
	watch := leakWatch{load: l}
	for _, name := range st.rounds(l.server.options.faults) {
		say("%s: %s, for %v ...", st.name, name, each.Round(time.Second))
		before := l.server.pid()
		round, err := l.through(ctx, name, each, l.server.options.concurrency)
		if err != nil {
			return err
		}
		r.rounds = append(r.rounds, round)
		if err := watch.look(ctx, round, before); err != nil {
			return err
		}
	}
	r.leaks = watch.leaks
	say("%s: looking for what was accepted ...", st.name)
	if r.accepted, err = l.settle(ctx); err != nil {
		return err
	}
	r.told, err = l.delivered(ctx)
	return err
}
