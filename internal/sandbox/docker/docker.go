// Package docker is the driver for Docker Engine: any daemon with API 1.41 or newer that DOCKER_HOST
// names, and any runtime that it knows (runc, crun, gVisor's runsc).
//
// The daemon is trusted, as whoever reaches its socket is root on its host. What runs in a box is not:
// all that comes from there is the bytes of two streams.
//
// Where the daemon runs beside us and we are root, each box's cgroup lies within one of ours (see
// hold): its counters outlive the box, and it can be killed without asking the daemon, which may be
// slow. Elsewhere the daemon is asked for both.
package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/moby/moby/client"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

// Bounds on what is asked of a daemon, far beyond what was measured. What a caller's own end must not
// cut short, since something would be left behind, is bounded by these alone.
const (
	createLimit = 30 * time.Second
	removeLimit = 15 * time.Second
)

// Config is what a Driver needs.
type Config struct {
	// Image is the one image that boxes run.
	Image *runnerimage.Image
	// State is where the ids of boxes are claimed.
	State *sandbox.State
	// Runtime is the runtime that [Driver.Spec] names; "" is the best that the daemon has.
	Runtime string
	// Log is told of what is wrong and does not matter to a caller; nil is nobody.
	Log *slog.Logger
}

// A Driver makes boxes on a Docker daemon. It is safe for concurrent use.
type Driver struct {
	client   *client.Client
	image    *runnerimage.Image
	imageRef string // what the daemon calls it
	state    *sandbox.State
	info     Info
	runtime  string
	version  string // the runtime's
	cgroups  *cgroupFS
	pidNS    string
	log      *slog.Logger
}

var _ sandbox.Driver = (*Driver)(nil)

// New connects to the daemon, and loads the image into it where it is missing. The error wraps
// [ErrNoDaemon] where no daemon answers that could be used.
func New(ctx context.Context, config Config) (*Driver, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	c, err := newClient()
	if err != nil {
		return nil, errors.Join(ErrNoDaemon, err)
	}
	d := &Driver{client: c, image: config.Image, state: config.State, runtime: config.Runtime, log: config.Log}
	if err := d.connect(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return d, nil
}

// connect looks at the daemon and at the image in it at once: each takes tens of milliseconds.
func (d *Driver) connect(ctx context.Context) error {
	if err := ping(ctx, d.client); err != nil {
		return err
	}
	type found struct {
		ref string
		err error
	}
	image := make(chan found, 1)
	go func() {
		ref, err := ensureImage(ctx, d.client, d.image)
		image <- found{ref, err}
	}()
	infoErr := d.learn(ctx)
	got := <-image
	d.imageRef = got.ref
	return errors.Join(infoErr, got.err)
}

// learn finds out what the daemon is, and what it lets us do.
func (d *Driver) learn(ctx context.Context) (err error) {
	if d.pidNS, err = os.Readlink("/proc/self/ns/pid"); err != nil {
		return fmt.Errorf("docker: our own pid namespace: %w", err)
	}
	if d.info, d.runtime, d.version, err = knowDaemon(ctx, d.client, d.state, d.runtime); err != nil {
		return err
	}
	d.info.API = d.client.ClientVersion() // a memo's may be that of a process that was told another
	if err := d.info.Check(); err != nil {
		return err
	}
	if _, ok := d.info.Runtime(d.runtime); !ok {
		return unsupported("Runtime", "the daemon does not know a runtime %q; scripts/docker-setup.sh registers it, or says how", d.runtime)
	}
	if d.info.Local {
		if d.cgroups, err = readCgroupFS(d.info.CgroupVersion); err != nil {
			d.log.Warn("the daemon is local, but its cgroups cannot be seen: it is asked in their place", "error", err)
		}
	}
	return nil
}

// Info returns what the daemon told when the Driver was made.
func (d *Driver) Info() Info { return d.info }

// Spec returns the Spec of a box with every layer in force, on the Driver's image and runtime. What Docker mounts unasked
// and no box has a use for, its terminals and its message queues, is masked besides.
func (d *Driver) Spec() sandbox.Spec {
	spec := sandbox.Sealed(d.image.ID(), d.runtime)
	if sandbox.RuntimeKind(d.runtime) != sandbox.KindRunsc { // which masks nothing
		spec.MaskedPaths = append(spec.MaskedPaths, "/dev/mqueue", "/dev/pts")
	}
	return spec
}

// Warnings says what weakens every box of the Driver's runtime, for people: a runtime below the floor,
// limits that cannot be read back, a gVisor that cannot be used as it is registered, or has privileges on the host.
func (d *Driver) Warnings() []string {
	var warnings []string
	if ok, why := sandbox.CheckFloor(sandbox.RuntimeKind(d.runtime), d.version); !ok {
		warnings = append(warnings, why)
	}
	for _, r := range d.info.Runtimes {
		if weakness := d.info.Weakness(r); weakness != "" && (r.Name == d.runtime || dropsSeccomp(r)) {
			warnings = append(warnings, weakness)
		}
	}
	if d.cgroups == nil {
		warnings = append(warnings, "the Docker daemon's cgroups cannot be seen from here (it is on another host, rootless, or behind a container): "+
			"that limits are in force is its word alone; use a daemon of this host, or --driver oci")
	}
	return warnings
}

// Close ends the connections to the daemon. Boxes go on until they are destroyed.
func (d *Driver) Close() error { return d.client.Close() }

// holds reports whether boxes get a cgroup of ours around theirs. Where systemd owns the cgroups, it
// would have to be asked for one.
func (d *Driver) holds() bool {
	return d.cgroups != nil && d.info.CgroupDriver == "cgroupfs" && !d.info.Rootless && os.Geteuid() == 0
}

// Create implements [sandbox.Driver].
func (d *Driver) Create(ctx context.Context, spec sandbox.Spec, limits sandbox.Limits) (sandbox.Box, error) {
	if err := d.check(spec, limits); err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	claim, err := d.state.Claim(id, driverName, spec.UIDs)
	if err != nil {
		return nil, err
	}
	b := &box{driver: d, claim: claim, name: containerName(id), exited: make(chan struct{}), waited: make(chan struct{}), gone: make(chan struct{}), asked: make(chan struct{})}
	made, err := b.create(ctx, spec, limits)
	if err == nil {
		return made, nil
	}
	// What is left behind is removed also where the caller's time is up.
	removeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
	defer cancel()
	return nil, errors.Join(err, b.Remove(removeCtx))
}

// check refuses what cannot be put in force before anything is made.
func (d *Driver) check(spec sandbox.Spec, limits sandbox.Limits) error {
	ids := sandbox.IDs{Root: spec.UIDs.First, Box: spec.UIDs.First + 1}
	_, err := translate(spec, limits, d.info, d.image, boxParams{ids: ids})
	return err
}

func newID() (string, error) {
	var id [10]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(id[:]), nil
}

func (d *Driver) isolation(spec sandbox.Spec, userNS bool) api.Isolation {
	isolation := api.Isolation{
		Driver: driverName, Runtime: spec.Runtime, Image: spec.ImageID,
		UserNamespace: userNS, Layers: sandbox.Layers(spec, userNS),
	}
	if spec.Runtime == d.runtime {
		isolation.RuntimeVersion = d.version
	}
	if spec.Seccomp != nil {
		isolation.Seccomp = spec.Seccomp.Digest()
	}
	return isolation
}
