package control

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/internal/sandbox"
)

// allCapabilities are those that root has.
var allCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_BPF", "CAP_PERFMON", "CAP_CHECKPOINT_RESTORE",
}

// joins are the namespaces of the stand-in host's that a box joins where it has none of its own, by their names in the
// runtime specification and in the kernel. The mount namespace is always the box's own, with the stand-in host's files
// in it where that layer is lifted; that of cgroups is left out, and what is seen then is only read.
var joins = map[specs.LinuxNamespaceType]string{
	specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
}

// lift takes layers away from a box's config.json. What is left stays as the driver wrote it.
func lift(config *specs.Spec, layers []string, host *standIn, files place, user int) {
	lifted := func(layer string) bool { return slices.Contains(layers, layer) }
	if lifted(sandbox.LayerSeccomp) {
		config.Linux.Seccomp = nil
	}
	if lifted(sandbox.LayerProcess) {
		config.Process.User.UID, config.Process.User.GID = 0, 0
		caps := func() []string { return slices.Clone(allCapabilities) }
		config.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps(), Effective: caps(), Permitted: caps(), Inheritable: caps(), Ambient: caps()}
		// With the profile in force runc could not go on without: it would load the filter before it has done its own work.
		config.Process.NoNewPrivileges = !lifted(sandbox.LayerSeccomp)
		config.Process.Rlimits = nil // those of whoever runs the audit
		config.Process.Env = append(config.Process.Env, "SECRET=of-the-controller")
		config.Process.OOMScoreAdj = new(int)
	}
	if lifted(sandbox.LayerNamespaces) {
		var own []specs.LinuxNamespace
		for _, ns := range config.Linux.Namespaces {
			if kind := joins[ns.Type]; kind != "" {
				ns.Path = host.namespace(kind)
			}
			if ns.Type != specs.CgroupNamespace {
				own = append(own, ns)
			}
		}
		config.Linux.Namespaces = own
		config.Hostname = ""
	}
	// What owns the stand-in host's namespaces is its user namespace: a box that joins those is in that too, with the
	// ids that it would have on that host.
	if lifted(sandbox.LayerUserNamespace) || lifted(sandbox.LayerNamespaces) {
		for i, ns := range config.Linux.Namespaces {
			if ns.Type == specs.UserNamespace {
				config.Linux.Namespaces[i].Path = host.namespace("user")
			}
		}
		config.Linux.UIDMappings, config.Linux.GIDMappings = nil, nil
		if !lifted(sandbox.LayerProcess) {
			config.Process.User.UID, config.Process.User.GID = uint32(user), uint32(user)
		}
	}
	if lifted(sandbox.LayerFileSystem) {
		config.Root.Path, config.Root.Readonly = files.path(openRoot), false
		config.Linux.MaskedPaths, config.Linux.ReadonlyPaths = nil, nil
		config.Mounts = openMounts()
	}
	if lifted(sandbox.LayerCgroup) {
		// Of the machine's own, no more than a disposable box may take.
		memory, pids := int64(2<<30), int64(4000)
		config.Linux.Resources = &specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: &memory}, Pids: &specs.LinuxPids{Limit: &pids},
		}
	}
}

// openMounts are those of a careless container: devices, shared memory, message queues, terminals, and the host's /sys
// to be read.
func openMounts() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=777"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=1777"}},
		{Destination: "/dev/mem", Type: "bind", Source: "/dev/zero", Options: []string{"bind", "ro"}}, // stands for a device that must not be there
		{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "ro"}},
	}
}
