package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/internal/sandbox"
)

// Sweep implements [sandbox.Driver].
func (d *Driver) Sweep(ctx context.Context) (sandbox.Swept, error) {
	var swept sandbox.Swept
	// Claims are read first: a box that is claimed later is no orphan of now.
	claims, claimsErr := d.state.Orphans(driverName)
	list, err := d.client.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", sandbox.OwnerLabel),
	})
	if err != nil {
		return swept, errors.Join(claimsErr, fmt.Errorf("docker: list: %w", err))
	}
	errs := []error{claimsErr, d.state.Sweep()}
	for _, c := range list.Items {
		id, dead, err := d.orphan(c)
		if err == nil && dead {
			_, err = removeContainer(ctx, d.client, c.ID)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !dead {
			continue
		}
		swept.Boxes = append(swept.Boxes, id)
		if err := d.sweepRest(ctx, id); err != nil {
			errs = append(errs, err)
		}
	}
	for _, claim := range claims {
		if err := d.sweepClaim(ctx, claim); err != nil {
			errs = append(errs, err)
			continue
		}
		if !slices.Contains(swept.Boxes, claim.ID) {
			swept.Boxes = append(swept.Boxes, claim.ID)
		}
	}
	errs = append(errs, d.sweepImages(ctx))
	return swept, errors.Join(errs...)
}

// orphan reports whether the owner of a container has died. Where that cannot be known it has not.
func (d *Driver) orphan(c container.Summary) (id string, dead bool, err error) {
	owner, err := sandbox.ParseOwner(c.Labels[sandbox.OwnerLabel])
	if err != nil {
		return "", false, fmt.Errorf("docker: container %.12s: %w: it is left alone", c.ID, err)
	}
	ours := d.state.Owner()
	if owner.Boot != ours.Boot {
		// An owner of an earlier boot of this host, or a living one on another host.
		return c.Labels[labelBox], d.info.Local, nil
	}
	if c.Labels[labelPIDs] != d.pidNS {
		return "", false, nil // its pid means another process there
	}
	return c.Labels[labelBox], !owner.Alive(), nil
}

// sweepRest removes what a box leaves beside its container.
func (d *Driver) sweepRest(ctx context.Context, id string) error {
	if !validID(id) || d.cgroups == nil {
		return nil
	}
	return d.cgroups.remove(ctx, holdPath(id))
}

// validID keeps a label that anybody with a socket can write from naming another cgroup.
func validID(id string) bool {
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return id != ""
}

// settleLimit is how long after its claim a container may appear whose owner was killed while it asked
// for it: a daemon goes on when its client has gone.
const settleLimit = 3 * time.Second

// sweepClaim releases a dead owner's claim once its container, if there ever was one, is gone.
func (d *Driver) sweepClaim(ctx context.Context, claim *sandbox.Claim) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// Before the look for its container, or that might come between the two.
		age, held := claim.Age()
		settled := !held || age > settleLimit
		found, err := removeContainer(ctx, d.client, containerName(claim.ID))
		if err != nil {
			return err
		}
		if found || settled {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("docker: sweep of box %s: %w", claim.ID, context.Cause(ctx))
		case <-tick.C:
		}
	}
	if err := d.sweepRest(ctx, claim.ID); err != nil {
		return err
	}
	return claim.Release()
}
