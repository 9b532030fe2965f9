// Command soak drives `glovebox serve` as many tenants would, does to it meanwhile what a machine can do, and tells what callers saw,
// what was lost, how long it took to come back, and what was left behind. It runs as root, with the oci driver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	glovebox, runtime    string
	tenants, concurrency int
	duration             time.Duration
	faults               []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run returns the exit status: 0 where nothing was lost, wrong, run twice or left behind.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.glovebox, "glovebox", "bin/glovebox", "the program that is driven")
	flags.StringVar(&o.runtime, "runtime", "runc", "its OCI runtime")
	flags.IntVar(&o.tenants, "tenants", 50, "how many tenants ask")
	flags.IntVar(&o.concurrency, "concurrency", 200, "how many requests are under way at once")
	flags.DurationVar(&o.duration, "duration", 2*time.Minute, "for how long, each fault's share included")
	all := strings.Join(faultNames(), ",")
	named := flags.String("faults", all, "the `FAULTS` that come, one after another, with commas between them; \"\" is none")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *named != "" {
		o.faults = strings.Split(*named, ",")
	}
	for _, name := range o.faults {
		if !slices.Contains(faultNames(), name) {
			fmt.Fprintf(stderr, "soak: there is no fault %q; there are %s\n", name, all)
			return 2
		}
	}
	if o.tenants < 1 || o.concurrency < 1 || o.duration <= 0 {
		fmt.Fprintln(stderr, "soak: --tenants, --concurrency and --duration must be more than 0")
		return 2
	}
	report, err := soak(ctx, o, func(format string, args ...any) { fmt.Fprintf(stderr, "soak: "+format+"\n", args...) })
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	report.write(stdout)
	if !report.good() {
		return 1
	}
	return 0
}

// soak makes the tenants, drives the server through each fault, and looks at what came of everything.
func soak(ctx context.Context, o options, say func(string, ...any)) (r *report, err error) {
	s, err := newServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	say("%d tenants", o.tenants)
	keys, err := s.makeTenants(ctx, o.tenants)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	r = &report{options: o}
	rounds := append([]string{calm}, o.faults...)
	each := o.duration / time.Duration(len(rounds))
	l := newLoad(s, keys)
	for _, name := range rounds {
		say("%s, for %v ...", name, each.Round(time.Second))
		round, err := l.through(ctx, name, each, o.concurrency)
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		r.rounds = append(r.rounds, round)
	}
	say("looking for what was accepted ...")
	if r.accepted, err = l.settle(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	if r.twice, r.entries, err = s.ledger(ctx); err != nil {
		return nil, err
	}
	r.left, err = s.leftBehind()
	return r, err
}
