package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

// Limit implements [sandbox.Container]. After an error the box has the limits it had, or others, or some of both: it should
// be destroyed.
func (c *container) Limit(ctx context.Context, limits sandbox.Limits) (*sandbox.Cgroup, error) {
	c.mu.Lock()
	main := c.main
	c.mu.Unlock()
	if main == nil {
		return nil, errNotStarted
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if want := boundsOf(c.overhead, limits); want != c.bundle.bounds {
		if err := c.group.limit(want); err != nil {
			return nil, err
		}
		c.bundle.bounds = want
	}
	got, err := c.group.inForce(main.pid)
	if err == nil && !got.Holds && hasEnded(main.pid) {
		return nil, errEnded
	}
	return got, err
}

var errEnded = errors.New("oci: the box died before its job")

// Weight has the box get only the CPU that nobody else on the host wants, or as much as anybody gets, and reads back
// which. The quota holds beside it. It is called by one at a time.
func (c *container) Weight(ctx context.Context, idle bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return c.group.weigh(idle)
}

// limit writes the memory and the quota. The number of processes is the Spec's, and stays.
func (g group) limit(want bounds) error {
	memory, quota := strconv.FormatInt(want.memory, 10), strconv.FormatInt(want.cpuQuota, 10)
	if g.isV2() {
		// The kernel would kill what no longer fits.
		if used, err := cgroup.Number(g.file("", "memory.current")); err != nil || used > want.memory {
			return errors.Join(fmt.Errorf("oci: the box holds %d bytes: it cannot be limited to %d", used, want.memory), err)
		}
		return errors.Join(g.write("", "memory.max", memory), g.write("", "cpu.max", quota+" "+strconv.Itoa(cpuPeriod)))
	}
	// Memory and swap together may never be less than memory alone.
	order := []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}
	now, err := cgroup.Number(g.file("memory", order[0]))
	if err != nil {
		return fmt.Errorf("oci: a limit cannot be read: %w", err)
	}
	if want.memory > now {
		order[0], order[1] = order[1], order[0]
	}
	for _, file := range order {
		err := g.write("memory", file, memory)
		if err != nil && !(isSwapFile(file) && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return g.write("cpu", "cpu.cfs_quota_us", quota)
}

// write sets a limit of a cgroup that is there.
func (g group) write(controller, file, value string) error {
	if err := g.files().Write(controller, file, value); err != nil {
		return fmt.Errorf("oci: a limit cannot be set to %s: %w", value, err)
	}
	return nil
}

// weigh gives the cgroup the least of the CPU there is, or its usual weight back.
func (g group) weigh(idle bool) error {
	if err := g.files().Weigh(idle); err != nil {
		return fmt.Errorf("oci: the weight of a box's CPU: %w", err)
	}
	return nil
}
