package oci

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/internal/sandbox"
)

// driverName is the driver's name in results and claims.
const driverName = "oci"

// ociVersion is the oldest version of the specification that has everything in use here, so that older
// runtimes take it too.
const ociVersion = "1.0.2"

// oomScoreAdj has the kernel kill boxes first when the host itself runs out of memory.
const oomScoreAdj = 1000

// A bundle is what a config.json is made from, beside the Spec and the limits.
type bundle struct {
	kind        sandbox.Kind
	rootfs      string
	cgroupPath  string
	owner       string
	ids         sandbox.IDs
	userns      bool      // the box gets a user namespace
	user        *rootless // whose box it is, unless it is root's
	unified     bool      // cgroup version 2 keeps the limits
	swapLimited bool      // the kernel can bound swap
	bounds      bounds
}

// unsupported refuses a value of a field.
func unsupported(field, format string, args ...any) error {
	return &sandbox.UnsupportedError{Driver: driverName, Field: field, Why: fmt.Sprintf(format, args...)}
}

// config translates a Spec. Every field of it is used here, or refused by its name.
func (b bundle) config(spec sandbox.Spec) (*specs.Spec, error) {
	if !spec.ReadOnlyRoot {
		return nil, unsupported("ReadOnlyRoot", "all boxes share one root file system; only a read-only root is accepted")
	}
	seccomp, err := seccompOf(b.kind, spec)
	if err != nil {
		return nil, err
	}
	namespaces, err := b.namespaces(spec)
	if err != nil {
		return nil, err
	}
	masked, err := masked(spec)
	if err != nil {
		return nil, err
	}
	rlimits, err := b.rlimits(spec)
	if err != nil {
		return nil, err
	}
	uid := b.uid()
	umask := uint32(0o077)
	adjust := oomScoreAdj
	config := &specs.Spec{
		Version:  ociVersion,
		Hostname: spec.Hostname,
		Root:     &specs.Root{Path: b.rootfs, Readonly: spec.ReadOnlyRoot},
		Process: &specs.Process{
			User:            specs.User{UID: uid, GID: uid, Umask: &umask},
			Args:            []string{"/" + runnerName},
			Env:             []string{},
			Cwd:             "/",
			Capabilities:    capabilitiesOf(spec),
			Rlimits:         rlimits,
			NoNewPrivileges: spec.NoNewPrivileges,
			OOMScoreAdj:     &adjust,
		},
		Mounts:      b.mounts(),
		Annotations: map[string]string{sandbox.OwnerLabel: b.owner},
		Linux: &specs.Linux{
			CgroupsPath:       b.cgroupPath,
			Namespaces:        namespaces,
			Resources:         b.resources(),
			Seccomp:           seccomp,
			MaskedPaths:       masked,
			ReadonlyPaths:     spec.ReadonlyPaths,
			RootfsPropagation: "rprivate",
		},
	}
	if b.userns {
		config.Linux.UIDMappings, config.Linux.GIDMappings = b.mappings()
	}
	return config, nil
}

// uid is the runner's, as the box sees it. The group's number is the same.
func (b bundle) uid() uint32 {
	if b.userns {
		return sandbox.RunnerUID
	}
	return uint32(b.ids.Box)
}

// mappings give the namespace two ids and no other: root's, and the runner's.
func (b bundle) mappings() (uids, gids []specs.LinuxIDMapping) {
	if b.user != nil {
		return b.mapping(b.user.uid), b.mapping(b.user.gid)
	}
	return b.mapping(b.ids.Root), b.mapping(b.ids.Root)
}

func (b bundle) mapping(root int) []specs.LinuxIDMapping {
	if b.ids.Box == root+1 {
		return []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(root), Size: 2}}
	}
	return []specs.LinuxIDMapping{
		{ContainerID: 0, HostID: uint32(root), Size: 1},
		{ContainerID: sandbox.RunnerUID, HostID: uint32(b.ids.Box), Size: 1},
	}
}

// mounts are /proc, and a /dev with nothing in it but what the runtime masks files with. That cannot be
// opened, for its mount takes no devices, and nor can what it hides. A mounted /dev keeps the runtime
// from making nodes of its own.
//
// gVisor makes a /sys and a writable /tmp by itself unless something is mounted there: here an empty
// read-only file system is. It masks no paths; its /proc tells of
// its own kernel, not of the host.
func (b bundle) mounts() []specs.Mount {
	bare := []string{"nosuid", "noexec", "nodev"}
	mounts := []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: bare}}
	sealed := append([]string{"bind", "ro"}, bare...)
	dev := specs.Mount{Destination: "/dev", Type: "bind", Source: path.Join(b.rootfs, "dev"), Options: sealed}
	if b.kind == sandbox.KindCrun {
		// It copies the mount before it leaves the host's namespace. Where mounts are shared there, as systemd has it, what is then mounted upon
		// the copy would be mounted upon the host's root file system of all boxes as well.
		dev.Options = append(slices.Clone(sealed), "private")
	}
	mounts = append(mounts, dev)
	if b.kind == sandbox.KindRunsc {
		for _, place := range []string{"/sys", "/tmp"} {
			mounts = append(mounts, specs.Mount{Destination: place, Type: "tmpfs", Source: "tmpfs", Options: append([]string{"ro"}, bare...)})
		}
		return mounts
	}
	null := specs.Mount{Destination: "/dev/null", Type: "bind", Source: "/dev/null", Options: sealed}
	if b.kind == sandbox.KindCrun {
		null.Options = slices.DeleteFunc(slices.Clone(sealed), func(o string) bool { return o == "nodev" }) // it opens it
	}
	return append(mounts, null)
}

