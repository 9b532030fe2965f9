// Command soak drives `glovebox serve` as many tenants would, with scripts, runs of the agent and calls of /mcp, does to it meanwhile what a
// machine can do, and tells what callers and webhooks saw, what was lost, how long it took to come back, and what was left behind. It runs as
// root; the model and the webhooks' receiver are its own, and the faults of Docker's daemon come to a daemon of its own.
package main

import (
	"context"
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
	fmt.Fprintf(stdout, "%d tenants, %d requests at once, on %s.\n", o.tenants, o.concurrency, o.runtime)
	good, err := soak(ctx, o, func(format string, args ...any) { fmt.Fprintf(stderr, "soak: "+format+"\n", args...) }, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	if !good {
		return 1
	}
	return 0
}

// soak goes through the stages whose faults are asked for, each with a share of the time, tells of each once it is over, and reports whether
// all of them were good.
func soak(ctx context.Context, o options, say func(string, ...any), out io.Writer) (good bool, err error) {
	good = true
	rounds := 0
	for _, st := range stages {
		rounds += len(st.rounds(o.faults))
	}
	for _, st := range stages {
		if len(st.rounds(o.faults)) == 0 {
			continue
		}
		done, err := st.run(ctx, o, o.duration/time.Duration(rounds), say)
		if err != nil {
			return false, fmt.Errorf("%s: %w", st.name, err)
		}
		done.write(out)
		good = good && done.good()
	}
	return good, nil
}
