package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
	"glovebox/internal/trace/otlp/otlptest"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts that compare it")

func TestMain(m *testing.M) {
	// Under nohup, as some build machines run tests, a hang-up is ignored, and would be by every command
	// under test. What a parent handles, its children begin with as it is by default.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(m, map[string]func(){
		"glovebox": main,
		"bare":     bareMain,
		"nobody":   nobodyMain,
		"shared":   sharedMain,
		"client":   clientMain,
		"receiver": receiverMain,
	})
}

// TestScripts runs what testdata/script holds: behaviour that does not depend on the driver. Where it needs a
// box it takes the quickest one, without a daemon on runc.
func TestScripts(t *testing.T) {
	runc := pair{driver: "oci", kind: sandbox.KindRunc}
	testscript.Run(t, scripts(t, "testdata/script", runc, runc.find(t.Context())))
}

// TestPairs runs what testdata/pairs holds on every pair of a driver and a runtime.
func TestPairs(t *testing.T) {
	onEach(t, "testdata/pairs", pair{"oci", sandbox.KindRunc}, pair{"oci", sandbox.KindRunsc},
		pair{"docker", sandbox.KindRunc}, pair{"docker", sandbox.KindRunsc})
}

// TestDrivers runs what testdata/drivers holds on both drivers: to it a runtime is like another.
func TestDrivers(t *testing.T) {
	onEach(t, "testdata/drivers", pair{"oci", sandbox.KindRunc}, pair{"docker", sandbox.KindRunc})
}

func onEach(t *testing.T, dir string, pairs ...pair) {
	for _, p := range pairs {
		t.Run(fmt.Sprintf("%s-%s", p.driver, p.kind), func(t *testing.T) {
			found := p.find(t.Context())
			for _, missing := range found.missing {
				testenv.Need(t, missing.thing, missing.why)
			}
			testscript.Run(t, scripts(t, dir, p, found))
		})
	}
}

// A pair is a driver and a kind of runtime.
type pair struct {
	driver string
	kind   sandbox.Kind
}

// found is what this machine has of a pair.
type found struct {
	runtime string // as --runtime takes it
	path    string // of its binary, where no daemon is asked
	missing []missing
}

type missing struct {
	thing testenv.Thing
	why   error
}

// find looks for a pair, and for a runner to put into its boxes.
func (p pair) find(ctx context.Context) (f found) {
	lacks := func(thing testenv.Thing, err error) {
		if err != nil {
			f.missing = append(f.missing, missing{thing, err})
		}
	}
	_, err := runnerimage.Embedded()
	lacks(testenv.Runner, err)
	thing := testenv.Thing(p.kind)
	if p.driver == "oci" {
		f.runtime = string(p.kind)
		f.path, err = findOCI(ctx, p.kind)
		lacks(thing, err)
		return f
	}
	info, err := docker.Probe(ctx)
	lacks(testenv.Docker, err)
	for _, r := range info.Runtimes {
		// The one that was built here comes before the daemon's own.
		if sandbox.RuntimeKind(r.Name) == p.kind && f.runtime != docker.OurRunc {
			f.runtime = r.Name
		}
	}
	if f.runtime == "" {
		lacks(thing, fmt.Errorf("the Docker daemon does not know a runtime %s", p.kind))
	}
	return f
}

func findOCI(ctx context.Context, kind sandbox.Kind) (path string, err error) {
	r, err := oci.FindRuntime(ctx, kind, oci.SearchDirs())
	if err != nil {
		return "", err
	}
	if os.Geteuid() != 0 {
		return "", errors.New("boxes without Docker need root")
	}
	// A system's old one is not what these tests are about.
	if ok, why := sandbox.CheckFloor(kind, r.Version); !ok {
		return "", errors.New(why)
	}
	return r.Path, nil
}

