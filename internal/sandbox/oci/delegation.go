package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox/cgroup"
)

// A cgroup of version 2 whose controllers serve the cgroups in it holds no process itself. So whoever is in
// a delegated cgroup is moved into one of this name in it, beside the boxes.
const leafName = "glovebox.leaf"

// delegatedControllers are what a box's limits are kept by.
var delegatedControllers = []string{"cpu", "memory", "pids"}

// delegateHint has systemd start a command in a cgroup that is the user's.
const delegateHint = "systemd-run --user --scope --property=Delegate=yes glovebox ..."

// findDelegated returns the cgroup, below the mount point, in which this process's user may make others.
func findDelegated(point string) (string, error) {
	file, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	own, ok := parseOwnCgroup(string(file))
	if !ok {
		return "", errors.New("this process is in no cgroup of version 2 that can be seen from here: " + delegateHint)
	}
	if filepath.Base(own) == leafName { // moved there before
		own = filepath.Dir(own)
	}
	return own, checkDelegated(filepath.Join(point, own))
}

// parseOwnCgroup reads the line of version 2 in /proc/PID/cgroup.
func parseOwnCgroup(file string) (path string, ok bool) {
	for line := range strings.Lines(file) {
		if path, ok = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			// One outside of the cgroup namespace begins with "/..".
			return path, filepath.IsAbs(path) && !strings.HasPrefix(path, "/..")
		}
	}
	return "", false
}

// checkDelegated fails unless the cgroup may be divided by this process, with all that bounds a box.
func checkDelegated(dir string) error {
	refused := keptBySystemd(dir)
	for _, name := range []string{".", "cgroup.procs", "cgroup.subtree_control"} {
		refused = refused || unix.Access(filepath.Join(dir, name), unix.W_OK) != nil
	}
	if refused {
		return fmt.Errorf("the cgroup of this process, %s, is not delegated to its user: %s", dir, delegateHint)
	}
	missing, err := lacking(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("the cgroup %s was delegated without %s: as root, put \"[Service]\" and \"Delegate=yes\" into "+
			"/etc/systemd/system/user@.service.d/delegate.conf, type systemctl daemon-reload, and log in again", dir, strings.Join(missing, ", "))
	}
	return nil
}

// keptBySystemd reports whether a cgroup is a unit's that was not delegated. A user may write to those of the
// user's own manager, which would take controllers away under a living box. systemd marks both since version 251.
func keptBySystemd(dir string) bool {
	var mark [64]byte
	if _, err := unix.Getxattr(dir, "user.invocation_id", mark[:]); err != nil {
		return false
	}
	n, err := unix.Getxattr(dir, "user.delegate", mark[:])
	return err != nil || string(mark[:n]) != "1"
}

// lacking returns the controllers that a list in a file lacks.
func lacking(file string) ([]string, error) {
	text, err := cgroup.Read(file)
	if err != nil {
		return nil, err
	}
	there := strings.Fields(text)
	return slices.DeleteFunc(slices.Clone(delegatedControllers), func(c string) bool { return slices.Contains(there, c) }), nil
}

// evacuations is how often it is tried to empty a cgroup in which processes start others meanwhile.
const evacuations = 100

// divide gives the cgroups in a delegated one its controllers. Every process in it moves into its leaf: this
// one, and whatever else was started in it. Several processes may do so at once.
func divide(dir string) error {
	control := filepath.Join(dir, "cgroup.subtree_control")
	missing, err := lacking(control)
	if err != nil || len(missing) == 0 {
		return err
	}
	enable := "+" + strings.Join(missing, " +")
	for range evacuations {
		if err = evacuate(dir); err != nil {
			break
		}
		if err = os.WriteFile(control, []byte(enable), 0); !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("oci: the cgroup %s cannot be divided: %w", dir, err)
	}
	return nil
}

func evacuate(dir string) error {
	pids, err := readPIDs(filepath.Join(dir, "cgroup.procs"))
	if err != nil || len(pids) == 0 {
		return err
	}
	leaf := filepath.Join(dir, leafName)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for pid := range pids {
		err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), fmt.Append(nil, pid), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
			return err
		}
	}
	return nil
}
