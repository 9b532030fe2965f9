package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// A row lifts one control behind the driver's back, and says as what it must be caught.
type row struct {
	name   string
	field  string // of the Spec, or "" for what stands in none
	config func(c *specs.Spec, dir string)
	args   func(args []string) ([]string, error)
	claims []string // each must be among the faults
	// kept is caught of gVisor in place of claims: what it has kept of its order, where its kernel lets nobody see more.
	kept []string
	// refused is what may be said of a box that does not come as far as its attestation: by the driver, or by the runner.
	refused map[sandbox.Kind][]string
	// plain has the box made without a user namespace, in which the runtime could not do it.
	plain bool
	// spared names the kinds for which there is nothing to catch, with the reason.
	spared map[sandbox.Kind]string
}

// unshared leaves a namespace out, so that the box is in the host's; joined has it in another's.
func unshared(kind specs.LinuxNamespaceType) func(*specs.Spec, string) {
	return func(c *specs.Spec, _ string) {
		c.Linux.Namespaces = slices.DeleteFunc(c.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
}

func joined(kind specs.LinuxNamespaceType, file string) func(*specs.Spec, string) {
	return func(c *specs.Spec, _ string) {
		for i, n := range c.Linux.Namespaces {
			if n.Type == kind {
				c.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", os.Getppid(), file)
			}
		}
	}
}

func capability(set func(*specs.LinuxCapabilities) []*[]string) func(*specs.Spec, string) {
	return func(c *specs.Spec, _ string) {
		for _, names := range set(c.Process.Capabilities) {
			*names = []string{"CAP_CHOWN"}
		}
	}
}

func rlimitRow(name string) row {
	r := row{name: name, field: "Rlimits", claims: []string{"rlimits." + name}, config: func(c *specs.Spec, _ string) {
		c.Process.Rlimits = slices.DeleteFunc(c.Process.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == name })
	}}
	if _, late := sandbox.SplitRlimits(sandbox.KindCrun, []sandbox.Rlimit{{Type: name}}); len(late) > 0 {
		r.spared = map[sandbox.Kind]string{sandbox.KindCrun: "it is not crun that sets it, but the driver"}
	}
	if name == "RLIMIT_MSGQUEUE" {
		r.refused = map[sandbox.Kind][]string{sandbox.KindRunsc: {"rlimit 12: operation not permitted"}}
	}
	return r
}

// overDev mounts something over /dev, in which another /dev/null stands.
func overDev(options ...string) func(*specs.Spec, string) {
	return func(c *specs.Spec, dir string) {
		at := slices.IndexFunc(c.Mounts, func(m specs.Mount) bool { return m.Destination == "/dev" }) + 1
		c.Mounts = slices.Insert(c.Mounts, at, specs.Mount{Destination: "/dev", Type: "bind", Source: dir + "/rootfs/dev", Options: options})
	}
}

var rows = []row{
	{name: "image", field: "ImageID", claims: []string{"image"}, config: func(c *specs.Spec, dir string) { c.Root.Path = dir + "/rootfs" }},
	{name: "program", field: "ImageID", claims: []string{"image"}, config: func(c *specs.Spec, dir string) {
		c.Root.Path, c.Process.Args = dir+"/rootfs", []string{"/runner", "again"}
	}},
	{name: "seccomp profile", field: "Seccomp", claims: []string{"seccomp.profile", "seccomp.given.mode"},
		config: func(c *specs.Spec, _ string) { c.Linux.Seccomp = nil }},
	{name: "seccomp default", field: "Seccomp", claims: []string{"seccomp.profile"},
		config: func(c *specs.Spec, _ string) {
			c.Linux.Seccomp.DefaultAction, c.Linux.Seccomp.DefaultErrnoRet = specs.ActAllow, nil
		}},
	{name: "seccomp rule", field: "Seccomp", claims: []string{"seccomp.profile"}, config: func(c *specs.Spec, _ string) {
		c.Linux.Seccomp.Syscalls = append(c.Linux.Seccomp.Syscalls, specs.LinuxSyscall{Names: []string{"socket"}, Action: specs.ActAllow})
	}},
	{name: "seccomp argument", field: "Seccomp", claims: []string{"seccomp.profile"}, config: func(c *specs.Spec, _ string) {
		for i := range c.Linux.Seccomp.Syscalls {
			c.Linux.Seccomp.Syscalls[i].Args = nil
		}
	}},
	{name: "user namespace", field: "UserNamespace", claims: []string{"namespaces.user"}, kept: []string{"order.namespaces"},
		refused: map[sandbox.Kind][]string{sandbox.KindCrun: {"RLIMIT_NOFILE: operation not permitted"}}, config: func(c *specs.Spec, dir string) {
			unshared(specs.UserNamespace)(c, dir)
			c.Linux.UIDMappings, c.Linux.GIDMappings = nil, nil
		}},
	{name: "user namespace with the host's root in it", field: "UserNamespace", claims: []string{"user-namespace.users", "user"}, kept: []string{"order.id-mappings"},
		config: func(c *specs.Spec, _ string) {
			m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 0, Size: 65536}}
			c.Linux.UIDMappings, c.Linux.GIDMappings = m, m
		}},
	{name: "ids of another box", field: "UIDs", claims: []string{"user", "group"}, config: func(c *specs.Spec, _ string) {
		for i := range c.Linux.UIDMappings {
			c.Linux.UIDMappings[i].HostID += 2
			c.Linux.GIDMappings[i].HostID += 2
		}
	}, kept: []string{"order.id-mappings"}},
	{name: "root in the box", field: "UIDs", claims: []string{"user", "group"}, config: func(c *specs.Spec, _ string) { c.Process.User.UID, c.Process.User.GID = 0, 0 }},
	{name: "root on the host", field: "UIDs", plain: true, claims: []string{"user", "group"},
		config: func(c *specs.Spec, _ string) { c.Process.User.UID, c.Process.User.GID = 0, 0 }},
	{name: "supplementary groups", field: "UIDs", plain: true, claims: []string{"groups"},
		config: func(c *specs.Spec, _ string) { c.Process.User.AdditionalGids = []uint32{0, 5} }},
	{name: "network namespace", field: "Network", claims: []string{"namespaces.network"}, kept: []string{"order.namespaces"},
		config: unshared(specs.NetworkNamespace)},
	{name: "network joined", field: "Network", plain: true, claims: []string{"namespaces.network"}, kept: []string{"order.namespaces"},
		config: joined(specs.NetworkNamespace, "net")},
	{name: "read-only root", field: "ReadOnlyRoot", claims: []string{"root.read-only"}, config: func(c *specs.Spec, _ string) { c.Root.Readonly = false }},
	{name: "no_new_privs", field: "NoNewPrivileges", claims: []string{"no-new-privileges.given"},
		// With it lifted a runtime loads the profile before it has done its own work, which that does not allow.
		config: func(c *specs.Spec, _ string) { c.Process.NoNewPrivileges, c.Linux.Seccomp = false, nil }},
	{name: "bounding capabilities", field: "Capabilities", claims: []string{"capabilities.bounding"},
		config: capability(func(c *specs.LinuxCapabilities) []*[]string { return []*[]string{&c.Bounding} })},
	{name: "inheritable capabilities", field: "Capabilities", claims: []string{"capabilities.inheritable"},
		config: capability(func(c *specs.LinuxCapabilities) []*[]string {
			return []*[]string{&c.Bounding, &c.Permitted, &c.Inheritable}
		})},
	{name: "ambient capabilities, and with them the effective and the permitted", field: "Capabilities",
		claims: []string{"capabilities.ambient", "capabilities.effective", "capabilities.permitted"},
		config: capability(func(c *specs.LinuxCapabilities) []*[]string {
			return []*[]string{&c.Bounding, &c.Permitted, &c.Inheritable, &c.Effective, &c.Ambient}
		})},
	{name: "pid namespace", field: "Namespaces", plain: true, claims: []string{"namespaces.pid", "pid"}, kept: []string{"order.namespaces"},
		config: unshared(specs.PIDNamespace)},
	{name: "ipc namespace", field: "Namespaces", plain: true, claims: []string{"namespaces.ipc"}, kept: []string{"order.namespaces"}, config: unshared(specs.IPCNamespace)},
	{name: "uts namespace", field: "Namespaces", plain: true, claims: []string{"namespaces.uts", "hostname"}, kept: []string{"order.namespaces", "hostname"}, config: func(c *specs.Spec, dir string) {
		unshared(specs.UTSNamespace)(c, dir)
		c.Hostname = ""
	}},
	{name: "cgroup namespace", field: "Namespaces", claims: []string{"namespaces.cgroup"}, kept: []string{"order.namespaces"}, config: unshared(specs.CgroupNamespace)},
	{name: "masked paths", field: "MaskedPaths", claims: []string{"masked-paths.open"}, kept: []string{"order.masked-paths"}, config: func(c *specs.Spec, _ string) { c.Linux.MaskedPaths = nil }},
	{name: "one masked path", field: "MaskedPaths", claims: []string{"masked-paths.open"}, kept: []string{"order.masked-paths"}, config: func(c *specs.Spec, _ string) {
		c.Linux.MaskedPaths = slices.DeleteFunc(c.Linux.MaskedPaths, func(p string) bool { return p == "/proc/version" })
	}},
	{name: "read-only paths", field: "ReadonlyPaths", claims: []string{"readonly-paths.open"}, kept: []string{"order.readonly-paths"},
		config: func(c *specs.Spec, _ string) { c.Linux.ReadonlyPaths = nil }},
	rlimitRow("RLIMIT_CORE"), rlimitRow("RLIMIT_NOFILE"), rlimitRow("RLIMIT_FSIZE"), rlimitRow("RLIMIT_MEMLOCK"), rlimitRow("RLIMIT_MSGQUEUE"),
	{name: "host name", field: "Hostname", claims: []string{"hostname"}, config: func(c *specs.Spec, _ string) { c.Hostname = "other" }},
	// gvisor#13777 is the first of these: limits that are declared, and ignored in silence.
	{name: "every limit", field: "Overhead", claims: []string{"cgroup.memory", "cgroup.cpus", "cgroup.pids"},
		config: func(c *specs.Spec, _ string) {
			c.Linux.Resources = &specs.LinuxResources{Devices: c.Linux.Resources.Devices}
		}},
	{name: "memory", field: "Overhead", claims: []string{"cgroup.memory"}, config: func(c *specs.Spec, _ string) {
		*c.Linux.Resources.Memory.Limit *= 2
		if c.Linux.Resources.Memory.Swap != nil {
			c.Linux.Resources.Memory.Swap = c.Linux.Resources.Memory.Limit
		}
	}},
	{name: "swap", field: "Overhead", claims: []string{"cgroup.swap"}, config: func(c *specs.Spec, _ string) {
		c.Linux.Resources.Memory.Swap = new(*c.Linux.Resources.Memory.Limit + 1<<30)
	}},
	{name: "cpu", field: "Overhead", claims: []string{"cgroup.cpus"}, config: func(c *specs.Spec, _ string) { *c.Linux.Resources.CPU.Quota *= 2 }},
	{name: "pids", field: "Overhead", claims: []string{"cgroup.pids"}, config: func(c *specs.Spec, _ string) { *c.Linux.Resources.Pids.Limit *= 2 }},
	{name: "cgroup", field: "Overhead", claims: []string{"cgroup.member"}, config: func(c *specs.Spec, _ string) { c.Linux.CgroupsPath += "/nested" }},

	// What stands in no field: a box has none of these, whatever its Spec.
	{name: "environment", claims: []string{"environment.unexpected"}, config: func(c *specs.Spec, _ string) { c.Process.Env = []string{"SECRET=hunter2"} }},
	{name: "a descriptor", claims: []string{"file-descriptors.unexpected"}, args: leakFD,
		spared: map[sandbox.Kind]string{sandbox.KindRunsc: "this command of gVisor's hands on none"}},
	{name: "a writable mount", claims: []string{"mounts.writable"}, config: func(c *specs.Spec, dir string) {
		for i, m := range c.Mounts {
			if m.Destination == "/dev" {
				c.Mounts[i].Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "ro" })
			}
		}
	}},
	{name: "one mount more", claims: []string{"mounts.unexpected"}, config: overDev("bind", "nosuid", "noexec", "nodev")},
	{name: "a directory of the host", claims: []string{"mounts.unexpected"}, config: overDev("bind", "ro", "nosuid", "noexec", "nodev")},
	{name: "a directory of the host in another's place", claims: []string{"mounts.unexpected"}, kept: []string{"order.mounts"}, config: func(c *specs.Spec, dir string) {
		for i, m := range c.Mounts {
			if m.Destination == "/dev" {
				c.Mounts[i].Source = dir + "/rootfs/dev"
			}
		}
	}},
}