func scripts(t *testing.T, dir string, p pair, f found) testscript.Params {
	return testscript.Params{
		Dir: dir, UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		// testscript's own directory is left behind where -run picks some of the scripts.
		WorkdirRoot: t.TempDir(),
		Setup:       func(env *testscript.Env) error { return setup(env, p, f) },
		Condition: func(cond string) (bool, error) {
			return condition(cond, f)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "tty": cmdTTY, "grow": cmdGrow, "same": cmdSame,
			"start": cmdStart, "await": cmdAwait, "signal": cmdSignal, "finish": cmdFinish, "holds": cmdHolds,
			"model": cmdModel, "post": cmdPost, "get": cmdGet, "shows": cmdShows, "records": cmdRecords, "older": cmdOlder, "hold": cmdHold, "manager": cmdManager, "json": cmdJSON, "result": cmdResult, "signed": cmdSigned,
			"collector": cmdCollector, "spans": cmdSpans,
		},
	}
}

// condition tells a script what this machine has. What GLOVEBOX_REQUIRE names and is not there is an error.
func condition(cond string, f found) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	case "box": // everything that a box needs
		for _, m := range f.missing {
			if testenv.Required(m.thing) {
				return false, fmt.Errorf("%s is required by %s and missing: %w", m.thing, testenv.EnvRequire, m.why)
			}
		}
		return len(f.missing) == 0, nil
	case "runner":
		_, err := runnerimage.Embedded()
		if err != nil && testenv.Required(testenv.Runner) {
			return false, fmt.Errorf("the runner is required by %s and missing: %w", testenv.EnvRequire, err)
		}
		return err == nil, nil
	case "runsc", "crun": // beside runc
		_, err := oci.FindRuntime(context.Background(), sandbox.Kind(cond), oci.SearchDirs())
		if err != nil && testenv.Required(testenv.Thing(cond)) {
			return false, fmt.Errorf("%s is required by %s and missing: %w", cond, testenv.EnvRequire, err)
		}
		return err == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// setup gives a script a state directory of its own, and sees to it that no box is left in it. It may not lie
// in $WORK, which nobody may pass through: a box in a user namespace must reach its root file system.
func setup(env *testscript.Env, p pair, f found) error {
	dir, err := os.MkdirTemp("", "gb-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	state := filepath.Join(dir, "s")
	env.Setenv("STATEDIR", state)
	env.Setenv("STATE", "--state-dir="+state)
	env.Setenv(envDataDir, filepath.Join(dir, "d")) // a script whose server keeps nothing empties it
	env.Setenv("GLOVEBOX_LOG_FORMAT", logText)
	env.Setenv("DRIVER", "--driver="+p.driver)
	env.Setenv("RUNTIME", "--runtime="+f.runtime)
	env.Setenv("RUNTIMENAME", f.runtime)
	env.Setenv("RUNTIMEPATH", f.path)
	env.Setenv("CONCURRENCY", strconv.Itoa(2*runtime.NumCPU()))
	env.Setenv("CPUS", strconv.Itoa(runtime.NumCPU()))
	for _, name := range []string{oci.EnvRuntimeDir, "DOCKER_HOST", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env.Setenv(name, value)
		}
	}
	env.Values[processesKey{}] = processes{}
	tb := env.T().(testing.TB)
	env.Values[testKey{}] = tb
	env.Values[collectorKey{}] = new(*otlptest.Collector)
	env.Defer(func() {
		for _, left := range leftIn(state) {
			tb.Errorf("left behind: %s", left)
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return nil
}

// leftIn lists what a state directory still knows of boxes.
func leftIn(state string) (left []string) {
	left, _ = filepath.Glob(filepath.Join(state, "boxes", "*"))
	bundles, _ := filepath.Glob(filepath.Join(state, "oci", "*"))
	for _, name := range bundles {
		if info, err := os.Stat(name); err == nil && info.IsDir() { // what the driver notes for itself is files
			left = append(left, name)
		}
	}
	return left
}
