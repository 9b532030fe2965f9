package sandbox

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"glovebox/internal/procfs"
	"glovebox/internal/protocol"
)

// namespaceFiles are the names that /proc gives to namespaces.
var namespaceFiles = map[Namespace]string{
	PIDNamespace: "pid", NetworkNamespace: "net", IPCNamespace: "ipc", UTSNamespace: "uts", MountNamespace: "mnt", CgroupNamespace: "cgroup",
}

// hostNamespaces returns the namespaces of this host that a box must not be in: this process's own, and those of the
// host's first process, as far as it may be looked at.
func hostNamespaces() (all []map[string]uint64, err error) {
	own, err := procfs.Namespaces(procfs.Self)
	if err != nil {
		return nil, err
	}
	all = append(all, own)
	if first, err := procfs.Namespaces(procfs.Dir(1)); err == nil {
		all = append(all, first)
	}
	return all, nil
}

// namespaces checks that a box shares none of those with the host that it should have for itself.
func (l look) namespaces(seen map[string]uint64) {
	hosts, err := l.hosts()
	if err != nil {
		l.same("namespaces", "known", err.Error())
		return
	}
	private := func(claim, file string) {
		its, known := seen[file]
		shared := func(host map[string]uint64) bool { return host[file] == its }
		switch {
		case !known:
			l.same(claim, "its own", "unknown")
		case slices.ContainsFunc(hosts, shared):
			l.same(claim, "its own", "the host's")
		default:
			l.same(claim, "its own", "its own")
		}
	}
	for _, ns := range l.spec.Namespaces {
		if ns == CgroupNamespace && l.gVisor {
			l.untold("namespaces.cgroup", "gVisor shows a box no cgroup of the host")
			continue
		}
		private("namespaces."+string(ns), namespaceFiles[ns])
	}
	if l.isolation.UserNamespace {
		private("namespaces.user", "user")
	}
}

// idMaps checks what ids of the host a box's user namespace reaches.
func (l look) idMaps(uids, gids []protocol.IDMapping) {
	if !l.isolation.UserNamespace {
		return
	}
	for _, ids := range []struct {
		claim string
		seen  []protocol.IDMapping
	}{{"user-namespace.users", uids}, {"user-namespace.groups", gids}} {
		if l.expect.IDMap != nil && !l.gVisor { // gVisor's kernel has a narrower one of its own
			l.same(ids.claim, l.expect.IDMap, ids.seen)
			continue
		}
		root := len(ids.seen) == 0 || slices.ContainsFunc(ids.seen, func(m protocol.IDMapping) bool { return m.Outside == 0 })
		l.same(ids.claim+".root", false, root)
	}
}

// mounts checks what is mounted in a box; exists tells whether its /proc has a path at all.
func (l look) mounts(mounts []protocol.Mount, exists func(path string) bool) {
	last := map[string]int{} // of two at one point the later is seen
	for i, m := range mounts {
		last[m.Point] = i
	}
	at := func(point string) (protocol.Mount, bool) {
		i, ok := last[point]
		if !ok {
			return protocol.Mount{}, false
		}
		return mounts[i], true
	}
	root, ok := at("/")
	if l.spec.ReadOnlyRoot {
		l.same("root.read-only", true, ok && !root.Writable())
	}
	if l.gVisor {
		l.untold("masked-paths", "gVisor masks nothing: its /proc tells of its own kernel")
		l.untold("readonly-paths", "gVisor makes nothing read-only: its /proc is its own kernel's")
	} else {
		l.held("masked-paths.open", l.spec.MaskedPaths, at, exists, func(m protocol.Mount) bool { return m.Type != "proc" && m.Type != "sysfs" })
		l.held("readonly-paths.open", l.spec.ReadonlyPaths, at, exists, func(m protocol.Mount) bool { return !m.Writable() })
	}
	known := map[string]bool{"/": true}
	for _, paths := range [][]string{l.spec.MaskedPaths, l.spec.ReadonlyPaths} {
		for _, point := range paths {
			known[point] = true
		}
	}
	masked := map[string]int{} // the last mount over each path that is to be hidden
	for _, point := range l.spec.MaskedPaths {
		if i, ok := last[point]; ok {
			masked[point] = i
		}
	}
	var more, writable []string
	for i, m := range mounts {
		if m.Point == "/" || isHidden(i, m.Point, masked) {
			continue
		}
		may, expected := l.mounted(m.Point)
		switch {
		case m.Point == "/proc":
			may.Writable, expected = true, m.Type == "proc" && m.Root == "/"
		case known[m.Point]:
			expected = true
		case may.OfRoot && (m.Root != path.Join(root.Root, m.Point) || m.Type != root.Type):
			expected = false
		}
		if !expected || last[m.Point] != i { // a second one hides the one that was to be seen there
			more = append(more, m.Point)
		}
		if m.Writable() && !may.Writable {
			writable = append(writable, m.Point)
		}
	}
	l.same("mounts.unexpected", []string(nil), more)
	l.same("mounts.writable", []string(nil), writable)
}

// mounted says what may be mounted at a point, if anything.
func (l look) mounted(point string) (may Mounted, ok bool) {
	if may, ok = l.expect.Mounts[point]; ok {
		return may, true
	}
	for len(point) > 1 {
		point = path.Dir(point)
		if may = l.expect.Mounts[point]; may.Below {
			return may, true
		}
	}
	return Mounted{}, false
}

// held checks paths that are to be mounted over, those that are there at all.
func (l look) held(claim string, paths []string, at func(string) (protocol.Mount, bool), exists func(string) bool, holds func(protocol.Mount) bool) {
	var open []string
	for _, point := range paths {
		m, mounted := at(point)
		there := mounted || strings.HasPrefix(point, "/proc/") && exists(point)
		if there && !(mounted && holds(m)) {
			open = append(open, point)
		}
	}
	l.same(claim, []string(nil), open)
}

// isHidden reports whether a later mount than the i-th lies over a masked path that the point is, or is below.
func isHidden(i int, point string, masked map[string]int) bool {
	for ; len(point) > 1; point = path.Dir(point) {
		if over, ok := masked[point]; ok && over > i {
			return true
		}
	}
	return false
}

// capabilityBits are the names of capabilities, in the order of their bits.
var capabilityBits = strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID
	CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER
	CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE
	CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP
	CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF
	CAP_CHECKPOINT_RESTORE`)

var errNoCapability = errors.New("there is no such capability")

// capabilityMask returns the bits of capabilities by their names.
func capabilityMask(names []string) (mask uint64, err error) {
	for _, name := range names {
		bit := slices.Index(capabilityBits, name)
		if bit < 0 {
			return 0, fmt.Errorf("%w: %s", errNoCapability, name)
		}
		mask |= 1 << bit
	}
	return mask, nil
}
