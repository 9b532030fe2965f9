package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/sandbox"
	"glovebox/internal/terminal"
)

// auditOptions are what is asked of an audit.
type auditOptions struct {
	boxes    boxFlags // of which strict is not heard
	only     []string
	asJSON   bool
	controls bool
}

func newAuditCommand() *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Try to break out of boxes on this machine, and tell what held",
		Long: `Tries what a hostile script, or a native process in the place of one, could do: in real boxes on this machine, on each
driver and runtime that is here. Every probe is a claim of SECURITY.md. With --controls it lifts layers from disposable
boxes besides, to show that each probe succeeds where nothing stops it, and which layers stop it by themselves.

Exit status: 0 when every claim holds, 1 when one does not, 2 usage, 3 the audit itself failed.`,
		Example: `  glovebox audit
  glovebox audit --driver oci --runtime runc --only 'net.*,files.mount'
  glovebox audit --controls --json > audit.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.boxes.check(); err != nil {
				return err
			}
			probes, err := selected(native.Probes(), o.only)
			if err != nil {
				return err
			}
			report, err := o.run(cmd.Context(), probes, cmd.ErrOrStderr())
			if err != nil {
				return sandboxError(err)
			}
			if err := writeAudit(cmd.OutOrStdout(), report, o.asJSON); err != nil {
				return outputError(err)
			}
			if !report.OK() {
				return &statusError{statusScript, errors.New("not every claim holds")}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.boxes.driver, "driver", "auto", "docker, oci (no daemon), or auto: each that is here")
	flags.StringVar(&o.boxes.runtime, "runtime", "", "OCI runtime: runc, crun, runsc, or any that Docker knows (default each that is here)")
	flags.StringSliceVar(&o.only, "only", nil, "ids of probes to try, with * for any part of one (default all)")
	flags.BoolVar(&o.asJSON, "json", false, "print the whole report as JSON")
	flags.BoolVar(&o.controls, "controls", false, "lift layers too, in disposable boxes without a daemon on runc (takes minutes)")
	o.boxes.registerState(flags)
	return cmd
}

// selected returns the probes whose ids match a pattern, all where there is none.
func selected(all []probe.Probe, patterns []string) ([]probe.Probe, error) {
	if len(patterns) == 0 {
		return all, nil
	}
	var chosen []probe.Probe
	for _, pattern := range patterns {
		before := len(chosen)
		for _, p := range all {
			matches, err := path.Match(pattern, p.ID)
			if err != nil {
				return nil, usageError("--only: %q: %v", pattern, err)
			}
			if matches && !slices.ContainsFunc(chosen, func(c probe.Probe) bool { return c.ID == p.ID }) {
				chosen = append(chosen, p)
			}
		}
		if len(chosen) == before {
			return nil, usageError("--only: no probe matches %q", pattern)
		}
	}
	return chosen, nil
}

// run tries the probes on every target, and tells of its progress.
func (o *auditOptions) run(ctx context.Context, probes []probe.Probe, progress io.Writer) (*probe.Report, error) {
	targets, err := o.targets(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	report := probe.NewReport(probes)
	report.Glovebox, report.Started, report.Host = version, time.Now().UTC(), thisHost()
	for _, t := range targets {
		start := time.Now()
		pair, err := inForce(ctx, t.native)
		if err != nil {
			return nil, fmt.Errorf("%s with %s: %w", t.native.Pair.Driver, t.native.Pair.Runtime, err)
		}
		fmt.Fprintf(progress, "%s with %s: %d probes ...\n", pair.Driver, pair.Runtime, len(probes))
		if err := (native.Runner{}).Run(ctx, t.native, probes, report.AddOutcome); err != nil {
			return nil, fmt.Errorf("%s with %s: %w", pair.Driver, pair.Runtime, err)
		}
		pair.DurationMs = float64(time.Since(start).Milliseconds())
		report.Pairs = append(report.Pairs, pair)
	}
	if o.controls {
		if err := o.control(ctx, probes, report, progress); err != nil {
			return nil, err
		}
	}
	report.DurationMs = float64(time.Since(report.Started).Milliseconds())
	return report, nil
}

// inForce fills a pair in with what the driver says of a box.
func inForce(ctx context.Context, target probe.Target) (probe.Pair, error) {
	isolation, err := native.Describe(ctx, target)
	if err != nil {
		return probe.Pair{}, err
	}
	pair := target.Pair
	pair.RuntimeVersion, pair.Layers = isolation.RuntimeVersion, isolation.Layers
	pair.ProbeImage, pair.Seccomp = isolation.Image, isolation.Seccomp
	return pair, nil
}

func thisHost() probe.Host {
	host := probe.Host{Architecture: runtime.GOARCH, CPUs: runtime.NumCPU(), Cgroup: "v1"}
	var names unix.Utsname
	if unix.Uname(&names) == nil {
		host.Kernel = unix.ByteSliceToString(names.Release[:])
	}
	isUnified := func(dir string) bool {
		var s unix.Statfs_t
		return unix.Statfs(dir, &s) == nil && s.Type == unix.CGROUP2_SUPER_MAGIC
	}
	switch {
	case isUnified("/sys/fs/cgroup"):
		host.Cgroup = "v2"
	case isUnified("/sys/fs/cgroup/unified"):
		host.Cgroup = "hybrid"
	}
	return host
}

// writeAudit prints the report: as JSON, or each claim that does not hold and a line for the rest.
func writeAudit(out io.Writer, report *probe.Report, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	var text strings.Builder
	held := 0
	for _, row := range report.Rows {
		if row.Verdict.OK() {
			held++
			continue
		}
		fmt.Fprintf(&text, "%s  %s: %s\n", row.Verdict, row.ID, row.Claim)
		for _, outcome := range row.Outcomes {
			if !outcome.Verdict.OK() {
				fmt.Fprintf(&text, "    %s with %s, %s: %s\n", outcome.Driver, outcome.Runtime, outcome.Stage, outcome.Why)
			}
		}
		for _, c := range row.Controls {
			if c.Result == probe.StillStopped && !c.NotApplicable {
				fmt.Fprintf(&text, "    without %s: still stopped: %s\n", strings.Join(c.Lifted, ", "), c.Why)
			}
		}
	}
	for _, single := range report.SingleLayers {
		fmt.Fprintf(&text, "%s alone stops: %s\n", single.Layer, strings.Join(single.Probes, ", "))
	}
	fmt.Fprintf(&text, "%d of %d claims hold, on %d pairs of a driver and a runtime, in %v.\n", held, len(report.Rows), len(report.Pairs),
		(time.Duration(report.DurationMs) * time.Millisecond).Round(time.Second/10))
	// The lines are ours, but for what came out of boxes.
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(out, terminal.Text(out, strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// kinds is the order in which runtimes are tried.
var kinds = []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc}
