package docker

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

const driverName = "docker"

// labelBox is the label that holds a box's id, and labelPIDs the one that says in which pid namespace
// the owner's pid counts.
const (
	labelBox  = "glovebox.box"
	labelPIDs = "glovebox.pidns"
)

// containerName names a box's container.
func containerName(boxID string) string { return "glovebox-" + boxID }

// holdPrefix begins the name of the cgroup around a box's container. It stands at the root: one that
// boxes shared would be removed by one process while another makes its own in it.
const holdPrefix = "glovebox-docker-"

// holdPath is the path, from the root, of the cgroup around a box's container.
func holdPath(boxID string) string { return "/" + holdPrefix + boxID }

// A plan is a Spec, its limits and one box's own, translated for the daemon.
type plan struct {
	options client.ContainerCreateOptions
	uid     int // of the runner, in the container
	userNS  bool
	late    []sandbox.Rlimit // are set once the box has started
}

// boxParams is what a container needs beside the Spec.
type boxParams struct {
	id           string
	owner        string
	pidNS        string
	ids          sandbox.IDs
	imageRef     string // what the daemon calls the image
	cgroupParent string // "" for the daemon's own choice
}

func unsupported(field, format string, args ...any) error {
	return &sandbox.UnsupportedError{Driver: driverName, Field: field, Why: fmt.Sprintf(format, args...)}
}

// translate makes the plan, or refuses what this daemon cannot put in force. It asks nobody.
func translate(spec sandbox.Spec, limits sandbox.Limits, info Info, image *runnerimage.Image, box boxParams) (plan, error) {
	if spec.ImageID != image.ID() {
		return plan{}, unsupported("ImageID", "this driver holds %s alone, not %q", image.ID(), spec.ImageID)
	}
	runtime, ok := info.Runtime(spec.Runtime)
	if !ok {
		return plan{}, unsupported("Runtime", "the daemon does not know a runtime %q; scripts/docker-setup.sh registers it, or says how", spec.Runtime)
	}
	if spec.Seccomp != nil && dropsSeccomp(runtime) {
		return plan{}, unsupported("Seccomp", "the daemon starts %s without %s, and then it drops every profile in silence; "+
			"add that to its runtimeArgs in daemon.json", runtime.Name, ociSeccomp)
	}
	if spec.Network != sandbox.NetworkNone {
		return plan{}, unsupported("Network", "a box has no network, and there is no %q", spec.Network)
	}
	uid, err := runnerID(spec, info, box.ids)
	if err != nil {
		return plan{}, err
	}
	_, late := sandbox.SplitRlimits(sandbox.RuntimeKind(spec.Runtime), spec.Rlimits)
	if len(late) > 0 && !info.Local {
		return plan{}, unsupported("Rlimits", "%s starts no box under %s, and the daemon is elsewhere, so that it cannot be set later; use runc",
			runtime.Name, late[0].Type)
	}
	host, err := hostConfig(spec, limits)
	if err != nil {
		return plan{}, err
	}
	host.CgroupParent = box.cgroupParent
	userNS := info.UserNamespace()
	switch spec.UserNamespace {
	case sandbox.UserNamespaceAuto:
	case sandbox.UserNamespaceOff:
		if info.Rootless {
			return plan{}, unsupported("UserNamespace", "a rootless daemon cannot do without one")
		}
		if info.Remapped {
			host.UsernsMode, userNS = "host", false
		}
	case sandbox.UserNamespaceRequired:
		if !userNS {
			return plan{}, unsupported("UserNamespace",
				"the daemon was started without userns-remap; set that in its daemon.json, or use the oci driver")
		}
	default:
		return plan{}, unsupported("UserNamespace", "there is no wish %q", spec.UserNamespace)
	}
	id := strconv.Itoa(uid)
	return plan{
		uid: uid, userNS: userNS, late: late,
		options: client.ContainerCreateOptions{
			Name: containerName(box.id),
			Config: &container.Config{
				Image: box.imageRef, Hostname: spec.Hostname, User: id + ":" + id,
				AttachStdin: true, AttachStdout: true, AttachStderr: true, OpenStdin: true, StdinOnce: true,
				Entrypoint: image.Entrypoint(), WorkingDir: "/", NetworkDisabled: true,
				StopSignal: "SIGKILL", // a daemon that stops waits for no runner, which hears nothing else
				Labels:     map[string]string{sandbox.OwnerLabel: box.owner, labelBox: box.id, labelPIDs: box.pidNS},
			},
			HostConfig: host,
		},
	}, nil
}

// runnerID returns the id, for user and group, that the runner gets in its container.
func runnerID(spec sandbox.Spec, info Info, ids sandbox.IDs) (int, error) {
	const (
		mostDocker = math.MaxInt32 // Docker takes no larger id
		mapped     = 65536         // a remapping daemon maps that many
	)
	if spec.UIDs.First <= 0 || spec.UIDs.Count < 2 || spec.UIDs.First > mostDocker-spec.UIDs.Count {
		return 0, unsupported("UIDs", "%d ids from %d are not within 1 and %d", spec.UIDs.Count, spec.UIDs.First, mostDocker)
	}
	if !info.UserNamespace() || (spec.UserNamespace == sandbox.UserNamespaceOff && info.Remapped) {
		return ids.Box, nil
	}
	// The daemon's own map decides which host id this becomes; it is this box's alone all the same.
	if spec.UIDs.Count >= mapped {
		return 0, unsupported("UIDs", "the daemon maps %d ids: a range of %d is too wide", mapped, spec.UIDs.Count)
	}
	return ids.Box - spec.UIDs.First, nil
}