func rowOf(name string) *row {
	for i := range rows {
		if rows[i].name == name {
			return &rows[i]
		}
	}
	return nil
}

// Each control that is lifted behind the driver's back is caught, by name, and leaves nothing behind.
func TestEachLiftedControlIsCaught(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				if why, ok := r.spared[runtime.Kind]; ok {
					t.Log("nothing to catch: ", why)
					return
				}
				d, spec, _ := liftedDriver(t, runtime, r.name)
				if r.plain {
					spec.UserNamespace = sandbox.UserNamespaceOff
				}
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				box, err := d.Create(ctx, spec, defaultLimits)
				if err == nil {
					destroy(t, box)
				}
				claims := r.claims
				if runtime.Kind == sandbox.KindRunsc && r.kept != nil {
					claims = r.kept
				}
				sooner := func(says string) bool { return err != nil && strings.Contains(err.Error(), says) }
				if !slices.ContainsFunc(r.refused[runtime.Kind], sooner) {
					wantCaught(t, err, claims)
				}
				if left := leftBehind(t, d.state.Path(), d.rootfs.parent); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			})
		}
	})
}

// wantCaught fails unless the error names each of the claims.
func wantCaught(t *testing.T, err error, claims []string) {
	t.Helper()
	var refused *sandbox.AttestationError
	if !errors.As(err, &refused) {
		t.Fatalf("not caught: %v", err)
	}
	for _, claim := range claims {
		if !slices.ContainsFunc(refused.Faults, func(f api.Check) bool { return f.Claim == claim }) || !strings.Contains(err.Error(), claim) {
			t.Errorf("%s is not among what was caught: %v", claim, err)
		}
	}
}

