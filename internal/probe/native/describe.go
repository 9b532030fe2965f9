package native

import (
	"context"
	"fmt"

	"glovebox/api"
	"glovebox/internal/probe"
	"glovebox/internal/probe/plan"
)

// Describe makes one box on a target, tries nothing in it, and returns what its driver says is in force there.
func Describe(ctx context.Context, target probe.Target) (api.Isolation, error) {
	a, err := newAudit(target)
	if err != nil {
		return api.Isolation{}, err
	}
	result, err := a.job(ctx, job{timeout: usualDeadline}, func(plan.Event) {})
	if err != nil {
		return api.Isolation{}, err
	}
	if !result.Success {
		return api.Isolation{}, fmt.Errorf("probe: an idle box ended as %s: %s", result.ResultCode, message(result))
	}
	return result.Isolation, nil
}
