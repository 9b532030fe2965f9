package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/report"
	"glovebox/internal/probe/script"
	"glovebox/internal/sandbox"
)

// auditOptions are what is asked of an audit.
type auditOptions struct {
	boxes    boxFlags // of which strict is not heard
	only     []string
	asJSON   bool
	html     string // the file to write a page to; "" is none
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
  glovebox audit --controls --json > audit.json
  glovebox audit --controls --html audit.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.boxes.isolation = string(sandbox.IsolationStandard)
			if err := o.boxes.check(); err != nil {
				return err
			}
			probes, err := selected(slices.Concat(native.Probes(), script.Probes()), o.only)
			if err != nil {
				return err
			}
			page, err := o.page()
			if err != nil {
				return err
			}
			audit, err := o.run(cmd.Context(), probes, report.NewProgress(cmd.ErrOrStderr()))
			if err != nil {
				return sandboxError(errors.Join(err, page.Close()))
			}
			if err := errors.Join(page.write(audit), o.write(cmd.OutOrStdout(), audit)); err != nil {
				return outputError(err)
			}
			if !audit.OK() {
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
	flags.StringVar(&o.html, "html", "", "write the whole report as one page of HTML to `FILE` too")
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

// A pageFile is where the page of HTML goes; nil is nowhere.
type pageFile struct{ *os.File }

// page opens the file before the audit, which takes minutes, so that one that cannot be written costs none of them.
func (o *auditOptions) page() (*pageFile, error) {
	if o.html == "" {
		return nil, nil
	}
	file, err := os.Create(o.html)
	if err != nil {
		return nil, usageError("--html: %v", err)
	}
	return &pageFile{file}, nil
}

// Close closes the file.
func (p *pageFile) Close() error {
	if p == nil {
		return nil
	}
	return p.File.Close()
}

// write writes the page and closes its file.
func (p *pageFile) write(audit *probe.Report) error {
	if p == nil {
		return nil
	}
	return errors.Join(report.HTML(p, audit), p.Close())
}

// run tries the probes on every target, and tells of its progress.
func (o *auditOptions) run(ctx context.Context, probes []probe.Probe, progress *report.Progress) (*probe.Report, error) {
	targets, err := o.targets(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	audit := probe.NewReport(probes)
	audit.Glovebox, audit.Started, audit.Host = version, time.Now().UTC(), thisHost()
	for _, t := range targets {
		start := time.Now()
		pair, err := t.describe(ctx)
		if err == nil {
			err = t.try(ctx, probes, audit, progress)
		}
		if err != nil {
			return nil, fmt.Errorf("%s with %s: %w", t.native.Pair.Driver, t.native.Pair.Runtime, err)
		}
		pair.DurationMs = float64(time.Since(start).Milliseconds())
		audit.Pairs = append(audit.Pairs, pair)
	}
	if o.controls {
		if err := o.control(ctx, probes, audit, progress); err != nil {
			return nil, err
		}
	}
	audit.DurationMs = float64(time.Since(audit.Started).Milliseconds())
	return audit, nil
}

// describe returns the pair, filled in with what its driver says of boxes of both images.
func (t auditTarget) describe(ctx context.Context) (probe.Pair, error) {
	pair := t.native.Pair
	probed, err := native.Describe(ctx, t.native)
	if err != nil {
		return pair, err
	}
	ran, err := script.Describe(ctx, t.script)
	if err != nil {
		return pair, err
	}
	pair.RuntimeVersion, pair.Layers, pair.Seccomp = ran.RuntimeVersion, ran.Layers, ran.Seccomp
	pair.ProbeImage, pair.RunnerImage = probed.Image, ran.Image
	return pair, nil
}

// try tries the probes of both families.
func (t auditTarget) try(ctx context.Context, probes []probe.Probe, audit *probe.Report, progress *report.Progress) error {
	for _, f := range []struct {
		family probe.Family
		runner probe.Runner
		target probe.Target
	}{{probe.Native, native.Runner{}, t.native}, {probe.Script, script.Runner{}, t.script}} {
		chosen := slices.DeleteFunc(slices.Clone(probes), func(p probe.Probe) bool { return p.Family != f.family })
		if len(chosen) == 0 {
			continue
		}
		progress.Begin(fmt.Sprintf("%s with %s, %s probes", f.target.Pair.Driver, f.target.Pair.Runtime, f.family), len(chosen)*len(f.family.Stages()))
		err := f.runner.Run(ctx, f.target, chosen, func(o probe.Outcome) {
			audit.AddOutcome(o)
			progress.Outcome(o)
		})
		progress.End()
		if err != nil {
			return err
		}
	}
	return nil
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

// write prints the report: as JSON, or for people.
func (o *auditOptions) write(out io.Writer, audit *probe.Report) error {
	if !o.asJSON {
		return report.Text(out, audit)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(audit)
}

// kinds is the order in which runtimes are tried.
var kinds = []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc}
