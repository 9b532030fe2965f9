package oci

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

// A rootless is what a user without privileges makes boxes with. The box's user namespace maps two ids:
// root, under which the runtime sets the box up, is the user; the runner is one of the user's
// subordinate ids, which is nobody else's.
type rootless struct {
	uid, gid int
	ids      sandbox.UIDRange // subordinate, for users and for groups alike
	base     string           // the delegated cgroup, below the mount point
}

// findRootless returns what this process's user has, or why that is not enough. It changes nothing.
func findRootless(runtime Runtime, groups hierarchies) (rootless, error) {
	r := rootless{uid: os.Geteuid(), gid: os.Getegid()}
	// What no user can change stands first.
	for _, check := range []func() error{
		func() error { return checkUnified(groups) },
		func() error { return checkUserNamespaces("/proc/sys", runtime.Path) },
		func() error { return checkRootlessRuntime(runtime.Kind, os.Getgroups) },
		func() error { return checkMappers(filepath.SplitList(runtimePath)) },
	} {
		if err := check(); err != nil {
			return rootless{}, rootlessError(err)
		}
	}
	var err error
	if r.ids, err = subordinateIDs(r.uid); err != nil {
		return rootless{}, rootlessError(err)
	}
	if r.base, err = findDelegated(groups.unified); err != nil {
		return rootless{}, rootlessError(err)
	}
	return r, nil
}

// rootlessError adds the ways out that there always are.
func rootlessError(err error) error {
	return fmt.Errorf("oci: without root there are no boxes here: %w; or run glovebox with sudo, or use a Docker daemon that you may "+
		"talk to (--driver docker)", err)
}

// checkRootlessRuntime fails where a box would be less sealed than one that root makes.
func checkRootlessRuntime(kind sandbox.Kind, supplementary func() ([]int, error)) error {
	switch kind {
	case sandbox.KindRunsc:
		return errors.New("gVisor's runsc puts no limits on a box that a user makes: sudo apt-get install crun, and take that (--runtime crun)")
	case sandbox.KindRunc:
		if groups, err := supplementary(); err != nil || len(groups) > 0 {
			return fmt.Errorf("runc would leave its user's supplementary groups %v to the box: sudo apt-get install crun, "+
				"and take that (--runtime crun)", groups)
		}
	}
	return nil
}

// checkUserNamespaces fails where a user without privileges gets no user namespace. sys is /proc/sys.
func checkUserNamespaces(sys, program string) error {
	if most, err := cgroup.Number(filepath.Join(sys, "user/max_user_namespaces")); err != nil || most == 0 {
		return errors.New("this kernel gives no user namespaces: sudo sysctl user.max_user_namespaces=10000")
	}
	if allowed, err := cgroup.Number(filepath.Join(sys, "kernel/unprivileged_userns_clone")); err == nil && allowed == 0 {
		return errors.New("this kernel gives user namespaces to root alone: sudo sysctl kernel.unprivileged_userns_clone=1")
	}
	// AppArmor's profiles name the system's programs.
	known := slices.Contains([]string{"/usr/bin", "/usr/sbin"}, filepath.Dir(program))
	if restricted, err := cgroup.Number(filepath.Join(sys, "kernel/apparmor_restrict_unprivileged_userns")); err == nil && restricted != 0 && !known {
		return fmt.Errorf("AppArmor gives %s no user namespace with rights in it: use the system's (--runtime /usr/bin/crun), or "+
			"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0", program)
	}
	return nil
}

// checkMappers looks for the two programs that may give a user namespace subordinate ids.
func checkMappers(dirs []string) error {
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if !slices.ContainsFunc(dirs, func(dir string) bool { return privileged(filepath.Join(dir, name)) }) {
			return fmt.Errorf("%s, which gives a box its ids, is not installed with root's rights: sudo apt-get install uidmap", name)
		}
	}
	return nil
}

// privileged reports whether a program gets rights of its own when it is executed: by its mode or by file
// capabilities.
func privileged(path string) bool {
	info, err := os.Stat(path)
	if err != nil || unix.Access(path, unix.X_OK) != nil {
		return false
	}
	_, err = unix.Getxattr(path, "security.capability", nil)
	return info.Mode()&os.ModeSetuid != 0 || err == nil
}

// checkUnified fails where another version of cgroups keeps the limits.
func checkUnified(groups hierarchies) error {
	if !groups.isV2() {
		return errors.New("cgroup version 1 keeps this host's limits, and cannot be given to a user safely: " +
			"boot with systemd.unified_cgroup_hierarchy=1")
	}
	return nil
}

// subordinateIDs returns the first run of ids that belong to the user as user ids and as group ids.
func subordinateIDs(uid int) (sandbox.UIDRange, error) {
	names := []string{strconv.Itoa(uid)}
	if account, err := user.LookupId(names[0]); err == nil {
		names = append(names, account.Username)
	}
	var owned [2][]sandbox.UIDRange
	for i, path := range []string{"/etc/subuid", "/etc/subgid"} {
		f, err := os.Open(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return sandbox.UIDRange{}, err
		}
		if err == nil {
			owned[i], err = parseSubordinate(f, names)
			if err := errors.Join(err, f.Close()); err != nil {
				return sandbox.UIDRange{}, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	ids := common(owned[0], owned[1])
	if ids.Count < idsForOneBox {
		name := names[len(names)-1]
		return sandbox.UIDRange{}, fmt.Errorf("%s has no subordinate ids that are the same in /etc/subuid and /etc/subgid: "+
			"sudo usermod --add-subuids 524288-589823 --add-subgids 524288-589823 %[1]s (with a range that nobody has)", name)
	}
	return ids, nil
}

// idsForOneBox is how many ids a box claims.
const idsForOneBox = 2

// parseSubordinate reads the form of subuid(5), name:first:count, for whoever has one of the names.
func parseSubordinate(r io.Reader, names []string) ([]sandbox.UIDRange, error) {
	var owned []sandbox.UIDRange
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Split(strings.TrimSpace(lines.Text()), ":")
		if len(fields) != 3 || !slices.Contains(names, fields[0]) {
			continue
		}
		first, err := strconv.ParseUint(fields[1], 10, 31)
		count, countErr := strconv.ParseUint(fields[2], 10, 31)
		if err == nil && countErr == nil && first > 0 {
			owned = append(owned, sandbox.UIDRange{First: int(first), Count: int(count)})
		}
	}
	return owned, lines.Err()
}

// common returns the first run of ids that is in both lists.
func common(a, b []sandbox.UIDRange) sandbox.UIDRange {
	for _, x := range a {
		for _, y := range b {
			first, end := max(x.First, y.First), min(x.First+x.Count, y.First+y.Count)
			if end-first >= idsForOneBox {
				return sandbox.UIDRange{First: first, Count: end - first}
			}
		}
	}
	return sandbox.UIDRange{}
}

// holds reports whether every id of a range is the user's.
func (r rootless) holds(ids sandbox.UIDRange) bool {
	return ids.First >= r.ids.First && ids.Count <= r.ids.Count && ids.First-r.ids.First <= r.ids.Count-ids.Count
}
