package docker

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/internal/sandbox"
	"glovebox/seccomp"
)

// specChanges holds, for each field of a Spec, a value that differs from the sealed one. A field that
// is new fails the test until it stands here, and with it in the driver.
var specChanges = map[string]func(*sandbox.Spec){
	"ImageID":         func(s *sandbox.Spec) { s.ImageID = "sha256:another" },
	"Runtime":         func(s *sandbox.Spec) { s.Runtime = "runsc" },
	"Seccomp":         func(s *sandbox.Spec) { s.Seccomp = &seccomp.Profile{Default: seccomp.Kill} },
	"UserNamespace":   func(s *sandbox.Spec) { s.UserNamespace = sandbox.UserNamespaceRequired },
	"UIDs":            func(s *sandbox.Spec) { s.UIDs.First = 0 },
	"Network":         func(s *sandbox.Spec) { s.Network = "host" },
	"ReadOnlyRoot":    func(s *sandbox.Spec) { s.ReadOnlyRoot = false },
	"NoNewPrivileges": func(s *sandbox.Spec) { s.NoNewPrivileges = false },
	"Capabilities":    func(s *sandbox.Spec) { s.Capabilities = []string{"CAP_CHOWN"} },
	"Namespaces":      func(s *sandbox.Spec) { s.Namespaces = s.Namespaces[1:] },
	"MaskedPaths":     func(s *sandbox.Spec) { s.MaskedPaths = s.MaskedPaths[1:] },
	"ReadonlyPaths":   func(s *sandbox.Spec) { s.ReadonlyPaths = nil },
	"Rlimits":         func(s *sandbox.Spec) { s.Rlimits = s.Rlimits[1:] },
	"Hostname":        func(s *sandbox.Spec) { s.Hostname = "other" },
	"Overhead":        func(s *sandbox.Spec) { s.Overhead.PIDs++ },
}

func render(t *testing.T, p plan) string {
	t.Helper()
	body, err := json.Marshal([]any{p.options, p.uid, p.userNS})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestEveryFieldOfASpecCounts(t *testing.T) {
	sealed, err := translate(testSpec("runc"), testLimits(), testInfo(), testImage, testBox())
	if err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeFor[sandbox.Spec]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		change, ok := specChanges[name]
		if !ok {
			t.Errorf("the Spec's field %s is not handled: translate it or refuse it, and say so here", name)
			continue
		}
		spec := testSpec("runc")
		spec.MaskedPaths, spec.Rlimits, spec.Namespaces = slices.Clone(spec.MaskedPaths), slices.Clone(spec.Rlimits), slices.Clone(spec.Namespaces)
		before := spec
		change(&spec)
		if reflect.DeepEqual(before, spec) {
			t.Errorf("%s: the change changes nothing", name)
		}
		p, err := translate(spec, testLimits(), testInfo(), testImage, testBox())
		var refused *sandbox.UnsupportedError
		switch {
		case errors.As(err, &refused):
			if refused.Field != name || refused.Driver != driverName || refused.Why == "" {
				t.Errorf("%s: refused as %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v is no UnsupportedError", name, err)
		case render(t, p) == render(t, sealed):
			t.Errorf("%s: what the daemon is told does not change", name)
		}
	}
	if len(specChanges) != fields.NumField() {
		t.Error("a field that the Spec does not have is handled")
	}
}

func TestTranslateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sandbox.Spec, *Info)
		field  string
	}{
		"an unknown runtime":              {func(s *sandbox.Spec, _ *Info) { s.Runtime = "kata" }, "Runtime"},
		"ids beyond Docker's":             {func(s *sandbox.Spec, _ *Info) { s.UIDs.First = math.MaxInt32 }, "UIDs"},
		"ids beyond a remapping daemon's": {func(s *sandbox.Spec, i *Info) { s.UIDs.Count, i.Remapped = 1<<17, true }, "UIDs"},
		"no user namespace, rootless": {func(s *sandbox.Spec, i *Info) {
			s.UserNamespace, i.Rootless = sandbox.UserNamespaceOff, true
		}, "UserNamespace"},
		"a wish that is none":    {func(s *sandbox.Spec, _ *Info) { s.UserNamespace = "maybe" }, "UserNamespace"},
		"no network":             {func(s *sandbox.Spec, _ *Info) { s.Network = "" }, "Network"},
		"an unknown namespace":   {func(s *sandbox.Spec, _ *Info) { s.Namespaces = append(s.Namespaces, "time") }, "Namespaces"},
		"a shared network":       {without(sandbox.NetworkNamespace), "Namespaces"},
		"a shared mount table":   {without(sandbox.MountNamespace), "Namespaces"},
		"a shared host name":     {without(sandbox.UTSNamespace), "Namespaces"},
		"a limit without a name": {func(s *sandbox.Spec, _ *Info) { s.Rlimits = []sandbox.Rlimit{{Type: "nofile", Value: 1}} }, "Rlimits"},
		"a limit too large": {func(s *sandbox.Spec, _ *Info) {
			s.Rlimits = []sandbox.Rlimit{{Type: "RLIMIT_AS", Value: math.MaxUint64}}
		}, "Rlimits"},
	} {
		t.Run(name, func(t *testing.T) {
			spec, info := testSpec("runc"), testInfo()
			c.change(&spec, &info)
			_, err := translate(spec, testLimits(), info, testImage, testBox())
			var refused *sandbox.UnsupportedError
			if !errors.As(err, &refused) || refused.Field != c.field {
				t.Errorf("got %v, want %s refused", err, c.field)
			}
		})
	}
}

