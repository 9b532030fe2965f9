package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/internal/procfs"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// expect is what the box should be, beside what its Spec says.
func (c *container) expect() sandbox.Expect {
	b := c.bundle
	expect := sandbox.Expect{
		UID: int(b.uid()), GID: int(b.uid()), HostID: b.ids.Box, Env: c.runtime.environment(), PIDOne: true, BareKernel: true,
		Mounts: map[string]sandbox.Mounted{},
	}
	for _, m := range b.mounts() {
		// gVisor's kernel counts file systems of its own.
		expect.Mounts[m.Destination] = sandbox.Mounted{OfRoot: m.Destination == "/dev" && b.kind != sandbox.KindRunsc}
	}
	if b.kind == sandbox.KindRunsc {
		expect.Mounts["/dev/pts"] = sandbox.Mounted{Writable: true} // an empty one of its kernel's own
	}
	if b.userns && b.user == nil { // as a user without privileges sees them, they depend on the user
		uids, _ := b.mappings()
		for _, m := range uids {
			expect.IDMap = append(expect.IDMap, protocol.IDMapping{Inside: m.ContainerID, Outside: m.HostID, Size: m.Size})
		}
	}
	return expect
}

// early is what can be seen of a box as soon as its runtime has started it, and stays as it is. To look costs no time
// then: its runner is still on its way.
type early struct {
	runtime Runtime
	cgroup  *sandbox.Cgroup
	kept    record
	order   []api.Check
	profile string // the digest of that which the runtime has kept
}

func (c *container) look() (s early, err error) {
	if s.runtime, err = c.runtime.now(context.Background()); err != nil {
		return s, err
	}
	if s.cgroup, err = c.group.inForce(c.main.pid); err != nil {
		return s, err
	}
	if s.kept, err = readRecord(c.bundle.kind, c.root(), c.claim.ID); err != nil {
		return s, err
	}
	s.order, s.profile = s.kept.order(c.config), s.kept.profile(c.config, c.spec)
	return s, nil
}

// Observe implements [sandbox.Container]. What the runner's own start changes is looked at now.
func (c *container) Observe(context.Context) (sandbox.Outside, error) {
	outside := sandbox.Outside{
		Runtime: string(c.early.runtime.Kind), RuntimeVersion: c.early.runtime.Version, Cgroup: c.early.cgroup, Seccomp: c.early.profile, Told: append(c.early.order, c.rootSeen()),
	}
	process, err := procfs.Read(procfs.Dir(c.main.pid))
	if err != nil {
		return sandbox.Outside{}, fmt.Errorf("oci: the box's process: %w", err)
	}
	outside.Process = &process
	outside.Image, err = c.imageSeen(c.early.kept)
	return outside, err
}

// rootSeen tells whether the root file system is as it was when every byte of it had been checked.
func (c *container) rootSeen() api.Check {
	check := api.Check{Claim: "root.files", Where: api.Outside, Wanted: "as checked", Seen: "as checked"}
	if now, _ := c.rootfs.fingerprint(); now != c.checked {
		check.Seen = "changed"
	}
	return check
}

// imageSeen returns the digest of what the box runs: of the very file, by its process. That is read again only if it is
// another than the one that was checked. gVisor's process is its kernel, and its order has to do.
func (c *container) imageSeen(kept record) (digest string, err error) {
	runner := filepath.Join(c.rootfs.path, runnerName)
	exe := procfs.Dir(c.main.pid) + "/exe"
	if c.bundle.kind == sandbox.KindRunsc {
		if kept.root == c.rootfs.path && path.Join("/", kept.program) == "/"+runnerName {
			return c.image, nil
		}
		return fmt.Sprintf("%s in %s", kept.program, kept.root), nil
	}
	var ours, its unix.Stat_t
	if err := unix.Stat(exe, &its); err != nil {
		return "", fmt.Errorf("oci: what the box runs: %w", err)
	}
	if err := unix.Lstat(runner, &ours); err == nil && ours.Dev == its.Dev && ours.Ino == its.Ino {
		return c.image, nil
	}
	return digestOf(exe)
}

// mostProgram bounds what is read of a program that is not ours, in bytes.
const mostProgram = 1 << 30

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("oci: what the box runs: %w", err)
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, mostProgram)); err != nil {
		return "", fmt.Errorf("oci: what the box runs: %w", err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}
