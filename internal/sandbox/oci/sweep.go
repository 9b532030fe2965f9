package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
)

// Sweep implements [sandbox.Driver]. It needs no runtime: a box is its cgroup, its directory and its
// claim, and has no mount that its processes do not take with them.
func (d *Driver) Sweep(ctx context.Context) (sandbox.Swept, error) {
	var swept sandbox.Swept
	// One at a time: a claim that two sweeps release might have gone to a new box in between.
	unlock, err := d.lockSweep(ctx)
	if err != nil {
		return swept, err
	}
	defer unlock()
	orphans, err := d.state.Orphans(driverName)
	errs := []error{err, d.state.Sweep()}
	for _, orphan := range orphans {
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
		if err := d.sweepBox(ctx, orphan); err != nil {
			errs = append(errs, fmt.Errorf("oci: sweep of box %s: %w", orphan.ID, err))
			continue
		}
		swept.Boxes = append(swept.Boxes, orphan.ID)
	}
	errs = append(errs, d.rootfs.sweep())
	return swept, errors.Join(errs...)
}

func (d *Driver) sweepBox(ctx context.Context, orphan *sandbox.Claim) error {
	groups, err := d.hierarchies()
	if err != nil {
		return err
	}
	dir := d.state.Path(driverName, orphan.ID)
	if groups.base, err = baseOf(dir, groups.base); err != nil {
		return err
	}
	group := groupOf(groups, orphan.ID)
	if err := endRuntimes(ctx, rootOf(dir)); err != nil {
		return err
	}
	if err := group.kill(ctx); err != nil {
		return err
	}
	for _, s := range inherited(processesFile(dir)) {
		if err := reapInherited(ctx, s); err != nil {
			return err
		}
	}
	return dismantle(ctx, group, dir, orphan)
}

// baseOf returns the cgroup that holds that of a box: its owner may have been in another delegated cgroup
// than this process is. Without a bundle no runtime was called, and there is no cgroup.
func baseOf(dir, otherwise string) (string, error) {
	body, err := os.ReadFile(filepath.Join(dir, configName))
	if errors.Is(err, fs.ErrNotExist) {
		return otherwise, nil
	}
	if err != nil {
		return "", err
	}
	var config struct{ Linux struct{ CgroupsPath string } }
	if json.Unmarshal(body, &config) != nil || config.Linux.CgroupsPath == "" {
		return otherwise, nil // cut off, as its writer was
	}
	return filepath.Dir(config.Linux.CgroupsPath), nil
}

// reapInherited ends a child that was the orphan's owner's, and what it has left in its process group:
// the runtimes lead one.
func reapInherited(ctx context.Context, s sighting) error {
	p, err := watch(s.pid)
	if err != nil {
		return err
	}
	p.kill()
	select {
	case <-p.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	reapGroup(s.pid)
	return nil
}

// lockSweep waits until no other process sweeps.
func (d *Driver) lockSweep(ctx context.Context) (unlock func(), err error) {
	lock, err := os.OpenFile(d.state.Path(driverName, "sweep.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("oci: %w", err)
	}
	for {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = pause(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return nil, fmt.Errorf("oci: sweep: %w", errors.Join(err, lock.Close()))
		}
		return func() { _ = lock.Close() }, nil
	}
}