// Without the flag gVisor starts, and heeds no profile.
func TestGVisorThatDropsTheProfileIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		runtime Runtime
		refused bool
	}{
		"with the flag":            {Runtime{Name: "runsc", Path: "/r", Args: []string{"--network=none", "--oci-seccomp"}}, false},
		"with the flag as true":    {Runtime{Name: "runsc", Path: "/r", Args: []string{"-oci-seccomp=true"}}, false},
		"without it":               {Runtime{Name: "runsc", Path: "/r", Args: []string{"--network=none"}}, true},
		"with the flag as false":   {Runtime{Name: "runsc", Path: "/r", Args: []string{"--oci-seccomp=false"}}, true},
		"with true and then false": {Runtime{Name: "runsc", Path: "/r", Args: []string{"--oci-seccomp", "--oci-seccomp=false"}}, true},
		"by a shim":                {Runtime{Name: "runsc", Path: "io.containerd.runsc.v1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			info := testInfo()
			info.Runtimes = []Runtime{c.runtime}
			_, err := translate(testSpec("runsc"), testLimits(), info, testImage, testBox())
			var refused *sandbox.UnsupportedError
			if errors.As(err, &refused) != c.refused || (c.refused && refused.Field != "Seccomp") {
				t.Errorf("got %v", err)
			}
		})
	}
	if heeds, err := sentryHeeds(os.Getpid()); err != nil || heeds.Seen == heeds.Wanted {
		t.Error("a process without the flag passes for gVisor's kernel with it")
	}
}

// Docker starts gVisor's kernel as the host's root, unless a flag has it start as nobody.
func TestGVisorThatKeepsPrivilegesIsTold(t *testing.T) {
	args := func(more ...string) Runtime {
		return Runtime{Name: "runsc", Path: "/r", Args: append([]string{"--oci-seccomp"}, more...)}
	}
	for name, c := range map[string]struct {
		runtime    Runtime
		info       Info
		bare, told bool
	}{
		"with the flag":         {args("--directfs=false"), Info{}, true, false},
		"with one dash":         {args("-directfs=0"), Info{}, true, false},
		"without it":            {args(), Info{}, false, true},
		"with it as true":       {args("--directfs"), Info{}, false, true},
		"with another as last":  {args("--directfs=false", "--directfs=true"), Info{}, false, true},
		"where ids are mapped":  {args(), Info{Remapped: true}, false, false},
		"by a shim":             {Runtime{Name: "runsc", Path: "io.containerd.runsc.v1"}, Info{}, false, false},
		"another runtime":       {Runtime{Name: "runc", Path: "/r"}, Info{}, false, false},
		"no profile heeded too": {Runtime{Name: "runsc", Path: "/r"}, Info{}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.info.Runtimes = []Runtime{c.runtime}
			d := &Driver{runtime: c.runtime.Name, version: "release-20260905.0", cgroups: &cgroupFS{}, info: c.info}
			if c.runtime.Name == "runc" {
				d.version = "1.4.0"
			}
			if got := d.Warnings(); (len(got) > 0) != c.told || c.info.Weakness(c.runtime) != strings.Join(got, "") {
				t.Errorf("it warns %q", got)
			}
			b := &box{driver: d}
			if got := b.expect(testSpec(c.runtime.Name), plan{options: client.ContainerCreateOptions{HostConfig: &container.HostConfig{}}}); got.BareKernel != c.bare {
				t.Errorf("a kernel without privileges is expected: %t", got.BareKernel)
			}
		})
	}
}

