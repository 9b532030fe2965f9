package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"glovebox/internal/config"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
)

// boxFlags choose how boxes are made.
type boxFlags struct {
	driver    string
	runtime   string
	isolation string
	strict    bool
	stateDir  string
}

func (f *boxFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.driver, "driver", "auto", "docker, oci (no daemon), or auto: docker where a daemon answers, else oci")
	flags.StringVar(&f.runtime, "runtime", "", "OCI runtime: runc, crun, runsc or the path of one, or any that Docker knows (default runsc where it is found, else runc)")
	flags.StringVar(&f.isolation, "isolation", string(sandbox.IsolationStandard), "standard, or gvisor for a second kernel: boxes that are held by less are refused")
	flags.BoolVar(&f.strict, "strict", false, "refuse, in place of a warning, isolation that is weaker than possible here or a runtime below the CVE floor")
	config.Mark(flags, boxSettings...)
	f.registerState(flags)
}

// boxSettings are the flags that say how boxes are made.
var boxSettings = []string{"driver", "runtime", "isolation", "strict"}

func (f *boxFlags) registerState(flags *pflag.FlagSet) {
	flags.StringVar(&f.stateDir, "state-dir", sandbox.DefaultStateDir(), "directory, of mode 0700, in which processes agree about boxes")
	config.Mark(flags, "state-dir")
}

// boxes is a driver, and the Spec of every box that it makes.
type boxes struct {
	name   string
	driver sandbox.Driver
	spec   sandbox.Spec
	// ready reports whether a box could be made now. It is cheap.
	ready func(context.Context) error
}

// check refuses what no machine has, before any is looked at.
func (f *boxFlags) check() error {
	switch f.driver {
	case "auto", "docker", "oci":
		if _, err := sandbox.ParseIsolationLevel(f.isolation); err != nil {
			return badSetting(fmt.Errorf("--isolation: %w", err), "isolation")
		}
		return f.checkState()
	}
	return badSetting(fmt.Errorf("--driver is %q; auto, docker and oci are allowed", f.driver), "driver")
}

// checkState makes the state directory's path whole: a runtime does not work where we do.
func (f *boxFlags) checkState() (err error) {
	if f.stateDir == "" {
		return badSetting(fmt.Errorf("--state-dir is empty; leave it out for %s", sandbox.DefaultStateDir()), "state-dir")
	}
	f.stateDir, err = filepath.Abs(f.stateDir)
	return err
}

// open chooses a driver and a runtime and makes them ready, sweeps what dead owners left behind, and tells of
// everything that is weaker than it could be: as warnings or, under --strict, as an error. The flags have
// passed check.
func (f *boxFlags) open(ctx context.Context, log *slog.Logger, warn func(string)) (boxes, error) {
	image, err := runnerimage.Embedded()
	if err != nil {
		return boxes{}, err
	}
	state, err := sandbox.OpenState(f.stateDir)
	if err != nil {
		return boxes{}, err
	}
	found, warnings, err := f.choose(ctx, image, state, log)
	if err != nil {
		return boxes{}, err
	}
	if f.strict && len(warnings) > 0 {
		return boxes{}, fmt.Errorf("refused by --strict: %s", strings.Join(warnings, "; "))
	}
	for _, warning := range warnings {
		warn(warning)
	}
	if _, err := found.driver.Sweep(ctx); err != nil {
		warn("sweeping up after dead owners failed: " + err.Error())
	}
	return found, nil
}

func (f *boxFlags) choose(ctx context.Context, image *runnerimage.Image, state *sandbox.State, log *slog.Logger) (boxes, []string, error) {
	inDocker := func() (boxes, []string, error) { return f.held(f.openDocker(ctx, image, state, log)) }
	without := func() (boxes, []string, error) { return f.held(f.openOCI(ctx, image, state, log)) }
	switch {
	case f.driver == "docker":
		return inDocker()
	case f.driver == "oci", isPath(f.runtime): // a daemon knows its runtimes by name
		return without()
	}
	found, warnings, dockerErr := inDocker()
	var weak *weakError
	if !errors.Is(dockerErr, docker.ErrNoDaemon) && !errors.As(dockerErr, &weak) {
		return found, warnings, dockerErr
	}
	found, warnings, err := without()
	if err != nil {
		err = errors.Join(err, dockerErr) // each says what to do
	}
	return found, warnings, err
}

// A weakError refuses boxes that are held by less than was asked for.
type weakError struct {
	driver, runtime string
	asked           sandbox.IsolationLevel
}

func (e *weakError) Error() string {
	return fmt.Sprintf("--isolation %s: the %s driver would use %s, whose boxes are held by less: install gVisor's runsc in PATH or beside glovebox, "+
		"or with Docker, where `runsc install` has its daemon know it (in Glovebox's source: `make gvisor`); where it is here, leave --runtime out", e.asked, e.driver, e.runtime)
}

