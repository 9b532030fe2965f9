package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/internal/sandbox"
)

// Limit implements [sandbox.Container]. Where the box's cgroup is within one of ours, they are written there, of which the
// daemon learns nothing and need not; elsewhere the daemon is asked. After an error the box has the limits it had, or
// others, or some of both: it should be destroyed.
func (b *box) Limit(ctx context.Context, limits sandbox.Limits) (*sandbox.Cgroup, error) {
	memory, cpus, pids, err := resources(b.spec, limits)
	if err != nil {
		return nil, err
	}
	host := *b.plan.options.HostConfig
	if host.Memory == memory && host.NanoCPUs == cpus {
		return b.bounds() // they are in force: nobody has changed them, one hopes
	}
	host.Memory, host.MemorySwap, host.NanoCPUs, host.PidsLimit = memory, memory, cpus, &pids
	want := b.plan
	want.options.HostConfig = &host
	if b.meter.hold != nil && b.pid > 0 {
		err = b.limitHere(ctx, want)
	} else {
		err = b.limitByDaemon(ctx, want)
	}
	if err != nil {
		return nil, err
	}
	b.plan = want
	return b.bounds()
}

// bounds reads back what bounds the box; nil where this host cannot see it.
func (b *box) bounds() (*sandbox.Cgroup, error) {
	if b.pid == 0 {
		return nil, nil
	}
	return inForce(b.driver.cgroups, b.pid, b.plan.options.HostConfig.CgroupParent)
}

// limitByDaemon asks the daemon, which writes the leaf's files through the runtime or systemd.
func (b *box) limitByDaemon(ctx context.Context, want plan) error {
	ctx, cancel := context.WithTimeout(ctx, createLimit)
	defer cancel()
	host := want.options.HostConfig
	_, err := b.driver.client.ContainerUpdate(ctx, b.name, client.ContainerUpdateOptions{
		Resources: &container.Resources{Memory: host.Memory, MemorySwap: host.MemorySwap, NanoCPUs: host.NanoCPUs},
	})
	if err != nil {
		return fmt.Errorf("docker: update: %w", err)
	}
	got, err := b.driver.client.ContainerInspect(ctx, b.name, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("docker: inspect: %w", err)
	}
	if err := sandbox.Compare(checkInspect(want, got.Container)); err != nil {
		return err
	}
	if got.Container.State == nil || !got.Container.State.Running {
		return errNobody
	}
	return nil
}

// limitHere writes the files of the box's cgroup, and those of ours around it.
func (b *box) limitHere(ctx context.Context, want plan) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	h, host := b.meter.hold, want.options.HostConfig
	leaf, err := h.leafOf(b.pid)
	if err == nil {
		err = h.limit(leaf, host.Memory, host.NanoCPUs)
	}
	if err != nil {
		return fmt.Errorf("docker: a limit cannot be set: %w", err)
	}
	return h.check(host.Memory)
}

// Weight has the box get only the CPU that nobody else on the host wants, or as much as anybody gets, and reads back
// which. The quota holds beside it. Where the box's cgroup is the daemon's there is no such setting: a weight counts
// among the containers alone, all of which together weigh as much as anybody. It is called by one at a time.
func (b *box) Weight(ctx context.Context, idle bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if b.meter.hold == nil {
		return errors.New("docker: the weight of a box's CPU cannot be set: its cgroup is not ours but the daemon's (which is elsewhere, " +
			"rootless, has systemd keep its cgroups, or is of another user)")
	}
	if err := b.meter.hold.weigh(idle); err != nil {
		return fmt.Errorf("docker: the weight of a box's CPU: %w", err)
	}
	return nil
}

// leafOf returns the container's cgroup, which is within the hold in every tree that limits it.
func (h *hold) leafOf(pid int) (string, error) {
	leaf, err := h.fs.of(pid, "memory")
	if err != nil {
		return "", err
	}
	cpu, err := h.fs.of(pid, "cpu")
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(leaf, h.path+"/") || cpu != leaf {
		return "", fmt.Errorf("the container is in the cgroups %q and %q, not in one below %q", leaf, cpu, h.path)
	}
	return leaf, nil
}

// limit writes the memory, in bytes, and the billionths of a processor. Ours stays below the container's all the time.
func (h *hold) limit(leaf string, memory, cpus int64) error {
	const period = 100_000 // microseconds, as the daemon has it
	quota := strconv.FormatInt(cpus*period/1e9, 10)
	bytes := strconv.FormatInt(memory, 10)
	if h.fs.v2 {
		// The kernel would kill what no longer fits.
		if used, err := h.fs.group(leaf).Number("memory", "memory.current"); err != nil || used > memory {
			return errors.Join(fmt.Errorf("the box holds %d bytes: it cannot be limited to %d", used, memory), err)
		}
		return errors.Join(h.fs.group(leaf).Write("memory", "memory.max", bytes),
			h.fs.group(leaf).Write("cpu", "cpu.max", fmt.Sprintf("%s %d", quota, period)))
	}
	now, err := h.fs.group(leaf).Number("memory", "memory.limit_in_bytes")
	if err != nil {
		return err
	}
	// Memory and swap together may never be less than memory alone.
	steps := []func() error{
		func() error {
			return h.fs.group(h.path).Write("memory", "memory.limit_in_bytes", strconv.FormatInt(memory-holdMargin, 10))
		},
		func() error { return h.fs.group(leaf).Write("memory", "memory.limit_in_bytes", bytes) },
		func() error {
			err := h.fs.group(leaf).Write("memory", "memory.memsw.limit_in_bytes", bytes)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // as limitsIn judges
			}
			return err
		},
	}
	if memory > now {
		steps[0], steps[2] = steps[2], steps[0]
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return errors.Join(h.fs.group(leaf).Write("cpu", "cpu.cfs_period_us", strconv.Itoa(period)), h.fs.group(leaf).Write("cpu", "cpu.cfs_quota_us", quota))
}

// check reads back our own limit, for a container of so much memory.
func (h *hold) check(memory int64) error {
	if h.fs.v2 {
		return nil
	}
	want := memory - holdMargin
	const page = 64 << 10 // the kernel rounds down to a page, of at most this size
	if got, err := h.fs.group(h.path).Number("memory", "memory.limit_in_bytes"); err != nil || got > want || got <= want-page {
		return errors.Join(fmt.Errorf("docker: the cgroup around a box is limited to %d bytes, not %d", got, want), err)
	}
	return nil
}

// weigh gives the cgroup the least of the CPU there is, or its usual weight back.
func (h *hold) weigh(idle bool) error { return h.fs.group(h.path).Weigh(idle) }
