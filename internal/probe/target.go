package probe

import (
	"context"
	"errors"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// A Target is where probes are tried: boxes of one Spec on one driver and runtime. Native probes take a driver that
// holds the probe's image, script probes one that holds the runner's.
type Target struct {
	Pair   Pair
	Driver sandbox.Driver
	Spec   sandbox.Spec
}

// boxLimit bounds what a box may take beyond its job: to be made, and to be removed.
const boxLimit = 2 * time.Minute

// Run gives a job to a box of its own, which is gone when it returns. The request has its defaults; onLog gets each
// log as it comes. The error is ours, as that of [sandbox.Box.Run].
func (t Target) Run(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
	limits := sandbox.LimitsOf(request)
	ctx, cancel := context.WithTimeout(ctx, limits.Timeout+boxLimit)
	defer cancel()
	box, err := t.Driver.Create(ctx, t.Spec, limits)
	if err != nil {
		return api.Result{}, err
	}
	result, err := box.Run(ctx, request, onLog)
	removeCtx, stop := context.WithTimeout(context.WithoutCancel(ctx), boxLimit)
	defer stop()
	return result, errors.Join(err, box.Destroy(removeCtx))
}