// masked refuses what cannot be hidden. (/proc's own option subset=pid would hide all at once, but runc
// reads /proc/sys/kernel/cap_last_cap in the box.)
func masked(spec sandbox.Spec) ([]string, error) {
	for _, p := range spec.MaskedPaths {
		first, rest, _ := strings.Cut(strings.TrimPrefix(path.Clean(p), "/"), "/")
		if !path.IsAbs(p) || first == "" || first == runnerName || first == "dev" || first == "proc" && rest == "" {
			return nil, unsupported("MaskedPaths", "the box needs %q", p)
		}
	}
	return spec.MaskedPaths, nil
}

// namespaces lists the Spec's. Some the driver cannot do without: refused here, they would fail in the
// runtime, or fail to seal.
func (b bundle) namespaces(spec sandbox.Spec) ([]specs.LinuxNamespace, error) {
	if spec.Network != sandbox.NetworkNone {
		return nil, unsupported("Network", "a box has no network; only %q is accepted", sandbox.NetworkNone)
	}
	known := []sandbox.Namespace{
		sandbox.PIDNamespace, sandbox.NetworkNamespace, sandbox.IPCNamespace, sandbox.UTSNamespace,
		sandbox.MountNamespace, sandbox.CgroupNamespace,
	}
	var list []specs.LinuxNamespace
	for _, ns := range spec.Namespaces {
		if !slices.Contains(known, ns) {
			return nil, unsupported("Namespaces", "%q is not one of %v", ns, known)
		}
		list = append(list, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(ns)})
	}
	has := func(ns sandbox.Namespace) bool { return slices.Contains(spec.Namespaces, ns) }
	switch {
	case !has(sandbox.PIDNamespace):
		return nil, unsupported("Namespaces", "without a pid namespace a box cannot be killed whole: add pid")
	case !has(sandbox.MountNamespace):
		return nil, unsupported("Namespaces", "without a mount namespace there is no root of its own: add mount")
	case !has(sandbox.NetworkNamespace):
		return nil, unsupported("Namespaces", "without a network namespace the box has the host's network: add network")
	case spec.Hostname != "" && !has(sandbox.UTSNamespace):
		return nil, unsupported("Namespaces", "without a uts namespace a host name would be the host's: add uts, or name no host")
	}
	if b.userns {
		list = append(list, specs.LinuxNamespace{Type: specs.UserNamespace})
	}
	return list, nil
}

func (b bundle) resources() *specs.LinuxResources {
	memory, quota, period, pids := b.bounds.memory, b.bounds.cpuQuota, uint64(cpuPeriod), b.bounds.pids
	resources := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
		Memory:  &specs.LinuxMemory{Limit: &memory},
		CPU:     &specs.LinuxCPU{Quota: &quota, Period: &period},
		Pids:    &specs.LinuxPids{Limit: &pids},
	}
	if b.user != nil {
		resources.Devices = nil // version 2 filters them for root alone; no mount of a box has any
	}
	if b.swapLimited {
		resources.Memory.Swap = &memory // memory and swap together
	}
	if b.unified && b.kind != sandbox.KindRunsc {
		resources.Unified = map[string]string{"memory.oom.group": "1"}
	}
	return resources
}

// capabilitiesOf gives all five sets alike. It is never nil: without the object a runtime keeps what it has.
func capabilitiesOf(spec sandbox.Spec) *specs.LinuxCapabilities {
	set := func() []string { return append([]string{}, spec.Capabilities...) }
	return &specs.LinuxCapabilities{Bounding: set(), Effective: set(), Permitted: set(), Inheritable: set(), Ambient: set()}
}

// rlimits are those that the runtime is told. What crun cannot work under comes once the box has started.
func (b bundle) rlimits(spec sandbox.Spec) ([]specs.POSIXRlimit, error) {
	for _, r := range spec.Rlimits {
		if !strings.HasPrefix(r.Type, "RLIMIT_") {
			return nil, unsupported("Rlimits", "%q is no OCI name of a limit, as RLIMIT_NOFILE is", r.Type)
		}
	}
	var list []specs.POSIXRlimit
	early, _ := sandbox.SplitRlimits(b.kind, spec.Rlimits)
	for _, r := range early {
		list = append(list, specs.POSIXRlimit{Type: r.Type, Soft: r.Value, Hard: r.Value})
	}
	return list, nil
}

// setLateRlimits sets what the runtime could not.
func (b bundle) setLateRlimits(pid int, spec sandbox.Spec) error {
	_, late := sandbox.SplitRlimits(b.kind, spec.Rlimits)
	if err := sandbox.TightenRlimits(pid, b.ids.Box, late); err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	return nil
}

// seccompOf turns the profile into the runtime specification's form, which is JSON too.
func seccompOf(kind sandbox.Kind, spec sandbox.Spec) (*specs.LinuxSeccomp, error) {
	if spec.Seccomp == nil {
		return nil, nil
	}
	body, err := json.Marshal(sandbox.ProfileFor(kind, spec.Seccomp))
	if err != nil {
		return nil, fmt.Errorf("oci: seccomp: %w", err)
	}
	profile := &specs.LinuxSeccomp{}
	if err := json.Unmarshal(body, profile); err != nil {
		return nil, fmt.Errorf("oci: seccomp: %w", err)
	}
	return profile, nil
}
