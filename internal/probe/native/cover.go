package native

// SpecProbes names, for each field of sandbox.Spec, the probes that would show that it is not in force. A field without
// one breaks a test.
var SpecProbes = map[string][]string{
	"ImageID":         {"files.write-runner", "files.host-files"},
	"Runtime":         {"syscall.sweep"},
	"Seccomp":         {"syscall.sweep"},
	"UserNamespace":   {"process.root", "files.oom-score"},
	"UIDs":            {"process.root", "process.signal-others"},
	"Network":         {"net.interfaces", "net.host-loopback", "net.metadata-address"},
	"ReadOnlyRoot":    {"files.write-root", "files.write-runner"},
	"NoNewPrivileges": {"process.gain-privileges"},
	"Capabilities":    {"process.capabilities", "process.ambient-capability"},
	"Namespaces":      {"process.see-others", "net.interfaces", "host.shared-memory", "host.name", "host.cgroup-path", "process.signal-others"},
	"MaskedPaths":     {"files.proc-kernel", "files.proc-keys", "files.sys", "host.load", "files.kcore"},
	"ReadonlyPaths":   {"files.proc-sys", "files.core-pattern"},
	"Rlimits":         {"limits.core", "limits.file-size", "limits.descriptors"},
	"Hostname":        {"host.name"},
	"Overhead":        {"limits.thread-bomb", "limits.memory"},
}

// SyscallProbes names, for each system call that a box is let make, the probe that shows what it is not good for; those
// that only the sweep makes can do no more than their reason in package seccomp says. A call without a line breaks a
// test: who allows another says here what was thought of.
var SyscallProbes = map[string]string{
	// What a sealed runner may.
	"read": "process.descriptors", "write": SweepID, "pread64": "process.descriptors", "close": SweepID, "futex": SweepID,
	"epoll_pwait": SweepID, "nanosleep": SweepID, "clock_nanosleep": SweepID, "sched_yield": SweepID,
	"clock_gettime": "kernel.clock-set", "gettimeofday": "kernel.clock-set",
	"mmap": "process.executable-memory", "munmap": SweepID, "madvise": "memory.other-box", "clone": "process.clone-process",
	"sigaltstack": SweepID, "rt_sigprocmask": SweepID, "rt_sigreturn": SweepID, "exit": SweepID, "exit_group": SweepID,
	"tgkill": "process.signal-others", "getpid": "process.see-others", "gettid": SweepID, "getrandom": SweepID, "restart_syscall": SweepID,
	// What it may until it has sealed itself.
	"execve": "process.execve", "arch_prctl": SweepID, "set_tid_address": SweepID, "sched_getaffinity": SweepID, "rt_sigaction": "limits.kill",
	"prlimit64": "limits.raise", "openat": "files.host-files", "openat2": "files.openat2-escape", "statx": "files.host-files",
	"fcntl": SweepID, "getdents64": "files.sys", "close_range": SweepID, "fstat": "net.inherited-socket", "newfstatat": "net.docker-socket",
	"readlinkat": "process.descriptors", "fstatfs": SweepID, "lseek": SweepID, "epoll_create1": "limits.descriptors",
	"eventfd2": "limits.descriptors", "epoll_ctl": SweepID, "getuid": "process.root", "geteuid": "process.root", "getgid": SweepID,
	"getegid": SweepID, "getgroups": SweepID, "uname": "host.name", "getppid": SweepID,
	"prctl": "process.ambient-capability", "seccomp": "kernel.seccomp-remove",
}
