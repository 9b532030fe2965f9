package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
)

// A lifter is this test program, called by the name of a runtime: it changes what the driver has ordered, behind the
// driver's back, and has the real runtime do that. It leaves the driver's own files as they are. A file beside it
// says what it does.
type lifter struct {
	Real string // the runtime
	Lift string // the name of a row; "" changes nothing
}

const lifterFile = "lifter.json"

func TestMain(m *testing.M) {
	dir := filepath.Dir(os.Args[0])
	body, err := os.ReadFile(filepath.Join(dir, lifterFile))
	if err != nil {
		os.Exit(m.Run())
	}
	var l lifter
	err = json.Unmarshal(body, &l)
	if err == nil {
		err = l.run(dir, os.Args[1:])
	}
	fmt.Fprintln(os.Stderr, "lifter:", err)
	os.Exit(1)
}

// run ends only in an error.
func (l lifter) run(dir string, args []string) error {
	if row := rowOf(l.Lift); slices.Contains(args, "run") && row != nil {
		var err error
		if row.config != nil {
			args, err = l.changeBundle(dir, args, row)
		}
		if err == nil && row.args != nil {
			args, err = row.args(args)
		}
		if err != nil {
			return err
		}
	}
	return unix.Exec(l.Real, append([]string{l.Real}, args...), os.Environ())
}

// changeBundle has the runtime read another bundle, beside the driver's.
func (l lifter) changeBundle(dir string, args []string, row *row) ([]string, error) {
	at := slices.Index(args, "--bundle") + 1
	if at == 0 {
		return nil, fmt.Errorf("no bundle in %q", args)
	}
	body, err := os.ReadFile(filepath.Join(args[at], configName))
	if err != nil {
		return nil, err
	}
	var config specs.Spec
	if err := json.Unmarshal(body, &config); err != nil {
		return nil, err
	}
	row.config(&config, dir)
	if body, err = json.Marshal(config); err != nil {
		return nil, err
	}
	bundle := filepath.Join(dir, "bundle")
	if err := os.MkdirAll(bundle, 0o700); err != nil {
		return nil, err
	}
	args[at] = bundle
	return args, os.WriteFile(filepath.Join(bundle, configName), body, 0o600)
}

// liftedDriver is a driver on a runtime that lifts what the row says.
func liftedDriver(t *testing.T, runtime Runtime, lift string) (d *Driver, spec sandbox.Spec, shim string) {
	t.Helper()
	dir := newDir(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shim = filepath.Join(dir, string(runtime.Kind))
	body, err := json.Marshal(lifter{Real: runtime.Path, Lift: lift})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Symlink(program, shim), os.WriteFile(filepath.Join(dir, lifterFile), body, 0o600), otherRootfs(filepath.Join(dir, "rootfs")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	other := runtime
	other.Path, other.identity = shim, identityOf(shim)
	d, spec = newDriver(t, other)
	return d, spec, shim
}

// otherRootfs makes a root file system whose runner does the same and is another.
func otherRootfs(dir string) error {
	image, err := testRunner()
	if err != nil {
		return err
	}
	for _, name := range mountPoints {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, nullName), nil, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, runnerName), append(slices.Clone(image.Binary()), '!'), 0o755)
}

// passwd stands for a file of the host that nobody in a box may see.
const passwd = "/etc/passwd"

// leakFD has the runtime hand a descriptor of a file on the host into the box.
func leakFD(args []string) ([]string, error) {
	fd, err := unix.Open(passwd, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	const first = 3
	if fd != first {
		if err := unix.Dup2(fd, first); err != nil {
			return nil, err
		}
	}
	return slices.Insert(args, slices.Index(args, "run")+1, "--preserve-fds=1"), nil
}

// swapRuntime puts another runtime in the place of the one that the driver has been made for.
func swapRuntime(t *testing.T, shim string, real Runtime) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = --version ]; then echo '%s version 0.0.1'; exit; fi\nexec %s \"$@\"\n", real.Kind, real.Path)
	temp := shim + ".new"
	if err := os.WriteFile(temp, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, shim); err != nil {
		t.Fatal(err)
	}
}

// The lifter itself changes nothing that it is not told to: else the rows would be caught for its own sake.
func TestLifterThatLiftsNothing(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec, _ := liftedDriver(t, runtime, "")
		if result := do(t, create(t, d, spec, defaultLimits), "done"); !result.Success || !result.Isolation.Attestation.Verified {
			t.Errorf("%+v", result)
		}
	})
}

// A shell that is no runtime must not be found to be one.
func TestSwappedRuntimeThatTellsNothing(t *testing.T) {
	runtime := needRuntime(t, sandbox.KindRunc)
	d, spec, shim := liftedDriver(t, runtime, "")
	temp := shim + ".new"
	if err := os.WriteFile(temp, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, shim); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(context.Background(), spec, defaultLimits); err == nil {
		t.Error("a box was made by no runtime")
	}
}
