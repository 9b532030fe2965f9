package quota

import (
	"context"
	"slices"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// WithDefaults returns the request with every field that was not given set to its default (see [api.Request.WithDefaults]), or to
// the ceiling of the tenant in ctx where that is lower. What was given is as it was: [Guard.Execute] refuses what is beyond.
func WithDefaults(ctx context.Context, r api.Request) api.Request {
	filled := r.WithDefaults()
	t, ok := tenant.FromContext(ctx)
	if !ok {
		return filled
	}
	q := t.Quota
	filled.TimeoutSeconds = lowered(r.TimeoutSeconds, filled.TimeoutSeconds, q.TimeoutSeconds)
	filled.MemoryLimitMB = lowered(r.MemoryLimitMB, filled.MemoryLimitMB, q.MemoryLimitMB)
	filled.CPUs = lowered(r.CPUs, filled.CPUs, q.CPUs)
	return filled
}

func lowered[T int | float64](given, otherwise *T, ceiling T) *T {
	if given == nil && ceiling > 0 && ceiling < *otherwise {
		return &ceiling
	}
	return otherwise
}

// Check returns an *[Error] where a request, with its defaults, asks for more than the tenant in ctx may ask for in one. It is
// for those who want to know before they ask an executor, which makes the same check.
func Check(ctx context.Context, r api.Request) error {
	if t, ok := tenant.FromContext(ctx); ok {
		return check(t.Quota, r)
	}
	return nil
}

func check(q tenant.Quota, r api.Request) error {
	for _, c := range []struct {
		quota, field    string
		ceiling, wanted float64
	}{
		{"codeBytes", "code", float64(q.CodeBytes), float64(len(r.Code))},
		{"inputBytes", "inputData", float64(q.InputBytes), float64(len(r.InputData))},
		{"timeoutSeconds", "timeoutSeconds", q.TimeoutSeconds, *r.TimeoutSeconds},
		{"memoryLimitMB", "memoryLimitMB", float64(q.MemoryLimitMB), float64(*r.MemoryLimitMB)},
		{"cpus", "cpus", q.CPUs, *r.CPUs},
	} {
		if c.ceiling > 0 && c.wanted > c.ceiling {
			return &Error{Quota: c.quota, Field: c.field, Limit: &c.ceiling, Used: &c.wanted, Forbidden: true}
		}
	}
	if q.Languages != nil && !slices.Contains(q.Languages, r.Language) {
		allowed := []string{}
		for _, language := range q.Languages {
			allowed = append(allowed, string(language))
		}
		return &Error{Quota: "languages", Field: "language", Allowed: allowed, Forbidden: true, detail: "and not " + string(r.Language)}
	}
	return nil
}
