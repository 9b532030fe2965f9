//go:build linux

// Package guise is how a program that is no runner passes for one: its ready frame. The hostile runner of the drivers' tests
// and the audit's probe share it.
package guise

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"glovebox/image/seal"
	"glovebox/internal/procfs"
	"glovebox/internal/protocol"
)

// Ready makes the ready frame. What the box is, it tells as it is; of the self-seal, which this runner
// does not have, it lies: a mode of 2 and one filter more than there is.
func Ready() (protocol.Ready, error) {
	ready, err := seal.Observe()
	ready.Seccomp, ready.FDs = 2, []string{} // the runtime's own may be among them: this runner has begun already
	if ready.SeccompFilters >= 0 {
		ready.SeccompFilters++
	}
	return ready, err
}

// Interfaces names the network interfaces: the profile allows no socket to ask with.
func Interfaces() []string {
	names, _ := procfs.Interfaces(procfs.Self)
	return names
}

// CanCreate reports whether a file can be made in a directory; it leaves none.
func CanCreate(dir string) bool {
	path := filepath.Join(dir, "hostile")
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	_ = unix.Unlink(path)
	return true
}