func hostConfig(spec sandbox.Spec, limits sandbox.Limits) (*container.HostConfig, error) {
	memory, cpus, pids, err := resources(spec, limits)
	if err != nil {
		return nil, err
	}
	early, _ := sandbox.SplitRlimits(sandbox.RuntimeKind(spec.Runtime), spec.Rlimits)
	ulimits, err := ulimits(early)
	if err != nil {
		return nil, err
	}
	security, err := securityOptions(spec)
	if err != nil {
		return nil, err
	}
	no := false
	host := &container.HostConfig{
		NetworkMode:    "none",
		IpcMode:        "none",
		CgroupnsMode:   "private",
		ReadonlyRootfs: spec.ReadOnlyRoot,
		CapDrop:        []string{"ALL"},
		CapAdd:         slices.Clone(spec.Capabilities),
		SecurityOpt:    security,
		LogConfig:      container.LogConfig{Type: "none"},
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		// Nothing mounts it (see IpcMode); the smallest value that is not "the default".
		ShmSize: 4096,
		// Where the host runs out of memory, boxes die before anything else.
		OomScoreAdj:   1000,
		Runtime:       spec.Runtime,
		MaskedPaths:   nonNil(spec.MaskedPaths),
		ReadonlyPaths: nonNil(spec.ReadonlyPaths),
		Tmpfs:         gvisorPlaces(spec.Runtime),
		Init:          &no,
		Resources: container.Resources{
			Memory: memory, MemorySwap: memory, // memory and swap together: no swap
			NanoCPUs: cpus, PidsLimit: &pids, OomKillDisable: &no, Ulimits: ulimits,
		},
	}
	return host, namespaces(spec.Namespaces, host)
}

// namespaces lets the box share what the Spec does not name, where Docker can be told so.
func namespaces(private []sandbox.Namespace, host *container.HostConfig) error {
	known := map[sandbox.Namespace]func() error{
		sandbox.PIDNamespace:    func() error { host.PidMode = "host"; return nil },
		sandbox.IPCNamespace:    func() error { host.IpcMode = "host"; return nil },
		sandbox.CgroupNamespace: func() error { host.CgroupnsMode = "host"; return nil },
	}
	for _, always := range []sandbox.Namespace{sandbox.NetworkNamespace, sandbox.MountNamespace, sandbox.UTSNamespace} {
		known[always] = func() error {
			return unsupported("Namespaces", "a box without a %s namespace of its own is not made", always)
		}
	}
	for _, ns := range private {
		if known[ns] == nil {
			return unsupported("Namespaces", "there is no namespace %q", ns)
		}
	}
	for ns, share := range known {
		if !slices.Contains(private, ns) {
			if err := share(); err != nil {
				return err
			}
		}
	}
	return nil
}

// resources returns bytes, billionths of a processor, and a number of processes and threads.
func resources(spec sandbox.Spec, limits sandbox.Limits) (memory, cpus, pids int64, err error) {
	memory = limits.MemoryBytes + spec.Overhead.MemoryBytes
	if limits.MemoryBytes <= 0 || spec.Overhead.MemoryBytes < 0 || memory <= 0 {
		return 0, 0, 0, fmt.Errorf("docker: a memory limit of %d and %d bytes is none", limits.MemoryBytes, spec.Overhead.MemoryBytes)
	}
	cpus = int64(math.Round(limits.CPUs * 1e9))
	if !(limits.CPUs > 0) || cpus <= 0 {
		return 0, 0, 0, fmt.Errorf("docker: a limit of %v processors is none", limits.CPUs)
	}
	// The script itself may start nothing: what the box needs is all there is.
	if spec.Overhead.PIDs <= 0 {
		return 0, 0, 0, fmt.Errorf("docker: a limit of %d processes is none", spec.Overhead.PIDs)
	}
	return memory, cpus, int64(spec.Overhead.PIDs), nil
}

func ulimits(rlimits []sandbox.Rlimit) ([]*container.Ulimit, error) {
	var out []*container.Ulimit
	for _, r := range rlimits {
		name, ok := strings.CutPrefix(r.Type, "RLIMIT_")
		if !ok || r.Value > math.MaxInt64 {
			return nil, unsupported("Rlimits", "%s of %d is no limit that Docker takes", r.Type, r.Value)
		}
		value := int64(r.Value)
		out = append(out, &container.Ulimit{Name: strings.ToLower(name), Soft: value, Hard: value})
	}
	return out, nil
}

// securityOptions leaves out what it does not name: AppArmor's and SELinux's defaults stay in force.
func securityOptions(spec sandbox.Spec) ([]string, error) {
	var out []string
	if spec.NoNewPrivileges {
		out = append(out, "no-new-privileges")
	}
	if spec.Seccomp == nil {
		return append(out, "seccomp=unconfined"), nil
	}
	// Daemons before 23.0 drop defaultErrnoRet in silence: what no rule names then fails with EPERM
	// in place of the profile's errno. It is denied all the same.
	profile, err := json.Marshal(sandbox.ProfileFor(sandbox.RuntimeKind(spec.Runtime), spec.Seccomp))
	if err != nil {
		return nil, fmt.Errorf("docker: seccomp profile: %w", err)
	}
	return append(out, "seccomp="+string(profile)), nil
}

// gvisorPlaces hides what gVisor makes by itself, since it masks no path: a writable /tmp, and under
// /sys files and the cgroup's path. An empty file system that nobody can write to stands in each place.
func gvisorPlaces(runtime string) map[string]string {
	if sandbox.RuntimeKind(runtime) != sandbox.KindRunsc {
		return nil
	}
	const empty = "ro,nosuid,nodev,noexec,mode=0555,size=4k"
	return map[string]string{"/sys": empty, "/sys/fs/cgroup": empty, "/tmp": empty}
}

// nonNil tells the daemon "none" where nil would mean "the default ones".
func nonNil(paths []string) []string { return append([]string{}, paths...) }
