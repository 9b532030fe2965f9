// Package procfs reads what the kernel tells of one process's confinement: of its own process, as a runner in a box
// does, and of another's, as the controller does from outside. It judges nothing.
package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"glovebox/internal/protocol"
)

// Self is the directory of the calling process.
const Self = "/proc/self"

// Dir returns the directory of a process of this pid namespace.
func Dir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

// A Process is what /proc tells of a process.
type Process struct {
	Status     Status
	Mounts     []protocol.Mount
	Namespaces map[string]uint64
	UIDMap     []protocol.IDMapping
	GIDMap     []protocol.IDMapping
	Rlimits    []protocol.Rlimit
	Env        []string // names, as the process was started with
	EnvHidden  bool     // the kernel keeps Env from a reader that is neither root nor of the process's own user
	Interfaces []string // network interfaces
}

// Read reads all that is told of a process. One that has ended, or that this process may not look at, is an error.
func Read(dir string) (Process, error) {
	var p Process
	var errs [8]error
	p.Status, errs[0] = ReadStatus(dir)
	p.Mounts, errs[1] = Mounts(dir)
	p.Namespaces, errs[2] = Namespaces(dir)
	p.UIDMap, p.GIDMap, errs[3] = IDMaps(dir)
	limits, err := os.ReadFile(dir + "/limits")
	errs[4] = err
	p.Rlimits, errs[5] = ParseLimits(string(limits))
	p.Env, errs[6] = environment(dir)
	if os.Geteuid() != 0 && errors.Is(errs[6], fs.ErrPermission) {
		p.EnvHidden, errs[6] = true, nil
	}
	p.Interfaces, errs[7] = Interfaces(dir)
	return p, errors.Join(errs[:]...)
}

// NamespaceFiles names the kinds of namespace, as files of /proc/PID/ns.
var NamespaceFiles = []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}

// Namespaces returns the number of each namespace that the process is in. A kind that this kernel lacks is not there.
func Namespaces(dir string) (map[string]uint64, error) {
	found := map[string]uint64{}
	for _, name := range NamespaceFiles {
		target, err := os.Readlink(dir + "/ns/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// net:[4026531833]
		_, number, _ := strings.Cut(strings.TrimSuffix(target, "]"), ":[")
		if found[name], err = strconv.ParseUint(number, 10, 64); err != nil {
			return nil, fmt.Errorf("procfs: a namespace that is called %.40q", target)
		}
	}
	return found, nil
}

// Mounts returns what is mounted in the process's mount namespace, in the order of mounting: of two at one point the
// later lies over the earlier.
func Mounts(dir string) ([]protocol.Mount, error) {
	table, err := os.ReadFile(dir + "/mountinfo")
	if err != nil {
		return nil, err
	}
	return ParseMounts(string(table)), nil
}

// ParseMounts reads the form of /proc/PID/mountinfo; a line that is cut short is left out. A mount is read-only by its
// own options, or by those of its file system.
func ParseMounts(mountinfo string) []protocol.Mount {
	const rootAt, pointAt, optionsAt, superAt = 3, 4, 5, 2
	var mounts []protocol.Mount
	for line := range strings.Lines(mountinfo) {
		// 36 35 98:0 /root /point options [optional]… - type source superoptions
		mount, fileSystem, _ := strings.Cut(line, " - ")
		fields, super := strings.Fields(mount), strings.Fields(fileSystem)
		if len(fields) <= optionsAt || len(super) == 0 {
			continue
		}
		options := strings.Split(fields[optionsAt], ",")
		m := protocol.Mount{Point: protocol.UnescapeMount(fields[pointAt]), Type: super[0], Root: protocol.UnescapeMount(fields[rootAt])}
		readOnly := slices.Contains(options, "ro") || len(super) > superAt && slices.Contains(strings.Split(super[superAt], ","), "ro")
		if !readOnly {
			m.Options = append(m.Options, "rw")
		}
		for _, option := range []string{"nosuid", "nodev", "noexec"} {
			if slices.Contains(options, option) {
				m.Options = append(m.Options, option)
			}
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// Interfaces returns the names of the network interfaces in the process's network namespace, without a socket.
func Interfaces(dir string) ([]string, error) {
	table, err := os.ReadFile(dir + "/net/dev")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(table)) {
		// The two lines of heading have no colon.
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names, nil
}

// environment returns the names of the variables that the process was started with, unless it has changed them since.
func environment(dir string) ([]string, error) {
	block, err := os.ReadFile(dir + "/environ")
	if err != nil {
		return nil, err
	}
	var names []string
	for pair := range strings.SplitSeq(string(block), "\x00") {
		if name, _, ok := strings.Cut(pair, "="); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// IDMaps returns the maps of the process's user namespace, each as seen from that of the reader.
func IDMaps(dir string) (uids, gids []protocol.IDMapping, err error) {
	uids, uidErr := idMap(dir + "/uid_map")
	gids, gidErr := idMap(dir + "/gid_map")
	return uids, gids, errors.Join(uidErr, gidErr)
}

func idMap(path string) ([]protocol.IDMapping, error) {
	table, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var mappings []protocol.IDMapping
	for line := range bytes.Lines(table) {
		var m protocol.IDMapping
		if _, err := fmt.Sscan(string(line), &m.Inside, &m.Outside, &m.Size); err != nil {
			return nil, fmt.Errorf("procfs: %s: %w", path, err)
		}
		mappings = append(mappings, m)
	}
	return mappings, nil
}
