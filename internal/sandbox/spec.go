package sandbox

import (
	"time"

	"glovebox/api"
	"glovebox/seccomp"
)

// A Spec is everything about a box that is fixed when it is created. Two boxes of one Spec are
// interchangeable. A driver translates every field, or refuses a value that it cannot put in force
// with an [UnsupportedError] that names the field: a test holds it to that. The zero Spec seals
// nothing: take [Sealed] and change what must differ.
type Spec struct {
	// ImageID is the digest of the image that the box runs. A driver holds one image and refuses
	// every other id.
	ImageID string
	// Runtime is the name of the OCI runtime: runc, crun, runsc, or whatever Docker has been given.
	Runtime string
	// Seccomp is the profile that the runtime puts in force before the runner starts; nil is none.
	Seccomp *seccomp.Profile
	// UserNamespace says whether the box has ids of its own.
	UserNamespace UserNamespace
	// UIDs is the range of host ids from which each box is given its own.
	UIDs UIDRange
	// Network is always NetworkNone; its type leaves no other value that a driver would accept.
	Network Network
	// ReadOnlyRoot mounts the root file system read-only.
	ReadOnlyRoot bool
	// NoNewPrivileges forbids the gain of privileges through execve.
	NoNewPrivileges bool
	// Capabilities names the capabilities that are kept, as in CAP_CHOWN; a sealed box keeps none.
	Capabilities []string
	// Namespaces names the namespaces that the box does not share with the host: pid, network, ipc,
	// uts, mount, cgroup. The user namespace has its own field.
	Namespaces []Namespace
	// MaskedPaths and ReadonlyPaths are hidden and made read-only in the box.
	MaskedPaths   []string
	ReadonlyPaths []string
	// Rlimits bound the runner's process; soft and hard are one.
	Rlimits []Rlimit
	// Hostname is what the box believes to be called: one name for all, so that it tells nothing.
	Hostname string
	// Overhead is what the box needs beside the script: it is added to the script's limits.
	Overhead Overhead
}

// UserNamespace says whether a box gets a user namespace.
type UserNamespace string

// The three wishes. With Auto the driver takes one where it can, and says so in [api.Isolation].
const (
	UserNamespaceAuto     UserNamespace = "auto"
	UserNamespaceRequired UserNamespace = "required"
	UserNamespaceOff      UserNamespace = "off"
)

// Network is what a box can reach.
type Network string

// NetworkNone is a network namespace with nothing but an unconfigured loopback.
const NetworkNone Network = "none"

// Namespace is a kind of Linux namespace, by its OCI name.
type Namespace string

// The namespaces that a box has for itself.
const (
	PIDNamespace     Namespace = "pid"
	NetworkNamespace Namespace = "network"
	IPCNamespace     Namespace = "ipc"
	UTSNamespace     Namespace = "uts"
	MountNamespace   Namespace = "mount"
	CgroupNamespace  Namespace = "cgroup"
)

// Rlimit is a resource limit of the process, by its OCI name (RLIMIT_NOFILE).
type Rlimit struct {
	Type  string
	Value uint64
}

// Overhead is what a box costs beside its script, on one runtime, as measured (see RATIONALE.md).
type Overhead struct {
	MemoryBytes int64
	PIDs        int
}

// Limits bound one script. They may be set until its box is handed the job.
type Limits struct {
	// MemoryBytes is the script's own; the cgroup's limit is this and the overhead.
	MemoryBytes int64
	// CPUs is a share of processors: 0.5 is half of one.
	CPUs float64
	// Timeout is the script's, from the moment when its box begins on it.
	Timeout time.Duration
}

// LimitsOf returns the limits of a request whose defaults have been filled in.
func LimitsOf(r api.Request) Limits {
	return Limits{
		MemoryBytes: int64(*r.MemoryLimitMB) * api.MiB,
		CPUs:        *r.CPUs,
		Timeout:     time.Duration(*r.TimeoutSeconds * float64(time.Second)),
	}
}

// Sealed returns the Spec of a box with every layer in force.
func Sealed(imageID, runtime string) Spec {
	return Spec{
		ImageID:         imageID,
		Runtime:         runtime,
		Seccomp:         seccomp.Runner(),
		UserNamespace:   UserNamespaceAuto,
		UIDs:            DefaultUIDs,
		Network:         NetworkNone,
		ReadOnlyRoot:    true,
		NoNewPrivileges: true,
		Namespaces: []Namespace{
			PIDNamespace, NetworkNamespace, IPCNamespace, UTSNamespace, MountNamespace, CgroupNamespace,
		},
		MaskedPaths: []string{
			"/proc/acpi", "/proc/asound", "/proc/buddyinfo", "/proc/bus", "/proc/cgroups", "/proc/cmdline", "/proc/config.gz",
			"/proc/consoles", "/proc/cpuinfo", "/proc/crypto", "/proc/devices", "/proc/diskstats", "/proc/dma", "/proc/driver",
			"/proc/execdomains", "/proc/filesystems", "/proc/fs", "/proc/interrupts", "/proc/iomem",
			"/proc/ioports", "/proc/irq", "/proc/kallsyms", "/proc/kcore", "/proc/key-users", "/proc/keys", "/proc/kmsg",
			"/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/loadavg", "/proc/locks",
			"/proc/mdstat", "/proc/meminfo", "/proc/misc", "/proc/modules", "/proc/mtrr", "/proc/pagetypeinfo",
			"/proc/partitions", "/proc/pressure", "/proc/sched_debug", "/proc/schedstat", "/proc/scsi", "/proc/slabinfo",
			"/proc/softirqs", "/proc/stat", "/proc/swaps", "/proc/sysrq-trigger", "/proc/sysvipc", "/proc/timer_list",
			"/proc/timer_stats", "/proc/tty", "/proc/uptime", "/proc/version", "/proc/vmallocinfo", "/proc/vmstat",
			"/proc/zoneinfo", "/sys",
		},
		ReadonlyPaths: []string{"/proc/sys"},
		Rlimits: []Rlimit{
			{"RLIMIT_CORE", 0}, {"RLIMIT_NOFILE", 32}, {"RLIMIT_FSIZE", 0}, {"RLIMIT_MEMLOCK", 0}, {"RLIMIT_MSGQUEUE", 0},
		},
		Hostname: "glovebox",
		Overhead: overheadOf(runtime),
	}
}
