// Package oci is the driver without a daemon: it writes an OCI bundle and has runc, crun or gVisor's
// runsc start it.
//
// No process of the runtime stays beside a box. The runtime detaches, and the box's process becomes a
// child of this process, which is made a subreaper for it: so its end is known the moment it comes, with
// the signal that brought it, and its cgroup with the counters lives until the box is removed. Killing and
// removing is done by hand, through the cgroup: it takes a few milliseconds, needs no runtime, and
// works as well for a box whose owner was killed.
package oci

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

// Config is what a Driver is made from. Image, State, Runtime and Log are required.
type Config struct {
	Image   *runnerimage.Image
	State   *sandbox.State
	Runtime Runtime // as [FindRuntimes] or [Inspect] found it
	Log     *slog.Logger
	// RootfsDir is where the boxes' shared root file system is kept; it is made where it is missing.
	// "" is the state directory's path with "-rootfs" behind it: not within, since a box in a user
	// namespace could not pass through a directory of mode 0700. For root it is /var/lib/glovebox-rootfs where no program may be run
	// from there, as with a /run that is mounted noexec.
	RootfsDir string
}

// A Driver makes boxes with one OCI runtime. It is safe for concurrent use.
type Driver struct {
	image   *runnerimage.Image
	state   *sandbox.State
	runtime Runtime
	log     *slog.Logger
	rootfs  rootfs
	user    *rootless              // whose boxes they are, unless they are root's
	noUsers string                 // why there is no user namespace to be had, or ""
	checked atomic.Pointer[string] // what the root file system looked like when every byte of it had been checked
}

var _ sandbox.Driver = (*Driver)(nil)

// New returns a driver once the host has what it needs: an error says what is missing, and what to type.
// It makes this process a child subreaper: a process that a child of ours leaves behind becomes a child
// of ours.
func New(cfg Config) (*Driver, error) {
	if cfg.Image == nil || cfg.State == nil || cfg.Log == nil || cfg.Runtime.Path == "" {
		return nil, errors.New("oci: Config lacks Image, State, Runtime or Log")
	}
	groups, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	if err := checkHost(cfg.Runtime, groups); err != nil {
		return nil, err
	}
	var user *rootless
	if os.Geteuid() != 0 {
		found, err := findRootless(cfg.Runtime, groups)
		if err != nil {
			return nil, err
		}
		if err := divide(filepath.Join(groups.unified, found.base)); err != nil {
			return nil, err
		}
		user = &found
	}
	rootfsDirs := []string{cfg.RootfsDir}
	if cfg.RootfsDir == "" {
		rootfsDirs[0] = cfg.State.Path() + "-rootfs"
		if user == nil {
			rootfsDirs = append(rootfsDirs, rootfsElsewhere)
		}
	}
	rootfsDir, why, err := executableDir(rootfsDirs...)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		image: cfg.Image, state: cfg.State, runtime: cfg.Runtime, log: cfg.Log, user: user,
		rootfs: rootfsOf(rootfsDir, cfg.State.Path(driverName, "rootfs.stamp"), cfg.Image),
	}
	if err := os.MkdirAll(d.state.Path(driverName), 0o700); err != nil {
		return nil, fmt.Errorf("oci: %w", err)
	}
	print, err := d.rootfs.prepare()
	if err != nil && why != "" {
		err = fmt.Errorf("%w (and %s)", err, why)
	}
	if err != nil {
		return nil, err
	}
	d.checked.Store(&print)
	if err := d.rootfs.take(); err != nil {
		return nil, err
	}
	if user == nil { // else root in a box is its user, who may pass
		d.noUsers = noUserNamespace(d.rootfs.path)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("oci: subreaper: %w", err)
	}
	return d, nil
}

// removeLimit bounds the clean-up of a box that did not come to be.
const removeLimit = 10 * time.Second

// Create implements [sandbox.Driver].
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec, limits sandbox.Limits) (sandbox.Box, error) {
	userns, err := d.accept(spec)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	c, err := d.claim(spec, boundsOf(spec.Overhead, limits), userns)
	if err != nil {
		return nil, err
	}
	stdio, err := c.start(ctx)
	if err != nil {
		return nil, errors.Join(err, c.removeAfter(ctx))
	}
	return sandbox.Open(ctx, c, stdio, spec, limits, c.expect(), d.isolation(spec, userns))
}

