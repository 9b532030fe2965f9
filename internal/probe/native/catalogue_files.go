package native

import "glovebox/internal/probe"

func fileProbes() []probe.Probe {
	mounts := by(profile, selfSeal, process)
	return []probe.Probe{
		claim("files.write-root", "No file can be made in the root directory.", by(files, process, selfSeal), "Judge0 CVE-2024-28185", unwritable),
		claim("files.write-temp", "There is no directory for temporary files.", by(files, process, selfSeal), "Judge0 CVE-2024-28189", unwritable),
		claim("files.write-shm", "No file can be made in /dev, nor shared memory.", by(files, selfSeal), "shm_overview(7)", unwritable.and("EMFILE")),
		claim("files.write-proc", "No file can be made in /proc.", by(files, process, selfSeal), "proc(5)", unwritable),
		claim("files.write-runner", "The program that runs cannot be written to.", by(files, process, selfSeal), "runc CVE-2019-5736", unwritable.and("ETXTBSY")),
		claim("files.proc-sys", "No setting of the kernel can be written.", by(files, process, selfSeal), "runc CVE-2025-52881; proc(5)", unwritable),
		claim("files.core-pattern", "The program for core dumps, which runs as root on the host, cannot be set.", by(files, process, selfSeal, userNS), "core(5); runc CVE-2025-31133", unwritable),
		claim("files.sysrq-trigger", "The kernel's emergency commands cannot be given.", by(files, process, selfSeal, userNS), "runc CVE-2025-31133", unwritable),
		claim("files.release-agent", "The release agent of a cgroup, which runs as root on the host, cannot be set.", by(files, process, selfSeal, userNS), "CVE-2022-0492", unwritable),
		claim("files.cgroup", "The box's own limits cannot be changed.", by(files, process, selfSeal, userNS), "cgroups(7)", unwritable),
		claim("files.oom-score", "The kernel cannot be told to spare the box when memory runs out.", by(process, userNS, selfSeal), "proc(5), oom_score_adj", unwritable.and("EFBIG")),
		claim("files.host-files", "No file of the host's is there.", by(files, selfSeal), "runc CVE-2024-21626", unreadable),
		claim("files.proc-root", "The root of another process is not a way out.", by(files, selfSeal), "proc(5)", unreadable),
		claim("files.kcore", "The kernel's memory cannot be read.", by(files, process, selfSeal, userNS), "proc(5), kcore", unreadable),
		claim("files.proc-kernel", "What /proc tells of the kernel's insides is masked.", by(files, selfSeal), "proc(5)", unreadable),
		claim("files.proc-keys", "No key of the kernel's is listed.", by(files, selfSeal, gVisor), "keyrings(7)", unreadable),
		claim("files.sys", "There is no /sys.", by(files, selfSeal), "sysfs(5)", unreadable),
		claim("files.devices", "There is no device.", by(files, selfSeal), "null(4)", unreadable.and("EBADFD")),
		claim("files.mknod", "No device node can be made.", by(profile, selfSeal, process, files, userNS), "mknod(2)", refused.and("EROFS", "EACCES")),
		claim("files.mount", "Nothing can be mounted.", mounts, "mount(2); CVE-2022-0185", refused),
		claim("files.remount", "The read-only root cannot be made writable.", mounts, "mount(2)", refused),
		claim("files.unmount", "What masks a file cannot be taken away.", mounts, "umount(2)", refused),
		claim("files.new-mount-api", "No file system is opened by the newer calls.", mounts, "CVE-2022-0185; fsopen(2)", refused),
		claim("files.open-tree", "No copy of a mount is made.", mounts, "open_tree(2)", refused),
		claim("files.move-mount", "No mount is moved.", mounts, "move_mount(2)", refused),
		claim("files.mount-setattr", "No mount gets other attributes.", mounts, "mount_setattr(2)", refused),
		claim("files.pivot-root", "The root cannot be exchanged.", mounts, "pivot_root(2)", refused),
		claim("files.chroot", "The root directory cannot be changed.", mounts, "chroot(2)", refused),
		claim("files.by-handle", "No file is opened by its handle, past the root directory.", by(profile, selfSeal, process, userNS), "shocker.c; open_by_handle_at(2)", refused),
		claim("files.openat2-escape", "openat2 does not leave the root.", by(files, selfSeal), "openat2(2); runc CVE-2024-21626", unreadable),
		claim("files.leaked-descriptors", "No descriptor leads out of the box.", by(process, selfSeal), "runc CVE-2024-21626", unreadable.and("EBADF")),
		claim("files.other-box", "Nothing of a neighbour's is in any file.", by(files, selfSeal), "dify-sandbox#225", unconfirmed),
	}
}