// A runtime that was replaced since the driver was made is another runtime.
func TestAReplacedRuntimeIsCaught(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec, shim := liftedDriver(t, runtime, "")
		swapRuntime(t, shim, runtime)
		box, err := d.Create(context.Background(), spec, defaultLimits)
		if err == nil {
			destroy(t, box)
		}
		wantCaught(t, err, []string{"runtime.version"})
	})
}

// A field of the Spec that no row lifts would be one that nobody has seen caught.
func TestEveryFieldOfASpecIsLifted(t *testing.T) {
	fields := reflect.TypeFor[sandbox.Spec]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if name == "Runtime" {
			continue // TestAReplacedRuntimeIsCaught
		}
		if !slices.ContainsFunc(rows, func(r row) bool { return r.field == name }) {
			t.Errorf("no row lifts the Spec's %s: write one, and see it caught", name)
		}
	}
	for _, ns := range sealedNamespaces() {
		claim := "namespaces." + string(ns)
		if ns != sandbox.MountNamespace && !slices.ContainsFunc(rows, func(r row) bool { return slices.Contains(r.claims, claim) }) {
			t.Errorf("no row lifts the %s namespace", ns) // without a mount namespace no runtime makes a box
		}
	}
}

func sealedNamespaces() []sandbox.Namespace { return sandbox.Sealed("", "runc").Namespaces }