// Spec returns the Spec of a sealed box, with ids that this process's user may give.
func (d *Driver) Spec() sandbox.Spec {
	spec := sandbox.Sealed(d.image.BinaryDigest(), string(d.runtime.Kind))
	if d.user != nil {
		spec.UserNamespace, spec.UIDs = sandbox.UserNamespaceRequired, d.user.ids
	}
	return spec
}

// hierarchies finds the host's cgroups, which may change in the life of a service.
func (d *Driver) hierarchies() (hierarchies, error) {
	groups, err := findHierarchies()
	if d.user != nil {
		groups.base = d.user.base
	}
	return groups, err
}

// accept refuses what this driver has not got, and says whether the box gets a user namespace.
func (d *Driver) accept(spec sandbox.Spec) (userns bool, err error) {
	if spec.ImageID != d.image.BinaryDigest() {
		return false, unsupported("ImageID", "this driver holds the image %s and no other", d.image.BinaryDigest())
	}
	if kind := sandbox.RuntimeKind(spec.Runtime); kind != d.runtime.Kind {
		return false, unsupported("Runtime", "this driver runs %s; make one for %q", d.runtime.Path, spec.Runtime)
	}
	if d.user != nil && !d.user.holds(spec.UIDs) {
		return false, unsupported("UIDs", "%+v is not within the subordinate ids of uid %d, %+v", spec.UIDs, d.user.uid, d.user.ids)
	}
	switch spec.UserNamespace {
	case sandbox.UserNamespaceOff:
		if d.user != nil {
			return false, unsupported("UserNamespace", "without root there is no box without a user namespace")
		}
		return false, nil
	case sandbox.UserNamespaceAuto:
		return d.noUsers == "", nil
	case sandbox.UserNamespaceRequired:
		if d.noUsers != "" {
			return false, unsupported("UserNamespace", "%s", d.noUsers)
		}
		return true, nil
	}
	return false, unsupported("UserNamespace", "%q is none of auto, required and off", spec.UserNamespace)
}

// UserNamespaces returns nil where boxes get a user namespace, and otherwise why they do not, with what to
// do about it.
func (d *Driver) UserNamespaces() error {
	if d.noUsers == "" {
		return nil
	}
	return errors.New(d.noUsers)
}

// claim reserves a box's ids and its directory.
func (d *Driver) claim(spec sandbox.Spec, bounds bounds, userns bool) (*container, error) {
	groups, err := d.hierarchies()
	if err != nil {
		return nil, err
	}
	if !d.rootfs.present() {
		print, err := d.rootfs.prepare()
		if err != nil {
			return nil, err
		}
		d.checked.Store(&print)
	}
	id, err := newID(d.state)
	if err != nil {
		return nil, err
	}
	claim, err := d.state.Claim(id, driverName, spec.UIDs)
	if err != nil {
		return nil, err
	}
	group := groupOf(groups, id)
	return &container{
		claim: claim, group: group, overhead: spec.Overhead, dir: d.state.Path(driverName, id),
		runtime: d.runtime, spec: spec, image: d.image.BinaryDigest(), rootfs: d.rootfs, checked: *d.checked.Load(),
		bundle: bundle{
			kind: d.runtime.Kind, rootfs: d.rootfs.path, cgroupPath: group.path(), owner: d.state.Owner().String(),
			ids: claim.IDs, userns: userns, user: d.user, unified: groups.isV2(), swapLimited: groups.swapAccounting(), bounds: bounds,
		},
	}, nil
}

// newID returns a box's name, unlike any other on this host.
func newID(state *sandbox.State) (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("oci: %w", err)
	}
	return stateTag(state.Path()) + hex.EncodeToString(random[:]), nil
}

// stateTag begins the names of all boxes of one state directory: on a host with several, whose a cgroup is
// can be told.
func stateTag(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:4])
}

func (d *Driver) isolation(spec sandbox.Spec, userns bool) api.Isolation {
	isolation := api.Isolation{
		Driver: driverName, Runtime: string(d.runtime.Kind), RuntimeVersion: d.runtime.Version, Image: d.image.BinaryDigest(),
		UserNamespace: userns, Layers: sandbox.Layers(spec, userns),
	}
	if spec.Seccomp != nil {
		isolation.Seccomp = spec.Seccomp.Digest()
	}
	return isolation
}

// configName is what the runtime specification calls a bundle's file.
const configName = "config.json"

// writeBundle makes the box's directory with its config.json.
func (c *container) writeBundle(config *specs.Spec) error {
	body, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	for _, dir := range []string{c.dir, c.root()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("oci: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.dir, configName), body, 0o600); err != nil {
		return fmt.Errorf("oci: %w", err)
	}
	return nil
}
