package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/seccomp"
)

var update = flag.Bool("update", false, "write the golden files")

// goldenImage is an image for tests that start nothing.
var goldenImage = runnerimage.New([]byte("a runner"))

// goldenSpec has a small profile of its own: the real one has golden files of its own.
func goldenSpec(kind sandbox.Kind) sandbox.Spec {
	spec := sandbox.Sealed(goldenImage.BinaryDigest(), string(kind))
	spec.Seccomp = &seccomp.Profile{
		Default: seccomp.Errno, DefaultErrno: 38, Arches: []string{"SCMP_ARCH_X86_64"},
		Rules: []seccomp.Rule{
			{Names: []string{"read"}, Action: seccomp.Allow, Reason: "the job"},
			{Names: []string{"clone"}, Action: seccomp.Allow, Reason: "threads",
				Args: []seccomp.Arg{{Index: 0, Value: 0x50f00, Op: seccomp.Equal}}},
			{Names: []string{"ptrace"}, Action: seccomp.Kill, Reason: "other processes"},
		},
	}
	return spec
}

func goldenBundle(kind sandbox.Kind, spec sandbox.Spec, limits sandbox.Limits) bundle {
	return bundle{
		kind: kind, rootfs: "/run/glovebox-rootfs/digest", cgroupPath: "/glovebox-id", owner: "boot/1/2",
		ids: sandbox.IDs{Root: 1879048192, Box: 1879048193}, userns: spec.UserNamespace != sandbox.UserNamespaceOff,
		swapLimited: true, bounds: boundsOf(spec.Overhead, limits),
	}
}

var goldenLimits = sandbox.Limits{MemoryBytes: 128 * api.MiB, CPUs: 1}

func TestConfigIsGolden(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   sandbox.Kind
		change func(*sandbox.Spec, *sandbox.Limits, *bundle)
	}{
		{"runc", sandbox.KindRunc, nil},
		{"crun", sandbox.KindCrun, nil},
		{"runsc", sandbox.KindRunsc, nil},
		{"runc-no-userns", sandbox.KindRunc, func(s *sandbox.Spec, _ *sandbox.Limits, b *bundle) {
			s.UserNamespace, b.userns = sandbox.UserNamespaceOff, false
		}},
		{"runc-cgroup2", sandbox.KindRunc, func(_ *sandbox.Spec, _ *sandbox.Limits, b *bundle) { b.unified = true }},
		{"crun-rootless", sandbox.KindCrun, func(_ *sandbox.Spec, _ *sandbox.Limits, b *bundle) {
			b.unified, b.user, b.ids = true, &rootless{uid: 1000, gid: 100}, sandbox.IDs{Root: 524288, Box: 524289}
			b.cgroupPath = "/user.slice/user-1000.slice/run.scope/glovebox-id"
		}},
		{"runc-no-swap-accounting", sandbox.KindRunc, func(_ *sandbox.Spec, _ *sandbox.Limits, b *bundle) { b.swapLimited = false }},
		{"runc-small", sandbox.KindRunc, func(s *sandbox.Spec, l *sandbox.Limits, b *bundle) {
			l.MemoryBytes, l.CPUs = 16*api.MiB+1, 0.1
			b.bounds = boundsOf(s.Overhead, *l)
		}},
		{"runc-open", sandbox.KindRunc, func(s *sandbox.Spec, _ *sandbox.Limits, _ *bundle) {
			s.Seccomp, s.NoNewPrivileges, s.MaskedPaths, s.ReadonlyPaths, s.Rlimits, s.Hostname = nil, false, nil, nil, nil, ""
			s.Capabilities = []string{"CAP_CHOWN"}
			s.Namespaces = []sandbox.Namespace{sandbox.PIDNamespace, sandbox.MountNamespace, sandbox.NetworkNamespace}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, limits := goldenSpec(c.kind), goldenLimits
			b := goldenBundle(c.kind, spec, limits)
			if c.change != nil {
				c.change(&spec, &limits, &b)
			}
			config, err := b.config(spec)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(config, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, filepath.Join("testdata", "config", c.name+".json"), append(got, '\n'))
		})
	}
}

func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is made now (go test -update writes it):\n%s", path, got)
	}
}