func without(ns sandbox.Namespace) func(*sandbox.Spec, *Info) {
	return func(s *sandbox.Spec, _ *Info) {
		s.Namespaces = slices.DeleteFunc(slices.Clone(s.Namespaces), func(n sandbox.Namespace) bool { return n == ns })
	}
}

func TestTranslateRefusesLimitsThatAreNone(t *testing.T) {
	for _, limits := range []sandbox.Limits{
		{MemoryBytes: 0, CPUs: 1}, {MemoryBytes: -1, CPUs: 1}, {MemoryBytes: math.MaxInt64, CPUs: 1},
		{MemoryBytes: 1 << 30}, {MemoryBytes: 1 << 30, CPUs: -1}, {MemoryBytes: 1 << 30, CPUs: math.NaN()}, {MemoryBytes: 1 << 30, CPUs: 1e-12},
	} {
		if _, err := translate(testSpec("runc"), limits, testInfo(), testImage, testBox()); err == nil {
			t.Errorf("%+v are taken for limits: a container without one would be made", limits)
		}
	}
	spec := testSpec("runc")
	spec.Overhead.PIDs = 0 // 0 means "unlimited" to a daemon
	if _, err := translate(spec, testLimits(), testInfo(), testImage, testBox()); err == nil {
		t.Error("no limit on processes is taken for one")
	}
}

// In a user namespace that the daemon makes, the ids that are claimed do not exist: each box has one of
// the mapped ids to itself.
func TestUserNamespaceOfTheDaemon(t *testing.T) {
	for name, c := range map[string]struct {
		info   Info
		wish   sandbox.UserNamespace
		uid    int
		userNS bool
		mode   string
	}{
		"none":           {Info{}, sandbox.UserNamespaceAuto, 1879048193, false, ""},
		"remapped":       {Info{Remapped: true}, sandbox.UserNamespaceAuto, 1, true, ""},
		"remapped, off":  {Info{Remapped: true}, sandbox.UserNamespaceOff, 1879048193, false, "host"},
		"rootless":       {Info{Rootless: true}, sandbox.UserNamespaceRequired, 1, true, ""},
		"none, and none": {Info{}, sandbox.UserNamespaceOff, 1879048193, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := testSpec("runc")
			spec.UserNamespace = c.wish
			c.info.Runtimes = testInfo().Runtimes
			p, err := translate(spec, testLimits(), c.info, testImage, testBox())
			if err != nil {
				t.Fatal(err)
			}
			if p.uid != c.uid || p.userNS != c.userNS || string(p.options.HostConfig.UsernsMode) != c.mode {
				t.Errorf("uid %d, user namespace %v, mode %q", p.uid, p.userNS, p.options.HostConfig.UsernsMode)
			}
			if !strings.HasPrefix(p.options.Config.User, "1") {
				t.Errorf("it runs as %q", p.options.Config.User)
			}
		})
	}
}

func TestGVisorIsToldItsOwnWords(t *testing.T) {
	p, err := translate(testSpec("runsc"), testLimits(), testInfo(), testImage, testBox())
	if err != nil {
		t.Fatal(err)
	}
	security := strings.Join(p.options.HostConfig.SecurityOpt, " ")
	if strings.Contains(security, string(seccomp.Kill)) {
		t.Errorf("gVisor refuses to start with KILL_PROCESS: %s", security)
	}
	for _, place := range []string{"/tmp", "/sys"} {
		if options := p.options.HostConfig.Tmpfs[place]; !strings.HasPrefix(options, "ro,") {
			t.Errorf("gVisor's own %s is not hidden: %q", place, options)
		}
	}
}
