package seccomp

import "slices"

// The errno values that rules return, by their Linux names.
const (
	eperm  = 1
	enosys = 38
)

// threadFlags is the one set of clone flags that is allowed: that with which the Go runtime makes a thread of
// its own process. A new process, or a new namespace, has others. cloneSetTLS comes with it on amd64 and
// not on arm64; the kernel ignores what lies beyond the lower 32 bits.
const (
	threadFlags = cloneVM | cloneFS | cloneFiles | cloneSighand | cloneSysvsem | cloneThread
	threadMask  = 0xffffffff &^ cloneSetTLS
)

const (
	cloneVM      = 0x100
	cloneFS      = 0x200
	cloneFiles   = 0x400
	cloneSighand = 0x800
	cloneThread  = 0x10000
	cloneSysvsem = 0x40000
	cloneSetTLS  = 0x80000

	protExec     = 0x4
	mapAnonymous = 0x20
)

var arches = []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}

// Runner returns the profile under which a container runtime starts the runner: what the runner needs
// for ever, and what the runtime and the runner need until the runner has sealed itself.
func Runner() *Profile {
	return &Profile{
		Default: Errno, DefaultErrno: enosys, Arches: slices.Clone(arches),
		Rules: slices.Concat(lasting(), starting(), fatal()),
	}
}

// Sealed returns the filter that the runner puts on itself before it reads a job. It allows nothing that
// [Runner] does not, and kills for what no sealed runner does.
func Sealed() *Profile {
	return &Profile{
		Default: Errno, DefaultErrno: enosys, Arches: slices.Clone(arches),
		Rules: slices.Concat(lasting(), sealedFatal(), fatal()),
	}
}

func allow(reason string, names ...string) Rule {
	return Rule{Names: names, Action: Allow, Reason: reason}
}

func (r Rule) when(args ...Arg) Rule {
	r.Args = args
	return r
}

// lasting lists what a sealed runner goes on using: the Go runtime's own needs, and the pipes.
func lasting() []Rule {
	return []Rule{
		allow("The job comes in on stdin; the runtime's eventfd is read too.", "read"),
		allow("Frames go out on stdout; a fatal error of the Go runtime goes to stderr.", "write"),
		allow("The runner rereads its own status, from a descriptor opened before the seal.", "pread64"),
		allow("Stdin is closed by us when the controller has closed it.", "close"),
		allow("Go's locks, and parked threads.", "futex"),
		allow("Go's scheduler waits for timers.", "epoll_pwait", "nanosleep", "clock_nanosleep"),
		allow("Go's scheduler yields between spins.", "sched_yield"),
		allow("The clock, where the kernel does not answer from the vDSO.", "clock_gettime", "gettimeofday"),
		allow("Go's heap grows: private anonymous memory that cannot be executed.", "mmap").when(
			Arg{Index: 2, Value: protExec, ValueTwo: 0, Op: MaskedEqual},
			Arg{Index: 3, Value: mapAnonymous, ValueTwo: mapAnonymous, Op: MaskedEqual}),
		allow("Go's heap gives memory back.", "munmap", "madvise"),
		allow("The Go runtime makes a thread of this process; any other clone has other flags.", "clone").when(
			Arg{Index: 0, Value: threadMask, ValueTwo: threadFlags, Op: MaskedEqual}),
		allow("A new thread sets up its signal stack and mask; a signal handler returns.",
			"sigaltstack", "rt_sigprocmask", "rt_sigreturn"),
		allow("A thread of the Go runtime ends.", "exit"),
		allow("The runner ends.", "exit_group"),
		allow("The Go scheduler interrupts one of its own threads (the process is alone in its pid namespace).",
			"tgkill", "getpid", "gettid"),
		allow("Seeds of hash maps and of crypto.getRandomValues.", "getrandom"),
		allow("The kernel goes on with an interrupted sleep.", "restart_syscall"),
	}
}

// starting lists what is needed until the runner has sealed itself, and is gone afterwards.
func starting() []Rule {
	return []Rule{
		allow("The container runtime starts the runner. The sealed runner is killed for it.", "execve"),
		allow("The C start-up of a statically linked runtime, and of the Go runtime, sets the thread pointer.", "arch_prctl", "set_tid_address"),
		allow("The Go runtime asks for its processors once.", "sched_getaffinity"),
		allow("The Go runtime installs its signal handlers.", "rt_sigaction"),
		allow("The Go runtime, the container runtime and the runner read and set resource limits.", "prlimit64"),
		allow("The container runtime closes what must not be inherited, and looks at what is open.",
			"openat", "openat2", "statx", "fcntl", "getdents64", "close_range", "fstat", "newfstatat", "readlinkat", "fstatfs", "lseek"),
		allow("Go's epoll and eventfd are opened before the seal.", "epoll_create1", "eventfd2", "epoll_ctl"),
		allow("The runner looks at its own ids and at its host name, to report them.",
			"getuid", "geteuid", "getgid", "getegid", "getgroups", "uname", "getppid"),
		allow("The runner sets no_new_privs.", "prctl"),
		allow("The runner loads its own, tighter filter.", "seccomp"),
	}
}

func killFor(reason string, names ...string) Rule {
	return Rule{Names: names, Action: Kill, Reason: reason}
}

// sealedFatal lists what a sealed runner is killed for, and its runtime was not.
func sealedFatal() []Rule {
	return []Rule{
		killFor("A sealed runner starts no program.", "execve"),
		// prctl is not among them: the Go runtime may try to name its memory mappings with it, and goes on
		// without.
		killFor("A sealed runner changes no filter.", "seccomp"),
	}
}

// fatal lists what no honest runner does at any time: the attempt alone ends the box.
func fatal() []Rule {
	return []Rule{
		killFor("No program is started but by the runtime's execve.", "execveat"),
		killFor("Another process's memory and registers.", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
			"pidfd_getfd", "pidfd_open", "pidfd_send_signal", "kcmp"),
		killFor("A new process, or a new namespace.", "fork", "vfork", "unshare", "setns"),
		killFor("Mounts, old and new.", "mount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree",
			"fsopen", "fsconfig", "fsmount", "fspick"),
		killFor("Files by handle, which ignore the root directory.", "open_by_handle_at", "name_to_handle_at"),
		killFor("A box has no network: a socket of any family.", "socket", "socketpair", "connect", "bind", "listen", "accept",
			"accept4", "sendto", "sendmsg", "sendmmsg", "recvmsg", "recvmmsg"),
		killFor("Kernel interfaces with a long record of escapes.", "io_uring_setup", "io_uring_enter", "io_uring_register",
			"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "vmsplice", "splice", "tee"),
		killFor("The kernel's own code, and the machine.", "kexec_load", "kexec_file_load", "init_module", "finit_module",
			"delete_module", "reboot", "swapon", "swapoff", "acct", "quotactl", "iopl", "ioperm", "modify_ldt", "syslog"),
		killFor("The host's clock and names.", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
			"setdomainname"),
		killFor("Identity and privilege.", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
			"setfsuid", "setfsgid", "capset", "personality"),
		killFor("Device nodes and file handles that no box needs.", "mknod", "mknodat", "memfd_create", "memfd_secret"),
	}
}