// TestConfigHoldsTheRealProfile holds that no rule is lost on the way into the runtime's form.
func TestConfigHoldsTheRealProfile(t *testing.T) {
	spec := goldenSpec(sandbox.KindRunc)
	spec.Seccomp = seccomp.Runner()
	config, err := goldenBundle(sandbox.KindRunc, spec, goldenLimits).config(spec)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	theirs, err := json.Marshal(config.Linux.Seccomp)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := json.Marshal(spec.Seccomp)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(ours, &want), json.Unmarshal(theirs, &got)); err != nil {
		t.Fatal(err)
	}
	for _, rule := range want.(map[string]any)["syscalls"].([]any) {
		delete(rule.(map[string]any), "comment")
		if args, ok := rule.(map[string]any)["args"].([]any); ok {
			for _, arg := range args {
				if arg.(map[string]any)["valueTwo"] == nil {
					delete(arg.(map[string]any), "valueTwo")
				}
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the profile reads\n%s\nand was given as\n%s", theirs, ours)
	}
}

// TestEveryFieldOfTheSpecIsHandled changes each field of the Spec: the driver must write another
// config.json, or refuse the field by its name. A field that is new here fails until it is handled.
func TestEveryFieldOfTheSpecIsHandled(t *testing.T) {
	changes := map[string]func(*sandbox.Spec){
		"ImageID":         func(s *sandbox.Spec) { s.ImageID = "sha256:other" },
		"Runtime":         func(s *sandbox.Spec) { s.Runtime = "kata" },
		"Seccomp":         func(s *sandbox.Spec) { s.Seccomp = nil },
		"UserNamespace":   func(s *sandbox.Spec) { s.UserNamespace = sandbox.UserNamespaceOff },
		"UIDs":            func(s *sandbox.Spec) { s.UIDs = sandbox.UIDRange{First: 5000, Count: 2} },
		"Network":         func(s *sandbox.Spec) { s.Network = "host" },
		"ReadOnlyRoot":    func(s *sandbox.Spec) { s.ReadOnlyRoot = false },
		"NoNewPrivileges": func(s *sandbox.Spec) { s.NoNewPrivileges = false },
		"Capabilities":    func(s *sandbox.Spec) { s.Capabilities = []string{"CAP_SYS_ADMIN"} },
		"Namespaces":      func(s *sandbox.Spec) { s.Namespaces = s.Namespaces[1:] },
		"MaskedPaths":     func(s *sandbox.Spec) { s.MaskedPaths = nil },
		"ReadonlyPaths":   func(s *sandbox.Spec) { s.ReadonlyPaths = nil },
		"Rlimits":         func(s *sandbox.Spec) { s.Rlimits = nil },
		"Hostname":        func(s *sandbox.Spec) { s.Hostname = "other" },
		"Overhead":        func(s *sandbox.Spec) { s.Overhead.PIDs++ },
	}
	for field := range reflect.TypeFor[sandbox.Spec]().Fields() {
		change := changes[field.Name]
		if change == nil {
			t.Errorf("Spec.%s is new: have this driver handle it or refuse it, and say here how it changes", field.Name)
			continue
		}
		spec := goldenSpec(sandbox.KindRunc)
		before, err := translate(t, spec)
		if err != nil {
			t.Fatal(err)
		}
		change(&spec)
		after, err := translate(t, spec)
		var unsupported *sandbox.UnsupportedError
		switch {
		case errors.As(err, &unsupported):
			if unsupported.Field != field.Name || unsupported.Driver != driverName || unsupported.Why == "" {
				t.Errorf("Spec.%s was refused as %+v", field.Name, *unsupported)
			}
		case err != nil:
			t.Errorf("Spec.%s: %v", field.Name, err)
		case bytes.Equal(before, after):
			t.Errorf("Spec.%s changes nothing", field.Name)
		}
	}
}

// translate goes the way of Create up to the config.json.
func translate(t *testing.T, spec sandbox.Spec) ([]byte, error) {
	t.Helper()
	state, err := sandbox.OpenState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{image: goldenImage, state: state, runtime: Runtime{Kind: sandbox.KindRunc, Path: "/bin/runc"}}
	userns, err := d.accept(spec)
	if err != nil {
		return nil, err
	}
	claim, err := state.Claim("id", driverName, spec.UIDs)
	if err != nil {
		t.Fatal(err)
	}
	b := goldenBundle(sandbox.KindRunc, spec, goldenLimits)
	b.userns = userns
	// Which of a range's ids a box gets is chance; which range they are from is not.
	b.ids = sandbox.IDs{Root: claim.IDs.Root - claim.IDs.Root%1000, Box: claim.IDs.Root - claim.IDs.Root%1000 + 1}
	config, err := b.config(spec)
	if err != nil {
		return nil, err
	}
	return json.Marshal(config)
}

func TestSpecsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, field string
		change      func(*sandbox.Spec)
	}{
		{"no pid namespace", "Namespaces", func(s *sandbox.Spec) { s.Namespaces = without(s.Namespaces, sandbox.PIDNamespace) }},
		{"no mount namespace", "Namespaces", func(s *sandbox.Spec) { s.Namespaces = without(s.Namespaces, sandbox.MountNamespace) }},
		{"the host's network", "Namespaces", func(s *sandbox.Spec) { s.Namespaces = without(s.Namespaces, sandbox.NetworkNamespace) }},
		{"the host's name", "Namespaces", func(s *sandbox.Spec) { s.Namespaces = without(s.Namespaces, sandbox.UTSNamespace) }},
		{"an unknown namespace", "Namespaces", func(s *sandbox.Spec) { s.Namespaces = append(s.Namespaces, "time") }},
		{"another network", "Network", func(s *sandbox.Spec) { s.Network = "" }},
		{"a mask over the runner", "MaskedPaths", func(s *sandbox.Spec) { s.MaskedPaths = []string{"/runner"} }},
		{"a mask over /proc", "MaskedPaths", func(s *sandbox.Spec) { s.MaskedPaths = []string{"/proc/"} }},
		{"a relative mask", "MaskedPaths", func(s *sandbox.Spec) { s.MaskedPaths = []string{"proc/keys"} }},
		{"a limit by a short name", "Rlimits", func(s *sandbox.Spec) { s.Rlimits = []sandbox.Rlimit{{Type: "nofile"}} }},
		{"no word on user namespaces", "UserNamespace", func(s *sandbox.Spec) { s.UserNamespace = "" }},
		{"another runtime", "Runtime", func(s *sandbox.Spec) { s.Runtime = "runsc" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := goldenSpec(sandbox.KindRunc)
			c.change(&spec)
			_, err := translate(t, spec)
			var unsupported *sandbox.UnsupportedError
			if !errors.As(err, &unsupported) || unsupported.Field != c.field {
				t.Errorf("%v; want an UnsupportedError that names %s", err, c.field)
			}
		})
	}
}