func processProbes() []probe.Probe {
	filters := by(profile, selfSeal)
	return []probe.Probe{
		claim("process.fork", "fork starts no process.", filters, "fork(2)", refused),
		claim("process.vfork", "vfork starts no process.", filters, "vfork(2)", refused),
		claim("process.clone-process", "clone starts no process.", filters, "clone(2)", refused),
		claim("process.clone-namespace", "clone makes no namespace.", filters, "user_namespaces(7); CVE-2022-0492", refused),
		claim("process.clone3", "clone3, whose flags no filter can see, is not there.", filters, "clone(2), clone3", refused),
		claim("process.execve", "A sealed process starts no program.", by(selfSeal), "execve(2)", refused),
		claim("process.execveat", "No program is started from a descriptor.", filters, "execveat(2)", refused),
		claim("process.memfd", "No program can be put into memory to be started.", filters, "memfd_create(2)", refused),
		claim("process.executable-memory", "A process gets no memory to execute.", filters, "mmap(2), W^X", refused),
		claim("process.unshare-user", "No user namespace is made, and with it no capabilities.", filters, "CVE-2022-0185, CVE-2023-32233; user_namespaces(7)", refused),
		claim("process.unshare-mount", "No mount namespace is made.", with(filters, process), "unshare(2)", refused),
		claim("process.setns", "No namespace is entered.", filters, "setns(2)", refused),
		claim("process.ptrace", "No process is traced.", with(filters, namespaces, process), "ptrace(2); CVE-2019-13272", refused),
		claim("process.memory", "The memory of no other process is read.", by(selfSeal, namespaces, process), "process_vm_readv(2)", unwritable.and("ESRCH")),
		claim("process.pidfd", "No descriptor of a process is given.", filters, "pidfd_open(2)", refused),
		claim("process.pidfd-getfd", "No descriptor is taken from another process.", filters, "pidfd_getfd(2)", refused),
		claim("process.pidfd-signal", "No signal is sent by a descriptor of a process.", filters, "pidfd_send_signal(2)", refused),
		claim("process.kcmp", "Processes are not compared.", with(filters, namespaces, process), "kcmp(2)", refused),
		claim("process.signal-others", "No process of the host's or of another box can be signalled.", by(namespaces, process), "pid_namespaces(7); kill(2)", refused.and("ESRCH", "EINVAL")),
		claim("process.see-others", "No other process is seen.", by(namespaces, selfSeal), "pid_namespaces(7)", unconfirmed),
		claim("process.environment-of-others", "The environment of no other process is read.", by(namespaces, process, selfSeal), "proc(5), environ", unconfirmed.and("EACCES")),
		claim("process.setuid", "The process does not become root.", with(filters, process), "setuid(2)", refused),
		claim("process.setgid", "The process does not join the group root.", with(filters, process), "setgid(2)", refused),
		claim("process.setgroups", "The process changes no groups.", with(filters, process), "setgroups(2)", refused),
		claim("process.capset", "The process gives itself no capability.", with(filters, process), "capset(2)", refused),
		claim("process.capabilities", "The process has no capability.", by(process, selfSeal), "capabilities(7)", unconfirmed),
		claim("process.ambient-capability", "The process hands no capability on.", by(process, selfSeal), "capabilities(7)", refused),
		claim("process.gain-privileges", "no_new_privs is set.", by(process, selfSeal), "prctl(2), PR_SET_NO_NEW_PRIVS", unconfirmed),
		claim("process.root", "The process is not root, not even of its own namespace.", by(process, selfSeal), "user_namespaces(7)", unconfirmed),
		claim("process.priority", "The process takes no precedence over others.", with(filters, process), "setpriority(2)", refused.and("EACCES")),
		claim("process.real-time", "The process gets no real-time priority.", with(filters, process), "sched(7)", refused),
		claim("process.descriptors", "No descriptor was inherited but the standard ones.", by(process, selfSeal), "runc CVE-2024-21626", unconfirmed),
		claim("process.own-environment", "The environment tells nothing of the host's.", by(process), "environ(7)", unconfirmed),
	}
}

