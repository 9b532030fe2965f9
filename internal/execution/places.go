package execution

import (
	"context"

	"glovebox/internal/kept"
	"glovebox/internal/logcontext"
	"glovebox/internal/tenant"
)

// item is what wants a place: a record's request.
func (r Record) item() kept.Item {
	return kept.Item{ID: r.ID, Tenant: r.Tenant, Bytes: int64(len(r.Request.Code) + len(r.Request.InputData))}
}

// start runs what an earlier server has accepted: bounds do not count.
func (s *Service) start(r Record, whose tenant.Tenant) {
	l := s.board.Hold(r.item())
	ctx := s.base
	if r.Tenant != "" {
		ctx = logcontext.With(ctx, logcontext.Tenant, r.Tenant)
	}
	if r.Key != "" {
		ctx = logcontext.With(ctx, logcontext.Key, r.Key)
	}
	s.runs.Go(func() { s.run(ctx, r, whose, l, r.CreatedAt) })
}

// tenantOf returns the tenant of an execution that an earlier server has accepted; ok is false where there is none of that id any
// more, so that nobody knows what its script may have.
func (s *Service) tenantOf(ctx context.Context, r Record) (t tenant.Tenant, ok bool, err error) {
	if r.Tenant == "" || s.config.Tenant == nil {
		return tenant.Tenant{ID: r.Tenant}, true, nil
	}
	return s.config.Tenant(ctx, r.Tenant)
}
