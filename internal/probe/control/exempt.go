package control

import "glovebox/internal/sandbox"

// notRun names the probes that no control is made of, and why.
var notRun = map[string]string{
	"kernel.modules":           "a control that succeeds has changed the machine's kernel",
	"kernel.kexec":             "a control that succeeds has replaced the machine's kernel",
	"kernel.reboot":            "a control that succeeds has restarted the machine",
	"kernel.clock-set":         "a control that succeeds has set the machine's clock",
	"kernel.seccomp-remove":    "no kernel takes a filter off: there is nothing to lift",
	"limits.neighbour-latency": "what it would take away the control of limits.processor takes away; two boxes that burn both processors would disturb the machine",
	"memory.other-box":         "no kernel gives a process memory that it has not cleared: there is nothing to lift",
	"tty.inject":               "a control would have to be given the terminal of whoever runs the audit",
	"tty.standard-streams":     "a control would have to be given the terminal of whoever runs the audit",
}

// machineRoot names the probes that this kernel lets the machine's own root alone do, and no root of a user namespace. They
// are tried, without all their layers; where they are stopped all the same, that is told as a control that was not run, with
// what came back. What this kernel has not got at all is not applicable.
var machineRoot = []string{
	"kernel.bpf", "kernel.swap", "kernel.accounting", "kernel.io-ports", "kernel.log", "files.core-pattern",
	"files.sysrq-trigger", "files.release-agent", "files.cgroup", "files.kcore", "files.oom-score", "files.mknod", "files.by-handle",
	"process.priority", "process.real-time",
}

const whyMachineRoot = "only the machine's own root may do it here, and no root of a user namespace: a control would have to be that"

// kernelRefuses says why this kernel may refuse a probe though every layer is lifted, with the error that is the proof. Any
// other answer is a control that failed.
var kernelRefuses = map[string]refusal{
	"abi.x32":               {"ENOSYS", "this kernel has no x32 ABI"},
	"net.socket-alg":        {"EAFNOSUPPORT", "this kernel has no sockets of its ciphers"},
	"net.socket-vsock":      {"EAFNOSUPPORT", "this kernel has no sockets to a hypervisor"},
	"files.write-proc":      {"ENOENT", "no file can be made in /proc by anybody"},
	"files.write-runner":    {"ETXTBSY", "no program that runs can be written to by anybody; CVE-2019-5736 waited until it ran no more"},
	"net.metadata-address6": {"EAFNOSUPPORT", "this kernel has no IPv6"},
}

type refusal struct{ errno, why string }

// besides names layers that have to go with those of a probe. runc starts no box under the profile without no_new_privs.
// Whether the engine sees in time how a string doubles is a race, so a control without the cgroup alone would show either.
var besides = map[string][]string{
	"process.gain-privileges": {sandbox.LayerSeccomp},
	"bomb.growth":             {sandbox.LayerEngine},
}