// What a Spec does not ask for is no fault: each control may be lifted by whoever says so.
func TestWhatASpecLiftsIsNoFault(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, sealed := newDriver(t, runtime)
		for name, lift := range map[string]func(*sandbox.Spec){
			"seccomp":        func(s *sandbox.Spec) { s.Seccomp = nil },
			"capabilities":   func(s *sandbox.Spec) { s.Capabilities = []string{"CAP_CHOWN", "CAP_SETFCAP"} },
			"namespaces":     func(s *sandbox.Spec) { s.Namespaces = slices.DeleteFunc(slices.Clone(s.Namespaces), isSpare) },
			"user namespace": func(s *sandbox.Spec) { s.UserNamespace = sandbox.UserNamespaceOff },
			"masked paths":   func(s *sandbox.Spec) { s.MaskedPaths = nil },
			"writable /proc": func(s *sandbox.Spec) { s.ReadonlyPaths = nil },
			"rlimits":        func(s *sandbox.Spec) { s.Rlimits = nil },
			"no_new_privs":   func(s *sandbox.Spec) { s.NoNewPrivileges, s.Seccomp = false, nil },
		} {
			t.Run(name, func(t *testing.T) {
				if name == "rlimits" && runtime.Kind == sandbox.KindRunsc {
					t.Log("the runner cannot seal itself there: gVisor lets it lower no limit that it does not know")
					return
				}
				spec := sealed
				lift(&spec)
				destroy(t, create(t, d, spec, defaultLimits))
			})
		}
	})
}

// isSpare is true for namespaces that the driver can make a box without.
func isSpare(ns sandbox.Namespace) bool {
	return ns == sandbox.IPCNamespace || ns == sandbox.CgroupNamespace
}
