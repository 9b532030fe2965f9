// Command bench measures Glovebox beside what a user would pick instead, in one run: see docs/bench.md. `make bench` sets up
// what it needs and calls it, as root.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are what the command line says.
type options struct {
	glovebox string
	node     string
	peer     string
	only     string
	targets  string
	scale    float64
	short    bool
	out      string
	markdown string
}

// shortScale is a short run's: so few rounds that every row takes its least.
const shortScale = 0.001

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.glovebox, "glovebox", "bin/glovebox", "the `program` that is measured")
	flags.StringVar(&o.node, "node", "", "Node.js 22 or later, for MemberJunction's service; \"\" leaves it out")
	flags.StringVar(&o.peer, "peer", "clients/typescript/compare/bench.mjs", "the `script` that asks MemberJunction's service")
	flags.StringVar(&o.only, "only", "", "`ROW,...`: these rows alone, of "+strings.Join(rowIDs(), ", "))
	flags.StringVar(&o.targets, "targets", "", "`TARGET,...`: these alone, of "+strings.Join(targetNames, ", "))
	flags.Float64Var(&o.scale, "scale", 1, "the share of the rounds of a whole run, above 0")
	flags.BoolVar(&o.short, "short", false, "the fewest rounds, and smaller scripts: it shows that the bench works, and nothing else")
	flags.StringVar(&o.out, "out", "", "the `DIR` for bench.txt, bench.json and bench.svg")
	flags.StringVar(&o.markdown, "markdown", "", "a `FILE` for the table as Markdown: what stands in it between the bench's two marks is replaced, and the picture goes beside it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown: %q", flags.Args())
	}
	if !(o.scale > 0) {
		return o, fmt.Errorf("--scale is %v; more than 0 is allowed", o.scale)
	}
	if err := known("row", o.only, rowIDs()); err != nil {
		return o, err
	}
	if err := known("target", o.targets, targetNames); err != nil {
		return o, err
	}
	if o.short {
		o.scale = shortScale
	}
	return o, nil
}

// known refuses a list that names what there is not.
func known(what, list string, all []string) error {
	for _, name := range split(list) {
		if !slices.Contains(all, name) {
			return fmt.Errorf("there is no %s %q; there are %s", what, name, strings.Join(all, ", "))
		}
	}
	return nil
}

func rowIDs() (ids []string) {
	for _, q := range questions {
		ids = append(ids, q.id)
	}
	return ids
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func (o options) asks(id string) bool { return o.only == "" || slices.Contains(split(o.only), id) }

func (o options) takes(t string) bool { return o.targets == "" || slices.Contains(split(o.targets), t) }

// run is the program: status 0 where every row that could be asked was, whatever its goals; 1 where one failed, or the bench
// was cut short; 2 for a usage error.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 2
	}
	r, err := measure(ctx, o, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	if err := errors.Join(r.writeText(stdout), o.write(r)); err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	if !r.Complete || slices.ContainsFunc(r.Rows, func(r row) bool { return r.Failed != "" }) {
		return 1
	}
	return 0
}

func measure(ctx context.Context, o options, progress io.Writer) (r report, err error) {
	if os.Geteuid() != 0 {
		return r, errors.New("boxes without a daemon, and the floor, need root here: run it as root")
	}
	r.Began, r.Scale = time.Now().UTC(), o.scale
	if r.Machine, err = inspectMachine(); err != nil {
		return r, err
	}
	b := &bench{options: o, progress: progress}
	if b.hasPool, err = hasPool(ctx, o.glovebox); err != nil {
		return r, err
	}
	if b.dir, err = os.MkdirTemp("", "glovebox-bench-"); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.Chmod(b.dir, 0o711); err != nil { // boxes must reach their root file systems through it
		return r, err
	}
	r.Versions = append(r.Versions, version{"glovebox", gloveboxVersion(ctx, o.glovebox)}, version{"Go", strings.TrimPrefix(runtime.Version(), "go")})
	targets, versions := findTargets(ctx)
	r.Versions = append(r.Versions, versions...)
	if b.theirs, err = startMemberjunction(ctx, o.node, o.peer); err != nil {
		fmt.Fprintf(progress, "bench: MemberJunction's service is left out: %v\n", err)
		r.Versions = append(r.Versions, version{theirName, "not here (" + cut(err.Error(), 100) + ")"})
	} else {
		r.Versions = append(r.Versions, b.theirs.version, b.theirs.node)
		defer func() {
			if stopErr := b.theirs.stop(); stopErr != nil {
				fmt.Fprintf(progress, "bench: MemberJunction's service: %v\n", stopErr)
			}
		}()
	}
	r.Rows = b.run(ctx, targets)
	r.Complete = ctx.Err() == nil
	r.Took = time.Since(r.Began).Seconds()
	r.Machine.LoadEnd = load()
	return r, nil
}

func gloveboxVersion(ctx context.Context, path string) string {
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(first, "glovebox ")
}

// write writes the files that were asked for.
func (o options) write(r report) error {
	if o.out != "" {
		if err := os.MkdirAll(o.out, 0o755); err != nil {
			return err
		}
		err := errors.Join(writeFile(filepath.Join(o.out, "bench.txt"), r.writeText), writeFile(filepath.Join(o.out, "bench.json"), r.writeJSON),
			writeFile(filepath.Join(o.out, "bench.svg"), r.writeSVG))
		if err != nil {
			return err
		}
	}
	if o.markdown == "" || !r.Complete { // a page keeps its whole table until there is another
		return nil
	}
	page, err := os.ReadFile(o.markdown)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	picture := strings.TrimSuffix(o.markdown, filepath.Ext(o.markdown)) + ".svg"
	page, err = embed(page, r, filepath.Base(picture))
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(o.markdown, page, 0o644), writeFile(picture, r.writeSVG))
}

func writeFile(path string, write func(io.Writer) error) error {
	var body bytes.Buffer
	if err := write(&body); err != nil {
		return err
	}
	return os.WriteFile(path, body.Bytes(), 0o644)
}

// The marks in a page between which the table stands.
const (
	markBegin = "<!-- bench: begin -->\n"
	markEnd   = "<!-- bench: end -->\n"
)

// embed puts the table into a page: between its marks, or alone where there is no page.
func embed(page []byte, r report, picture string) ([]byte, error) {
	var table bytes.Buffer
	if err := r.writeMarkdown(&table, picture); err != nil {
		return nil, err
	}
	if len(page) == 0 {
		return table.Bytes(), nil
	}
	before, rest, begins := bytes.Cut(page, []byte(markBegin))
	_, after, ends := bytes.Cut(rest, []byte(markEnd))
	if !begins || !ends {
		return nil, fmt.Errorf("the page lacks the marks %q and %q", markBegin, markEnd)
	}
	return slices.Concat(before, []byte(markBegin), table.Bytes(), []byte(markEnd), after), nil
}
