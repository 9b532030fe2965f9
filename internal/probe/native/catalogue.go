package native

import (
	"runtime"
	"slices"
	"time"

	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

// Probes returns all native probes, in the order of a report.
func Probes() []probe.Probe {
	all := slices.Concat(syscallProbes(), networkProbes(), fileProbes(), processProbes(), limitProbes(), hostProbes())
	for i := range all {
		all[i].Family = probe.Native
		if all[i].Deadline == 0 {
			all[i].Deadline = usualDeadline
		}
	}
	return all
}

const usualDeadline = 10 * time.Second

// The layers by shorter names.
const (
	process    = sandbox.LayerProcess
	selfSeal   = sandbox.LayerSelfSeal
	profile    = sandbox.LayerSeccomp
	namespaces = sandbox.LayerNamespaces
	userNS     = sandbox.LayerUserNamespace
	files      = sandbox.LayerFileSystem
	cgroup     = sandbox.LayerCgroup
	gVisor     = sandbox.LayerGVisor
)

func by(layers ...string) []string { return layers }

func with(layers []string, more ...string) []string { return slices.Concat(layers, more) }

// Expectations that many probes share.
var (
	// refused: a filter kills for the call, or has it fail as if it did not exist. Docker before 23.0 says EPERM.
	refused = answers("ENOSYS", "EPERM").or(probe.DeniedKilled)
	// unreadable: it is not there, holds nothing, or may not be opened; after the seal nothing may.
	unreadable = answers("ENOSYS", "EPERM", "EACCES", "ENXIO", "ENODEV").or(probe.DeniedAbsent, probe.DeniedKilled)
	// unwritable: besides, it is read-only, or masked by what keeps nothing.
	unwritable = answers("ENOSYS", "EPERM", "EACCES", "EROFS", "EISDIR", "ENXIO", "ENODEV").or(probe.DeniedAbsent, probe.DeniedContained, probe.DeniedKilled)
	// unconfirmed: it was looked for, and is not so.
	unconfirmed = answers("ENOSYS", "EPERM").or(probe.DeniedContained, probe.DeniedAbsent, probe.DeniedKilled)
)

type expectation struct{ probe.Expect }

func answers(errnos ...string) expectation {
	return expectation{probe.Expect{Denials: []probe.Denial{probe.DeniedErrno}, Errnos: errnos}}
}

func (e expectation) or(more ...probe.Denial) expectation {
	e.Denials = slices.Concat(e.Denials, more)
	return e
}

// and allows more errors.
func (e expectation) and(errnos ...string) expectation {
	e.Errnos = slices.Concat(e.Errnos, errnos)
	return e
}

func claim(id, text string, layers []string, reference string, expect expectation) probe.Probe {
	return probe.Probe{ID: id, Claim: text, Layers: layers, Reference: reference, Expect: expect.Expect}
}

// alone gives a probe a box of its own.
func alone(p probe.Probe) probe.Probe {
	p.Disturbs = true
	return p
}

// amd64Only are the probes of what other processors do not have.
var amd64Only = []string{"abi.int80", "abi.x32", "process.fork", "process.vfork", "kernel.io-ports", "kernel.modify-ldt"}

// onThisProcessor reports whether a probe's trial exists for this processor.
func onThisProcessor(id string) bool {
	return runtime.GOARCH == "amd64" || !slices.Contains(amd64Only, id)
}

func syscallProbes() []probe.Probe {
	filters := by(profile, selfSeal, gVisor)
	return []probe.Probe{
		claim("syscall.sweep", "Of every system call from 0 to past the newest, those that are allowed are those that package seccomp declares.",
			by(profile, selfSeal), "seccomp(2); dify-sandbox#274", refused),
		alone(claim("abi.int80", "A system call by the 32-bit ABI is not made.", by(profile, selfSeal), "seccomp(2), on architectures; CVE-2019-2054", refused)),
		alone(claim("abi.x32", "A system call of the x32 ABI is not made.", by(profile, selfSeal), "seccomp(2), on the x32 ABI; CVE-2014-0038", refused)),
		claim("kernel.io-uring", "io_uring, which makes calls that no filter sees, cannot be set up.", with(filters, process), "CVE-2022-29582, CVE-2023-2598; io_uring_setup(2)", refused),
		claim("kernel.bpf", "No BPF map or program is loaded.", with(filters, userNS, process), "CVE-2020-8835, CVE-2021-3490; bpf(2)", refused),
		claim("kernel.userfaultfd", "userfaultfd, which makes races of the kernel winnable, is not given.", filters, "userfaultfd(2); vm.unprivileged_userfaultfd", refused),
		claim("kernel.keyrings", "The kernel's keyrings, which know no namespace but the user's, are out of reach.", filters, "CVE-2016-0728; keyctl(2)", refused),
		claim("kernel.perf-events", "No performance counter is opened.", filters, "CVE-2013-2094; perf_event_open(2)", refused),
		claim("kernel.modules", "No kernel module is loaded or removed.", with(filters, userNS, process), "init_module(2)", refused),
		claim("kernel.kexec", "No other kernel is loaded.", with(filters, userNS, process), "kexec_load(2)", refused),
		claim("kernel.reboot", "The machine is not restarted.", with(filters, userNS, process), "reboot(2)", refused),
		claim("kernel.swap", "No swap area is added.", with(filters, userNS, process), "swapon(2)", refused),
		claim("kernel.accounting", "Process accounting, which writes to a file of the host's, cannot be set.", with(filters, userNS, process), "acct(2)", refused),
		claim("kernel.quotas", "Quotas of file systems cannot be asked for or set.", filters, "quotactl(2)", refused),
		claim("kernel.io-ports", "No right to the processor's ports is given.", with(filters, userNS, process), "iopl(2)", refused),
		claim("kernel.modify-ldt", "No segment descriptor is read or written.", filters, "CVE-2017-17053; modify_ldt(2)", refused),
		claim("kernel.log", "The kernel's log cannot be read.", by(profile, selfSeal, files, process, gVisor), "syslog(2); kernel.dmesg_restrict", unreadable),
		claim("kernel.clock", "The parameters of the host's clock cannot be read or set.", filters, "adjtimex(2)", refused),
		claim("kernel.clock-set", "The host's clock cannot be set.", with(filters, userNS, process), "clock_settime(2)", refused),
		claim("kernel.personality", "The execution domain, which can switch randomised addresses off, cannot be changed.", filters, "personality(2)", refused),
		claim("kernel.seccomp-remove", "The filter cannot be taken off again.", by(profile, selfSeal), "seccomp(2)", refused.and("EINVAL", "EFAULT")),
		claim("kernel.splice", "Pages cannot be moved between pipes and files.", filters, "CVE-2022-0847 (Dirty Pipe)", refused),
	}
}

func networkProbes() []probe.Probe {
	socket := func(id, what, reference string) probe.Probe {
		return claim(id, what+" is not given.", by(profile, selfSeal, gVisor), reference, refused)
	}
	return []probe.Probe{
		socket("net.socket-inet", "An IPv4 socket", "socket(2); Judge0 CVE-2024-29021"),
		socket("net.socket-inet6", "An IPv6 socket", "socket(2)"),
		socket("net.socket-unix", "A Unix socket", "unix(7)"),
		socket("net.socket-netlink", "A netlink socket", "netlink(7); CVE-2022-2588"),
		claim("net.socket-packet", "A packet socket is not given.", by(profile, selfSeal, process, gVisor), "packet(7); CVE-2020-14386", refused),
		claim("net.socket-raw", "A raw socket is not given.", by(profile, selfSeal, process, gVisor), "raw(7)", refused),
		socket("net.socket-vsock", "A socket to the hypervisor", "vsock(7); CVE-2021-26708"),
		socket("net.socket-alg", "A socket of the kernel's ciphers", "AF_ALG; CVE-2019-8912"),
		socket("net.socket-families", "A socket of any other family", "address_families(7)"),
		socket("net.socketpair", "A pair of sockets", "socketpair(2); CVE-2021-0920"),
		claim("net.metadata-address", "The metadata service of a cloud is out of reach.", by(profile, selfSeal, namespaces, gVisor), "Judge0 CVE-2024-29021 (SSRF); 169.254.169.254", refused.and("ENETUNREACH")),
		claim("net.metadata-address6", "The metadata service of a cloud is out of reach by IPv6.", by(profile, selfSeal, namespaces, gVisor), "fd00:ec2::254", refused.and("ENETUNREACH")),
		claim("net.host-loopback", "What listens on the host's loopback is out of reach.", by(profile, selfSeal, namespaces, gVisor), "Judge0 CVE-2024-29021", refused.and("ENETUNREACH", "ECONNREFUSED")),
		claim("net.docker-socket", "The socket of the Docker daemon, which is root on the host, is not there.", by(files, selfSeal), "deer-flow#3516, OpenHands#1691", unreadable.and("ECONNREFUSED")),
		claim("net.abstract-socket", "Abstract sockets of the host's are out of reach.", by(profile, selfSeal, namespaces, gVisor), "CVE-2020-15257", refused.and("ECONNREFUSED")),
		claim("net.interfaces", "There is no network interface but lo.", by(namespaces, selfSeal, gVisor), "network_namespaces(7)", unreadable),
		claim("net.routes", "There is no route.", by(namespaces, selfSeal, gVisor), "network_namespaces(7)", unreadable),
		claim("net.connections", "No connection of the host's is seen.", by(namespaces, selfSeal, gVisor), "network_namespaces(7)", unreadable),
		claim("net.unix-names", "No Unix socket of the host's is seen.", by(namespaces, selfSeal, gVisor), "network_namespaces(7)", unreadable),
		claim("net.inherited-socket", "No socket was inherited.", by(process, selfSeal), "runc CVE-2024-21626", unconfirmed),
	}
}