func without(list []sandbox.Namespace, out sandbox.Namespace) (rest []sandbox.Namespace) {
	for _, ns := range list {
		if ns != out {
			rest = append(rest, ns)
		}
	}
	return rest
}

func TestRequiredUserNamespaceIsNeverDropped(t *testing.T) {
	d := &Driver{image: goldenImage, runtime: Runtime{Kind: sandbox.KindRunc}, noUsers: "this kernel has none"}
	spec := goldenSpec(sandbox.KindRunc)
	if userns, err := d.accept(spec); userns || err != nil {
		t.Errorf("auto without one to be had: %v, %v", userns, err)
	}
	spec.UserNamespace = sandbox.UserNamespaceRequired
	var unsupported *sandbox.UnsupportedError
	if _, err := d.accept(spec); !errors.As(err, &unsupported) || unsupported.Field != "UserNamespace" || unsupported.Why != d.noUsers {
		t.Errorf("required without one to be had: %v", err)
	}
}

// TestCrunGetsItsLimitsOnceItHasStarted: under RLIMIT_FSIZE 0 and RLIMIT_NOFILE 32 crun cannot start a box.
func TestCrunGetsItsLimitsOnceItHasStarted(t *testing.T) {
	spec := goldenSpec(sandbox.KindCrun)
	spec.Rlimits = []sandbox.Rlimit{{Type: "RLIMIT_NOFILE", Value: 7}, {Type: "RLIMIT_FSIZE", Value: 9}, {Type: "RLIMIT_CORE", Value: 1}}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	for kind, late := range map[sandbox.Kind]bool{sandbox.KindRunc: false, sandbox.KindCrun: true} {
		b := goldenBundle(kind, spec, goldenLimits)
		config, err := b.config(spec)
		if err != nil {
			t.Fatal(err)
		}
		if early := len(config.Process.Rlimits) == 3; early == late {
			t.Errorf("%s is told of %+v", kind, config.Process.Rlimits)
		}
		if err := b.setLateRlimits(cmd.Process.Pid, spec); err != nil {
			t.Fatal(err)
		}
		var files unix.Rlimit
		if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &files); err != nil {
			t.Fatal(err)
		}
		if late && (files.Cur != 7 || files.Max != 7) {
			t.Errorf("RLIMIT_NOFILE is %+v", files)
		}
	}
}
