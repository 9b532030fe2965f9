package docker

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// isLocal reports whether the daemon at host shares our namespaces, so that the pids, cgroups and
// paths that it names are the ones that we see. A socket alone does not tell: it may have been mounted
// into a container, or lead to another machine.
func isLocal(host string) bool {
	pid, err := socketOwner(host)
	if err != nil || pid <= 0 {
		return false
	}
	for _, ns := range []string{"pid", "cgroup", "mnt"} {
		ours, err := os.Readlink("/proc/self/ns/" + ns)
		if err != nil {
			return false
		}
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns)); err != nil || its != ours {
			return false
		}
	}
	return true
}

// socketOwner returns the pid, as we see it, of the process that listens on the daemon's socket (or
// that of the init that opened it for the daemon). 0 means that we cannot see it.
func socketOwner(host string) (int, error) {
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return 0, nil
	}
	conn, err := (&net.Dialer{Timeout: probeLimit}).DialContext(context.Background(), "unix", path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Pid), nil
}