// held refuses boxes that are held by less than --isolation asks for.
func (f *boxFlags) held(found boxes, warnings []string, err error) (boxes, []string, error) {
	asked := sandbox.IsolationLevel(f.isolation)
	if err == nil && !sandbox.IsolationOf(found.spec.Runtime).Meets(asked) {
		return boxes{}, nil, &weakError{found.name, found.spec.Runtime, asked}
	}
	return found, warnings, err
}

func isPath(runtime string) bool { return strings.Contains(runtime, "/") }

func (f *boxFlags) openDocker(ctx context.Context, image *runnerimage.Image, state *sandbox.State, log *slog.Logger) (boxes, []string, error) {
	driver, err := docker.New(ctx, docker.Config{Image: image, State: state, Runtime: f.runtime, Log: log})
	if err != nil {
		return boxes{}, nil, err
	}
	spec := driver.Spec()
	warnings := driver.Warnings()
	if best := driver.Info().BestRuntime(); weaker(spec.Runtime, best) {
		warnings = append(warnings, weakerWarning(spec.Runtime, best))
	}
	return boxes{"docker", driver, spec, docker.Ping}, warnings, nil
}

func (f *boxFlags) openOCI(ctx context.Context, image *runnerimage.Image, state *sandbox.State, log *slog.Logger) (boxes, []string, error) {
	found, refused := usable(oci.FindRuntimes(ctx, oci.SearchDirs()))
	chosen, err := f.ociRuntime(ctx, found, refused)
	if err != nil {
		return boxes{}, nil, err
	}
	driver, err := oci.New(oci.Config{Image: image, State: state, Runtime: chosen, Log: log})
	if err != nil {
		return boxes{}, nil, err
	}
	var warnings []string
	if ok, why := sandbox.CheckFloor(chosen.Kind, chosen.Version); !ok {
		warnings = append(warnings, why)
	}
	for _, other := range found {
		if weaker(string(chosen.Kind), string(other.Kind)) {
			warnings = append(warnings, weakerWarning(string(chosen.Kind), string(other.Kind)))
		}
	}
	if err := driver.UserNamespaces(); err != nil {
		warnings = append(warnings, "boxes get no user namespace: "+err.Error())
	}
	ready := func(context.Context) error {
		if err := unix.Access(chosen.Path, unix.X_OK); err != nil {
			return fmt.Errorf("the runtime %s: %w", chosen.Path, err)
		}
		return nil
	}
	return boxes{"oci", driver, driver.Spec(), ready}, warnings, nil
}

// usable returns the runtimes that can make boxes for this user on this host, and why the others cannot.
func usable(found []oci.Runtime) (good []oci.Runtime, refused map[sandbox.Kind]error) {
	refused = map[sandbox.Kind]error{}
	for _, runtime := range found {
		if err := oci.CheckHost(runtime); err != nil {
			refused[runtime.Kind] = err
		} else {
			good = append(good, runtime)
		}
	}
	return good, refused
}

// ociRuntime returns the runtime that was asked for, by name or by path, or else the best of those found;
// refused says why those that are here and not among them are not.
func (f *boxFlags) ociRuntime(ctx context.Context, found []oci.Runtime, refused map[sandbox.Kind]error) (oci.Runtime, error) {
	if isPath(f.runtime) {
		return oci.Inspect(ctx, f.runtime)
	}
	if preferred, ok := oci.Preferred(found); ok && f.runtime == "" {
		return preferred, nil
	}
	if i := slices.IndexFunc(found, func(r oci.Runtime) bool { return string(r.Kind) == f.runtime }); i >= 0 {
		return found[i], nil
	}
	for _, kind := range []sandbox.Kind{sandbox.KindCrun, sandbox.KindRunc, sandbox.KindRunsc} { // the likeliest to be mended first
		if err := refused[kind]; err != nil && (f.runtime == "" || f.runtime == string(kind)) {
			return oci.Runtime{}, err
		}
	}
	switch sandbox.Kind(f.runtime) {
	case "":
		return oci.Runtime{}, errNoRuntime
	case sandbox.KindCrun:
		return oci.Runtime{}, fmt.Errorf("no runtime %q was found beside this program or in PATH: install it", f.runtime)
	case sandbox.KindRunc, sandbox.KindRunsc:
		return oci.Runtime{}, fmt.Errorf("no runtime %q was found beside this program or in PATH: install it, or type `make %[1]s` in Glovebox's source", f.runtime)
	default:
		return oci.Runtime{}, fmt.Errorf("no runtime %q is known without Docker, but runc, crun and runsc are", f.runtime)
	}
}

var errNoRuntime = errors.New("no OCI runtime was found: install runc or gVisor's runsc, or type `make build` in Glovebox's source")

// weaker reports whether a runtime that was chosen lacks the second kernel that another has.
func weaker(chosen, best string) bool {
	return sandbox.RuntimeKind(best) == sandbox.KindRunsc && sandbox.RuntimeKind(chosen) != sandbox.KindRunsc
}

func weakerWarning(chosen, best string) string {
	return fmt.Sprintf("runtime %s isolates less than %s, which is here too: leave --runtime out, or ask for %s", chosen, best, best)
}
