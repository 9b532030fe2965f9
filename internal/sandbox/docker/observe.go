package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/api"
	"glovebox/internal/procfs"
	"glovebox/internal/sandbox"
)

// expect is what the box should be, beside what its Spec says.
func (b *box) expect(spec sandbox.Spec, p plan) sandbox.Expect {
	writable := sandbox.Mounted{Writable: true}
	expect := sandbox.Expect{
		UID: p.uid, GID: p.uid, Env: []string{"PATH", "HOSTNAME", "HOME"},
		PIDOne: p.options.HostConfig.PidMode == "",
		// The daemon's own: what is writable among them is root's, and nobody is root in a box.
		Mounts: map[string]sandbox.Mounted{
			"/dev": writable, "/dev/pts": writable, "/dev/mqueue": writable, "/dev/shm": writable,
			"/etc/hostname": writable, "/etc/hosts": writable, "/etc/resolv.conf": writable,
		},
	}
	if !p.userNS {
		expect.HostID = p.uid
	}
	if r, ok := b.driver.info.Runtime(spec.Runtime); ok {
		expect.BareKernel = hasBareKernel(r)
	}
	const sys = "/sys" // which a Spec may leave unmasked, with the cgroups below it
	expect.Mounts[sys] = sandbox.Mounted{Writable: true, Below: true}
	for _, path := range spec.MaskedPaths {
		expect.Mounts[path] = writable // a /dev/null, bound
	}
	for path := range p.options.HostConfig.Tmpfs {
		expect.Mounts[path] = sandbox.Mounted{}
	}
	return expect
}

// ask has the daemon tell of the container, once it has started, and begins to watch its process. The runner starts
// meanwhile.
func (b *box) ask(ctx context.Context, spec sandbox.Spec, p plan) {
	defer close(b.asked)
	ctx, cancel := context.WithTimeout(ctx, createLimit)
	defer cancel()
	got, err := b.driver.client.ContainerInspect(ctx, b.name, client.ContainerInspectOptions{})
	if err != nil {
		b.askErr = fmt.Errorf("docker: inspect: %w", err)
		return
	}
	b.told = got.Container
	if b.told.State == nil || b.told.State.Pid <= 0 || b.driver.cgroups == nil {
		return // it has died, as Open finds out; or it cannot be seen from here
	}
	b.pid = b.told.State.Pid
	b.askErr = b.follow(spec, p)
}

// follow watches the container's process, and sets what the runtime could not. One that has died cannot be followed, and
// is nothing to be afraid of: Open finds out.
func (b *box) follow(spec sandbox.Spec, p plan) error {
	alive, err := openPidfd(b.pid)
	if err != nil {
		return err
	}
	defer alive.close()
	err = b.meter.follow(b.pid)
	if err == nil {
		if err = sandbox.TightenRlimits(b.pid, b.claim.IDs.Box, p.late); err != nil {
			err = fmt.Errorf("docker: a limit that %s cannot start under could not be set later, as root may; use runc: %w", spec.Runtime, err)
		}
	}
	if err != nil && !alive.ended() {
		return err
	}
	if sandbox.RuntimeKind(spec.Runtime) != sandbox.KindRunsc {
		b.watchStdout(b.pid)
	}
	return b.watch(b.pid)
}

// errNobody is what is told of a box that has no process any more.
var errNobody = errors.New("docker: the box has died")

// Observe implements [sandbox.Container].
func (b *box) Observe(ctx context.Context) (sandbox.Outside, error) {
	select {
	case <-b.asked:
	case <-ctx.Done():
		return sandbox.Outside{}, fmt.Errorf("docker: inspect: %w", context.Cause(ctx))
	}
	if b.askErr != nil {
		return sandbox.Outside{}, b.askErr
	}
	outside := sandbox.Outside{Told: checkInspect(b.plan, b.told)}
	host := b.told.HostConfig
	if host == nil {
		return outside, nil
	}
	outside.Runtime, outside.Image, outside.Seccomp = host.Runtime, b.told.Image, b.profile(host)
	if host.Runtime == b.driver.runtime {
		outside.RuntimeVersion = b.driver.version
	}
	if b.told.Image == b.driver.imageRef { // of which ensureImage has read what it holds
		outside.Image = b.driver.image.ID()
	}
	if b.driver.cgroups == nil {
		const why = "the daemon is elsewhere, or its cgroups are: it is believed"
		outside.Untold = []api.Untold{{Claim: "process", Where: api.Outside, Why: why}, {Claim: "cgroup", Where: api.Outside, Why: why}}
		return outside, nil
	}
	if b.pid == 0 {
		return outside, errNobody
	}
	return outside, b.see(&outside)
}

// see looks at the box's process and its cgroup on this host.
func (b *box) see(outside *sandbox.Outside) error {
	process, err := procfs.Read(procfs.Dir(b.pid))
	if err != nil {
		return fmt.Errorf("docker: the box's process: %w", err)
	}
	outside.Process = &process
	if outside.Cgroup, err = inForce(b.driver.cgroups, b.pid, b.plan.options.HostConfig.CgroupParent); err != nil {
		return err
	}
	if sandbox.RuntimeKind(b.spec.Runtime) == sandbox.KindRunsc && b.spec.Seccomp != nil {
		heeds, err := sentryHeeds(b.pid)
		if err != nil {
			return err
		}
		outside.Told = append(outside.Told, heeds)
	}
	return nil
}

// profile returns the digest of the profile that the daemon holds: the Spec's where it is the same to the byte.
func (b *box) profile(host *container.HostConfig) string {
	const option = "seccomp="
	for _, security := range host.SecurityOpt {
		profile, ok := strings.CutPrefix(security, option)
		switch {
		case !ok:
		case profile == "unconfined":
			return ""
		case b.spec.Seccomp != nil && slices.Contains(b.plan.options.HostConfig.SecurityOpt, security):
			return b.spec.Seccomp.Digest()
		default:
			return "another"
		}
	}
	return "the daemon's own"
}