func limitProbes() []probe.Probe {
	died := unconfirmed.and("EAGAIN", "ENOMEM")
	return []probe.Probe{
		alone(claim("limits.thread-bomb", "A bomb of threads ends in its own box.", by(cgroup, gVisor), "cgroup pids", died)),
		alone(claim("limits.fork-bomb", "A bomb of processes starts none.", by(profile, selfSeal, cgroup), "cgroup pids; fork bombs", refused.and("EAGAIN"))),
		claim("limits.descriptors", "A process gets few descriptors.", by(process, selfSeal), "getrlimit(2), RLIMIT_NOFILE", refused.and("EMFILE")),
		claim("limits.raise", "A limit cannot be raised.", by(process, selfSeal), "getrlimit(2)", refused),
		claim("limits.inotify", "The host's inotify instances cannot be used up.", by(profile, selfSeal), "inotify(7)", refused),
		claim("limits.memory-lock", "No memory is locked.", by(profile, selfSeal, process), "mlock(2)", refused.and("ENOMEM")),
		claim("limits.message-queues", "No message queue is made.", by(profile, selfSeal, process), "mq_overview(7)", refused.and("EMFILE", "EACCES")),
		claim("limits.async-io", "No asynchronous I/O, which the whole host shares a number of, is set up.", by(profile, selfSeal), "io_setup(2), aio-max-nr", refused),
		claim("limits.timers", "No kernel timer is made.", by(profile, selfSeal), "timer_create(2)", refused),
		claim("limits.file-size", "No file can grow.", by(process, selfSeal), "getrlimit(2), RLIMIT_FSIZE", unconfirmed),
		claim("limits.core", "No core dump is written.", by(process, selfSeal), "getrlimit(2), RLIMIT_CORE; core(5)", unconfirmed),
		alone(claim("limits.memory", "A box that takes more memory than its limit is ended.", by(cgroup), "gvisor#13777; cgroup memory", died)),
		alone(claim("limits.processor", "A box gets no more of the processors than its limit.", by(cgroup), "gvisor#13777; cgroup cpu", unconfirmed)),
		alone(claim("limits.neighbour-latency", "A neighbour goes on while a box burns all that it gets.", by(cgroup), "cgroup cpu", unconfirmed)),
		alone(claim("limits.kill", "A box that will not end is killed soon after its time.", by(cgroup), "piston#196: timeouts bypassed by signals", unconfirmed)),
	}
}

func hostProbes() []probe.Probe {
	ipc := by(profile, selfSeal)
	return []probe.Probe{
		claim("host.name", "The host's name is not told.", by(namespaces, selfSeal), "uts_namespaces(7)", unconfirmed),
		claim("host.set-name", "The host's name cannot be set.", by(profile, selfSeal, process), "sethostname(2)", refused),
		claim("host.load", "What the host is busy with is not told.", by(files, selfSeal, gVisor), "proc(5); co-residency detection", unreadable),
		claim("host.cgroup-path", "The box's place among the host's cgroups is not told.", by(namespaces, selfSeal), "cgroup_namespaces(7)", unconfirmed),
		claim("host.shared-memory", "Shared memory of the host's is out of reach.", by(profile, selfSeal, namespaces), "sysvipc(7)", unreadable),
		claim("host.semaphores", "No semaphore of System V's is made.", ipc, "sysvipc(7)", refused),
		claim("host.messages", "No message queue of System V's is made.", ipc, "sysvipc(7)", refused),
		claim("tty.inject", "Nothing can be typed into a terminal.", by(profile, selfSeal, process), "CVE-2017-5226 (TIOCSTI)", refused.and("ENOTTY")),
		claim("tty.controlling", "There is no terminal.", by(files, selfSeal), "runc CVE-2025-52565; tty(4)", unwritable),
		claim("tty.standard-streams", "The standard streams are no devices.", by(process, selfSeal), "runc CVE-2025-52565", unconfirmed),
		claim("memory.other-box", "Fresh memory holds nothing of another's.", by(namespaces), "mmap(2)", unconfirmed),
	}
}
